"""Services: ClusterIP, headless, NodePort, LoadBalancer, ExternalName; the endpoints that a spec gives them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from netspec.backends.common.namespaces import namespace_id
from netspec.backends.objects import Manifest, manifest, node
from netspec.ir.model import EndpointSlice, Ir, Service, ServicePort
from netspec.plan import ManifestNode
from netspec.target import Balancing

#: What writes EndpointSlices by hand says so: Kubernetes' own controller leaves them alone (discovery/v1).
MANAGED_BY_LABEL = "endpointslice.kubernetes.io/managed-by"


def services(ir: Ir) -> tuple[ManifestNode, ...]:
    """None is waited for: endpoints come with the workloads later in the plan."""
    own = [s for s in ir.services if not s.system]
    slices = {part.service: part for part in ir.slices}
    return (
        *(
            replace(
                node(service_manifest(s, _annotations(ir, s)), *namespace_id(s.namespace), *_after(ir, s), wait=False),
                outlives=ir.traits.balancers_stay and s.type == "LoadBalancer",
            )
            for s in own
        ),
        *(node(slice_manifest(s, slices[s.id]), f"service:{s.id}") for s in own if s.id in slices),
    )


def slice_manifest(service: Service, part: EndpointSlice) -> Manifest:
    """One endpoint an address: clients may look at the first address of an endpoint alone."""
    named = {address for address, _ in part.hostnames}
    rows = [*part.hostnames, *((a, "") for a in part.addresses if a not in named)]
    return manifest(
        "discovery.k8s.io/v1",
        "EndpointSlice",
        f"{service.name}-given",
        service.namespace,
        labels={"kubernetes.io/service-name": service.name, MANAGED_BY_LABEL: "netspec"},
        addressType="IPv4",
        endpoints=[
            {"addresses": [str(address)], "conditions": {"ready": True}} | ({"hostname": name} if name else {})
            for address, name in sorted(rows, key=lambda row: (int(row[0]), row[1]))
        ],
        ports=[{"name": name, "port": number, "protocol": protocol} for name, protocol, number in part.ports],
    )


def _balancing(ir: Ir, service: Service) -> Balancing | None:
    """What gives the Service an address, where that is the stack's choice."""
    balancing = ir.traits.balancing
    is_its = balancing is not None and service.load_balancer_class == balancing.service_class
    return balancing if is_its and service.type == "LoadBalancer" else None


def _annotations(ir: Ir, service: Service) -> Mapping[str, str]:
    balancing = _balancing(ir, service)
    return {} if balancing is None else balancing.annotations


def _after(ir: Ir, service: Service) -> tuple[str, ...]:
    balancing = _balancing(ir, service)
    return () if balancing is None or not balancing.node else (balancing.node,)


def service_manifest(service: Service, annotations: Mapping[str, str] | None = None) -> Manifest:
    spec: dict[str, Any] = {"type": service.type}
    if service.type == "ExternalName":
        spec["externalName"] = service.external_name
        if service.ports:
            spec["ports"] = [_port(p) for p in service.ports]
        return manifest("v1", "Service", service.name, service.namespace, spec=spec)
    if service.headless or service.cluster_ip:
        spec["clusterIP"] = service.cluster_ip or "None"
    if service.selector is not None:
        # A Service selects by equality only (core/v1 ServiceSpec.selector).
        spec["selector"] = dict(service.selector.match_labels)
    if service.ports:
        spec["ports"] = [_port(p) for p in service.ports]
    if service.type in ("NodePort", "LoadBalancer"):
        spec["externalTrafficPolicy"] = service.external_traffic_policy
    if service.external_ips:
        spec["externalIPs"] = list(service.external_ips)
    if service.publish_not_ready:
        spec["publishNotReadyAddresses"] = True
    spec |= service.others
    return manifest("v1", "Service", service.name, service.namespace, annotations=annotations, spec=spec)


def _port(port: ServicePort) -> dict[str, Any]:
    out: dict[str, Any] = {"name": port.name} if port.name else {}
    out |= {"port": port.port, "targetPort": port.target_port, "protocol": port.protocol}
    if port.node_port is not None:
        out["nodePort"] = port.node_port
    if port.app_protocol:
        out["appProtocol"] = port.app_protocol
    return out
