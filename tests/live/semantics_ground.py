"""What the semantics suites share: pods on the running cluster, the flows between them, judged and dialled."""

import json
import os
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import semantics_cases as cases
from live_cluster import Live

from netspec.analysis.evaluate import evaluate
from netspec.analysis.verdict import AddressEnd, End, PodEnd
from netspec.ir.model import Inventory, Protocol
from netspec.probes import OUTSIDE_PORTS, Outcome
from netspec.verify.script import LANES, Question, replies, script
from netspec.verify.script import outcome as outcome_of

#: Pods that ask at once; inside a pod verify.script bounds what is asked at once.
PODS_AT_ONCE = 8
READY_LIMIT, EXEC_LIMIT, SETTLE_LIMIT = 420, 240, 90
DIALLED: tuple[tuple[int, Protocol], ...] = ((cases.HTTP, "TCP"), (cases.OTHER, "TCP"), (cases.UDP, "UDP"))
NODE_DIALLED: tuple[tuple[int, Protocol], ...] = ((cases.NODE_HTTP, "TCP"), (cases.NODE_UDP, "UDP"))


@dataclass(frozen=True, slots=True)
class Pod:
    id: str
    namespace: str
    name: str
    address: str
    node: str
    http: int
    host: bool


@dataclass(slots=True)
class Flow:
    """One question: `expected` None where the evaluator leaves it open; `seen` what the last try gave. `from_its_node`:
    the source is on the network of the node that the destination runs on."""

    source: str
    destination: str
    target: str
    port: int
    protocol: Protocol
    answer: str
    expected: str | None
    from_its_node: bool = False
    seen: str = ""
    tries: int = 0

    @property
    def agrees(self) -> bool:
        return self.expected is None or self.seen == self.expected


@dataclass(frozen=True, slots=True)
class Ground:
    """What was applied: the inventory that netspec reads from it, and where the pods are."""

    live: Live
    inventory: Inventory
    pods: tuple[Pod, ...]
    outside: str


def wait_until_ready(live: Live, namespaces: Iterable[str]) -> None:
    """The test fails where they are not, and says of which pods, and what the cluster says of them."""
    limit = time.monotonic() + READY_LIMIT
    for namespace in namespaces:
        left = max(1, round(limit - time.monotonic()))
        ready = ("wait", "pods", "--all", "-n", namespace, "--for=condition=Ready", f"--timeout={left}s")
        done = live.access.kubectl(*ready, limit=left + 10)
        if done.returncode:
            told = ("--field-selector", "type!=Normal", "--sort-by", ".lastTimestamp")
            pods = live.kubectl("get", "pods", "-n", namespace, "-o", "wide")
            raise AssertionError(done.stderr + pods + live.kubectl("get", "events", "-n", namespace, *told))


def pods_in(live: Live, namespaces: Iterable[str]) -> tuple[Pod, ...]:
    found = []
    for namespace in namespaces:
        for item in json.loads(live.kubectl("get", "pods", "-n", namespace, "-o", "json"))["items"]:
            name = item["metadata"]["name"]
            http = item["spec"]["containers"][0]["ports"][0]["containerPort"]
            address, node = item["status"]["podIP"], item["spec"]["nodeName"]
            host = item["spec"].get("hostNetwork", False)
            found.append(Pod(f"{namespace}/{name}", namespace, name, address, node, http, host))
    return tuple(sorted(found, key=lambda p: p.id))


def flows_of(ground: Ground) -> dict[Pod, list[Flow]]:
    """Every pair of pods, itself included, and every pod to the outside host, by the pod that asks."""
    outside = AddressEnd(ip_address(ground.outside))
    out: dict[Pod, list[Flow]] = {}
    for source in ground.pods:
        found = out[source] = []
        for pod in ground.pods:
            for port, protocol in NODE_DIALLED if pod.host else DIALLED:
                flow = judged(ground, source, pod.id, PodEnd(pod.id), pod.address, port, protocol)
                if pod.host and protocol == "UDP" and flow.expected == "allow" and not ground.live.cni.answers_as_asked:
                    flow = replace(flow, expected=None)  # the answer does not come from where it is awaited
                found.append(replace(flow, from_its_node=source.host and source.node == pod.node))
        for port, protocol in OUTSIDE_PORTS:
            found.append(judged(ground, source, "outside", outside, ground.outside, port, protocol))
    return out


def judged(
    ground: Ground, source: Pod, name: str, destination: End, target: str, port: int, protocol: Protocol
) -> Flow:
    """One flow: `destination` as the evaluator knows it, `target` the address that is dialled."""
    verdict = evaluate(ground.inventory, PodEnd(source.id), destination, port, protocol)
    return Flow(source.id, name, target, port, protocol, verdict.answer.value, verdict.expected)


def ask(ground: Ground, source: Pod, flows: list[Flow], lanes: int) -> None:
    """Dials all flows of one pod in one exec; a control to the pod's own port, first and last, must connect."""
    control = Question(0, "flow", f"{source.address}:{source.http}", timeout=5)
    questions = [Question(i, "flow", f"{f.target}:{f.port}", protocol=f.protocol) for i, f in enumerate(flows, 1)]
    words = ("exec", "-i", "-n", source.namespace, source.name, "--", "sh", "-s")
    said = replies(ground.live.kubectl(*words, stdin=script([control], questions, lanes), limit=EXEC_LIMIT))
    controls = [outcome_of(r) for r in said.get(0, [])]
    trusted = controls == [Outcome.CONNECTED, Outcome.CONNECTED]
    for question, flow in zip(questions, flows, strict=True):
        found = said.get(question.number)
        outcome = outcome_of(found[0]) if found else Outcome.CHECK_FAILED
        flow.tries += 1
        flow.seen = {
            Outcome.CONNECTED: "allow",
            Outcome.REFUSED: "allow",  # it came through to a port that nothing serves
            Outcome.TIMED_OUT: "deny" if trusted else "check-failed",
        }.get(outcome, "check-failed")


def ask_all(ground: Ground, flows: Mapping[Pod, list[Flow]]) -> None:
    """Every flow; what surprises is asked again, alone."""
    with ThreadPoolExecutor(PODS_AT_ONCE) as pool:
        list(pool.map(lambda item: ask(ground, item[0], item[1], LANES), flows.items()))
    for source, found in flows.items():
        surprising = [f for f in found if not f.agrees or f.seen == "check-failed"]
        if surprising:
            ask(ground, source, surprising, lanes=1)


def settle(ground: Ground, wanted: Mapping[str, str]) -> None:
    """Policies take a moment to be programmed: until the pod `front` is let in, or not, as `wanted` says of pods."""
    by_name = {p.name: p for p in ground.pods}
    front = by_name["front"]
    flows = [
        Flow(front.id, by_name[name].id, by_name[name].address, cases.HTTP, "TCP", "", expected)
        for name, expected in wanted.items()
    ]
    limit = time.monotonic() + SETTLE_LIMIT
    while True:
        ask(ground, front, flows, lanes=4)
        if all(flow.agrees for flow in flows):
            return
        assert time.monotonic() < limit, f"policies are not enforced after {SETTLE_LIMIT} s: {flows}"
        time.sleep(1)


def agreed(ground: Ground, flows: Mapping[Pod, list[Flow]], record_property: Any) -> tuple[list[Flow], dict[str, int]]:
    """All flows asked, and their counts: each could be asked, and none is otherwise than the evaluator says."""
    ask_all(ground, flows)
    listed = [flow for found in flows.values() for flow in found]
    counts = report(listed, record_property)
    unasked = [f for f in listed if f.seen == "check-failed"]
    assert unasked == [], unasked
    different = [
        f"{f.source} -> {f.destination} {f.port}/{f.protocol}: {f.answer} {f.expected}, seen {f.seen}"
        for f in listed
        if not f.agrees
    ]
    assert different == [], different
    return listed, counts


def remove(live: Live, mark: str, kind: str = "") -> None:
    """The namespaces with this label and all in them; of `kind` what is in no namespace."""
    if kind:
        live.kubectl("delete", kind, "-l", mark, "--ignore-not-found")
    words = ("delete", "namespaces", "-l", mark, "--ignore-not-found", "--wait", "--timeout=180s")
    live.kubectl(*words, limit=190)


def report(flows: list[Flow], record_property: Any) -> dict[str, int]:
    """The counts, also as properties of the test; all of it to the file that NETSPEC_SEMANTICS_REPORT names."""
    summary = _summary(flows)
    for name, count in summary["counts"].items():
        record_property(name, count)
    if path := os.environ.get("NETSPEC_SEMANTICS_REPORT"):
        Path(path).write_text(json.dumps(summary, indent=1))
    return dict(summary["counts"])


def _summary(flows: list[Flow]) -> dict[str, Any]:
    """Counts, every flow that differed, and the dialects and open flows with what was seen."""
    compared = [f for f in flows if f.expected is not None]
    settled = Counter((f.destination, f.seen) for f in flows if f.answer == "dialect")
    left_open = Counter((f.source, f.destination, f.seen) for f in flows if f.expected is None)
    return {
        "counts": {
            "flows": len(flows),
            "compared": len(compared),
            "allowed": sum(f.expected == "allow" for f in compared),
            "denied": sum(f.expected == "deny" for f in compared),
            "dialect": sum(f.answer == "dialect" for f in flows),
            "left open": sum(f.expected is None for f in flows),
            "asked again": sum(f.tries > 1 for f in flows),
            "different": sum(not f.agrees for f in flows),
        },
        "different": [asdict(f) for f in flows if not f.agrees],
        "dialects": [f"{n} to {d}: {seen}" for (d, seen), n in sorted(settled.items())],
        "left open": [f"{s} -> {d}: {seen} ({n})" for (s, d, seen), n in sorted(left_open.items())],
    }
