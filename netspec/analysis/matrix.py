"""All connections of an inventory: peers with stable ids, rows made as they are read; `matrix/v1` is written here."""

import json
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from netspec.analysis.engine import Connection, Reachability, Rows
from netspec.analysis.spaces import Ranges
from netspec.analysis.unread import to_json as unread_json
from netspec.ir.model import Inventory

if TYPE_CHECKING:
    from netspec.analysis.l7 import L7

VERSION = "matrix/v1"
INGRESS = "ingress"
_ALL_IPV6 = ("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")


class MatrixPeer(NamedTuple):
    """A workload ("namespace/name"), addresses ("external:0"), or what stands for all routes ("ingress")."""

    id: str
    kind: str
    namespace: str = ""
    name: str = ""
    ranges: tuple[tuple[str, str], ...] = ()

    def to_json(self) -> dict[str, object]:
        if self.ranges:
            return {"id": self.id, "kind": self.kind, "ranges": self.ranges}
        if not self.namespace:
            return {"id": self.id, "kind": self.kind}
        return {"id": self.id, "kind": self.kind, "namespace": self.namespace, "name": self.name}

    @property
    def label(self) -> str:
        """For a reader: addresses by their first range; all of IPv6 goes without saying."""
        if not self.ranges:
            return self.id
        said = [r for r in self.ranges if r != _ALL_IPV6] or list(self.ranges)
        more = f" and {len(said) - 1} more" if len(said) > 1 else ""
        return f"{self.id} ({said[0][0]}-{said[0][1]}{more})"


class Focus(NamedTuple):
    """Which rows are wanted: those of these workloads (ids; empty: all), as destination, source or either."""

    workloads: frozenset[str] = frozenset()
    direction: str = "both"

    def keeps(self, source: str, destination: str) -> bool:
        if not self.workloads:
            return True
        return (self.direction != "ingress" and source in self.workloads) or (
            self.direction != "egress" and destination in self.workloads
        )


EVERYTHING = Focus()


class Matrix:
    """Rows are computed when they are read, source by source, in the order of `peers`."""

    def __init__(self, inventory: Inventory, reach: Reachability | None = None) -> None:
        self.inventory = inventory
        self.reach = reach or Reachability(inventory)

    @cached_property
    def peers(self) -> list[MatrixPeer]:
        """Workloads by id, then addresses by their first, then the ingress."""
        out = [MatrixPeer(w.id, w.kind, w.namespace, w.name) for w in self.reach.workloads]
        for i, external in enumerate(self.reach.externals):
            out.append(MatrixPeer(f"external:{i}", "External", ranges=tuple(external.ranges)))
        if any(route.backends for route in self.inventory.routes):
            out.append(MatrixPeer(INGRESS, "Ingress"))
        return out

    def rows(self) -> Iterator[tuple[int, list[Connection]]]:
        """Per source that reaches anything: its connections in peer order."""
        for source in range(self.reach.peer_count()):
            found = list(self.reach.connections(source))
            if found:
                yield source, found
        if self.ingress_connections:
            yield self.ingress_connections[0].source, self.ingress_connections

    @cached_property
    def ingress_connections(self) -> list[Connection]:
        """What the outside reaches through Ingress and Gateway routes. The pods of the proxy are not known: allow is
        what any pod of the cluster may, undefined what some pod may, or what a Gateway may lead there."""
        if not self.inventory.routes:
            return []
        from netspec.analysis.doors import Passing, doors  # for those who have routes

        number = {w.id: i for i, w in enumerate(self.reach.workloads)}
        allow: dict[int, int] = {}
        undefined: dict[int, int] = {}
        passes = Passing(self.reach)
        for door in (d for d in doors(self.inventory) if d.way == "routes"):
            is_open = passes(door)
            if is_open is not False:
                ports, peer = allow if is_open else undefined, number[door.workload.id]
                ports[peer] = ports.get(peer, 0) | passes.mask(door)
        source = self.reach.peer_count()
        return [
            Connection(source, peer, allow.get(peer, 0), undefined.get(peer, 0) & ~allow.get(peer, 0))
            for peer in sorted(allow.keys() | undefined.keys())
        ]

    def connections(self, focus: Focus = EVERYTHING) -> Iterator[Connection]:
        """Every row that `focus` keeps."""
        ids = [peer.id for peer in self.peers]
        for source, found in self.rows():
            for connection in found:
                if focus.keeps(ids[source], ids[connection.destination]):
                    yield connection

    def to_json(self, focus: Focus = EVERYTHING, more: Callable[[Connection], object] | None = None) -> Iterator[str]:
        """The stable JSON, in pieces; one connection a line. `more` adds a `because` to each (docs/matrix.md)."""
        texts = [json.dumps(peer.id) for peer in self.peers]
        yield f'{{"version": "{VERSION}",\n "peers": [\n  '
        yield ",\n  ".join(json.dumps(peer.to_json()) for peer in self.peers)
        yield '],\n "connections": ['
        separator = ""
        for source, entries in self._entries(texts, focus, more):
            if entries:
                head = f'\n  {{"source": {texts[source]}, "destination": '
                yield f"{separator}{head}{f'}},{head}'.join(entries)}}}"
                separator = ","
        unread = f',\n "unread": {json.dumps(unread_json(self.inventory.unread))}' if self.inventory.unread else ""
        yield f"]{unread}}}\n"

    def _entries(
        self, texts: list[str], focus: Focus, more: Callable[[Connection], object] | None
    ) -> Iterator[tuple[int, list[str]]]:
        """Per source, the JSON of its connections from the destination on."""
        tails: dict[tuple[int, int], str] = {}

        def entry(destination: int, allow: int, undefined: int) -> str:
            tail = tails.get((allow, undefined))
            if tail is None:
                tail = tails[allow, undefined] = self._ports_json(allow, undefined)
            return texts[destination] + tail

        if more is None and not focus.workloads and self.l7 is None:
            rows = Rows(self.reach, entry)
            for source in range(self.reach.peer_count()):
                yield source, [text for _, text in rows.of(source)]
            for source, found in groupby(self.ingress_connections, key=lambda c: c.source):
                yield source, [entry(c.destination, c.allow, c.undefined) for c in found]
            return
        for source, found in groupby(self.connections(focus), key=lambda c: c.source):
            yield (
                source,
                [
                    entry(c.destination, c.allow, c.undefined)
                    + self._l7_json(c)
                    + (f', "because": {json.dumps(more(c))}' if more else "")
                    for c in found
                ],
            )

    @cached_property
    def l7(self) -> "L7 | None":
        """What tells where L7 rules decide; None where none do."""
        from netspec.analysis.l7 import L7, has_l7  # for those who have such rules

        return L7(self.reach) if has_l7(self.inventory) else None

    def _l7_json(self, connection: Connection) -> str:
        mask = self.l7.ports(connection) if self.l7 is not None else 0
        return f', "l7": {json.dumps(self.reach.ranges(mask))}' if mask else ""

    def _ports_json(self, allow: int, undefined: int) -> str:
        out = ""
        for name, mask in (("allow", allow), ("undefined", undefined)):
            if mask:
                out += f', "{name}": {json.dumps(self.reach.ranges(mask))}'
        return out


def ports_text(ranges: Ranges) -> str:
    """
    >>> ports_text({"TCP": ((80, 80), (8000, 8010)), "UDP": ((1, 65535),)})
    'TCP 80,8000-8010; UDP all'
    """
    if not ranges:
        return ""
    if all(ranges.get(p) == ((1, 65535),) for p in ("TCP", "UDP", "SCTP")):
        return "all"
    return "; ".join(f"{protocol} {_ranges_text(found)}" for protocol, found in ranges.items())


def _ranges_text(found: Iterable[tuple[int, int]]) -> str:
    return ",".join(
        "all" if (low, high) == (1, 65535) else str(low) if low == high else f"{low}-{high}" for low, high in found
    )
