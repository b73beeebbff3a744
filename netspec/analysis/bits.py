"""Sets as integers: bit i stands for member i. Union is |, intersection &; both run at memory speed."""

from collections.abc import Callable, Iterable, Mapping
from itertools import compress
from typing import TypeVar

_TRUTH = bytes(1 if byte == ord("1") else 0 for byte in range(256))

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")

#: A function on members by its level sets: value -> the members that have it. The sets are disjoint.
Partition = dict[int, int]


def from_members(members: Iterable[int]) -> int:
    """
    >>> bin(from_members([0, 3]))
    '0b1001'
    """
    listed = list(members)
    if len(listed) < 16:
        bits = 0
        for member in listed:
            bits |= 1 << member
        return bits
    buffer = bytearray(max(listed) // 8 + 1)
    for member in listed:
        buffer[member >> 3] |= 1 << (member & 7)
    return int.from_bytes(buffer, "little")


def to_members(bits: int) -> list[int]:
    """In ascending order.

    >>> to_members(0b1001)
    [0, 3]
    """
    if bits.bit_count() * 16 < bits.bit_length():
        members = []
        while bits:
            low = bits & -bits
            members.append(low.bit_length() - 1)
            bits ^= low
        return members
    digits = bin(bits)[:1:-1].encode()
    return list(compress(range(len(digits)), digits.translate(_TRUTH)))


def product(left: Mapping[A, int], right: Mapping[B, int], combine: Callable[[A, B], C]) -> dict[C, int]:
    """Pointwise `combine` of two partitions of one set.

    >>> product({1: 0b011, 2: 0b100}, {4: 0b001, 0: 0b110}, int.__or__)
    {5: 1, 1: 2, 2: 4}
    """
    out: dict[C, int] = {}
    for value, members in left.items():
        for other, others in right.items():
            common = members & others
            if common:
                result = combine(value, other)
                out[result] = out.get(result, 0) | common
    return out


def cover(contributions: Mapping[int, int], space: int) -> Partition:
    """The partition of `space` by the union of the contributions (value -> members) that hold a member.

    >>> cover({0b01: 0b011, 0b10: 0b110}, 0b1111)
    {3: 2, 1: 1, 2: 4, 0: 8}
    """
    out: Partition = {0: space} if space else {}
    for value, members in contributions.items():
        refined: Partition = {}
        for have, where in out.items():
            inside = where & members
            if inside:
                refined[have | value] = refined.get(have | value, 0) | inside
                where &= ~members
            if where:
                refined[have] = refined.get(have, 0) | where
        out = refined
    return out
