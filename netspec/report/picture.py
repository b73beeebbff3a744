"""A graph as SVG, laid out here: a box a group, nodes listed in it, one curve a row."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, sqrt

from netspec.report.listing import TONES, Edge, Listing, grouped

_ROW, _PAD, _HEAD, _GAP, _CHAR, _MARGIN = 22, 12, 30, 120, 7.2, 60
#: Above this many edges, bands between the boxes sum them up; a single curve shows under the pointer.
_MANY = 60
#: Longer labels are cut; the tooltip has them whole.
_LABEL = 28


@dataclass(frozen=True, slots=True)
class Box:
    x: float
    y: float
    width: float
    height: float
    group: str
    nodes: tuple[str, ...]


def layout(listing: Listing, edges: Sequence[Edge]) -> list[Box]:
    """Boxes in columns of about equal height, in group order; ungrouped nodes come last, each in a box of its own."""
    groups = grouped(listing, edges)
    loose = groups.pop("", [])
    shapes = [(group, tuple(nodes)) for group, nodes in groups.items()] + [("", (node,)) for node in loose]
    heights = [_HEAD * bool(group) + _ROW * len(nodes) + 2 * _PAD for group, nodes in shapes]
    total = sum(heights) + 40 * len(shapes)
    columns = max(1, min(len(shapes), ceil(sqrt(total / 340))))
    target = total / columns
    boxes: list[Box] = []
    x, y, widest = float(_MARGIN), float(_MARGIN), 0.0
    for (group, nodes), height in zip(shapes, heights, strict=True):
        if y > _MARGIN and y + height / 2 > target + _MARGIN:
            x, y, widest = x + widest + _GAP, float(_MARGIN), 0.0
        width = max(len(t) for t in (group, *(listing.label(n) for n in nodes))) * _CHAR + 2 * _PAD + 10
        boxes.append(Box(x, y, width, height, group, nodes))
        y, widest = y + height + 40, max(widest, width)
    return boxes


def svg(listing: Listing) -> str:
    """The whole picture, self-contained."""
    edges = list(listing.edges())
    boxes = layout(listing, edges)
    where = {
        node: (box, box.y + _HEAD * bool(box.group) + _PAD + _ROW * (i + 0.5))
        for box in boxes
        for i, node in enumerate(box.nodes)
    }
    width = max((b.x + b.width for b in boxes), default=200.0) + _MARGIN
    height = max((b.y + b.height for b in boxes), default=100.0) + _MARGIN
    many = len(edges) > _MANY
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
        f'height="{height:.0f}" font-family="system-ui, sans-serif" font-size="12">',
        f"<title>{escape(listing.title)}</title>",
        "<style>.e{fill:none;stroke-width:1.3}.e:hover{stroke-width:3;stroke-opacity:1}"
        ".many .e:not(:hover){stroke-opacity:0;marker-end:none;pointer-events:stroke}"
        ".b{fill:none;stroke:#9fb3c8;stroke-opacity:.5}.b:hover{stroke:#1d5fa8}"
        ".l{font-size:10px;fill:#3e4c59;paint-order:stroke;stroke:#fff;stroke-width:3px}</style>",
        "<defs>",
        *(
            f'<marker id="a{name}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
            f'orient="auto"><path d="M0 0L8 4L0 8z" fill="{colour}"/></marker>'
            for name, colour in TONES.items()
        ),
        "</defs>",
        '<rect width="100%" height="100%" fill="#fff"/>',
    ]
    parts += _bands(edges, where) if many else []
    for box in boxes:
        parts.append(
            f'<rect x="{box.x:.0f}" y="{box.y:.0f}" width="{box.width:.0f}" height="{box.height:.0f}" rx="8" '
            f'fill="{"#f5f7fa" if box.group else "#fff7e6"}" stroke="#cbd2d9"/>'
        )
        if box.group:
            parts.append(
                f'<text x="{box.x + _PAD:.0f}" y="{box.y + 20:.0f}" font-weight="600" fill="#1f2933">'
                f"{escape(box.group)}</text>"
            )
    parts += [f'<g class="{"many" if many else ""}">', *(_curve(edge, where, many) for edge in edges), "</g>"]
    for node, (box, y) in where.items():
        parts.append(f'<circle cx="{box.x:.0f}" cy="{y:.0f}" r="3" fill="#829ab1"/>')
        parts.append(f'<circle cx="{box.x + box.width:.0f}" cy="{y:.0f}" r="3" fill="#829ab1"/>')
        parts.append(
            f'<text x="{box.x + _PAD:.0f}" y="{y + 4:.0f}" fill="#1f2933">{escape(listing.label(node))}</text>'
        )
    parts.append("</svg>\n")
    return "\n".join(parts)


def _curve(edge: Edge, where: dict[str, tuple[Box, float]], many: bool) -> str:
    (tail, y1), (head, y2) = where[edge.tail], where[edge.head]
    x1, c1, c2, x2 = _bend(tail, head, abs(y2 - y1))
    dash = ' stroke-dasharray="5 4"' if edge.maybe else ""
    text = escape(f"{edge.tail} -> {edge.head}: {edge.label}")
    label = ""
    if not many:
        middle = f'x="{(x1 + 3 * c1 + 3 * c2 + x2) / 8:.0f}" y="{(y1 + y2) / 2 - 3:.0f}" text-anchor="middle"'
        short = edge.label if len(edge.label) <= _LABEL else edge.label[: _LABEL - 1] + "\u2026"
        label = f'<text class="l" {middle}>{escape(short)}</text>'
    return (
        f'<g><path class="e" d="M{x1:.0f} {y1:.0f}C{c1:.0f} {y1:.0f} {c2:.0f} {y2:.0f} {x2:.0f} {y2:.0f}" '
        f'stroke="{TONES[edge.tone]}"{dash} marker-end="url(#a{edge.tone})"><title>{text}</title></path>{label}</g>'
    )


def _bend(tail: Box, head: Box, rise: float) -> tuple[float, float, float, float]:
    """Where a curve leaves one box and enters another, with its control points: x coordinates."""
    if tail is head:  # within a box: an arc on its left side
        bend = 18 + min(70.0, rise * 0.35)
        return tail.x, tail.x - bend, tail.x - bend, tail.x
    if tail.x + tail.width < head.x:
        x1, x2 = tail.x + tail.width, head.x
        return x1, x1 + (x2 - x1) * 0.45, x2 - (x2 - x1) * 0.45, x2
    if head.x + head.width < tail.x:
        x1, x2 = tail.x, head.x + head.width
        return x1, x1 - (x1 - x2) * 0.45, x2 + (x1 - x2) * 0.45, x2
    return tail.x, tail.x - 46, head.x - 46, head.x  # one column: round the left side


def _bands(edges: Sequence[Edge], where: dict[str, tuple[Box, float]]) -> list[str]:
    """One band for all rows between two boxes, as wide as they are many."""
    counts: dict[tuple[Box, Box], int] = {}
    for edge in edges:
        one, other = sorted((where[edge.tail][0], where[edge.head][0]), key=lambda box: (box.x, box.y))
        if one != other:
            counts[one, other] = counts.get((one, other), 0) + 1
    most = max(counts.values(), default=1)
    out = []
    for (one, other), count in counts.items():
        y1, y2 = one.y + one.height / 2, other.y + other.height / 2
        x1, c1, c2, x2 = _bend(one, other, abs(y2 - y1))
        names = escape(f"{one.group or one.nodes[0]} and {other.group or other.nodes[0]}")
        out.append(
            f'<path class="b" d="M{x1:.0f} {y1:.0f}C{c1:.0f} {y1:.0f} {c2:.0f} {y2:.0f} {x2:.0f} {y2:.0f}" '
            f'stroke-width="{1.5 + 10 * sqrt(count / most):.1f}"><title>{count} rows between {names}</title></path>'
        )
    return out
