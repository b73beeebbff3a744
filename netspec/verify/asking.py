"""The prober: one exec a pod carries all its probes; denials need a control; failures are asked again, by cause."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from typing import TypeGuard

from netspec.probes import (
    HEALTH_CHECK,
    NAMES_ASKED,
    OWN_ADDRESS,
    POD_ANSWERS,
    Asked,
    DnsProbe,
    FactProbe,
    FlowProbe,
    Outcome,
    Probe,
)
from netspec.toolchain.programs import last_line
from netspec.verify.access import Access
from netspec.verify.ephemeral import ProbeContainers
from netspec.verify.judge import Judge
from netspec.verify.model import Dial, Observation, Status
from netspec.verify.resolve import Asker, Control, NothingToAsk, Resolver, Target, Unresolved
from netspec.verify.script import LANES, Question, Reply, outcome, replies, script

#: Pods asked at the same time, at first and again: what is asked again mostly waits.
PODS_AT_ONCE = 8
AGAIN_AT_ONCE = 16
#: Failures of one cause: so many are asked again, from pods as different as there are. If they all fail again, the
#: cause is not an accident and speaks for the others; if not, those are asked again as well.
SAMPLE = 3
#: Seconds that a flow gets when it is asked again, and the questions that one pod gets then: one for each lane, or what
#: waits in the second row would make a red run slower.
AGAIN_TIMEOUT = 1.5
AGAIN_LIMIT = LANES
#: Questions in one exec: its command line must stay below the system's 128 KiB for one argument, and if all of them
#: are denials, the exec within its time.
BATCH = 600

#: Facts that a pod is asked for; the others are read from the cluster's state or its nodes.
POD_FACTS = (
    *("resolv-conf", "pod-mtu", "source-address-kept", "client-address"),
    *(HEALTH_CHECK, NAMES_ASKED, OWN_ADDRESS, *POD_ANSWERS),
)


def is_asked_of_pod(probe: Probe) -> TypeGuard[Asked]:
    return isinstance(probe, FlowProbe | DnsProbe) or (isinstance(probe, FactProbe) and probe.fact in POD_FACTS)


def source_of(probe: Asked) -> str:
    return probe.subject if isinstance(probe, FactProbe) else probe.source


@dataclass(frozen=True, slots=True)
class _Round:
    """What is asked of one pod now; `all` are its source's probes whether asked now or not: controls come from them."""

    asker: Asker
    probes: Sequence[Asked]
    all: Sequence[Asked]
    attempt: int


@dataclass
class _Window:
    """What one exec brought back."""

    by_number: dict[int, list[Reply]] = field(default_factory=dict)
    control: str = ""
    control_failure: str = ""
    failure: str = ""


class Prober:
    """Asks every probe that is a pod's or the outside host's to answer. `run` gives one observation a probe."""

    def __init__(
        self,
        access: Access,
        resolver: Resolver,
        judge: Judge,
        say: Callable[[str], None],
        containers: ProbeContainers,
        group: Callable[[Sequence[Observation]], Sequence[Sequence[str]]],
    ) -> None:
        """`containers`: where the pods that are not stand-ins are asked from. `group`: the unexpected ones by cause."""
        self._access, self._resolver, self._judge, self._say = access, resolver, judge, say
        self._containers, self._group = containers, group

    def run(self, probes: Sequence[Asked]) -> dict[str, Observation]:
        """Observations by probe id."""
        by_source: dict[str, list[Asked]] = defaultdict(list)
        for probe in probes:
            by_source[source_of(probe)].append(probe)
        seen: dict[str, Observation] = {}
        askers: dict[str, tuple[Asker, ...]] = {}
        for source, group in by_source.items():
            try:
                askers[source] = self._resolver.askers(source)
            except Unresolved as why:
                seen |= {p.id: self._judge.failed(p, str(why)) for p in group}
        self._round(askers, by_source, {s: by_source[s] for s in askers}, seen, 1)
        by_id = {p.id: p for p in probes if source_of(p) in askers}
        groups = [
            [i for i in ids if i in by_id and _may_be_bad_luck(seen[i])] for ids in self._group(list(seen.values()))
        ]
        sampled = [_sample(ids, by_id) for ids in groups]
        self._again(askers, by_source, [by_id[i] for ids in sampled for i in ids], seen, 2)
        # A cause whose sample did better the second time is none: each of its failures may be an accident.
        rest = [
            by_id[i]
            for ids, sample in zip(groups, sampled, strict=True)
            if any(seen[s].status is Status.PASS for s in sample)
            for i in ids
            if i not in sample or seen[i].status is not Status.PASS
        ]
        self._again(askers, by_source, rest, seen, 3)
        return seen

    def _again(
        self,
        askers: Mapping[str, tuple[Asker, ...]],
        by_source: Mapping[str, Sequence[Asked]],
        due: Sequence[Asked],
        seen: dict[str, Observation],
        attempt: int,
    ) -> None:
        if not due:
            return
        wanted: dict[str, list[Asked]] = defaultdict(list)
        for probe in due:
            wanted[source_of(probe)].append(probe)
        now = {source: theirs[:AGAIN_LIMIT] for source, theirs in wanted.items()}
        self._say(f"asking {sum(map(len, now.values()))} failures again")
        self._round(askers, by_source, now, seen, attempt)

    def _round(
        self,
        askers: Mapping[str, tuple[Asker, ...]],
        by_source: Mapping[str, Sequence[Asked]],
        due: Mapping[str, Sequence[Asked]],
        seen: dict[str, Observation],
        attempt: int,
    ) -> None:
        """Asks what is due, and notes it in `seen`."""
        rounds = [
            _Round(asker, theirs, by_source[source], attempt)
            for source, probes in due.items()
            for asker, theirs in self._by_asker(askers[source], probes)
            if theirs
        ]
        with ThreadPoolExecutor(PODS_AT_ONCE if attempt == 1 else AGAIN_AT_ONCE) as pool:
            answers = [o for observations in pool.map(self._ask, rounds) for o in observations]
        by_probe: dict[str, list[Observation]] = defaultdict(list)
        for observation in answers:
            by_probe[observation.probe.id].append(observation)
        for id_, found in by_probe.items():
            seen[id_] = _after(seen.get(id_), _together(found))

    def _by_asker(self, askers: Sequence[Asker], probes: Sequence[Asked]) -> Iterator[tuple[Asker, list[Asked]]]:
        """Which of a source's probes each of its pods is asked: each by all of its pods that it is about, or what one
        of them saw would be forgotten. A name has one answer whoever asks, so one pod looks it up. One that is about no
        pod goes to the first, who says so."""
        theirs: list[list[Asked]] = [[] for _ in askers]
        for probe in probes:
            about = [i for i, asker in enumerate(askers) if self._resolver.is_about(probe, asker)]
            for i in about[:1] if isinstance(probe, DnsProbe) else about or [0]:
                theirs[i].append(probe)
        yield from zip(askers, theirs, strict=True)

    def _ask(self, round_: _Round) -> list[Observation]:
        attempt, asker = round_.attempt, round_.asker
        if problem := self._containers.problems.get(asker.id):
            return [self._judge.failed(p, problem, asker.id, attempt) for p in round_.probes]
        asked: list[tuple[Asked, tuple[Target, ...]]] = []
        out: list[Observation] = []
        for probe in _mixed(round_.probes):
            try:
                asked.append((probe, self._resolver.targets(probe, asker)))
            except NothingToAsk as why:
                out.append(Observation(probe, Status.SEEN, Outcome.CHECK_FAILED, str(why), asker.id, attempts=attempt))
            except Unresolved as why:
                out.append(self._judge.failed(probe, str(why), asker.id, attempt))
        controls = self._resolver.controls(asker, round_.all)
        for part in _batches(asked):
            window, numbered = self._window(asker, controls, part, again=attempt > 1)
            out += [self._observe(asker, window, probe, targets, attempt) for probe, targets in numbered]
        return out

    def _window(
        self,
        asker: Asker,
        controls: Sequence[Control],
        asked: Sequence[tuple[Asked, tuple[Target, ...]]],
        *,
        again: bool,
    ) -> tuple[_Window, list[tuple[Asked, list[Target]]]]:
        """One exec: controls, questions, controls. A probe that serves as a control is not asked a third time."""
        numbers = {} if again else {control.question: i for i, control in enumerate(controls)}
        questions: list[Question] = []
        numbered: list[tuple[Asked, list[Target]]] = []
        for probe, targets in asked:
            row: list[Target] = []
            for target in targets:
                number = numbers.get(target.question)
                question = replace(target.question, number=len(controls) + len(questions) if number is None else number)
                if again and isinstance(probe, FlowProbe) and probe.expect is Outcome.CONNECTED:
                    question = replace(question, timeout=AGAIN_TIMEOUT)
                row.append(replace(target, question=question))
                if number is None:
                    questions.append(question)
            numbered.append((probe, row))
        control_questions = [replace(c.question, number=i) for i, c in enumerate(controls)]
        window = _Window()
        if asker.pod:
            container = self._containers.names.get(asker.id, asker.container)
            host = self._access.pod(asker.pod.namespace, asker.pod.name, container)
        else:
            assert self._resolver.outside is not None
            host = self._resolver.outside.host
        # What counts the pod's datagrams must be alone.
        alone = [q for q in questions if q.kind == "queries"]
        result = host.run(script(control_questions, [q for q in questions if q not in alone], last=alone))
        window.by_number = replies(result.stdout)
        if not window.by_number:
            window.failure = f"could not run in {asker.id}: {last_line(result.stderr)}"
        window.control, window.control_failure = _judge_controls(controls, window.by_number)
        return window, numbered

    def _observe(
        self, asker: Asker, window: _Window, probe: Asked, targets: Sequence[Target], attempt: int
    ) -> Observation:
        got = [window.by_number.get(t.question.number, []) for t in targets]
        if window.failure or not all(got):
            why = window.failure or f"{asker.id} did not answer this probe"
            return self._judge.failed(probe, why, asker.id, attempt)
        answers = [rows[0] for rows in got]
        dials = tuple(_dial(asker, target, reply) for target, reply in zip(targets, answers, strict=True))
        if isinstance(probe, FlowProbe):
            return self._judge.flow(probe, asker.id, dials, window.control, window.control_failure, attempt)
        if isinstance(probe, DnsProbe):
            return self._judge.lookup(probe, asker.id, answers[0].output, attempt)
        return self._judge.pod_fact(probe, asker, answers, dials, attempt)


def _sample(ids: Sequence[str], by_id: Mapping[str, Asked]) -> list[str]:
    """As different as there are: of another source, or of another kind, first."""
    by_kind: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for id_ in ids:
        probe = by_id[id_]
        kind = (probe.via, probe.protocol) if isinstance(probe, FlowProbe) else (type(probe).__name__,)
        by_kind[source_of(probe), *kind].append(id_)
    turns = [id_ for row in zip_longest(*by_kind.values()) for id_ in row if id_ is not None]
    return turns[:SAMPLE]


def _may_be_bad_luck(observation: Observation) -> bool:
    """What may come out otherwise on a machine that is less busy. An open door does not: load makes allowed flows time
    out, but no denied one connect. Nor does what a file says."""
    probe = observation.probe
    leak = (
        isinstance(probe, FlowProbe)
        and probe.expect is Outcome.TIMED_OUT
        and observation.observed in (Outcome.CONNECTED, Outcome.REFUSED)
    )
    settled = observation.status is Status.WRONG and (leak or isinstance(probe, FactProbe))
    return observation.status in (Status.WRONG, Status.CHECK_FAILED) and not settled


def _together(observations: Sequence[Observation]) -> Observation:
    """What several pods of a source saw as one observation: the worst of them, with the dials of all."""
    worst = min(observations, key=lambda o: _WORST_FIRST.index(o.status))
    return replace(worst, dials=tuple(d for o in observations for d in o.dials))


def _after(before: Observation | None, now: Observation) -> Observation:
    """An answer that was asked for again says what came before it."""
    if before is None or not isinstance(now.probe, FlowProbe) or before.observed is now.observed:
        return now
    detail = "; ".join(filter(None, [now.detail, f"asked before: {before.observed.value}"]))
    return replace(now, detail=detail)


_WORST_FIRST = (Status.WRONG, Status.CHECK_FAILED, Status.SEEN, Status.PASS)


def _batches(
    asked: Sequence[tuple[Asked, tuple[Target, ...]]],
) -> Iterator[list[tuple[Asked, tuple[Target, ...]]]]:
    """Parts of at most `BATCH` questions."""
    part: list[tuple[Asked, tuple[Target, ...]]] = []
    size = 0
    for probe, targets in asked:
        if part and size + len(targets) > BATCH:
            yield part
            part, size = [], 0
        part.append((probe, targets))
        size += len(targets)
    if part:
        yield part


def _dial(asker: Asker, target: Target, reply: Reply) -> Dial:
    return Dial(
        target.question.target, outcome(reply), target.same_node, reply.start, reply.end, reply.output, asker.id
    )


def _mixed(probes: Sequence[Asked]) -> list[Asked]:
    """Denials first: they are the slow ones, and going round the lanes spreads them evenly."""
    return sorted(probes, key=lambda p: not (isinstance(p, FlowProbe) and p.expect is Outcome.TIMED_OUT))


def _judge_controls(controls: Iterable[Control], by_number: dict[int, list[Reply]]) -> tuple[str, str]:
    """(the control that worked before and after, "") or ("", why none did)."""
    failures: list[str] = []
    for number, control in enumerate(controls):
        rows = [outcome(r) for r in by_number.get(number, [])]
        good = (Outcome.CONNECTED, Outcome.REFUSED) if control.to_itself else (Outcome.CONNECTED,)
        if len(rows) == 2 and all(r in good for r in rows):
            return control.name, ""
        said = " then ".join(rows) or "did not run"
        failures.append(f"{control.name}: {said}")
    return "", "; ".join(failures)
