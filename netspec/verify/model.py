"""What a run of the probes saw: observations, and the run's verdict."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from netspec.probes import FlowProbe, Outcome, Probe


class Status(StrEnum):
    """PASS and WRONG compare with the prediction; CHECK_FAILED: the probe could not tell; SEEN: nothing predicted."""

    PASS = "pass"
    WRONG = "wrong"
    CHECK_FAILED = "check-failed"
    SEEN = "seen"


class Answer(StrEnum):
    """The run as a whole; INCONCLUSIVE: not even the canary could show that this cluster enforces policy."""

    GREEN = "green"
    RED = "red"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True)
class Dial:
    """One connection attempt. `start`, `end`: seconds since the machine started (/proc/uptime).
    `same_node` None: not a pair of pods. `source`: the pod or host that dialled; of packets, `source` and `target` are
    nodes."""

    address: str
    outcome: Outcome
    same_node: bool | None = None
    start: float = 0.0
    end: float = 0.0
    detail: str = ""
    source: str = ""
    target: str = ""


@dataclass(frozen=True, slots=True)
class Observation:
    """What one probe saw. `observed`: an `Outcome` for a flow, a JSON value for a lookup or a fact.

    `asked_from` is the pod (namespace/name) or host. `attempts` counts askings: an unexpected answer is asked again
    alone. `control` says which flow proved, in the same window, that a time-out means denied.
    """

    probe: Probe
    status: Status
    observed: Any
    detail: str = ""
    asked_from: str = ""
    dials: tuple[Dial, ...] = ()
    attempts: int = 1
    control: str = ""


@dataclass(frozen=True, slots=True)
class CanaryCheck:
    """One flow of the canary, from `source` to `target` (nodes). `expect` and `observed` as for a flow probe."""

    name: str
    expect: Outcome
    observed: Outcome
    detail: str = ""
    source: str = ""
    target: str = ""

    @property
    def ok(self) -> bool:
        return self.expect is self.observed

    @property
    def says(self) -> str:
        """Which control it is, from where to where, and what it saw."""
        ends = f" from {self.source} to {self.target}" if self.source else ""
        if self.ok:
            return f"{self.name}{ends}: {self.observed.value}, as it must be"
        what = {Outcome.CONNECTED: "an open port must be reached"}.get(self.expect, "policy must stop it")
        return f"{self.name}{ends}: {what}, and it was {_SEEN[self.observed]}"


_SEEN = {
    Outcome.CONNECTED: "reached",
    Outcome.TIMED_OUT: "not (no answer)",
    Outcome.REFUSED: "refused by the other end",
    Outcome.UNRESOLVED: "not resolved",
    Outcome.CHECK_FAILED: "not asked, for the check could not run",
}


@dataclass(frozen=True, slots=True)
class Canary:
    """`problem`: why the canary itself could not run, `stuck` the nodes that kept it from running. Inconclusive unless
    every check is as expected."""

    checks: tuple[CanaryCheck, ...] = ()
    problem: str = ""
    stuck: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return not self.problem and bool(self.checks) and all(c.ok for c in self.checks)


@dataclass(frozen=True, slots=True)
class Cause:
    """Why answers are not as predicted: one sentence, and the command that sets it right. `probes`: the ids of those
    that it explains, `flows` how many of them are flows. Some explain no answer of their own: two policies that
    differ are one fact."""

    what: str
    command: str
    probes: tuple[str, ...] = ()
    flows: int = 0

    @property
    def extent(self) -> str:
        """How much it explains.

        >>> Cause("", "", ("a", "b"), 1).extent, Cause("", "").extent
        ('explains 1 flow and 1 other probe', 'changes no answer of its own')
        """
        counts = [(self.flows, "flow"), (len(self.probes) - self.flows, "probe" if not self.flows else "other probe")]
        told = " and ".join(f"{n} {word}{'' if n == 1 else 's'}" for n, word in counts if n)
        return f"explains {told}" if told else "changes no answer of its own"


@dataclass(frozen=True, slots=True)
class Run:
    """One verification. `started` is ISO 8601 UTC; `seconds` how long it took, `phases` how long each part did;
    `causes` of what is unexpected, those first that explain most."""

    name: str
    stack: str
    cluster: str
    started: str
    seconds: float
    canary: Canary
    observations: tuple[Observation, ...]
    phases: dict[str, float] = field(default_factory=dict)
    causes: tuple[Cause, ...] = ()

    @property
    def answer(self) -> Answer:
        if not self.canary.ok:
            return Answer.INCONCLUSIVE
        if any(o.status in (Status.WRONG, Status.CHECK_FAILED) for o in self.observations):
            return Answer.RED
        return Answer.GREEN

    def count(self, status: Status) -> int:
        return sum(o.status is status for o in self.observations)

    @property
    def unexpected(self) -> tuple[Observation, ...]:
        return tuple(o for o in self.observations if o.status in (Status.WRONG, Status.CHECK_FAILED))

    @property
    def flows(self) -> tuple[Observation, ...]:
        return tuple(o for o in self.observations if isinstance(o.probe, FlowProbe))


def explain(observation: Observation) -> str:
    """One line for the reader of a red run: what was expected, what was seen, and which policies decide."""
    probe = observation.probe
    if isinstance(probe, FlowProbe):
        what = f"{probe.source} -> {probe.destination}:{probe.port}/{probe.protocol} by {probe.via}"
        if probe.name:
            what += f" {probe.name}"
        if probe.via == "node-port" and probe.nodes != "every":
            what += f" on nodes {probe.nodes.replace('-', ' ', 1)}"
        expected = probe.expect.value if probe.expect else "nothing"
        seen = observation.observed.value
        why = f"; deciding: {', '.join(probe.deciding)}" if probe.deciding else ""
        why += f" ({probe.reason})" if probe.reason else ""
    else:
        what = probe.id
        expected, seen, why = f"{_plain(probe.expect)}", f"{_plain(observation.observed)}", ""
    detail = f"; {observation.detail}" if observation.detail else ""
    return f"{observation.status.value}: {what}: expected {expected}, saw {seen}{detail}{why}"


def _plain(value: Any) -> Any:
    """As a line can hold it: `detail` says what differs in a text of several."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, str) and "\n" in value:
        return f"a text of {len(value.splitlines())} lines"
    return value.value if isinstance(value, Outcome) else value
