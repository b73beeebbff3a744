"""Ports and addresses, cut where the policies cut them and nowhere else."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from netspec.ir.dns import DNS_PORT, dns_servers, service_of_name
from netspec.ir.model import ContainerPort, Inventory, IpBlock, IPNetwork, Protocol, Rule, TierRule

PROTOCOLS: tuple[Protocol, ...] = ("TCP", "UDP", "SCTP")
FIRST_PORT, LAST_PORT = 1, 65535
_BITS = {4: 32, 6: 128}

#: Every address, per family.
WHOLE: tuple[IPNetwork, ...] = (IPv4Network("0.0.0.0/0"), IPv6Network("::/0"))

#: Where pods are taken to be when nothing tells: IPv4 pod networks are private (RFC 1918), IPv6 ones may be global too.
ASSUMED: tuple[IPNetwork, ...] = (
    IPv4Network("10.0.0.0/8"),
    IPv4Network("172.16.0.0/12"),
    IPv4Network("192.168.0.0/16"),
    IPv6Network("::/0"),
)

Ranges = dict[Protocol, tuple[tuple[int, int], ...]]


class PortSpace:
    """A set of ports is an int: one bit per interval of one protocol. `full` is every port of every protocol."""

    def __init__(self, cuts: Iterable[tuple[Protocol, int, int]]) -> None:
        """`cuts` are the closed ranges that must be expressible."""
        starts: dict[Protocol, set[int]] = {p: {FIRST_PORT} for p in PROTOCOLS}
        for protocol, low, high in cuts:
            starts[protocol] |= {low, high + 1}
        self._starts = {p: sorted(s for s in starts[p] if s <= LAST_PORT) for p in PROTOCOLS}
        self._offsets: dict[Protocol, int] = {}
        offset = 0
        for protocol in PROTOCOLS:
            self._offsets[protocol] = offset
            offset += len(self._starts[protocol])
        self.full = (1 << offset) - 1
        self._masks: dict[tuple[Protocol, int, int], int] = {}
        self._ranges: dict[int, Ranges] = {}

    def mask(self, protocol: Protocol, low: int = FIRST_PORT, high: int = LAST_PORT) -> int:
        """The ports from `low` to `high`, which must have been among the cuts. Raises ValueError otherwise."""
        key = (protocol, low, high)
        found = self._masks.get(key)
        if found is None:
            first, last = self._index(protocol, low), self._index(protocol, high)
            starts = self._starts[protocol]
            at, end = first - self._offsets[protocol], last - self._offsets[protocol] + 1
            if starts[at] != low or (starts[end] if end < len(starts) else LAST_PORT + 1) != high + 1:
                raise ValueError(f"{protocol} {low}-{high} is not cut out")
            found = self._masks[key] = (1 << (last + 1)) - (1 << first)
        return found

    def _index(self, protocol: Protocol, port: int) -> int:
        return self._offsets[protocol] + bisect_right(self._starts[protocol], port) - 1

    def holds(self, mask: int, protocol: Protocol, port: int) -> bool:
        return bool(mask >> self._index(protocol, port) & 1)

    def ranges(self, mask: int) -> Ranges:
        """The closed port ranges per protocol; a protocol with none is absent. Treat as read-only: it is shared."""
        found = self._ranges.get(mask)
        if found is None:
            found = self._ranges[mask] = {p: r for p in PROTOCOLS if (r := self._of(mask, p))}
        return found

    def _of(self, mask: int, protocol: Protocol) -> tuple[tuple[int, int], ...]:
        starts, offset = self._starts[protocol], self._offsets[protocol]
        out: list[tuple[int, int]] = []
        for i, low in enumerate(starts):
            if mask >> (offset + i) & 1:
                high = starts[i + 1] - 1 if i + 1 < len(starts) else LAST_PORT
                if out and out[-1][1] == low - 1:
                    out[-1] = (out[-1][0], high)
                else:
                    out.append((low, high))
        return tuple(out)


class AddressSpace:
    """The address space cut into intervals; a signature has bit `units[b]` for each ipBlock b that holds it."""

    def __init__(self, blocks: Iterable[IpBlock], networks: Iterable[IPNetwork] = ()) -> None:
        """`networks` cut without a bit of their own."""
        self.units: dict[IpBlock, int] = {}
        toggles: dict[int, dict[int, int]] = {version: {0: 0} for version in _BITS}
        for block in blocks:
            if block not in self.units:
                bit = 1 << len(self.units)
                self.units[block] = bit
                for low, high in _intervals(block):
                    at = toggles[block.cidr.version]
                    at[low] = at.get(low, 0) ^ bit
                    at[high + 1] = at.get(high + 1, 0) ^ bit
        for network in networks:
            low, high = _span(network)
            toggles[network.version].setdefault(low, 0)
            toggles[network.version].setdefault(high + 1, 0)
        #: (version, first, last, signature), ascending; together they are the whole space.
        self.intervals: list[tuple[int, int, int, int]] = []
        for version, at in toggles.items():
            starts = sorted(start for start in at if start < 1 << _BITS[version])
            signature = 0
            for start, following in zip(starts, [*starts[1:], 1 << _BITS[version]], strict=True):
                signature ^= at[start]
                self.intervals.append((version, start, following - 1, signature))

    def signatures(
        self, version: int, inside: Iterable[IPNetwork], outside: Iterable[IPNetwork] = ()
    ) -> frozenset[int]:
        """The signatures of the addresses of `version` in `inside` and not in `outside`, both of which must be cuts."""
        return frozenset(signature for *_, signature in self.within(version, inside, outside))

    def within(
        self, version: int, inside: Iterable[IPNetwork], outside: Iterable[IPNetwork] = ()
    ) -> Iterator[tuple[int, int, int, int]]:
        """The intervals of `version` in `inside` and not in `outside`, both of which must be cuts."""
        ins = [_span(n) for n in inside if n.version == version]
        outs = [_span(n) for n in outside if n.version == version]
        for interval in self.intervals:
            v, low, high, _ = interval
            kept = v == version and any(low >= a and high <= b for a, b in ins)
            if kept and not any(low >= a and high <= b for a, b in outs):
                yield interval


def address_text(version: int, value: int) -> str:
    return str(IPv4Address(value) if version == 4 else IPv6Address(value))


def _span(network: IPNetwork) -> tuple[int, int]:
    first = int(network.network_address)
    return first, first + network.num_addresses - 1


def _intervals(block: IpBlock) -> list[tuple[int, int]]:
    """The block's closed intervals: its CIDR without what is excepted."""
    low, high = _span(block.cidr)
    out = []
    for first, last in sorted(_span(n) for n in block.excluded if n.version == block.cidr.version):
        if last < low or first > high:
            continue
        if first > low:
            out.append((low, first - 1))
        low = max(low, last + 1)
    if low <= high:
        out.append((low, high))
    return out


def samples(
    network: IPNetwork, inventory: Inventory, without: Iterable[IPNetwork] = ()
) -> list[IPv4Address | IPv6Address]:
    """One address of `network`, outside of `without`, for each stretch that no policy of the inventory tells apart."""
    outs = [n for n in without if n.version == network.version]
    space = AddressSpace((*blocks_of(inventory), *node_blocks(inventory)), (network, *outs))
    return [
        IPv4Address(low) if version == 4 else IPv6Address(low)
        for version, low, *_ in space.within(network.version, (network,), outs)
    ]


def port_cuts(inventory: Inventory) -> Iterable[tuple[Protocol, int, int]]:
    """Every port range that a policy can tell apart or that is asked about: named ports resolved on every workload, the
    ports of what the outside is let in to, DNS."""
    for number in {DNS_PORT, *(server.port for server in dns_servers(inventory))}:
        yield "UDP", number, number
    names: set[tuple[str, Protocol]] = set()
    for port in (p for rule in rules_of(inventory) for p in rule.ports):
        if isinstance(port.port, str):
            names.add((port.port, port.protocol))
        elif port.port is not None:
            yield port.protocol, port.port, port.end_port or port.port
    asked = led_in_to(inventory)
    yield from (
        (protocol, n, n) for part in inventory.slices if part.service in asked for _, protocol, n in part.ports if n
    )
    for service in inventory.services:
        if service.id in asked:
            for target in service.ports:
                if any(part.service == service.id for part in inventory.slices):
                    yield target.protocol, target.port, target.port
                if isinstance(target.target_port, str):
                    names.add((target.target_port, target.protocol))
                else:
                    yield target.protocol, target.target_port, target.target_port
    seen: set[ContainerPort] = set()
    for workload in inventory.workloads:
        for declared in workload.ports:
            if declared not in seen:
                seen.add(declared)
                if (declared.name, declared.protocol) in names or declared.host_port:
                    yield declared.protocol, declared.port, declared.port
        if workload.host_network:
            yield from ((p.protocol, p.port, p.port) for p in workload.ports)


def led_in_to(inventory: Inventory) -> set[str]:
    """The ids of the Services that the outside comes to: by doors of their own, by routes, by names for them."""
    found = {s.id for s in inventory.services if s.entrances}
    found |= {f"{b.namespace}/{b.service}" for route in inventory.routes for b in route.backends}
    named = {
        s.id: service_of_name(s.external_name, inventory.cluster_domain) for s in inventory.services if s.external_name
    }
    more = found
    while more := {name for service in more if (name := named.get(service))} - found:
        found |= more
    return found


def rules_of(inventory: Inventory) -> Iterable[Rule | TierRule]:
    """Every rule of every policy."""
    for policy in inventory.policies:
        yield from policy.ingress
        yield from policy.egress
    for tier in inventory.tiers:
        yield from tier.ingress
        yield from tier.egress


def blocks_of(inventory: Inventory) -> Iterable[IpBlock]:
    return (peer.ip_block for rule in rules_of(inventory) for peer in rule.peers if peer.ip_block is not None)


def node_blocks(inventory: Inventory) -> Iterable[IpBlock]:
    """The nodes' addresses, where some policy, or the CNI, tells them from others."""
    if not inventory.node_addresses:
        return ()
    by_dialect = inventory.dialect is not None and not inventory.dialect.blocks_match_nodes
    if not by_dialect and not any(p.entity or p.outside for r in rules_of(inventory) for p in r.peers):
        return ()
    return map(IpBlock, inventory.node_addresses)


def families(*inventories: Inventory) -> tuple[int, ...]:
    """The IP versions that pods may have: the pod ranges' own, else those that the policies speak of, else IPv4."""
    known = [cidr for i in inventories for cidr in i.pod_cidrs]
    known = known or [block.cidr for i in inventories for block in blocks_of(i)]
    return tuple(sorted({network.version for network in known})) or (4,)


def pod_ranges(inventory: Inventory) -> tuple[IPNetwork, ...]:
    """Where pods' addresses are: the inventory's pod ranges, else what is assumed."""
    return inventory.pod_cidrs or ASSUMED
