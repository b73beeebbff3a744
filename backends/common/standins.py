"""Stand-in workloads: agnhost serves each declared port and carries the tools that probes run with.

Source of the arguments: agnhost's `netexec`, `grpc-health-checking` and `pause` commands
(k8s.io/kubernetes/test/images/agnhost).
"""

import hashlib
from collections.abc import Mapping, Set
from typing import Any

from netspec.analysis.callees import grpc_ports
from netspec.backends.common.namespaces import namespace_id
from netspec.backends.objects import Manifest, guards, manifest, node
from netspec.catalogue import IMAGES
from netspec.ir.model import WORKLOAD_LABEL, ContainerPort, Ir, Workload
from netspec.ir.pods import Container
from netspec.plan import CNI_READY, Condition, Node, ReadyNode

#: Ports from here up are neither ephemeral (net.ipv4.ip_local_port_range) nor node ports.
_FIRST_SPARE_PORT = 61000
_SPARE_STARTS = 3000
#: How often a Job makes a pod again that ended: as long as it stands in.
_RETRIES = 1000

_HOST = "kubernetes.io/hostname"


#: Of a pod: it has its address and its containers have been started. What a Job's pods, and those that never become
#: ready, come to.
_STARTED = "Initialized"


def stand_ins(ir: Ir) -> tuple[Node, ...]:
    """A pod gets its address from the CNI and is never up before the policies that guard it."""
    out: list[Node] = []
    grpc = grpc_ports(ir)
    for workload in ir.workloads:
        if not workload.stand_in or workload.system:
            continue
        made = controller(workload, ir.dns.ndots, {number for id_, number in grpc if id_ == workload.id})
        ends = workload.kind != "Job" and workload.ready
        before = (*namespace_id(workload.namespace), CNI_READY, *guards(ir, workload))
        out.append(node(made, *before, wait=ends))
        if not ends and workload.replicas:
            out.append(_running(workload, out[-1].id))
    return tuple(out)


def _running(workload: Workload, id_: str) -> ReadyNode:
    """A Job is done when its pods end, and theirs do not; what never becomes ready is never rolled out."""
    labels = f"{WORKLOAD_LABEL}={workload.name}"
    wanted = "Ready" if workload.ready else _STARTED
    condition = Condition("pods", wanted, workload.namespace, workload.replicas, selector=labels)
    return ReadyNode(f"running:{id_}", (condition,), (id_,))


def controller(workload: Workload, ndots: int | None, grpc: Set[int] = frozenset()) -> Manifest:
    """The object that makes the workload's pods. `grpc`: the ports that speak gRPC."""
    selector = {WORKLOAD_LABEL: workload.name}
    template = {"metadata": {"labels": selector | dict(workload.labels)}, "spec": pod_spec(workload, ndots, grpc)}
    spec: dict[str, Any] = {"selector": {"matchLabels": selector}, "template": template}
    match workload.kind:
        case "StatefulSet":
            spec = {"replicas": workload.replicas, "podManagementPolicy": "Parallel"} | spec
            if workload.service_name:
                spec["serviceName"] = workload.service_name
        case "Job":
            # The Job's controller selects by a label of its own.
            spec = {"parallelism": workload.replicas, "backoffLimit": _RETRIES, "template": template}
        case "Deployment":
            spec = {"replicas": workload.replicas} | spec
            if workload.node_ports or not workload.ready:
                # A new pod beside an old one may find every node's port taken; one that never becomes ready never takes
                # the old one's place.
                spec["strategy"] = {"type": "Recreate"}
    version = "batch/v1" if workload.kind == "Job" else "apps/v1"
    return manifest(version, workload.kind, workload.name, workload.namespace, spec=spec)


def pod_spec(workload: Workload, ndots: int | None, grpc: Set[int] = frozenset()) -> dict[str, Any]:
    selector = {WORKLOAD_LABEL: workload.name}
    pod: dict[str, Any] = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 2,
        "securityContext": _pod_security(workload),
        "topologySpreadConstraints": _spread(workload),
        "affinity": {
            "podAntiAffinity": {
                "preferredDuringSchedulingIgnoredDuringExecution": [
                    {
                        "weight": 100,
                        "podAffinityTerm": {"topologyKey": _HOST, "labelSelector": {"matchLabels": selector}},
                    }
                ]
            }
        },
        "containers": containers(workload, grpc),
    }
    if first := init_containers(workload, grpc):
        pod["initContainers"] = first
    if workload.host_network:
        # The cluster's DNS all the same; without this the pod would have its node's.
        pod |= {"hostNetwork": True, "dnsPolicy": "ClusterFirstWithHostNet"}
    if workload.kind == "Job":
        pod["restartPolicy"] = "Never"
    pod |= {f: name for f, name in (("hostname", workload.hostname), ("subdomain", workload.subdomain)) if name}
    if config := dns_config(workload, ndots):
        pod["dnsConfig"] = config
    if workload.dns.policy != "ClusterFirst":
        pod["dnsPolicy"] = workload.dns.policy
    return pod


def dns_config(workload: Workload, ndots: int | None) -> dict[str, Any]:
    """core/v1 PodDNSConfig; empty where the spec gives nothing."""
    own = workload.dns
    options = ({} if ndots is None else {"ndots": str(ndots)}) | dict(own.options)
    listed = [{"name": name} | ({"value": value} if value else {}) for name, value in options.items()]
    found = {"nameservers": list(own.nameservers), "searches": list(own.searches), "options": listed}
    return {key: value for key, value in found.items() if value}


def _spread(workload: Workload) -> list[dict[str, Any]]:
    """As the spec says. Else all stand-ins of the namespace evenly, its own replicas apart: some pairs share a node,
    some do not. Both are preferred, for more replicas than nodes must still run. (A second constraint of the same key
    and action would be a duplicate entry of a keyed list, which server-side apply refuses.)"""
    own = {"matchLabels": {WORKLOAD_LABEL: workload.name}}
    given = [
        {"maxSkew": s.max_skew, "topologyKey": s.topology_key, "whenUnsatisfiable": s.when_unsatisfiable}
        | ({"minDomains": s.min_domains} if s.min_domains else {})
        | {"labelSelector": own}
        for s in workload.spread
    ]
    everyone = {"matchExpressions": [{"key": WORKLOAD_LABEL, "operator": "Exists"}]}
    usual = {"maxSkew": 1, "topologyKey": _HOST, "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": everyone}
    return given or [usual]


def containers(workload: Workload, grpc: Set[int] = frozenset()) -> list[dict[str, Any]]:
    """One container a port, under the container's name where the spec has some; without ports one that only waits.
    Every one of them holds the image's shell."""
    spare = _spare_ports(workload)
    main = [c for c in workload.containers if c.role == "main"]
    if main:
        return [made for container in main for made in _of_container(container, workload, spare, grpc)]
    beside = {p for c in workload.containers for p in c.ports}
    own = [_server(port, spare[port], workload, grpc) for port in workload.ports if port not in beside]
    return own or [_container("pause", ["pause"])]


def init_containers(workload: Workload, grpc: Set[int] = frozenset()) -> list[dict[str, Any]]:
    """Those that end do so at once; a sidecar goes on (restartPolicy Always, KEP-753)."""
    spare = _spare_ports(workload)
    out: list[dict[str, Any]] = []
    for container in (c for c in workload.containers if c.role != "main"):
        if container.role == "init":
            out.append(_container(container.name, []) | {"command": ["sh", "-c", "exit 0"]})
        else:
            served = _of_container(container, workload, spare, grpc)
            out += [made | {"restartPolicy": "Always"} for made in served]
    return out


def _of_container(
    container: Container, workload: Workload, spare: Mapping[ContainerPort, int], grpc: Set[int]
) -> list[dict[str, Any]]:
    """agnhost serves one port of a protocol: a container of several is as many, the first one under its name."""
    if not container.ports:
        return [_container(container.name, ["pause"])]
    made = [_server(port, spare[port], workload, grpc) for port in container.ports]
    return [made[0] | {"name": container.name}, *(m | {"name": f"{container.name}-{m['name']}"} for m in made[1:])]


def _server(port: ContainerPort, spare: int, workload: Workload, grpc: Set[int]) -> dict[str, Any]:
    """netexec always serves HTTP: beside a UDP or SCTP port it listens on a port that the workload does not declare. In
    gRPC agnhost serves the health checking protocol, under the workload's name; what that is told by HTTP goes to such
    a port too."""
    tcp = port.protocol == "TCP"
    # /healthz answers 200 only once the UDP server has started.
    ready: dict[str, Any] = (
        {"tcpSocket": {"port": port.port}} if tcp else {"httpGet": {"path": "/healthz", "port": spare}}
    )
    if not workload.ready:
        ready = {"exec": {"command": ["sh", "-c", "exit 1"]}}
    args = ["netexec", f"--http-port={port.port if tcp else spare}"]
    args.append(f"--udp-port={port.port if port.protocol == 'UDP' else -1}")
    args += [f"--sctp-port={port.port}"] if port.protocol == "SCTP" else []
    if tcp and port.port in grpc:
        args = ["grpc-health-checking", f"--port={port.port}", f"--http-port={spare}", f"--service={workload.name}"]
    declared: dict[str, Any] = {"name": port.name} if port.name else {}
    on_node = {"hostPort": port.port if workload.host_network else port.host_port}
    declared |= on_node if on_node["hostPort"] else {}
    return _container(
        f"{port.protocol.lower()}-{port.port}",
        args,
    ) | {
        "ports": [declared | {"containerPort": port.port, "protocol": port.protocol}],
        "readinessProbe": ready | {"periodSeconds": 3, "timeoutSeconds": 5, "failureThreshold": 5},
    }


def _container(name: str, args: list[str]) -> dict[str, Any]:
    return {
        "name": name,
        "image": IMAGES["agnhost"],
        "imagePullPolicy": "IfNotPresent",
        "args": args,
        "resources": {"requests": {"cpu": "5m", "memory": "16Mi"}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }


def _pod_security(workload: Workload) -> dict[str, Any]:
    """Fits the restricted Pod Security level."""
    out: dict[str, Any] = {"runAsNonRoot": True, "runAsUser": 65534, "seccompProfile": {"type": "RuntimeDefault"}}
    if any(port.port < 1024 for port in workload.ports) and not workload.host_network:
        # A safe sysctl of the pod's own network namespace: the servers are not root.
        out["sysctls"] = [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}]
    return out


def _spare_ports(workload: Workload) -> dict[ContainerPort, int]:
    """An undeclared port for each of the workload's. In the node's network others have spare ones too: there they begin
    at a number of the workload's own."""
    declared = {port.port for port in workload.ports}
    first = _FIRST_SPARE_PORT
    if workload.host_network:
        first += int.from_bytes(hashlib.sha256(workload.id.encode()).digest()[:2], "big") % _SPARE_STARTS
    free = (p for p in range(first, 65536) if p not in declared)
    return dict(zip(workload.ports, free, strict=False))
