"""Services: ClusterIP, headless, NodePort, LoadBalancer, ExternalName."""

from dataclasses import replace
from typing import Any

from netspec.backends.common.namespaces import namespace_id
from netspec.backends.objects import Manifest, manifest, node
from netspec.ir.model import Ir, Service, ServicePort
from netspec.plan import ManifestNode


def services(ir: Ir) -> tuple[ManifestNode, ...]:
    """None is waited for: endpoints come with the workloads later in the plan."""
    return tuple(
        replace(
            node(service_manifest(s), *namespace_id(s.namespace), wait=False),
            outlives=ir.traits.balancers_stay and s.type == "LoadBalancer",
        )
        for s in ir.services
        if not s.system
    )


def service_manifest(service: Service) -> Manifest:
    spec: dict[str, Any] = {"type": service.type}
    if service.type == "ExternalName":
        spec["externalName"] = service.external_name
        if service.ports:
            spec["ports"] = [_port(p) for p in service.ports]
        return manifest("v1", "Service", service.name, service.namespace, spec=spec)
    if service.headless:
        spec["clusterIP"] = "None"
    if service.selector is not None:
        # A Service selects by equality only (core/v1 ServiceSpec.selector).
        spec["selector"] = dict(service.selector.match_labels)
    if service.ports:
        spec["ports"] = [_port(p) for p in service.ports]
    if service.type in ("NodePort", "LoadBalancer"):
        spec["externalTrafficPolicy"] = service.external_traffic_policy
    if service.publish_not_ready:
        spec["publishNotReadyAddresses"] = True
    return manifest("v1", "Service", service.name, service.namespace, spec=spec)


def _port(port: ServicePort) -> dict[str, Any]:
    out: dict[str, Any] = {"name": port.name} if port.name else {}
    out |= {"port": port.port, "targetPort": port.target_port, "protocol": port.protocol}
    if port.node_port is not None:
        out["nodePort"] = port.node_port
    return out
