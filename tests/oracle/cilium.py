"""What Cilium makes of policies: tests/oracle/cilium, built from Cilium's own module as tests/oracle/kubectl.py is."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from airgap.golang import GoBuild, go_component
from netspec.ir.model import Protocol
from tests.oracle import program

VERSION = "v1.19.6"
_BUILD = GoBuild("github.com/cilium/cilium", VERSION, inherit=True, main="../tests/oracle/cilium")
_COMPONENT = go_component("cilium-oracle", VERSION.removeprefix("v"), _BUILD, go_disk=3.0)


class Flow(NamedTuple):
    """Between two identities, by their numbers."""

    source: int
    destination: int
    port: int
    protocol: Protocol


class Answer(NamedTuple):
    """Why each policy is refused ("": it is taken), and of each flow whether egress and ingress let it pass."""

    refused: list[str]
    flows: list[tuple[bool, bool]]


class Cilium:
    """The running program."""

    def __init__(self, found: program.Program) -> None:
        self._program = found

    def judge(self, policies: Sequence[Any], identities: Mapping[int, Sequence[str]], flows: Sequence[Flow]) -> Answer:
        asked = {
            "Policies": policies,
            "Identities": {str(number): labels for number, labels in identities.items()},
            "Flows": [{"From": f.source, "To": f.destination, "Port": f.port, "Protocol": f.protocol} for f in flows],
        }
        answer = self._program.ask(asked)
        assert not answer.get("error"), answer["error"]
        passes = [(f["egress"] == "allowed", f["ingress"] == "allowed") for f in answer["flows"] or []]
        return Answer(answer["refused"] or [], passes)


@contextmanager
def running() -> Iterator[Cilium]:
    with program.running(_COMPONENT, "Cilium's policy engine") as found:
        yield Cilium(found)
