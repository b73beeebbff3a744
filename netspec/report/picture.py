"""A graph as SVG: self-contained, for a light or a dark ground and for paper."""

from collections.abc import Sequence
from math import hypot
from typing import Any

from netspec.report.labels import Point
from netspec.report.layout import HEAD, SIZE, SMALL, Drawing, layout
from netspec.report.listing import Listing
from netspec.report.templates import render

_CORNER = 7.0


def svg(listing: Listing) -> str:
    """The whole picture as a file of its own."""
    return render("picture.svg.j2", title=listing.title, **shown(layout(listing)))


def shown(drawing: Drawing) -> dict[str, Any]:
    """What the templates of the picture want."""
    paths = [(path, _curve(path.points)) for path in drawing.paths]
    return {"drawing": drawing, "paths": paths, "fonts": {"name": SIZE, "label": SMALL, "group": HEAD}}


def _curve(points: Sequence[Point]) -> str:
    """Path data through `points`, its corners rounded.

    >>> _curve([(0, 0), (20, 0), (20, 20)])
    'M0 0L13 0Q20 0 20 7L20 20'
    """
    out = [f"M{_pair(points[0])}"] if points else []
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        out.append(f"L{_pair(_toward(corner, before))}Q{_pair(corner)} {_pair(_toward(corner, after))}")
    return "".join([*out, *(f"L{_pair(p)}" for p in points[1:][-1:])])


def _toward(corner: Point, other: Point) -> Point:
    """A point that far from the corner that half of a short piece is left for its other end."""
    length = hypot(other[0] - corner[0], other[1] - corner[1])
    share = min(_CORNER, length / 2) / length if length else 0.0
    return corner[0] + (other[0] - corner[0]) * share, corner[1] + (other[1] - corner[1]) * share


def _pair(point: Point) -> str:
    return f"{point[0]:.1f} {point[1]:.1f}".replace(".0 ", " ").removesuffix(".0")
