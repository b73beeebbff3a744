"""What kubectl and the API server make of a manifest: tests/oracle/decode, built from Kubernetes' own modules."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from airgap.golang import GoBuild, go_component
from airgap.recipes.programs import KUBERNETES, KUBERNETES_VERSION
from tests.oracle import program

_BUILD = GoBuild(
    module=KUBERNETES.module,
    version=KUBERNETES.version,
    staging=KUBERNETES.staging,
    main="../tests/oracle/decode",
)
_COMPONENT = go_component("kubectl-oracle", KUBERNETES_VERSION.removeprefix("v"), _BUILD, go_disk=2.0)


class Sent(NamedTuple):
    """An object as kubectl sends it; `stored` is what the API server makes of it, None where it refuses it."""

    body: dict[str, Any]
    stored: dict[str, Any] | None
    refused: str


class Answer(NamedTuple):
    """What kubectl reads of a file, up to the first error."""

    objects: list[Sent]
    error: str


class Kubectl:
    """The running program."""

    def __init__(self, found: program.Program) -> None:
        self._program = found

    def read(self, content: str | bytes) -> Answer:
        raw = content if isinstance(content, bytes) else content.encode()
        answer = self._program.ask({"content": base64.b64encode(raw).decode()})
        found = [Sent(o["sent"], o.get("stored"), o.get("refused", "")) for o in answer["objects"]]
        return Answer(found, answer.get("error", ""))


@contextmanager
def running() -> Iterator[Kubectl]:
    with program.running(_COMPONENT, "kubectl's reader") as found:
        yield Kubectl(found)
