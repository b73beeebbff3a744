"""Where everything of a graph is: the one layout of the SVG, of the page and of whatever else shows one.

Placing nodes in layers and routing lines is graphlay's (the method of Sugiyama, Tagawa and Toda; the same input gives
the same picture). A graph of few lines is drawn whole: cards in boxes, and what comes in to a card stands within it, so
that each text has a place of its own. Otherwise a box lists its nodes, and a line sums up the rows between two boxes.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil, sqrt
from statistics import median
from typing import Any

import graphlay

from netspec.report.joined import End, Line, joined
from netspec.report.labels import HIGH, Point
from netspec.report.labels import placed as labels_placed
from netspec.report.listing import Edge, Listing, grouped
from netspec.report.measure import cut, width

#: A box that has rows with so many others, and with so many times more than half of the boxes have: it says so, instead
#: of a line to each.
HUB, HUB_TIMES = 6, 2
#: A graph with more lines or nodes is summed up.
LINES, NODES = 60, 120
#: Above so many pairs of boxes, a line has no label; above the second number there are no lines.
LABELLED, DRAWN = 60, 150
#: Longer texts are cut; the tooltip has them whole.
NAME, LABEL = 48, 28
SIZE, SMALL, HEAD = 12.0, 11.0, 13.0  # fonts: names, labels, groups
_ROW, _PAD, _MARGIN, _TITLE, _COLUMN = 22.0, 12.0, 24.0, 28.0, 30


@dataclass(frozen=True, slots=True)
class Inlet:
    """What comes in to a card: the left part of the card, from `y` (its middle) on."""

    text: str
    full: str
    tone: str
    y: float


@dataclass(frozen=True, slots=True)
class Card:
    """A node; `x`, `y` are its upper left corner. `inset` is the width of its inlets. Without a `frame` it is a line of
    the list in a box."""

    node: str
    name: str
    full: str
    x: float
    y: float
    width: float
    height: float
    inlets: tuple[Inlet, ...] = ()
    inset: float = 0.0
    frame: bool = True


@dataclass(frozen=True, slots=True)
class Box:
    group: str
    name: str
    note: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Path:
    """A line along `points`. `both`: it has an arrow at either end. `label` (cut) has its middle at `at`, None where
    there is no room for it, on a ground of `label_width`."""

    points: tuple[Point, ...]
    rows: tuple[int, ...]
    title: str
    tone: str = ""
    maybe: bool = False
    both: bool = False
    weight: float = 1.4
    label: str = ""
    at: Point | None = None
    label_width: float = 0.0


@dataclass(frozen=True, slots=True)
class Drawing:
    """All of it, within 0, 0 and `width`, `height`; `summary` says that lines sum up rows."""

    width: float
    height: float
    summary: bool
    caption: str
    boxes: tuple[Box, ...]
    cards: tuple[Card, ...]
    paths: tuple[Path, ...]


def layout(listing: Listing) -> Drawing:
    edges = list(listing.edges())
    groups = grouped(listing, edges)
    lines = joined(edges, groups)
    if len(lines) <= LINES and sum(map(len, groups.values())) <= NODES:
        return _Whole(listing, groups, lines).drawing()
    return _Summary(listing, groups, edges).drawing()


class _Placed:
    """What graphlay is given, node by node, and what it says."""

    def __init__(self) -> None:
        self.nodes: list[dict[str, Any]] = []
        self.edges: list[dict[str, Any]] = []
        self.number: dict[End, int] = {}

    def node(self, end: End, wide: float, high: float, parent: End | None = None) -> None:
        self.number[end] = len(self.nodes)
        node: dict[str, Any] = {"size": {"width": wide, "height": high}, "key": f"{int(end.whole)} {end.name}"}
        if parent is not None:
            node["parent"] = self.number[parent]
        self.nodes.append(node)

    def edge(self, tail: End, head: End, **fields: Any) -> None:
        given = {name: value for name, value in fields.items() if value is not None}
        self.edges.append({"source": self.number[tail], "target": self.number[head], **given})

    def place(self, **spacing: float) -> graphlay.Layout:
        options = {"spacing": {"compound_header": _TITLE - 6, "compound_padding": 16.0, "isolated_gap": 14.0} | spacing}
        return graphlay.layout({"nodes": self.nodes, "edges": self.edges}, options=options)


class _Whole:
    """Every node a card, every line drawn."""

    def __init__(self, listing: Listing, groups: Mapping[str, Sequence[str]], lines: Sequence[Line]) -> None:
        self.listing, self.groups, self.lines = listing, groups, lines
        #: Node -> (label, tone) of what comes in to it, in order.
        self.inlets: dict[str, dict[tuple[str, str], None]] = {}
        for line in lines:
            if not line.head.whole and line.label:
                self.inlets.setdefault(line.head.name, {})[line.label, line.tone] = None

    def drawing(self) -> Drawing:
        placed = _Placed()
        for group, nodes in self.groups.items():
            box = End(group, True) if group else None
            if box is not None:
                placed.node(box, width(cut(group, NAME), HEAD, True) + 2 * _PAD, 10)
            for node in nodes:
                placed.node(End(node), *self._size(node), box)
        for line in self.lines:
            placed.edge(line.tail, line.head, **self._port(line))
        found = placed.place(layer_gap=44.0, node_gap=16.0, dummy_gap=14.0, port_gap=9.0, edge_label_margin=12.0)
        at = {end: _corner(found.nodes[number]) for end, number in placed.number.items()}
        boxes = [Box(g, cut(g, NAME), "", *at[End(g, True)]) for g in self.groups if g]
        cards = [self._card(node, *at[End(node)]) for nodes in self.groups.values() for node in nodes]
        paths = [self._path(line, route) for line, route in zip(self.lines, found.edges, strict=True)]
        several = any(end.whole for line in self.lines for end in (line.tail, line.head))
        return _moved(boxes, cards, paths, "A line that ends at a box is for everything in the box." * several, False)

    def _inset(self, node: str) -> float:
        found = self.inlets.get(node, ())
        return max((width(cut(label, LABEL), SMALL) for label, _ in found), default=-_PAD) + _PAD

    def _size(self, node: str) -> tuple[float, float]:
        name = width(cut(self.listing.label(node), NAME), SIZE)
        return name + self._inset(node) + 2 * _PAD, max(1, len(self.inlets.get(node, ()))) * _ROW + 4

    def _port(self, line: Line) -> dict[str, Any]:
        """Where the line comes in: at its inlet; a box has none, so that the label stands at the line."""
        if line.head.whole:
            wide = width(cut(line.label, LABEL), SMALL) + 8
            return {"label_size": {"width": wide, "height": HIGH}} if line.label else {}
        inlets = list(self.inlets.get(line.head.name, ()))
        if not line.label or line.head == line.tail:
            return {}
        row = inlets.index((line.label, line.tone)) - (len(inlets) - 1) / 2
        return {"target_port": {"offset": {"side": "left", "t": row * _ROW * 2 / (len(inlets) * _ROW + 4)}}}

    def _card(self, node: str, x: float, y: float, wide: float, high: float) -> Card:
        inlets = [
            Inlet(cut(label, LABEL), label, tone, y + 2 + (row + 0.5) * _ROW)
            for row, (label, tone) in enumerate(self.inlets.get(node, ()))
        ]
        name = cut(self.listing.label(node), NAME)
        return Card(node, name, self.listing.label(node), x, y, wide, high, tuple(inlets), self._inset(node))

    def _path(self, line: Line, route: Mapping[str, Any]) -> Path:
        title = f"{_said(line.tail, self.groups)} -> {_said(line.head, self.groups)}: {line.label}"
        points = tuple((p["x"], p["y"]) for p in route["points"])
        label = cut(line.label, LABEL) if line.head.whole else ""
        return _labelled(Path(points, line.rows, title, line.tone, line.maybe, label=label), route)


class _Summary:
    """Every group a box that lists its nodes, one line for all rows between two boxes."""

    def __init__(self, listing: Listing, groups: Mapping[str, Sequence[str]], edges: Sequence[Edge]) -> None:
        self.listing = listing
        self.shapes = {End(group, True): list(nodes) for group, nodes in groups.items() if group}
        self.shapes |= {End(node): [node] for node in groups.get("", ())}
        box_of = {node: end for end, nodes in self.shapes.items() for node in nodes}
        self.within: dict[End, int] = {}
        self.between: dict[tuple[End, End], list[int]] = {}
        for number, edge in enumerate(edges):
            tail, head = box_of[edge.tail], box_of[edge.head]
            if tail == head:
                self.within[tail] = self.within.get(tail, 0) + 1
            else:
                self.between.setdefault((tail, head), []).append(number)

        #: A box that has rows with most others -> how many boxes and rows.
        self.hubs = self._hubs()

    def _pairs(self) -> list[tuple[End, End]]:
        return list(dict.fromkeys((min(pair), max(pair)) for pair in self.between))

    def _hubs(self) -> dict[End, tuple[int, int]]:
        rows = {pair: len(self._rows(*pair)) for pair in self._pairs()}
        near = {end: [n for pair, n in rows.items() if end in pair] for end in self.shapes}
        usual = median(map(len, near.values())) if near else 0
        return {end: (len(n), sum(n)) for end, n in near.items() if len(n) >= max(HUB, HUB_TIMES * usual)}

    def drawing(self) -> Drawing:
        pairs = [(one, other) for one, other in self._pairs() if not {one, other} & self.hubs.keys()]
        labelled, drawn = len(pairs) <= LABELLED, len(pairs) <= DRAWN
        placed = _Placed()
        for end in self.shapes:
            placed.node(end, *self._size(end))
        for one, other in pairs if drawn else ():
            size = {"width": width(self._label(one, other), SMALL) + 8, "height": HIGH}
            # The direction with more rows is the one that the picture runs in.
            ahead = len(self.between.get((one, other), ())) >= len(self.between.get((other, one), ()))
            placed.edge(*((one, other) if ahead else (other, one)), label_size=size if labelled else None)
        if drawn:
            found = placed.place(layer_gap=60.0, node_gap=24.0, dummy_gap=12.0, port_gap=9.0)
            at = {end: _corner(found.nodes[number]) for end, number in placed.number.items()}
            routes = found.edges
        else:
            at, routes = self._shelves(), []
        boxes, cards, paths = [], [], []
        for end, nodes in self.shapes.items():
            boxes += [Box(end.name, cut(end.name, NAME), self._note(end), *at[end])] if end.whole else []
            cards += self._cards(end, nodes, *at[end])
        most = max((len(self._rows(*pair)) for pair in pairs), default=1)
        for (one, other), route in zip(pairs if drawn else (), routes, strict=True):
            paths.append(self._path(one, other, route, most, labelled))
        caption = "Too much for single lines: each line sums up the rows between two boxes."
        if self.hubs:
            caption += " Where most boxes have rows with one, that is said in it."
        if not drawn:
            caption = f"{len(pairs)} pairs of boxes have rows between them, too many to draw: see the page."
        return _moved(boxes, cards, paths, caption, True)

    def _shelves(self) -> dict[End, tuple[float, float, float, float]]:
        """Boxes without lines: side by side, row by row, each row as high as its highest."""
        sizes = {end: self._size(end) for end in self.shapes}
        most = max(900.0, sqrt(sum((w + 24) * (h + 24) for w, h in sizes.values()) * 1.6))
        x = y = high = 0.0
        out = {}
        for end, (w, h) in sizes.items():
            if x and x + w > most:
                x, y, high = 0.0, y + high + 24, 0.0
            out[end] = x, y, w, h
            x, high = x + w + 24, max(high, h)
        return out

    def _rows(self, one: End, other: End) -> list[int]:
        return sorted([*self.between.get((one, other), ()), *self.between.get((other, one), ())])

    def _label(self, one: End, other: End) -> str:
        return _counted(len(self._rows(one, other)), "row")

    def _note(self, end: End) -> str:
        notes = [f"{_counted(self.within[end], 'row')} within"] if end in self.within else []
        if end in self.hubs:
            boxes, rows = self.hubs[end]
            notes.append(f"{_counted(rows, 'row')} to or from {boxes} boxes")
        return ", ".join(notes)

    def _columns(self, end: End) -> list[list[str]]:
        nodes = self.shapes[end]
        count = max(1, ceil(len(nodes) / _COLUMN), round(sqrt(len(nodes) / 12)))
        high = ceil(len(nodes) / count)
        return [nodes[i : i + high] for i in range(0, len(nodes), high)]

    def _wide(self, nodes: Iterable[str]) -> float:
        return max(width(cut(self.listing.label(n), NAME), SIZE) for n in nodes) + 2 * _PAD

    def _size(self, end: End) -> tuple[float, float]:
        columns = self._columns(end)
        head = width(cut(end.name, NAME), HEAD, True) + 3 * _PAD + width(self._note(end), SMALL)
        wide = max(sum(map(self._wide, columns)), head if end.whole else 0)
        return wide, _TITLE * end.whole + _ROW * len(columns[0]) + 8

    def _cards(self, end: End, nodes: Sequence[str], x: float, y: float, _: float, high: float) -> list[Card]:
        out = []
        for column in self._columns(end):
            wide = self._wide(column)
            for row, node in enumerate(column):
                full, frame = self.listing.label(node), not end.whole
                top = y + (_TITLE + row * _ROW if end.whole else 0)
                out.append(Card(node, cut(full, NAME), full, x, top, wide, high if frame else _ROW, frame=frame))
            x += wide
        return out

    def _path(self, one: End, other: End, route: Mapping[str, Any], most: int, labelled: bool) -> Path:
        ways = [(pair, self.between[pair]) for pair in ((one, other), (other, one)) if pair in self.between]
        title = "; ".join(f"{a.name} -> {b.name}: {_counted(len(rows), 'row')}" for (a, b), rows in ways)
        rows = tuple(self._rows(one, other))
        points = tuple((p["x"], p["y"]) for p in route["points"])
        weight, both = round(1.4 + 5 * sqrt(len(rows) / most), 1), len(ways) == 2
        label = self._label(one, other) if labelled else ""
        return _labelled(Path(points, rows, title, both=both, weight=weight, label=label), route)


def _labelled(path: Path, route: Mapping[str, Any]) -> Path:
    anchor = route.get("label_anchor")
    at = (anchor["x"], anchor["y"]) if anchor else None
    return replace(path, at=at, label_width=width(path.label, SMALL) + 8) if path.label else path


def _said(end: End, groups: Mapping[str, Sequence[str]]) -> str:
    return f"each of {end.name} ({len(groups[end.name])})" if end.whole else end.name


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _corner(node: Mapping[str, Any]) -> tuple[float, float, float, float]:
    wide, high = node["size"]["width"], node["size"]["height"]
    return node["center"]["x"] - wide / 2, node["center"]["y"] - high / 2, wide, high


def _moved(boxes: Sequence[Box], cards: Sequence[Card], paths: Sequence[Path], caption: str, summary: bool) -> Drawing:
    """The drawing with its upper left corner at 0, 0, a margin round it and room for the caption below."""
    frames = [(s.x, s.y, s.x + s.width, s.y + s.height) for s in cards]
    heads = [(box.x, box.y, box.x + box.width, box.y + (box.height if summary else _TITLE)) for box in boxes]
    labels = labels_placed([(p.points, p.at, p.label_width) for p in paths if p.label], [*frames, *heads])
    at = iter(labels)
    paths = [replace(p, at=next(at)) if p.label else p for p in paths]
    shapes = [*frames, *((box.x, box.y, box.x + box.width, box.y + box.height) for box in boxes)]
    shapes += [(x, y, x, y) for p in paths for x, y in p.points]
    shapes += [
        (p.at[0] - p.label_width / 2, p.at[1] - HIGH / 2, p.at[0] + p.label_width / 2, p.at[1] + HIGH / 2)
        for p in paths
        if p.at
    ]
    left, top = min((s[0] for s in shapes), default=0), min((s[1] for s in shapes), default=0)
    right, bottom = max((s[2] for s in shapes), default=0), max((s[3] for s in shapes), default=0)
    dx, dy = _MARGIN - left, _MARGIN - top

    def there(point: Point) -> Point:
        return point[0] + dx, point[1] + dy

    def inlets(card: Card) -> tuple[Inlet, ...]:
        return tuple(replace(i, y=i.y + dy) for i in card.inlets)

    return Drawing(
        max(right - left, width(caption, SIZE)) + 2 * _MARGIN,
        bottom - top + 2 * _MARGIN + (_ROW if caption else 0),
        summary,
        caption,
        tuple(replace(box, x=box.x + dx, y=box.y + dy) for box in boxes),
        tuple(replace(card, x=card.x + dx, y=card.y + dy, inlets=inlets(card)) for card in cards),
        tuple(replace(p, points=tuple(map(there, p.points)), at=p.at and there(p.at)) for p in paths),
    )
