"""What a change does to who reaches whom: flows that open, close or change, not the text that changed."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from netspec.analysis.engine import Connection, Reachability, Rows, Spaces
from netspec.analysis.matrix import INGRESS, Matrix, MatrixPeer
from netspec.analysis.spaces import Ranges
from netspec.ir.model import Inventory

Kind = Literal["opened", "closed", "changed"]
_Ports = tuple[int, int]
_NONE: _Ports = (0, 0)


@dataclass(frozen=True, slots=True)
class Change:
    """One pair of peers whose ports differ. opened: nothing passed before; closed: nothing passes now; else changed.
    `opens` and `closes` are the ports that passed on one side only, what Kubernetes leaves open counted in."""

    kind: Kind
    source: str
    destination: str
    opens: Ranges
    closes: Ranges
    before: tuple[Ranges, Ranges]
    after: tuple[Ranges, Ranges]
    #: Of what is left open before and after, what passes at L4, where L7 rules decide.
    l7: tuple[Ranges, Ranges] = ({}, {})

    @property
    def widens(self) -> bool:
        """Whether anything passes now that did not before, or passes for certain."""
        return bool(self.opens) or self.kind == "opened"


def alike(old: Inventory, new: Inventory) -> tuple[Inventory, Inventory]:
    """Both as one cluster would run them. What one side does not say and every cluster has (the pods' ranges, the CNI,
    the DNS that a spec brings) is as the other has it: files that are silent about it do not take it away."""
    return _completed(old, new), _completed(new, old)


def _completed(one: Inventory, other: Inventory) -> Inventory:
    workloads, namespaces = {w.id for w in one.workloads}, {n.name for n in one.namespaces}
    return replace(
        one,
        namespaces=(*one.namespaces, *(n for n in other.namespaces if n.system and n.name not in namespaces)),
        workloads=(*one.workloads, *(w for w in other.workloads if w.system and w.id not in workloads)),
        pod_cidrs=one.pod_cidrs or other.pod_cidrs,
        dialect=one.dialect or other.dialect,
        node_addresses=one.node_addresses or other.node_addresses,
    )


class Diff:
    """Compares two inventories on ports and addresses cut for both, so that equal rows are equal numbers."""

    def __init__(self, old: Inventory, new: Inventory) -> None:
        spaces = Spaces(old, new)
        before, after = Reachability(old, spaces), Reachability(new, spaces)
        self._align(before, after)
        self._before, self._after = Matrix(old, before), Matrix(new, after)
        self._ports = spaces.ports

    @staticmethod
    def _align(before: Reachability, after: Reachability) -> None:
        """External peers as fine as both need them."""
        cells = [one & other for one in before.external_cells for other in after.external_cells]
        for reach in (before, after):
            reach.regroup([cell for cell in cells if cell])

    @cached_property
    def peers(self) -> list[MatrixPeer]:
        """Of both, each id once, in order."""
        found = {p.id: p for p in (*self._before.peers, *self._after.peers)}
        return sorted(found.values(), key=_order)

    def changes(self) -> Iterator[Change]:
        """In the order of source and destination."""
        old, new = _Side(self._before), _Side(self._after)
        for peer in self.peers:
            was, now = old.row(peer.id), new.row(peer.id)
            if was != now:
                for destination in sorted(was.keys() | now.keys(), key=lambda i: _order(self._peer[i])):
                    before, after = was.get(destination, _NONE), now.get(destination, _NONE)
                    if before != after:
                        l7 = (old.l7(peer.id, destination, before), new.l7(peer.id, destination, after))
                        yield self._change(peer.id, destination, before, after, l7)

    @cached_property
    def _peer(self) -> dict[str, MatrixPeer]:
        return {p.id: p for p in self.peers}

    def _change(self, source: str, destination: str, before: _Ports, after: _Ports, l7: _Ports) -> Change:
        had, has = before[0] | before[1], after[0] | after[1]
        kind: Kind = "opened" if not had else "closed" if not has else "changed"
        ranges = self._ports.ranges
        return Change(
            kind,
            source,
            destination,
            # What was left open and now passes for certain opens too; the reverse closes.
            ranges((has & ~had) | (after[0] & before[1])),
            ranges((had & ~has) | (before[0] & after[1])),
            (ranges(before[0]), ranges(before[1])),
            (ranges(after[0]), ranges(after[1])),
            (ranges(l7[0]), ranges(l7[1])),
        )


class _Side:
    """Rows of one side by peer ids, which are what the two sides have in common."""

    def __init__(self, matrix: Matrix) -> None:
        self._matrix = matrix
        self._ids = [p.id for p in matrix.peers]
        self._number = {peer: i for i, peer in enumerate(self._ids)}
        ids = self._ids
        self._rows: Rows[tuple[str, _Ports]] = Rows(matrix.reach, lambda peer, a, u: (ids[peer], (a, u)))

    def row(self, source: str) -> dict[str, _Ports]:
        """Destination -> (allowed, undefined) ports; empty for a peer that this side does not have."""
        if source == INGRESS:
            return {self._ids[c.destination]: (c.allow, c.undefined) for c in self._matrix.ingress_connections}
        number = self._number.get(source)
        return {} if number is None else dict(item for _, item in self._rows.of(number))

    def l7(self, source: str, destination: str, ports: _Ports) -> int:
        """Of the undefined ports, those on which L7 rules decide."""
        tells, start, end = self._matrix.l7, self._number.get(source), self._number.get(destination)
        if tells is None or start is None or end is None:
            return 0
        return tells.ports(Connection(start, end, *ports))


def _order(peer: MatrixPeer) -> tuple[int, str, int]:
    """Workloads by id, external ranges by number, then the ingress."""
    if peer.ranges:
        return 1, "", int(peer.id.partition(":")[2])
    return (0, peer.id, 0) if peer.namespace else (2, "", 0)
