"""Checks Services: types and their fields, ports, and the pods behind them."""

from dataclasses import replace

from netspec.diagnostics import Path
from netspec.ir.model import Ir, Service
from netspec.passes.context import Context
from netspec.passes.endpoints import behind
from netspec.spec.types import did_you_mean

#: kube-apiserver's default --service-node-port-range, and its static band (KEP-3668: min(max(16, size/32), 128)).
NODE_PORTS = range(30000, 32768)
STATIC_BAND = range(30000, 30000 + min(max(16, len(NODE_PORTS) // 32), 128))
#: The types that have node ports.
OUTWARD = frozenset({"NodePort", "LoadBalancer"})


def services(ir: Ir, context: Context) -> Ir:
    taken: dict[int, tuple[Service, int]] = {}
    for service in ir.services:
        if service.system:
            continue
        _type(service, context)
        _node_ports(service, taken, context)
        _ports(service, context)
        if service.type != "ExternalName":
            _backends(ir, service, context)
    balancing = ir.traits.balancing
    if balancing is None or not balancing.service_class:
        return ir
    chosen = balancing.service_class
    told = (replace(s, load_balancer_class=chosen) if _is_default(s) else s for s in ir.services)
    return replace(ir, services=tuple(told))


def _is_default(service: Service) -> bool:
    """Whether the stack's own load balancer gives it its address."""
    return service.type == "LoadBalancer" and not service.load_balancer_class and not service.system


def _type(service: Service, context: Context) -> None:
    report, path = context.report, service.place.path
    if service.external_traffic_policy == "Local" and service.type not in OUTWARD:
        message = f"type {service.type} has no traffic from outside: externalTrafficPolicy cannot be Local"
        report.error("NS313", (*path, "externalTrafficPolicy"), message, "make it type NodePort, or remove the field")
    if service.headless and service.type != "ClusterIP":
        message = f"a headless Service (clusterIP: None) cannot be of type {service.type}"
        report.error("NS307", (*path, "clusterIP"), message, "remove clusterIP, or make it type ClusterIP")
    if service.type == "ExternalName":
        if service.external_name is None:
            report.error("NS309", path, "an ExternalName Service needs externalName", "add the name it stands for")
        if service.selector is not None:
            message = "an ExternalName Service has no pods: its selector does nothing"
            report.warning("NS308", (*path, "selector"), message, "remove the selector")
    elif service.external_name is not None:
        message = f"externalName means nothing for type {service.type}"
        report.error("NS309", (*path, "externalName"), message, "make it type ExternalName, or remove the field")


def _node_ports(service: Service, taken: dict[int, tuple[Service, int]], context: Context) -> None:
    """The API server hands out a number once, whatever the protocol; one port of a Service may have it for both. The
    port for health checks (`taken` as 0) is one of them."""
    if service.health_check_node_port:
        where = (*service.place.path, "healthCheckNodePort")
        _node_port(service, 0, service.health_check_node_port, where, taken, context)
    for index, port in enumerate(service.ports):
        if port.node_port is None:
            continue
        path = (*service.place.path, "ports", index, "nodePort")
        if service.type not in OUTWARD:
            context.report.error("NS314", path, f"type {service.type} has no node ports", "make it type NodePort")
            continue
        _node_port(service, port.port, port.node_port, path, taken, context)


def _node_port(
    service: Service,
    port: int,
    number: int,
    path: Path,
    taken: dict[int, tuple[Service, int]],
    context: Context,
) -> None:
    if number not in NODE_PORTS:
        limits = f"{NODE_PORTS[0]} to {NODE_PORTS[-1]}"
        context.report.error("NS302", path, f"{number} is not a node port", f"node ports are {limits}")
    elif number not in STATIC_BAND:
        message = f"{number} is where the API server picks from: another Service may have taken it"
        limits = f"{STATIC_BAND[0]} to {STATIC_BAND[-1]} is kept for chosen node ports"
        context.report.warning("NS303", path, message, limits)
    other, its = taken.setdefault(number, (service, port))
    if other is not service or its != port:
        whose = f"port {its}" if its else "the health checks"
        message = f"node port {number} is taken by {whose} of {other.id}"
        context.report.error("NS301", path, message, "choose another, or leave it out")


def _ports(service: Service, context: Context) -> None:
    path = service.place.path
    if not service.ports and not service.headless and service.type != "ExternalName":
        context.report.error("NS312", path, f"a Service of type {service.type} needs a port", "add ports")
    numbers: set[tuple[int, str]] = set()
    names: set[str] = set()
    for index, port in enumerate(service.ports):
        where = (*path, "ports", index)
        if len(service.ports) > 1 and port.name is None:
            message = "each port needs a name where a Service has several"
            context.report.error("NS304", where, message, "add name")
        if (port.port, port.protocol) in numbers:
            context.report.error("NS311", where, f"port {port.port}/{port.protocol} is given twice", "remove one")
        elif port.name is not None and port.name in names:
            context.report.error("NS311", where, f"two ports are named {port.name}", "rename one")
        numbers.add((port.port, port.protocol))
        names |= {port.name} if port.name else set()


def _backends(ir: Ir, service: Service, context: Context) -> None:
    if service.selector is None:
        return
    pods = behind(ir, service)
    lost = context.loaded.may_select(service.namespace, service.selector)
    if not pods:
        if not lost:
            wanted = ", ".join(f"{k}={v}" for k, v in service.selector.match_labels)
            message = f"no workload of namespace {service.namespace} has {wanted}"
            context.report.warning("NS306", (*service.place.path, "selector"), message, _nearest(ir, service))
        return
    for index, port in enumerate(service.ports):
        numbers = {port.number_on(w) for w in pods}
        listening = {p.port for w in pods for p in w.ports if p.protocol == port.protocol}
        undeclared = all(not w.ports and not w.stand_in for w in pods)
        if numbers & listening or lost or (undeclared and isinstance(port.target_port, int)):
            continue
        known = sorted({p.name for w in pods for p in w.ports if p.name} | {str(n) for n in listening})
        message = f"no selected workload listens on {port.target_port}/{port.protocol}"
        hint = did_you_mean(str(port.target_port), known) or f"they have: {', '.join(known) or 'no port'}"
        context.report.error("NS305", (*service.place.path, "ports", index), message, hint)


def _nearest(ir: Ir, service: Service) -> str | None:
    assert service.selector is not None
    for key, value in service.selector.match_labels:
        known = {w.labels[key] for w in ir.workloads_in.get(service.namespace, ()) if key in w.labels}
        hint = did_you_mean(value, sorted(known))
        if hint:
            return hint
    return "correct the selector, or declare the workload"
