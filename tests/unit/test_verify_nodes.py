"""Nodes reach pods as themselves: what each node says, judged."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from verify_support import STATE, Result, ir

from netspec.probes import NODES_REACH, FactProbe
from netspec.probing import derive_probes
from netspec.target import There
from netspec.verify.access import Access
from netspec.verify.canary import CanaryPods
from netspec.verify.model import Status
from netspec.verify.nodes import ask_nodes

PROBE = FactProbe("f", NODES_REACH, "nodes", "all of them, as themselves")


@dataclass
class Says:
    """A node that answers what it is told to."""

    text: str
    scripts: list[str] = field(default_factory=list)

    def run(self, script: str) -> Result:
        self.scripts.append(script)
        return Result(0 if self.text else 1, self.text, "no such container")


class Nodes:
    def __init__(self, said: dict[str, str]) -> None:
        self.hosts = {name: Says(text) for name, text in said.items()}

    def node(self, name: str) -> Any:
        return self.hosts.get(name)


def pods() -> CanaryPods:
    found = CanaryPods(Access(Path("nowhere")), STATE)
    found.addresses = {name: f"10.244.{i}.9" for i, name in enumerate(found.clients)}
    return found


GOOD = {
    "w1": "127.0.0.1 172.30.0.3 10.244.1.0\n172.30.0.3:40000\n10.244.1.0:40001\n",
    "w2": "127.0.0.1 172.30.0.4\n172.30.0.4:40000\n172.30.0.4:40001\n",
    "cp": "127.0.0.1 172.30.0.2\n172.30.0.2:40000\n172.30.0.2:40001\n",
}


def test_each_node_asks_a_pod_of_its_own_and_one_of_the_next() -> None:
    site = Nodes(GOOD)
    seen = ask_nodes(site, pods(), PROBE)  # type: ignore[arg-type]
    assert (seen.status, seen.observed, seen.detail) == (Status.PASS, ["cp", "w1", "w2"], "")
    clients = pods().clients
    numbers = {node: int(name.partition("-")[2]) for name, node in clients.items()}
    for node, host in site.hosts.items():
        own, following = numbers[node], (numbers[node] + 1) % len(clients)
        asked = [line for line in host.scripts[0].splitlines() if "curl" in line]
        assert [f"10.244.{i}.9:8060/clientip" in line for i, line in zip((own, following), asked, strict=True)] == [
            True,
            True,
        ]


@pytest.mark.parametrize(
    ("changed", "status", "detail"),
    [
        (
            {"w2": "172.30.0.4\n172.30.0.4:40000\n172.30.0.3:40001\n"},
            Status.WRONG,
            "sees 172.30.0.3 in place of node w2",
        ),
        ({"w2": "172.30.0.4\n172.30.0.4:40000\n\n"}, Status.WRONG, "node w2 does not reach the pod on node"),
        ({"w2": ""}, Status.CHECK_FAILED, "node w2 could not be asked: no such container"),
    ],
)
def test_what_a_node_says_that_it_must_not(changed: dict[str, str], status: Status, detail: str) -> None:
    seen = ask_nodes(Nodes(GOOD | changed), pods(), PROBE)  # type: ignore[arg-type]
    assert seen.status is status and detail in seen.detail
    assert seen.observed == ["cp", "w1"]


def test_it_is_asked_where_nodes_can_be_entered() -> None:
    def is_asked(**traits: Any) -> bool:
        an_ir = ir()
        an_ir = replace(an_ir, traits=replace(an_ir.traits, **traits))
        return any(isinstance(p, FactProbe) and p.fact == NODES_REACH for p in derive_probes(an_ir))

    assert is_asked() and not is_asked(remote=True) and not is_asked(there=There())


def test_a_late_answer_is_waited_for() -> None:
    site = Nodes(GOOD)
    late, first = site.hosts["w2"], GOOD["w2"]
    answers = iter(["172.30.0.4\n\n\n", first])
    late.run = lambda script: Result(0, next(answers))  # type: ignore[method-assign]
    assert ask_nodes(site, pods(), PROBE).status is Status.PASS  # type: ignore[arg-type]
