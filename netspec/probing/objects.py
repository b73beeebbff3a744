"""What the objects on the cluster must say, whether or not a flow depends on it, and what must not be there besides."""

from collections.abc import Iterator

from netspec.ir.model import NAME_LABEL, WORKLOAD_LABEL, Ir, Service, Workload
from netspec.probes import ANY_NODE_PORT, FactProbe

#: What is expected of a namespace's other things: Services, routes, host ports and the like that the spec lacks.
NO_OTHER_WAY = "no way in that the spec does not have"


def objects(ir: Ir) -> Iterator[FactProbe]:
    """Namespaces, Services and stand-ins as the spec has them, field by field; no way in besides."""
    for namespace in sorted((n for n in ir.namespaces if not n.system), key=lambda n: n.name):
        declared = {key: value for key, value in sorted(namespace.labels.items()) if key != NAME_LABEL}
        yield _fact("namespace-labels", namespace.name, declared)
        yield _fact("undeclared", namespace.name, NO_OTHER_WAY)
    for service in sorted(ir.inventory.services, key=lambda s: s.id):
        yield _fact("service-spec", service.id, service_fields(service))
    looked_at = _selector_keys(ir)
    for workload in sorted((w for w in ir.inventory.workloads if w.stand_in), key=lambda w: w.id):
        labels: dict[str, str | None] = {
            key: workload.labels.get(key) for key in sorted({*workload.labels, *looked_at})
        }
        yield _fact("workload-spec", workload.id, _workload_fields(workload, labels))
        yield _fact("pod-labels", workload.id, labels)


def _selector_keys(ir: Ir) -> frozenset[str]:
    """The labels of pods that some policy or Service looks at: where a workload lacks one, its pods must."""
    selectors = [s.selector for s in ir.services if s.selector is not None]
    for policy in ir.policies:
        peers = [p.pods for rule in (*policy.ingress, *policy.egress) for p in rule.peers if p.pods is not None]
        selectors += [policy.pods, *peers]
    keys = {k for s in selectors for k, _ in s.match_labels} | {e.key for s in selectors for e in s.expressions}
    return frozenset(keys - {WORKLOAD_LABEL})


def service_fields(service: Service) -> dict[str, object]:
    """Every field of a Service that the spec knows; `others` are those that are not at the API's default. Ports: name,
    port, protocol, node port, target port. A flow to a Service shows that a port answers, not that no other one
    does."""
    on_nodes = service.type in ("NodePort", "LoadBalancer")
    is_name = service.type == "ExternalName"
    # One that the API server chooses, unless it is told to choose none.
    chosen = ANY_NODE_PORT if service.type == "NodePort" or service.node_ports else 0
    ports: list[list[object]] = [
        [p.name or "", p.port, p.protocol, (p.node_port or chosen) if on_nodes else 0, p.target_port]
        for p in service.ports
    ]
    return {
        "type": service.type,
        "headless": service.headless,
        "selector": dict(sorted(service.selector.match_labels)) if service.selector and not is_name else {},
        "ports": sorted(ports, key=str),
        "externalTrafficPolicy": service.external_traffic_policy if on_nodes else "",
        "externalIPs": list(service.external_ips),
        "externalName": (service.external_name or "") if is_name else "",
        "publishNotReadyAddresses": service.publish_not_ready,
        "others": service_others(service),
    }


def service_others(service: Service) -> dict[str, object]:
    spoken = {f"{p.port}/{p.protocol}": p.app_protocol for p in service.ports if p.app_protocol}
    return service.others | ({"appProtocol": spoken} if spoken else {})


def _workload_fields(workload: Workload, labels: dict[str, str | None]) -> dict[str, object]:
    """Of the object that makes a stand-in's pods; `labels` are its pods', null for one that they must not have. Ports:
    name, number, protocol."""
    return {
        "kind": workload.kind,
        "replicas": workload.replicas,
        "labels": labels,
        "ports": sorted(([p.name or "", p.port, p.protocol] for p in workload.ports), key=str),
        "hostNetwork": workload.host_network,
        "hostPorts": [] if workload.host_network else sorted([p.host_port, p.protocol] for p in workload.node_ports),
        "serviceName": workload.service_name,
        "hostname": workload.hostname,
        "subdomain": workload.subdomain,
    }


def _fact(fact: str, subject: str, expect: object) -> FactProbe:
    return FactProbe(f"fact:{fact}:{subject}", fact, subject, expect)
