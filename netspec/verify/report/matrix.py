"""The flows as tables: who (rows) reaches whom (columns), expected against observed in every cell.

A cell has one mark a probe (a port of the destination). As expected: the mark alone. Otherwise expected and observed
around a ">".
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from netspec.probes import OUTSIDE, FlowProbe, Outcome
from netspec.verify.model import Observation, Run, Status

MARKS: dict[Outcome | None, str] = {
    Outcome.CONNECTED: "●",
    Outcome.TIMED_OUT: "·",
    Outcome.REFUSED: "r",
    Outcome.UNRESOLVED: "u",
    Outcome.CHECK_FAILED: "?",
    None: "-",
}
LEGEND = (
    "● connected   · denied (timed out)   r refused   u unresolved   ? check failed   "
    "a>b expected a, saw b   - nothing predicted"
)


@dataclass(frozen=True, slots=True)
class Cell:
    observations: tuple[Observation, ...] = ()

    @property
    def text(self) -> str:
        return " ".join(map(mark, self.observations)) if self.is_odd else "".join(map(mark, self.observations))

    @property
    def status(self) -> Status | None:
        """The worst of the cell; None where nothing was asked."""
        for status in (Status.WRONG, Status.CHECK_FAILED, Status.SEEN, Status.PASS):
            if any(o.status is status for o in self.observations):
                return status
        return None

    @property
    def is_odd(self) -> bool:
        return any(o.status is not Status.PASS for o in self.observations)


@dataclass(frozen=True, slots=True)
class Table:
    title: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: dict[tuple[str, str], Cell]


def mark(observation: Observation) -> str:
    probe = observation.probe
    assert isinstance(probe, FlowProbe)
    seen = MARKS[observation.observed]
    return seen if observation.status is Status.PASS else f"{MARKS[probe.expect]}>{seen}"


def tables(run: Run) -> tuple[Table, ...]:
    """Pods among each other and to the outside; then through Services."""
    direct = [o for o in run.flows if isinstance(o.probe, FlowProbe) and o.probe.via in ("pod", "outside")]
    through = [o for o in run.flows if o not in direct]
    found = (
        _table("pod to pod, and to the outside host", direct),
        _table("through Services: cluster IP, headless name, node port", through),
    )
    return tuple(t for t in found if t.rows)


def _table(title: str, observations: Iterable[Observation]) -> Table:
    cells: dict[tuple[str, str], list[Observation]] = {}
    for observation in observations:
        probe = observation.probe
        assert isinstance(probe, FlowProbe)
        cells.setdefault((probe.source, probe.destination), []).append(observation)
    return Table(
        title,
        _outside_last({source for source, _ in cells}),
        _outside_last({destination for _, destination in cells}),
        {key: Cell(tuple(found)) for key, found in cells.items()},
    )


def _outside_last(ends: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(ends, key=lambda e: (e == OUTSIDE, e)))


#: Style (rich's words) of each status.
STYLES = {
    Status.PASS: "green",
    Status.WRONG: "bold white on red",
    Status.CHECK_FAILED: "bold black on yellow",
    Status.SEEN: "cyan",
    None: "",
}

Line = list[tuple[str, str]]


def lines(table: Table) -> list[Line]:
    """The table as lines of (text, style): columns are numbered, and named below."""
    first = max(len(r) for r in table.rows)
    texts = {key: cell.text for key, cell in table.cells.items()}
    widths = [
        max([len(str(i)), *(len(texts.get((row, column), "")) for row in table.rows)])
        for i, column in enumerate(table.columns, 1)
    ]
    out: list[Line] = [[(table.title, "bold")]]
    header: Line = [(" " * first, "")]
    for i, width in enumerate(widths, 1):
        header.append((f" {i:>{width}}", "dim"))
    out.append(header)
    for row in table.rows:
        line: Line = [(f"{row:<{first}}", "")]
        for column, width in zip(table.columns, widths, strict=True):
            cell = table.cells.get((row, column), Cell())
            text = texts.get((row, column), "")
            line += [(" " * (width - len(text) + 1), ""), (text, STYLES[cell.status])]
        out.append(line)
    out += _legend_of(table.columns)
    return out


def _legend_of(columns: Sequence[str], width: int = 110) -> list[Line]:
    """The numbers' names, several on a line."""
    names = [f"{i} {column}" for i, column in enumerate(columns, 1)]
    out: list[Line] = []
    current = ""
    for name in names:
        if current and len(current) + len(name) + 3 > width:
            out.append([("  " + current, "dim")])
            current = ""
        current += ("   " if current else "") + name
    return [*out, [("  " + current, "dim")]]
