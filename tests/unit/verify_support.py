"""A small IR, the state of a cluster that fits it, and stand-ins for the ways into it."""

import stat
import subprocess
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from netspec.backends.cni.dialects import DIALECTS
from netspec.ir.model import (
    ContainerPort,
    Dns,
    Ir,
    Namespace,
    Network,
    NetworkPolicy,
    Peer,
    PolicyPort,
    Rule,
    Service,
    ServicePort,
    Workload,
)
from netspec.ir.selectors import Selector
from netspec.target import Range, Traits
from netspec.verify.state import LiveService, LiveWorkload, Node, Pod, State

APP = Selector.of


def workload(name: str, *ports: ContainerPort, **more: Any) -> Workload:
    more = {"stand_in": True} | more
    return Workload("shop", name, {"app": name}, ports, **more)


WEB = workload("web", ContainerPort(8080, "TCP", "http"))
API = workload("api", ContainerPort(9000, "TCP", "http"), ContainerPort(9001, "UDP"))
COREDNS = Workload(
    "kube-system",
    "coredns",
    {"k8s-app": "kube-dns"},
    (ContainerPort(53, "UDP", "dns"), ContainerPort(53, "TCP", "dns-tcp")),
    replicas=2,
    system=True,
)
KUBE_DNS = Service(
    "kube-system",
    "kube-dns",
    selector=APP({"k8s-app": "kube-dns"}),
    ports=(ServicePort(53, 53, "UDP", "dns"), ServicePort(53, 53, "TCP", "dns-tcp")),
    system=True,
)
WEB_SERVICE = Service("shop", "web", selector=APP({"app": "web"}), ports=(ServicePort(80, "http", name="http"),))

#: web is closed to everyone but api; api is open.
GUARD = NetworkPolicy(
    "shop",
    "guard",
    APP({"app": "web"}),
    ("Ingress",),
    ingress=(Rule((Peer(APP({"app": "api"})),), (PolicyPort("TCP", 8080),)),),
)


TRAITS = Traits(
    nodes=3,
    node_networks=(Range("172.30.0.0/16"),),
    outside=True,
    overhead=50,
    forwarded="tunnel",
    dialect=DIALECTS["calico"],
)


def ir(**changes: Any) -> Ir:
    base = Ir(
        name="shop",
        stack="dev",
        network=Network((IPv4Network("10.244.0.0/16"),), (IPv4Network("10.96.0.0/16"),)),
        dns=Dns(ndots=2, address="10.96.0.10"),
        traits=TRAITS,
        providers={"cluster": "kind", "cni": "calico"},
        namespaces=(Namespace("shop", {}), Namespace("kube-system", {}, system=True)),
        workloads=(WEB, API, COREDNS),
        services=(WEB_SERVICE, KUBE_DNS),
        policies=(GUARD,),
    )
    return replace(base, **changes)


def pod(workload: str, number: int, node: str = "w1", **more: Any) -> Pod:
    labels = {"app": workload, "netspec.dev/workload": workload}
    return Pod("shop", f"{workload}-{number}", node, f"10.244.{number}.2", labels, True, ("main",), **more)


DNS_POD = Pod("kube-system", "coredns-1", "w1", "10.244.9.2", {"k8s-app": "kube-dns"}, True, ("coredns",))
STATE = State(
    nodes=(Node("cp", "172.30.0.2", False), Node("w1", "172.30.0.3", True), Node("w2", "172.30.0.4", True)),
    pods=(pod("api", 2, "w2"), DNS_POD, pod("web", 1)),
    services={
        "shop/web": LiveService("10.96.1.1", {(80, "TCP"): 30080}),
        "kube-system/kube-dns": LiveService("10.96.0.10", {(53, "UDP"): 0, (53, "TCP"): 0}),
    },
    deployments={
        "kube-system/coredns": LiveWorkload(2, 2),
        "shop/web": LiveWorkload(1, 1, {"app": "web"}, (("http", 8080, "TCP"),)),
        "shop/api": LiveWorkload(1, 1, {"app": "api"}, (("http", 9000, "TCP"), ("", 9001, "UDP"))),
    },
    namespaces={"shop": {}, "kube-system": {}},
)


@dataclass
class Result:
    rc: int
    stdout: str
    stderr: str = ""


def fake_agnhost(path: Path, answers: dict[str, str]) -> Path:
    """A program with agnhost's manners: `answers` has "host:port" or "host:port/udp" -> nothing (connected) or what
    it prints. Unknown targets are refused."""
    cases = "\n".join(f'{target}) out="{said}" ;;' for target, said in answers.items())
    path.write_text(
        "#!/bin/sh\n[ $1 = connect ] || exit 2\nprotocol=\n"
        "for a in $@; do case $a in --protocol=udp) protocol=/udp ;; esac; done\n"
        f'case $2$protocol in\n{cases}\n*) out=REFUSED ;;\nesac\n[ -z "$out" ] && exit 0\necho "$out" >&2\nexit 1\n'
    )
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@dataclass
class FakeHost:
    """Runs the script with a local shell and the fake agnhost."""

    agnhost: Path
    scripts: list[str] = field(default_factory=list)

    def run(self, script: str) -> Result:
        self.scripts.append(script)
        done = subprocess.run(
            ["sh", "-c", script.replace("/agnhost", str(self.agnhost))], capture_output=True, text=True, timeout=30
        )
        return Result(done.returncode, done.stdout, done.stderr)


@dataclass
class BrokenHost:
    """A pod that kubectl cannot enter."""

    def run(self, script: str) -> Result:
        return Result(1, "", "error: unable to upgrade connection: container not found")


@dataclass
class FakeAccess:
    """Hosts by "namespace/pod" or container name."""

    hosts: dict[str, Any]

    def pod(self, namespace: str, name: str, container: str) -> Any:
        return self.hosts[f"{namespace}/{name}"]

    def container(self, name: str) -> Any:
        return self.hosts[name]
