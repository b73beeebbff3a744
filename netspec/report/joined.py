"""Rows that say the same of everything in a group become one line from or to the group's box."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from netspec.report.listing import Edge


class End(NamedTuple):
    """A node, or (`whole`) a group: each node in it."""

    name: str
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """What is drawn for `rows` (their numbers), which all have this label, tone and certainty."""

    tail: End
    head: End
    label: str
    maybe: bool
    tone: str
    rows: tuple[int, ...]


def joined(edges: Sequence[Edge], groups: Mapping[str, Sequence[str]]) -> list[Line]:
    """The lines of `edges`, in their order; each row is in exactly one.

    `groups` has the nodes of each group; those under "" are in none. Where all nodes of a group have the same row to
    (or from) something outside it, one line says so.
    """
    group_of = {node: group for group, nodes in groups.items() for node in nodes if group}
    first: dict[Line, list[int]] = {}
    for number, e in enumerate(edges):
        first.setdefault(Line(End(e.tail), End(e.head), e.label, e.maybe, e.tone, ()), []).append(number)
    lines = [replace(line, rows=tuple(rows)) for line, rows in first.items()]
    for side in ("tail", "head"):
        lines = _joined_at(side, lines, groups, group_of)
    return lines


def _joined_at(
    side: str, lines: Sequence[Line], groups: Mapping[str, Sequence[str]], group_of: Mapping[str, str]
) -> list[Line]:
    other = "head" if side == "tail" else "tail"

    def alike(line: Line) -> Line | None:
        """The line that stands for this one and its like; None where its other end is in the same group."""
        near, far = getattr(line, side), getattr(line, other)
        group = None if near.whole else group_of.get(near.name)
        if group is None or group == (far.name if far.whole else group_of.get(far.name)):
            return None
        here = End(group, True)
        return replace(line, tail=here, rows=()) if side == "tail" else replace(line, head=here, rows=())

    found: dict[Line, list[Line]] = {}
    for line in lines:
        if (key := alike(line)) is not None:
            found.setdefault(key, []).append(line)
    whole = {key for key, those in found.items() if len(those) == len(groups[getattr(key, side).name]) > 1}
    out: dict[Line, None] = {}
    for line in lines:
        key = alike(line)
        if key in whole:
            rows = sorted(row for each in found[key] for row in each.rows)
            out[replace(key, rows=tuple(rows))] = None
        else:
            out[line] = None
    return list(out)
