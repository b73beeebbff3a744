"""Reachability of a whole inventory: classes of pods against classes of pods, rows made when they are asked for."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from itertools import chain
from operator import itemgetter
from typing import Generic, NamedTuple, TypeVar

from netspec.analysis.bits import Partition, from_members, product, to_members
from netspec.analysis.departures import as_taken
from netspec.analysis.pods import PodIndex
from netspec.analysis.sides import Side, SideKey, Sides
from netspec.analysis.spaces import (
    AddressSpace,
    PortSpace,
    Ranges,
    address_text,
    blocks_of,
    families,
    node_blocks,
    pod_ranges,
    port_cuts,
)
from netspec.ir.model import Inventory, IPNetwork, NetworkPolicy, TierPolicy, Workload

T = TypeVar("T")
#: How many expanded parts of rows are kept.
_REMEMBERED = 256


class External(NamedTuple):
    """Addresses that no policy tells apart. `intervals`: (IP version, first, last), ascending."""

    intervals: tuple[tuple[int, int, int], ...]

    def holds(self, version: int, address: int) -> bool:
        return any(v == version and low <= address <= high for v, low, high in self.intervals)

    @property
    def ranges(self) -> list[tuple[str, str]]:
        return [(address_text(v, low), address_text(v, high)) for v, low, high in self.intervals]


class Connection(NamedTuple):
    """Ports from one peer to another, as masks of the engine's `ports`; `undefined` is what Kubernetes leaves open."""

    source: int
    destination: int
    allow: int
    undefined: int


class Spaces:
    """The ports and addresses of one or several inventories that are to be compared. `versions`: the IP versions that
    pods may have, where these inventories alone do not tell."""

    def __init__(self, *inventories: Inventory, versions: tuple[int, ...] | None = None) -> None:
        self.versions = families(*inventories) if versions is None else versions
        self.ports = PortSpace(cut for i in inventories for cut in port_cuts(i))
        self.addresses = AddressSpace(
            (block for i in inventories for block in (*blocks_of(i), *node_blocks(i))),
            (n for i in inventories for n in pod_ranges(i)),
        )


class Reachability:
    """Peers are numbered: `workloads` (in id order), then `externals`. Nothing is computed until it is asked for."""

    def __init__(self, inventory: Inventory, spaces: Spaces | None = None) -> None:
        """`spaces`: shared with another inventory to be compared with; they must include this one's."""
        inventory = self.inventory = as_taken(inventory)
        self.spaces = spaces or Spaces(inventory)
        self.ports: PortSpace = self.spaces.ports
        self.pods = PodIndex(inventory)
        self.sides = Sides(inventory, self.pods, self.ports, self.spaces.addresses, self.spaces.versions)
        self._order = sorted(range(len(inventory.workloads)), key=lambda i: inventory.workloads[i].id)
        self.workloads: tuple[Workload, ...] = tuple(inventory.workloads[i] for i in self._order)

    @cached_property
    def egress_keys(self) -> list[SideKey]:
        """Per pod class, what decides its egress."""
        return self.sides.subjects("Egress")

    @cached_property
    def ingress_keys(self) -> list[SideKey]:
        """Per pod class, what decides its ingress."""
        return self.sides.subjects("Ingress")

    @cached_property
    def egress(self) -> list[Side]:
        """Per pod class."""
        return [self.sides.side(key) for key in self.egress_keys]

    @cached_property
    def ingress(self) -> list[Side]:
        """Per pod class."""
        return [self.sides.side(key) for key in self.ingress_keys]

    # External peers

    @cached_property
    def external_cells(self) -> list[int]:
        """The external classes (bits from 0) grouped by what any side can tell apart."""
        cells = [(1 << len(self.sides.external_signatures)) - 1]
        for cut in self._external_cuts():
            cells = [part for cell in cells for part in (cell & cut, cell & ~cut) if part]
        return cells

    def _external_cuts(self) -> Iterable[int]:
        sides = {id(side): side for side in (*self.egress, *self.ingress)}
        partitions = {id(p): p for side in sides.values() for p in (side.lower, *side.upper)}
        return {members >> self.pods.count for p in partitions.values() for members in p.values()}

    def regroup(self, cells: Sequence[int]) -> None:
        """Uses these groups of external classes, at least as fine as `external_cells`: for a comparison, in which an
        external peer must mean the same on both sides."""
        self.external_cells = list(cells)

    @cached_property
    def externals(self) -> list[External]:
        """A disjoint partition of the address space, IPv4 and IPv6, in address order."""
        cell_of = {}
        for number, cell in enumerate(self.external_cells):
            for member in to_members(cell):
                cell_of[self.sides.external_signatures[member]] = number
        found: dict[int, list[tuple[int, int, int]]] = {}
        for version, low, high, signature in self.spaces.addresses.intervals:
            intervals = found.setdefault(cell_of[signature], [])
            if intervals and intervals[-1][0] == version and intervals[-1][2] == low - 1:
                intervals[-1] = (version, intervals[-1][1], high)
            else:
                intervals.append((version, low, high))
        self._cell_order = list(found)
        return [External(tuple(intervals)) for intervals in found.values()]

    def externals_in(self, networks: Sequence[IPNetwork]) -> int:
        """The external classes with an address in one of the networks (none given: all), as a set of classes."""
        if not networks:
            return self.sides.externals
        found = {
            signature
            for version, low, high, signature in self.spaces.addresses.intervals
            for n in networks
            if n.version == version and low <= int(n.broadcast_address) and high >= int(n.network_address)
        }
        places = from_members(i for i, s in enumerate(self.sides.external_signatures) if s in found)
        return places << self.pods.count

    # Rows

    @cached_property
    def _peers_of(self) -> list[tuple[int, ...]]:
        """Per class (pods, then externals), the peers that it stands for, ascending."""
        rank = {original: place for place, original in enumerate(self._order)}
        out = [tuple(sorted(rank[i] for i in members)) for members in self.pods.members]
        stand_for: dict[int, int] = {}
        for place, _ in enumerate(self.externals):
            cell = self.external_cells[self._cell_order[place]]
            stand_for[(cell & -cell).bit_length() - 1] = len(self.workloads) + place
        out += [(stand_for[i],) if i in stand_for else () for i in range(len(self.sides.external_signatures))]
        return out

    @cached_property
    def _class_of_peer(self) -> list[int]:
        out = [0] * (len(self.workloads) + len(self.externals))
        for number, peers in enumerate(self._peers_of):
            for peer in peers:
                out[peer] = number
        return out

    @cached_property
    def _incoming(self) -> list[list[Partition]]:
        """Per kind (lower, then upper per family), per source class: ports -> the pod classes that let it in."""
        kinds: list[list[Partition]] = [[s.lower for s in self.ingress]]
        if not self.is_certain:
            kinds += [[s.upper[f] for s in self.ingress] for f in range(self._families)]
        return [self._transpose(kind) for kind in kinds]

    @property
    def _families(self) -> int:
        return len(self.ingress[0].upper) if self.ingress else 0

    @cached_property
    def is_certain(self) -> bool:
        """Whether Kubernetes leaves nothing open here."""
        return all(
            u == side.lower for side in {id(s): s for s in (*self.egress, *self.ingress)}.values() for u in side.upper
        )

    def _transpose(self, partitions: list[Partition]) -> list[Partition]:
        grouped: dict[int, tuple[Partition, int]] = {}
        for number, partition in enumerate(partitions):
            have = grouped.get(id(partition), (partition, 0))[1]
            grouped[id(partition)] = (partition, have | 1 << number)
        triples: dict[tuple[int, int], int] = {}
        for partition, destinations in grouped.values():
            for ports, sources in partition.items():
                if ports:
                    triples[ports, sources] = triples.get((ports, sources), 0) | destinations
        count = self.pods.count + len(self.sides.external_signatures)
        out: list[Partition] = [{} for _ in range(count)]
        for (ports, sources), destinations in triples.items():
            for source in to_members(sources):
                row = out[source]
                row[ports] = row.get(ports, 0) | destinations
        full = self.ports.full
        for row in out[: self.pods.count]:  # addresses let everything in
            row[full] = row.get(full, 0) | self.sides.externals
        return out

    def row(self, number: int) -> list[tuple[int, int, int]]:
        """What a source class reaches: (allow, undefined, destination classes), none of them twice."""
        if number < self.pods.count:
            side = self.egress[number]
        else:
            side = Side(
                {self.ports.full: self.pods.everyone}, ({self.ports.full: self.pods.everyone},) * self._families
            )
        lower = _meet(side.lower, self._incoming[0][number])
        if self.is_certain:
            return [(ports, 0, where) for ports, where in lower.items()]
        upper: Partition = {0: self.sides.everyone}
        for family in range(self._families):
            passing = _meet(side.upper[family], self._incoming[1 + family][number])
            upper = product(upper, _whole(passing, self.sides.everyone), int.__or__)
        both = product(_whole(lower, self.sides.everyone), upper, lambda low, high: (low, high & ~low))
        return [(allow, undefined, where) for (allow, undefined), where in both.items() if allow or undefined]

    def connections(self, source: int) -> Iterator[Connection]:
        """What one peer reaches, in peer order; a peer to itself is left out."""
        for destination, (allow, undefined) in self._connections.of(source):
            yield Connection(source, destination, allow, undefined)

    @cached_property
    def _connections(self) -> "Rows[tuple[int, int]]":
        return Rows(self, lambda _, allow, undefined: (allow, undefined))

    def peers_in(self, classes: int) -> list[int]:
        """The peers that a set of classes stands for, ascending."""
        return sorted(chain.from_iterable(map(self._peers_of.__getitem__, to_members(classes))))

    @cached_property
    def _policies(self) -> dict[str, NetworkPolicy | TierPolicy]:
        policies: list[NetworkPolicy | TierPolicy] = [*self.inventory.policies, *self.inventory.tiers]
        return {p.id: p for p in policies}

    def policy(self, policy_id: str) -> NetworkPolicy | TierPolicy:
        """The inventory's policy of that id."""
        return self._policies[policy_id]

    def class_of(self, peer: int) -> int:
        """The class that a peer is in: pod classes, then external ones."""
        return self._class_of_peer[peer]

    def peer_count(self) -> int:
        return len(self._class_of_peer)

    def ranges(self, mask: int) -> Ranges:
        return self.ports.ranges(mask)


class Rows(Generic[T]):
    """Expands rows to peers, each made into whatever the reader wants. Parts that rows share are kept for a while."""

    def __init__(self, reach: Reachability, make: Callable[[int, int, int], T]) -> None:
        """`make` takes a destination peer and the masks of the allowed and undefined ports."""
        self._reach, self._make = reach, make
        self._parts: dict[tuple[int, int, int], list[tuple[int, T]]] = {}

    def of(self, source: int) -> list[tuple[int, T]]:
        """(destination peer, what was made), in peer order, without the source itself."""
        parts = [self._part(triple) for triple in self._reach.row(self._reach.class_of(source))]
        items = parts[0] if len(parts) == 1 else sorted(chain.from_iterable(parts), key=itemgetter(0))
        at = bisect_left(items, source, key=itemgetter(0))
        if at < len(items) and items[at][0] == source:
            return items[:at] + items[at + 1 :]
        return items

    def _part(self, triple: tuple[int, int, int]) -> list[tuple[int, T]]:
        found = self._parts.get(triple)
        if found is None:
            if len(self._parts) >= _REMEMBERED:
                self._parts.clear()
            allow, undefined, where = triple
            made = self._make
            found = [(peer, made(peer, allow, undefined)) for peer in self._reach.peers_in(where)]
            self._parts[triple] = found
        return found


def _meet(one: Partition, other: Partition) -> Partition:
    """Pointwise intersection, without the members that nothing is left for."""
    out: Partition = {}
    for ports, members in one.items():
        for others, among in other.items():
            both, common = ports & others, members & among
            if both and common:
                out[both] = out.get(both, 0) | common
    return out


def _whole(partial: Partition, space: int) -> Partition:
    """Adds the members that no value names, with none."""
    rest = space
    for members in partial.values():
        rest &= ~members
    return partial | {0: partial.get(0, 0) | rest} if rest else partial
