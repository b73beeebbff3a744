"""Stand-in workloads: agnhost serves each declared port and carries the tools that probes run with. What it does not
speak (WebSockets, gRPC, OTLP, and who may of external authentication) a program of netspec's own does, server.py.

Source of the arguments: agnhost's `netexec` and `pause` commands (k8s.io/kubernetes/test/images/agnhost).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

from netspec.analysis.callees import Speech, own_certificate, service_port, spoken
from netspec.analysis.services import Endpoints
from netspec.backends.common.namespaces import namespace_id
from netspec.backends.objects import CHECKSUM, Manifest, guards, manifest, node
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


#: What netspec's own program serves; the ConfigMap that it comes in; where a container finds that, and a certificate.
_PROGRAMMED: frozenset[Speech] = frozenset({"web-socket", "grpc", "authorizer", "collector", "provider"})
_PROGRAM, _PROGRAM_AT, _CERTIFICATE_AT = "netspec-stand-in", "/program", "/certificate"


@dataclass(frozen=True, slots=True)
class Spoken:
    """What a workload's TCP ports speak besides HTTP. `headers`: those that its word on others' requests has."""

    by_port: Mapping[int, Speech] = field(default_factory=dict)
    headers: tuple[str, ...] = ()

    @property
    def programmed(self) -> bool:
        return not _PROGRAMMED.isdisjoint(self.by_port.values())


def stand_ins(ir: Ir) -> tuple[Node, ...]:
    """A pod gets its address from the CNI and is never up before the policies that guard it."""
    out: list[Node] = []
    by_end, headers = spoken(ir), _headers(ir)
    programs: dict[str, Node] = {}
    for workload in ir.workloads:
        if not workload.stand_in or workload.system:
            continue
        by_port = {number: speech for (id_, number), speech in by_end.items() if id_ == workload.id}
        speaks = Spoken(by_port, headers.get(workload.id, ()))
        if speaks.programmed and workload.namespace not in programs:
            programs[workload.namespace] = node(_program(workload.namespace), *namespace_id(workload.namespace))
            out.append(programs[workload.namespace])
        made = controller(workload, ir.dns.ndots, speaks)
        ends = workload.kind != "Job" and workload.ready
        before = [*namespace_id(workload.namespace), CNI_READY, *guards(ir, workload)]
        before += [programs[workload.namespace].id] if speaks.programmed else []
        if "tls" in by_port.values():
            before.append(f"secret:{workload.namespace}/{own_certificate(workload.name)}")
        out.append(node(made, *before, wait=ends))
        if not ends and workload.replicas:
            out.append(_running(workload, out[-1].id))
    return tuple(out)


def _headers(ir: Ir) -> dict[str, tuple[str, ...]]:
    """Workload -> the headers that routes take from its word on their requests."""
    endpoints, found = Endpoints(ir.inventory), dict[str, dict[str, None]]()
    for route in ir.http:
        named = service_port(ir, route, route.external_auth.backend) if route.external_auth else None
        for endpoint in endpoints.of_port(*named) if named else ():
            if endpoint.workload is not None and route.external_auth is not None:
                found.setdefault(endpoint.workload.id, {}).update(dict.fromkeys(route.external_auth.response_headers))
    return {id_: tuple(names) for id_, names in found.items()}


def _program_text() -> str:
    return files(__package__).joinpath("server.py").read_text(encoding="utf-8")


def _program(namespace: str) -> Manifest:
    return manifest("v1", "ConfigMap", _PROGRAM, namespace, data={"server.py": _program_text()})


def _running(workload: Workload, id_: str) -> ReadyNode:
    """A Job is done when its pods end, and theirs do not; what never becomes ready is never rolled out."""
    labels = f"{WORKLOAD_LABEL}={workload.name}"
    wanted = "Ready" if workload.ready else _STARTED
    condition = Condition("pods", wanted, workload.namespace, workload.replicas, selector=labels)
    return ReadyNode(f"running:{id_}", (condition,), (id_,))


def controller(workload: Workload, ndots: int | None, speaks: Spoken = Spoken()) -> Manifest:
    """The object that makes the workload's pods."""
    selector = {WORKLOAD_LABEL: workload.name}
    metadata: dict[str, Any] = {"labels": selector | dict(workload.labels)}
    if speaks.programmed:
        metadata["annotations"] = {CHECKSUM: hashlib.sha256(_program_text().encode()).hexdigest()}
    template = {"metadata": metadata, "spec": pod_spec(workload, ndots, speaks)}
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


def pod_spec(workload: Workload, ndots: int | None, speaks: Spoken = Spoken()) -> dict[str, Any]:
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
        "containers": containers(workload, speaks),
    }
    if first := init_containers(workload, speaks):
        pod["initContainers"] = first
    if volumes := _volumes(workload, speaks):
        pod["volumes"] = volumes
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


def containers(workload: Workload, speaks: Spoken = Spoken()) -> list[dict[str, Any]]:
    """One container a port, under the container's name where the spec has some; without ports one that only waits. The
    first of them has agnhost and a shell, which probes are run with."""
    spare = _spare_ports(workload)
    main = [c for c in workload.containers if c.role == "main"]
    made = [made for container in main for made in _of_container(container, workload, spare, speaks)]
    if not main:
        beside = {p for c in workload.containers for p in c.ports}
        made = [_server(port, spare[port], workload, speaks) for port in workload.ports if port not in beside]
    made.sort(key=lambda container: container["image"] != IMAGES["agnhost"])
    if not made or made[0]["image"] != IMAGES["agnhost"]:
        made = [_container("pause", ["pause"]), *made]
    return made


def _volumes(workload: Workload, speaks: Spoken) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = []
    if speaks.programmed:
        out.append({"name": "program", "configMap": {"name": _PROGRAM}})
    if "tls" in speaks.by_port.values():
        out.append({"name": "certificate", "secret": {"secretName": own_certificate(workload.name)}})
    return out


def init_containers(workload: Workload, speaks: Spoken = Spoken()) -> list[dict[str, Any]]:
    """Those that end do so at once; a sidecar goes on (restartPolicy Always, KEP-753)."""
    spare = _spare_ports(workload)
    out: list[dict[str, Any]] = []
    for container in (c for c in workload.containers if c.role != "main"):
        if container.role == "init":
            out.append(_container(container.name, []) | {"command": ["sh", "-c", "exit 0"]})
        else:
            served = _of_container(container, workload, spare, speaks)
            out += [made | {"restartPolicy": "Always"} for made in served]
    return out


def _of_container(
    container: Container, workload: Workload, spare: Mapping[ContainerPort, int], speaks: Spoken
) -> list[dict[str, Any]]:
    """agnhost serves one port of a protocol: a container of several is as many, the first one under its name."""
    if not container.ports:
        return [_container(container.name, ["pause"])]
    made = [_server(port, spare[port], workload, speaks) for port in container.ports]
    return [made[0] | {"name": container.name}, *(m | {"name": f"{container.name}-{m['name']}"} for m in made[1:])]


def _server(port: ContainerPort, spare: int, workload: Workload, speaks: Spoken) -> dict[str, Any]:
    """netexec always serves HTTP: beside a UDP or SCTP port it listens on a port that the workload does not declare."""
    tcp = port.protocol == "TCP"
    # /healthz answers 200 only once the UDP server has started.
    ready: dict[str, Any] = (
        {"tcpSocket": {"port": port.port}} if tcp else {"httpGet": {"path": "/healthz", "port": spare}}
    )
    if not workload.ready:
        ready = {"exec": {"command": ["sh", "-c", "exit 1"]}}
    declared: dict[str, Any] = {"name": port.name} if port.name else {}
    on_node = {"hostPort": port.port if workload.host_network else port.host_port}
    declared |= on_node if on_node["hostPort"] else {}
    return _serving(f"{port.protocol.lower()}-{port.port}", port, spare, workload, speaks) | {
        "ports": [declared | {"containerPort": port.port, "protocol": port.protocol}],
        "readinessProbe": ready | {"periodSeconds": 3, "timeoutSeconds": 5, "failureThreshold": 5},
    }


def _serving(name: str, port: ContainerPort, spare: int, workload: Workload, speaks: Spoken) -> dict[str, Any]:
    speech = speaks.by_port.get(port.port) if port.protocol == "TCP" else None
    if speech in _PROGRAMMED:
        headers = speaks.headers if speech == "authorizer" else ()
        command = ["python3", "-u", f"{_PROGRAM_AT}/server.py", speech, str(port.port), *headers]
        mount = {"name": "program", "mountPath": _PROGRAM_AT, "readOnly": True}
        made = _container(name, [], "python") | {"command": command, "volumeMounts": [mount]}
        made.pop("args")
        return made
    args = ["netexec", f"--http-port={port.port if port.protocol == 'TCP' else spare}"]
    args.append(f"--udp-port={port.port if port.protocol == 'UDP' else -1}")
    args += [f"--sctp-port={port.port}"] if port.protocol == "SCTP" else []
    if speech != "tls":
        return _container(name, args)
    own = [f"--tls-cert-file={_CERTIFICATE_AT}/tls.crt", f"--tls-private-key-file={_CERTIFICATE_AT}/tls.key"]
    mount = {"name": "certificate", "mountPath": _CERTIFICATE_AT, "readOnly": True}
    return _container(name, args + own) | {"volumeMounts": [mount]}


def _container(name: str, args: list[str], image: str = "agnhost") -> dict[str, Any]:
    return {
        "name": name,
        "image": IMAGES[image],
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
