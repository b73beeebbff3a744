"""Stand-in workloads: agnhost serves each declared port and carries the tools that probes run with.

Source of the arguments: agnhost's `netexec` and `pause` commands (k8s.io/kubernetes/test/images/agnhost).
"""

from typing import Any

from netspec.backends.common.namespaces import namespace_id
from netspec.backends.objects import Manifest, guards, manifest, node
from netspec.catalogue import IMAGES
from netspec.ir.model import WORKLOAD_LABEL, ContainerPort, Ir, Workload
from netspec.plan import CNI_READY, ManifestNode

#: Ports from here up are neither ephemeral (net.ipv4.ip_local_port_range) nor node ports.
_FIRST_SPARE_PORT = 61000

_HOST = "kubernetes.io/hostname"


def stand_ins(ir: Ir) -> tuple[ManifestNode, ...]:
    """A pod gets its address from the CNI and is never up before the policies that guard it."""
    return tuple(
        node(deployment(workload, ir.dns.ndots), *namespace_id(workload.namespace), CNI_READY, *guards(ir, workload))
        for workload in ir.workloads
        if workload.stand_in and not workload.system
    )


def deployment(workload: Workload, ndots: int | None) -> Manifest:
    selector = {WORKLOAD_LABEL: workload.name}
    pod: dict[str, Any] = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 2,
        "securityContext": _pod_security(workload),
        # All stand-ins of the namespace evenly, its own replicas apart: some pairs share a node, some do not. Both are
        # preferred, for more replicas than nodes must still run. (A second spread constraint of the same key and
        # action would be a duplicate entry of a keyed list, which server-side apply refuses.)
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": _HOST,
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchExpressions": [{"key": WORKLOAD_LABEL, "operator": "Exists"}]},
            }
        ],
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
        "containers": containers(workload),
    }
    if ndots is not None:
        pod["dnsConfig"] = {"options": [{"name": "ndots", "value": str(ndots)}]}
    return manifest(
        "apps/v1",
        "Deployment",
        workload.name,
        workload.namespace,
        spec={
            "replicas": workload.replicas,
            "selector": {"matchLabels": selector},
            "template": {"metadata": {"labels": selector | dict(workload.labels)}, "spec": pod},
        },
    )


def containers(workload: Workload) -> list[dict[str, Any]]:
    """One container a port; without ports one that only waits. Every one of them holds the image's shell."""
    if not workload.ports:
        return [_container("pause", ["pause"])]
    spare = _spare_ports(workload)
    return [_server(port, spare[i]) for i, port in enumerate(workload.ports)]


def _server(port: ContainerPort, spare: int) -> dict[str, Any]:
    """netexec always serves HTTP: beside a UDP or SCTP port it listens on a port that the workload does not declare."""
    tcp = port.protocol == "TCP"
    # /healthz answers 200 only once the UDP server has started.
    ready = {"tcpSocket": {"port": port.port}} if tcp else {"httpGet": {"path": "/healthz", "port": spare}}
    args = ["netexec", f"--http-port={port.port if tcp else spare}"]
    args.append(f"--udp-port={port.port if port.protocol == 'UDP' else -1}")
    args += [f"--sctp-port={port.port}"] if port.protocol == "SCTP" else []
    declared: dict[str, Any] = {"name": port.name} if port.name else {}
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
    if any(port.port < 1024 for port in workload.ports):
        # A safe sysctl of the pod's own network namespace: the servers are not root.
        out["sysctls"] = [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}]
    return out


def _spare_ports(workload: Workload) -> list[int]:
    """As many undeclared ports as the workload has ports."""
    declared = {port.port for port in workload.ports}
    return [p for p in range(_FIRST_SPARE_PORT, 65536) if p not in declared][: len(workload.ports)]
