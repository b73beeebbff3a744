"""What a fault is, what is expected of the run that meets it, and how things on the cluster are changed and put back.

A fault is a context manager: it is undone whatever happens in between, and undoing what was half made does no harm.
"""

import json
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

from live_cluster import Live

from netspec.catalogue import IMAGES
from netspec.ir.model import WORKLOAD_LABEL, Service, Workload
from netspec.probes import FlowProbe, Outcome
from netspec.verify.model import Answer, Run, Status, explain

WAIT = "--timeout=120s"
NAME = "netspec-fault"


def _may_linger(id_: str) -> bool:
    """Whether it is chance that a run sees it: each Service that selects a pod gives its address one more name, and the
    DNS server keeps the answers that it gave, right or wrong, for `dns.cacheSeconds`."""
    return id_.startswith("dns:") and ":PTR:" in id_


@dataclass(frozen=True)
class Expected:
    """`cause`: what one of the first causes must say, every part of it; `only`: the ids of all probes that are
    unexpected, where that is certain; `says`: what the run says of single probes."""

    cause: Sequence[str]
    answer: Answer = Answer.RED
    only: tuple[str, ...] = ()
    says: Mapping[str, str] = field(default_factory=dict)
    statuses: Mapping[str, Status] = field(default_factory=dict)

    def missed(self, run: Run) -> list[str]:
        """What the run does not say as it must; nothing where the fault was caught."""
        out = [] if run.answer is self.answer else [f"the run is {run.answer.value}, not {self.answer.value}"]
        first = [cause.what for cause in run.causes[:2]]
        if not any(all(part in what for part in self.cause) for what in first):
            out.append(f"none of the first causes says {' ... '.join(self.cause)!r}: {first}")
        if not all(cause.command for cause in run.causes):
            out.append("a cause has no command")
        said = {o.probe.id: explain(o) for o in run.unexpected}
        if self.only and {id_ for id_ in said if not _may_linger(id_)} != set(self.only):
            out.append(f"unexpected are {sorted(said)}")
        out += [f"{id_} says {said.get(id_)!r}" for id_, part in self.says.items() if part not in said.get(id_, "")]
        status = {o.probe.id: o.status for o in run.observations}
        out += [f"{id_} is {status[id_]}" for id_, wanted in self.statuses.items() if status[id_] is not wanted]
        return out


def looked_at(live: Live, expected: Expected) -> tuple[Run, list[str]]:
    """A verification, and what of it is not as it must be. Another one where questions got no answer: that a machine
    was too busy to ask is said as such, and has nothing to do with the fault."""
    run = live.verify()
    wrong = expected.missed(run)
    if wrong and any(o.status is Status.CHECK_FAILED for o in run.observations):
        run = live.verify()
        wrong = expected.missed(run)
    return run, wrong


@dataclass(frozen=True)
class Fault:
    """`is_here`: whether the running cluster has what it breaks."""

    name: str
    make: Callable[[Live], AbstractContextManager[Expected]]
    is_here: Callable[[Live], bool] = lambda _: True

    @property
    def module(self) -> str:
        return self.make.__module__

    @property
    def lasts(self) -> bool:
        """Whether its traces may outlast it: nodes and DNS servers need a while to be as before."""
        return self.module == "faults_paths"

    @property
    def id(self) -> str:
        return self.make.__name__.replace("_", "-")


MADE: list[Fault] = []


def fault(
    name: str, is_here: Callable[[Live], bool] = lambda _: True
) -> Callable[[Callable[[Live], Iterator[Expected]]], Callable[[Live], Iterator[Expected]]]:
    """Puts a generator into the table: it makes a fault, yields what is expected of the run, and undoes the fault."""

    def add(make: Callable[[Live], Iterator[Expected]]) -> Callable[[Live], Iterator[Expected]]:
        MADE.append(Fault(name, contextmanager(make), is_here))
        return make

    return add


# What the faults are made to


def flow(live: Live, via: str, expect: Outcome) -> FlowProbe:
    """A flow between workloads of the spec with policies behind its answer."""
    own = {w.id for w in live.ir.workloads if not w.system} | {s.id for s in live.ir.services if not s.system}
    return next(
        p
        for p in live.probes
        if isinstance(p, FlowProbe)
        and (p.via, p.expect) == (via, expect)
        and p.deciding
        and p.source != p.destination
        and {p.source, p.destination} <= own
    )


def workload(live: Live, replicas: int = 1) -> Workload:
    return next(w for w in live.ir.workloads if w.stand_in and w.replicas == replicas and w.ports)


def cluster_ip(live: Live) -> Service:
    return next(s for s in live.ir.services if s.type == "ClusterIP" and not s.headless and not s.system)


def worker(live: Live) -> str:
    """A node that pods of the spec run on: not the first, which a group of all nodes begins with."""
    nodes = live.kubectl("get", "nodes", "-l", "!node-role.kubernetes.io/control-plane", "-o", "name").split()
    return sorted(nodes)[-1].removeprefix("node/")


def pod_of(live: Live, target: Workload) -> str:
    names = live.kubectl("get", "pods", "-n", target.namespace, "-l", f"{WORKLOAD_LABEL}={target.name}", "-o", "name")
    return sorted(names.split())[0].removeprefix("pod/")


def split(name: str) -> tuple[str, str]:
    namespace, _, rest = name.partition("/")
    return namespace, rest


# Making and undoing


def put_back(live: Live, text: str) -> None:
    """The object, read with its managed fields, as its first manager had it; created again where it is gone."""
    thing: dict[str, Any] = json.loads(text)
    manager = thing["metadata"].get("managedFields", [{"manager": "netspec-test"}])[0]["manager"]
    for key in ("managedFields", "resourceVersion", "uid", "creationTimestamp", "generation"):
        thing["metadata"].pop(key, None)
    forced = ("apply", "--server-side", "--force-conflicts", f"--field-manager={manager}", "-f", "-")
    live.kubectl(*forced, stdin=json.dumps(thing))


@contextmanager
def kept(live: Live, *name: str) -> Iterator[dict[str, Any]]:
    """The object, put back afterwards."""
    text = live.kubectl("get", *name, "-o", "json", "--show-managed-fields")
    try:
        yield json.loads(text)
    finally:
        put_back(live, text)


@contextmanager
def created(live: Live, thing: dict[str, Any], resource: str) -> Iterator[None]:
    meta = thing["metadata"]
    where = ("--namespace", meta["namespace"]) if "namespace" in meta else ()
    try:
        live.kubectl("create", "-f", "-", stdin=json.dumps(thing))
        yield
    finally:
        live.kubectl("delete", resource, meta["name"], *where, "--ignore-not-found", "--wait")


def patched(live: Live, resource: str, id_: str, change: object, kind: str = "merge") -> None:
    namespace, name = split(id_)
    live.kubectl("patch", resource, name, "-n", namespace, f"--type={kind}", "-p", json.dumps(change))


def rolled_out(live: Live, id_: str) -> None:
    namespace, name = split(id_)
    live.kubectl("rollout", "status", f"deployment/{name}", "-n", namespace, WAIT, limit=130)


def gone(live: Live, target: Workload) -> None:
    """Waits for the end of pods that are on their way out: their probes would be others' trouble."""
    selector = f"{WORKLOAD_LABEL}={target.name}"
    live.kubectl("wait", "--for=delete", "pods", "-n", target.namespace, "-l", selector, WAIT, limit=130)


@contextmanager
def on_node(live: Live, node: str, script: str, back: str) -> Iterator[None]:
    try:
        live.on_node(node, script)
        yield
    finally:
        live.on_node(node, back)


def settled(live: Live, daemonset: str) -> None:
    """Its pods are ready again, on every node."""
    namespace, name = split(daemonset)
    live.kubectl("rollout", "status", f"daemonset/{name}", "-n", namespace, WAIT, limit=130)


def stranger(namespace: str, labels: Mapping[str, str], port: int, **spec: Any) -> dict[str, Any]:
    container = {
        "name": "agnhost",
        "image": IMAGES["agnhost"],
        "imagePullPolicy": "IfNotPresent",
        "args": ["netexec", f"--http-port={port}", "--udp-port=-1"],
        "ports": [{"containerPort": port} | ({"hostPort": port} if spec.pop("host_port", False) else {})],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": NAME, "namespace": namespace, "labels": dict(labels)},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 1, **spec},
    }


def ready(live: Live, namespace: str) -> None:
    live.kubectl("wait", "pod", NAME, "-n", namespace, "--for=condition=Ready", WAIT, limit=130)


@contextmanager
def running_beside(container: str, *program: str) -> Iterator[None]:
    """A program of this machine in the network of a container."""
    inspect = ["docker", "inspect", "--format", "{{.State.Pid}}", container]
    pid = subprocess.run(inspect, capture_output=True, text=True, check=True, timeout=30).stdout.strip()
    process = subprocess.Popen(["nsenter", f"--net=/proc/{pid}/ns/net", "--", *program])
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=20)


@contextmanager
def undone(action: Callable[[], None]) -> Iterator[None]:
    try:
        yield
    finally:
        action()
