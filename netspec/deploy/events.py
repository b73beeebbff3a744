"""What happens during an operation, in netspec's own words: so that a reader of progress needs nothing of Pulumi."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pulumi.automation import EngineEvent


@dataclass(frozen=True, slots=True)
class Step:
    """One operation on one resource. `phase`: started, done or failed; `keys`: what a replacement is put down to."""

    phase: str
    operation: str
    urn: str
    keys: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The resource's name: the plan node's id."""
        return self.urn.rpartition("::")[2]

    @property
    def type(self) -> str:
        """The resource's type token, without its parents'."""
        return self.urn.split("::")[2].rpartition("$")[2]

    @property
    def is_of_plan(self) -> bool:
        """Whether the resource stands for a plan node, and not for the stack, a layer or a provider."""
        return not self.type.startswith(("pulumi:", "netspec:network:"))


@dataclass(frozen=True, slots=True)
class Message:
    """`severity`: debug, info, warning or error."""

    severity: str
    text: str
    urn: str | None = None


Event = Step | Message


def translate(event: "EngineEvent") -> Iterator[Event]:
    """What an engine event says, if it is of interest."""
    if event.resource_pre_event:
        yield _step("started", event.resource_pre_event.metadata)
    elif event.res_outputs_event:
        yield _step("done", event.res_outputs_event.metadata)
    elif event.res_op_failed_event:
        yield _step("failed", event.res_op_failed_event.metadata)
    elif (said := event.diagnostic_event) and (text := plain(said.message)):
        yield Message(said.severity.partition("#")[0], text, said.urn)


def _step(phase: str, metadata: Any) -> Step:
    operation = getattr(metadata.op, "value", str(metadata.op))
    return Step(phase, operation, metadata.urn, tuple(metadata.keys or metadata.diffs or ()))


def plain(text: str) -> str:
    """Without the engine's colour directives.

    >>> plain("<{%reset%}>kind: Preparing nodes<{%reset%}>")
    'kind: Preparing nodes'
    """
    return re.sub(r"<\{%[^%]*%\}>", "", text).strip()
