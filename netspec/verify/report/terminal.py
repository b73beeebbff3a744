"""The run for a terminal; plain text where it is not one."""

from netspec.probes import FactProbe
from netspec.verify.model import Answer, Run, Status, explain
from netspec.verify.report.matrix import LEGEND, STYLES, Line, lines, tables

_SENTENCES = {
    Answer.GREEN: "every probe answered as predicted",
    Answer.RED: "the cluster is not what the spec says",
    Answer.INCONCLUSIVE: "nothing is proven: the canary failed",
}
_ANSWER_STYLES = {Answer.GREEN: "bold green", Answer.RED: "bold red", Answer.INCONCLUSIVE: "bold yellow"}
#: A run that is not green begins with so many causes, and ends with so many flows; the page has all.
CAUSES, LISTED = 5, 10


def as_lines(run: Run) -> list[Line]:
    out: list[Line] = _causes(run)
    if run.canary.ok:
        for table in tables(run):
            out += [*lines(table), []]
        out += [[(LEGEND, "dim")], []]
        for observation in run.unexpected[:LISTED]:
            out.append([(explain(observation), STYLES[observation.status].removeprefix("bold ").split(" on ")[-1])])
        if len(run.unexpected) > LISTED:
            out.append([(f"... and {len(run.unexpected) - LISTED} more in the report", "dim")])
    else:
        if run.canary.problem:
            out.append([(run.canary.problem, "yellow")])
        failed_first = sorted(run.canary.checks, key=lambda c: c.ok)
        out += [[(f"canary: {c.says}", "green" if c.ok else "yellow")] for c in failed_first]
    out += [[(told, "dim")] for told in listed(run)]
    out.append([(summary(run), _ANSWER_STYLES[run.answer])])
    return out


def _causes(run: Run) -> list[Line]:
    out: list[Line] = []
    for cause in run.causes[:CAUSES]:
        out += [
            [(cause.what, "bold"), (f" ({cause.extent})", "dim")],
            [("  to set it right: ", "dim"), (cause.command, "cyan")],
        ]
    if len(run.causes) > CAUSES:
        out.append([(f"... and {len(run.causes) - CAUSES} more causes in the report", "dim")])
    return [*out, []] if out else []


def listed(run: Run) -> list[str]:
    """What the cluster has besides, and opens nothing."""
    facts = ("undeclared", "policies")
    return [
        f"{o.probe.subject}: {o.detail}"
        for o in run.observations
        if isinstance(o.probe, FactProbe) and o.probe.fact in facts and o.status is Status.PASS and o.detail
    ]


def summary(run: Run) -> str:
    """The last line."""
    counts = [(run.count(s), s.value) for s in (Status.PASS, Status.WRONG, Status.CHECK_FAILED, Status.SEEN)]
    told = ", ".join(f"{n} {word}" for n, word in counts if n)
    probes = f"{len(run.observations)} probes ({told}) in {run.seconds:.1f} s"
    return f"{run.answer.value}: {_SENTENCES[run.answer]}; {probes}"


def print_run(run: Run) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(soft_wrap=True, highlight=False)
    for line in as_lines(run):
        console.print(Text.assemble(*line) if line else "")
