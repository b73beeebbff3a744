"""Checks the kinds of workloads, their containers, and the ports of nodes that they take; counts a DaemonSet's pods."""

from collections import defaultdict
from dataclasses import replace

from netspec.ir.model import Ir, Workload
from netspec.passes.context import Context
from netspec.passes.endpoints import behind, ports_with_places
from netspec.passes.services import NODE_PORTS
from netspec.spec.workloads import Workload as Given

#: What Kubernetes itself listens on, on a node (Kubernetes docs, Ports and Protocols; kube-proxy's health and metrics).
OF_KUBERNETES = frozenset((2379, 2380, 6443, 10248, 10249, 10250, 10256, 10257, 10259))
#: Ports below are root's on a node (net.ipv4.ip_unprivileged_port_start), and stand-ins are not root.
UNPRIVILEGED = 1024


def workloads(ir: Ir, context: Context) -> Ir:
    nodes = ir.traits.open_nodes or ir.traits.nodes
    ir = replace(ir, workloads=tuple(replace(w, replicas=nodes) if w.kind == "DaemonSet" else w for w in ir.workloads))
    assert context.loaded.spec is not None
    by_id = {f"{w.namespace}/{w.name}": w for w in context.loaded.spec.workloads}
    for workload in ir.workloads:
        given = by_id.get(workload.id)
        if given is not None:
            _kind(ir, workload, given, context)
            _containers(workload, given, context)
            _network(workload, context)
    if context.stack:
        _taken(ir, nodes, context)
    return ir


def _kind(ir: Ir, workload: Workload, given: Given, context: Context) -> None:
    report, path = context.report, workload.place.path
    if workload.kind == "DaemonSet" and given.replicas is not None:
        message = "a DaemonSet has a pod on every node that takes it: it has no replicas"
        report.error("NS212", (*path, "replicas"), message, "remove the field, or make it a Deployment")
    if workload.service_name and workload.kind != "StatefulSet":
        message = f"serviceName is for a StatefulSet, not for a {workload.kind}"
        report.error("NS212", (*path, "serviceName"), message, "write subdomain, or make it a StatefulSet")
    if workload.kind == "StatefulSet" and (workload.hostname or workload.subdomain):
        field = "hostname" if workload.hostname else "subdomain"
        message = f"a StatefulSet's pods have host names of their own: {field} would not be theirs"
        report.error("NS212", (*path, field), message, "remove it, and write serviceName")
    for field, name in (("serviceName", workload.service_name), ("subdomain", workload.subdomain)):
        service = ir.services_by_id.get(f"{workload.namespace}/{name}") if name else None
        if not name or context.loaded.may_have("services", f"{workload.namespace}/{name}"):
            continue
        if service is None or not service.headless or workload not in behind(ir, service):
            message = f"{field} {name} is not a headless Service that selects these pods: their names do not resolve"
            report.warning("NS213", (*path, field), message, f"add a Service {name} with clusterIP: None")


def _containers(workload: Workload, given: Given, context: Context) -> None:
    """That two listen on one port is said of the workload's ports (NS208): they share the pod's address."""
    path = workload.place.path
    if given.containers and given.ports:
        message = "ports are given beside containers: whose are they?"
        context.report.error("NS214", (*path, "ports"), message, "give each port to one of the containers")
    names: set[str] = set()
    for field, listed in (("initContainers", given.init_containers), ("containers", given.containers)):
        for i, container in enumerate(listed):
            if container.name in names:
                message = f"two containers of the pod are named {container.name}"
                context.report.error("NS214", (*path, field, i, "name"), message, "rename one")
            names.add(container.name)


def _network(workload: Workload, context: Context) -> None:
    """Ports of the node: a pod in the node's network has its own there, and only there."""
    for path, port in ports_with_places(workload):
        taken_by = port.host_port or (port.port if workload.host_network else 0)
        if workload.host_network and port.host_port not in (0, port.port):
            message = f"hostPort {port.host_port} is not {port.port}: in the node's network they are one port"
            context.report.error("NS215", path, message, "remove hostPort")
        elif workload.stand_in and (taken_by in OF_KUBERNETES or taken_by in NODE_PORTS):
            message = f"port {taken_by} of a node is Kubernetes' own"
            context.report.error("NS215", path, message, "choose another")
        elif workload.host_network and workload.stand_in and port.port < UNPRIVILEGED:
            message = f"a stand-in is not root: in the node's network it cannot listen on {port.port}"
            context.report.error("NS215", path, message, f"{UNPRIVILEGED} or more")


def _taken(ir: Ir, nodes: int, context: Context) -> None:
    """The scheduler puts no two pods that want one port of the node on it (NodePorts plugin)."""
    wanted: dict[tuple[int, str], list[Workload]] = defaultdict(list)
    for workload in (w for w in ir.workloads if w.stand_in):
        for port in workload.node_ports:
            wanted[port.port, port.protocol].append(workload)
    for (number, protocol), theirs in sorted(wanted.items()):
        pods = sum(w.replicas for w in theirs)
        if pods > nodes:
            last = theirs[-1]
            others = f" of {', '.join(sorted({w.id for w in theirs}))}" if len(theirs) > 1 else ""
            message = f"{pods} pods{others} want port {number}/{protocol} of a node; {nodes} nodes take pods"
            context.report.error("NS216", last.place.path, message, "fewer replicas, or another port")
