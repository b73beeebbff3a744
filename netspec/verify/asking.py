"""The prober: one exec a pod carries all its probes; denials need a control; failures are asked again, alone."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from netspec.probes import DnsProbe, FactProbe, FlowProbe, Outcome, Probe
from netspec.toolchain.programs import last_line
from netspec.verify.access import Access
from netspec.verify.ephemeral import ProbeContainers
from netspec.verify.judge import Judge
from netspec.verify.model import Dial, Observation, Status
from netspec.verify.resolve import Asker, Control, NothingToAsk, Resolver, Target, Unresolved
from netspec.verify.script import LANES, Question, Reply, outcome, replies, script

#: Pods asked at the same time.
PODS_AT_ONCE = 8
#: A connection that failed is tried again alone, this often; of one source at most so many (more is no accident).
AGAIN = 2
ALONE_LIMIT = 24
ALONE_AT_ONCE = 2
#: Seconds that a flow gets when it is asked again.
ALONE_TIMEOUT = 2.0
#: Questions in one exec: its command line must stay below the system's 128 KiB for one argument, and if all of them
#: are denials, the exec within its time.
BATCH = 600

#: Facts that a pod is asked for; the others are read from the cluster's state or its nodes.
POD_FACTS = ("resolv-conf", "pod-mtu", "source-address-kept")


def is_asked_of_pod(probe: Probe) -> bool:
    return not isinstance(probe, FactProbe) or probe.fact in POD_FACTS


def source_of(probe: Probe) -> str:
    return probe.subject if isinstance(probe, FactProbe) else probe.source


@dataclass(frozen=True, slots=True)
class _Round:
    """What is asked of one pod now; `all` are its source's probes whether asked now or not: controls come from them."""

    asker: Asker
    probes: Sequence[Probe]
    all: Sequence[Probe]
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
    ) -> None:
        """`containers`: where the pods that are not stand-ins are asked from."""
        self._access, self._resolver, self._judge, self._say = access, resolver, judge, say
        self._containers = containers

    def run(self, probes: Sequence[Probe]) -> dict[str, Observation]:
        """Observations by probe id."""
        by_source: dict[str, list[Probe]] = defaultdict(list)
        for probe in probes:
            by_source[source_of(probe)].append(probe)
        seen: dict[str, Observation] = {}
        askers: dict[str, tuple[Asker, ...]] = {}
        for source, group in by_source.items():
            try:
                askers[source] = self._resolver.askers(source)
            except Unresolved as why:
                seen |= {p.id: self._judge.failed(p, str(why)) for p in group}
        for attempt in range(1, AGAIN + 2):
            first = attempt == 1
            rounds = [
                _Round(asker, probes, by_source[source], attempt)
                for source in askers
                for asker, probes in self._due(askers[source], by_source[source], None if first else seen)
                if probes
            ]
            if not first and rounds:
                self._say(f"asking {sum(len(r.probes) for r in rounds)} failures again, alone")
            with ThreadPoolExecutor(PODS_AT_ONCE if first else ALONE_AT_ONCE) as pool:
                answers = [o for observations in pool.map(self._ask, rounds) for o in observations]
            by_probe: dict[str, list[Observation]] = defaultdict(list)
            for observation in answers:
                by_probe[observation.probe.id].append(observation)
            for id_, found in by_probe.items():
                seen[id_] = _after(seen.get(id_), _together(found))
        return seen

    def _due(
        self, askers: Sequence[Asker], probes: Sequence[Probe], seen: "dict[str, Observation] | None"
    ) -> Iterator[tuple[Asker, list[Probe]]]:
        """Which of a source's probes each of its pods is asked now: all at first, then those that may have been bad
        luck: each by all of its pods, or what one of them saw would be forgotten. A name has one answer whoever asks,
        so one pod looks it up."""
        due = probes if seen is None else [p for p in probes if _may_be_bad_luck(seen[p.id])][:ALONE_LIMIT]
        for i, asker in enumerate(askers):
            yield asker, [p for p in due if i == 0 or not isinstance(p, DnsProbe)]

    def _ask(self, round_: _Round) -> list[Observation]:
        attempt, asker = round_.attempt, round_.asker
        if problem := self._containers.problems.get(asker.id):
            return [self._judge.failed(p, problem, asker.id, attempt) for p in round_.probes]
        asked: list[tuple[Probe, tuple[Target, ...]]] = []
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
            window, numbered = self._window(asker, controls, part, alone=attempt > 1)
            out += [self._observe(asker, window, probe, targets, attempt) for probe, targets in numbered]
        return out

    def _window(
        self,
        asker: Asker,
        controls: Sequence[Control],
        asked: Sequence[tuple[Probe, tuple[Target, ...]]],
        *,
        alone: bool,
    ) -> tuple[_Window, list[tuple[Probe, list[Target]]]]:
        """One exec: controls, questions, controls. A probe that serves as a control is not asked a third time."""
        numbers = {} if alone else {control.question: i for i, control in enumerate(controls)}
        questions: list[Question] = []
        numbered: list[tuple[Probe, list[Target]]] = []
        for probe, targets in asked:
            row: list[Target] = []
            for target in targets:
                number = numbers.get(target.question)
                question = replace(target.question, number=len(controls) + len(questions) if number is None else number)
                if alone and isinstance(probe, FlowProbe) and probe.expect is Outcome.CONNECTED:
                    question = replace(question, timeout=ALONE_TIMEOUT)
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
        result = host.run(script(control_questions, questions, 1 if alone else LANES))
        window.by_number = replies(result.stdout)
        if not window.by_number:
            window.failure = f"could not run in {asker.id}: {last_line(result.stderr)}"
        window.control, window.control_failure = _judge_controls(controls, window.by_number)
        return window, numbered

    def _observe(
        self, asker: Asker, window: _Window, probe: Probe, targets: Sequence[Target], attempt: int
    ) -> Observation:
        got = [window.by_number.get(t.question.number, []) for t in targets]
        if window.failure or not all(got):
            why = window.failure or f"{asker.id} did not answer this probe"
            return self._judge.failed(probe, why, asker.id, attempt)
        answers = [rows[0] for rows in got]
        dials = tuple(_dial(target, reply) for target, reply in zip(targets, answers, strict=True))
        if isinstance(probe, FlowProbe):
            return self._judge.flow(probe, asker.id, dials, window.control, window.control_failure, attempt)
        if isinstance(probe, DnsProbe):
            return self._judge.lookup(probe, asker.id, answers[0].output, attempt)
        return self._judge.pod_fact(probe, asker, answers, dials, attempt)


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
    asked: Sequence[tuple[Probe, tuple[Target, ...]]],
) -> Iterator[list[tuple[Probe, tuple[Target, ...]]]]:
    """Parts of at most `BATCH` questions."""
    part: list[tuple[Probe, tuple[Target, ...]]] = []
    size = 0
    for probe, targets in asked:
        if part and size + len(targets) > BATCH:
            yield part
            part, size = [], 0
        part.append((probe, targets))
        size += len(targets)
    if part:
        yield part


def _dial(target: Target, reply: Reply) -> Dial:
    return Dial(target.question.target, outcome(reply), target.same_node, reply.start, reply.end, reply.output)


def _mixed(probes: Sequence[Probe]) -> list[Probe]:
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
