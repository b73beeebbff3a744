"""Few stacks of many that still have every backend, or every two backends, together."""

from collections.abc import Sequence
from itertools import combinations
from random import Random

#: Layer and name of each of its backends.
Stack = tuple[tuple[str, str], ...]


def cover(stacks: Sequence[Stack], together: int) -> list[Stack]:
    """Stacks in which every `together` backends meet that meet in any of `stacks`: always the one with the most that
    are not there yet, the first of several."""
    missing = {group for stack in stacks for group in combinations(stack, together)}
    drawn = []
    while missing:
        most = max(stacks, key=lambda stack: len(missing.intersection(combinations(stack, together))))
        missing.difference_update(combinations(most, together))
        drawn.append(most)
    return drawn


def shuffled(stacks: Sequence[Stack], seed: int) -> list[Stack]:
    """The same stacks in another order, always the same one for a seed."""
    return Random(seed).sample(stacks, len(stacks))
