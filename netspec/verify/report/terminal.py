"""The run for a terminal; plain text where it is not one."""

from netspec.verify.model import Answer, Run, Status, explain
from netspec.verify.report.matrix import LEGEND, STYLES, Line, lines, tables

_SENTENCES = {
    Answer.GREEN: "every probe answered as predicted",
    Answer.RED: "the cluster is not what the spec says",
    Answer.INCONCLUSIVE: "nothing is proven: the canary failed",
}
_ANSWER_STYLES = {Answer.GREEN: "bold green", Answer.RED: "bold red", Answer.INCONCLUSIVE: "bold yellow"}
#: A red run lists so many; the page has all.
LISTED = 40


def as_lines(run: Run) -> list[Line]:
    out: list[Line] = []
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
        for check in run.canary.checks:
            style = "green" if check.ok else "yellow"
            out.append([(f"canary {check.name}: expected {check.expect.value}, saw {check.observed.value}", style)])
    out.append([(summary(run), _ANSWER_STYLES[run.answer])])
    return out


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
