"""Where the label of a line stands: on the line, clear of everything else."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from math import hypot

Point = tuple[float, float]
#: Left, top, right, bottom.
Rectangle = tuple[float, float, float, float]

HIGH = 18.0
_CLEAR = 3.0
_SHARES = (0.5, 0.4, 0.6, 0.3, 0.7, 0.2, 0.8, 0.12, 0.88)


def placed(
    wanted: Iterable[tuple[Sequence[Point], Point | None, float]], taken: Iterable[Rectangle]
) -> list[Point | None]:
    """The middle of each label of `wanted`: (the line's points, a place to try first, the label's width).

    None where there is no room. `taken` is where no label may be.
    """
    full = list(taken)
    out: list[Point | None] = []
    for points, first, wide in wanted:
        found = next((p for p in _tries(points, first) if not _hits(_around(p, wide), full)), None)
        if found is not None:
            full.append(_around(found, wide))
        out.append(found)
    return out


def _tries(points: Sequence[Point], first: Point | None) -> Iterator[Point]:
    lengths = [hypot(b[0] - a[0], b[1] - a[1]) for a, b in pairwise(points)]
    if first is not None:
        near = [_nearest(a, b, first) for a, b in pairwise(points)]
        yield min(near, key=lambda p: hypot(p[0] - first[0], p[1] - first[1]), default=first)
    for share in _SHARES:
        left = share * sum(lengths)
        for (a, b), length in zip(pairwise(points), lengths, strict=True):
            if left <= length and length:
                yield a[0] + (b[0] - a[0]) * left / length, a[1] + (b[1] - a[1]) * left / length
                break
            left -= length


def _nearest(a: Point, b: Point, to: Point) -> Point:
    """The point of the piece from `a` to `b` that is nearest."""
    dx, dy = b[0] - a[0], b[1] - a[1]
    along = ((to[0] - a[0]) * dx + (to[1] - a[1]) * dy) / (dx * dx + dy * dy) if dx or dy else 0.0
    share = min(1.0, max(0.0, along))
    return a[0] + dx * share, a[1] + dy * share


def _around(middle: Point, wide: float) -> Rectangle:
    x, y = middle
    return x - wide / 2 - _CLEAR, y - HIGH / 2 - _CLEAR, x + wide / 2 + _CLEAR, y + HIGH / 2 + _CLEAR


def _hits(one: Rectangle, others: Iterable[Rectangle]) -> bool:
    return any(one[0] < o[2] and o[0] < one[2] and one[1] < o[3] and o[1] < one[3] for o in others)
