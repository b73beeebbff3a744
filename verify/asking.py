"""The prober: one exec a pod carries all its probes; denials need a control; surprises are asked again, alone."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from netspec.probes import DnsProbe, FactProbe, FlowProbe, Outcome, Probe
from verify.access import Access, last_line
from verify.judge import Judge
from verify.model import Dial, Observation, Status
from verify.resolve import Asker, Control, Resolver, Target, Unresolved
from verify.script import LANES, Question, Reply, outcome, replies, script

#: Pods asked at the same time.
PODS_AT_ONCE = 8
#: An unexpected answer is asked again alone, this often; of one pod at most so many (more is no accident).
AGAIN = 2
ALONE_LIMIT = 24
ALONE_AT_ONCE = 2
#: Seconds that a flow gets when it is asked again.
ALONE_TIMEOUT = 2.0
#: Questions in one exec: its command line must stay below the system's 128 KiB for one argument.
BATCH = 1000

#: Facts that a pod is asked for; the others are read from the cluster's state or its nodes.
POD_FACTS = ("resolv-conf", "pod-mtu", "source-address-kept")


def is_asked_of_pod(probe: Probe) -> bool:
    return not isinstance(probe, FactProbe) or probe.fact in POD_FACTS


def source_of(probe: Probe) -> str:
    return probe.subject if isinstance(probe, FactProbe) else probe.source


@dataclass(frozen=True, slots=True)
class _Round:
    """What is asked of one source now; `all` are its probes whether asked now or not: controls come from them."""

    source: str
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
        self, access: Access, resolver: Resolver, judge: Judge, say: Callable[[str], None], unready: Mapping[str, str]
    ) -> None:
        """`unready`: pod id -> why its probe container does not run."""
        self._access, self._resolver, self._judge, self._say = access, resolver, judge, say
        self._unready = unready

    def run(self, probes: Sequence[Probe]) -> dict[str, Observation]:
        """Observations by probe id."""
        by_source: dict[str, list[Probe]] = defaultdict(list)
        for probe in probes:
            by_source[source_of(probe)].append(probe)
        seen: dict[str, Observation] = {}
        for attempt in range(1, AGAIN + 2):
            first = attempt == 1
            unexpected = {
                source: [p for p in group if first or _is_surprise(seen[p.id])] for source, group in by_source.items()
            }
            rounds = [
                _Round(source, group if first else group[:ALONE_LIMIT], by_source[source], attempt)
                for source, group in unexpected.items()
                if group
            ]
            if not first and rounds:
                self._say(f"asking {sum(len(r.probes) for r in rounds)} unexpected answers again, alone")
            with ThreadPoolExecutor(PODS_AT_ONCE if first else ALONE_AT_ONCE) as pool:
                for observations in pool.map(self._ask, rounds):
                    seen |= {o.probe.id: o for o in observations}
        return seen

    def _ask(self, round_: _Round) -> list[Observation]:
        attempt = round_.attempt
        try:
            asker = self._resolver.asker(round_.source)
        except Unresolved as why:
            return [self._judge.failed(p, str(why), attempts=attempt) for p in round_.probes]
        if asker.id in self._unready:
            return [self._judge.failed(p, self._unready[asker.id], asker.id, attempt) for p in round_.probes]
        asked: list[tuple[Probe, tuple[Target, ...]]] = []
        out: list[Observation] = []
        for probe in _mixed(round_.probes):
            try:
                asked.append((probe, self._resolver.targets(probe, asker)))
            except Unresolved as why:
                out.append(self._judge.failed(probe, str(why), asker.id, attempt))
        controls = self._resolver.controls(asker, round_.all)
        for start in range(0, len(asked), BATCH):
            part = asked[start : start + BATCH]
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
            host = self._access.pod(asker.pod.namespace, asker.pod.name, asker.container)
        else:
            host = self._access.container(asker.id)
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


def _is_surprise(observation: Observation) -> bool:
    """What may come out otherwise when asked again: a file in a pod does not."""
    settled = isinstance(observation.probe, FactProbe) and observation.status is Status.WRONG
    return observation.status in (Status.WRONG, Status.CHECK_FAILED) and not settled


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
