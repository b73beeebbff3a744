"""The worlds of one flow: every way to answer what Kubernetes leaves open about its two ends."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address, ip_address
from itertools import product

from netspec.analysis.spaces import WHOLE, blocks_of, pod_ranges
from netspec.analysis.verdict import AddressEnd, End
from netspec.diagnostics import Problem
from netspec.ir.model import NAME_LABEL, Inventory, Workload
from netspec.ir.selectors import Labels
from netspec.target import Dialect

Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Party:
    """One end of the flow: a workload's pod, or (workload None) an address. `address` None: not known. `is_known`:
    whether the namespace has no labels but these. `is_node`: a node, or a pod on its network."""

    workload: Workload | None
    namespace_labels: Labels
    address: Address | None = None
    is_known: bool = True
    is_node: bool = False

    @property
    def namespace(self) -> str:
        return self.workload.namespace if self.workload else ""

    @property
    def host_network(self) -> bool:
        return self.workload is not None and self.workload.host_network


@dataclass(frozen=True, slots=True)
class World:
    """One way to answer what Kubernetes leaves open."""

    blocks_match_pods: bool
    blocks_match_nodes: bool
    host_pods_are_pods: bool
    same_node: bool
    source: Party
    destination: Party


def party_of(inventory: Inventory, end: End) -> Party:
    if isinstance(end, AddressEnd):
        return Party(None, {}, end.address, is_node=any(end.address in n for n in inventory.node_addresses))
    workload = next((w for w in inventory.workloads if w.id == end.workload), None)
    if workload is None:
        raise Problem(f"there is no workload {end.workload}", "name it as namespace/name")
    labels = next((n.labels for n in inventory.namespaces if n.name == workload.namespace), None)
    if labels is None:
        return Party(workload, {NAME_LABEL: workload.namespace}, None, False, workload.host_network)
    return Party(workload, labels, is_node=workload.host_network)


def worlds(inventory: Inventory, versions: tuple[int, ...], source: Party, destination: Party) -> Iterator[World]:
    """Strict worlds first, so that a verdict that holds everywhere is explained without them."""
    host = source.host_network or destination.host_network
    open_of_hosts = (False, True) if host else (False,)
    of_one_version = source.workload is not None and destination.workload is not None
    addresses = product(
        _addresses(inventory, versions, source, True), _addresses(inventory, versions, destination, False)
    )
    ends = [
        (replace(source, address=ours), replace(destination, address=theirs))
        for ours, theirs in addresses
        if ours.version == theirs.version or not of_one_version
    ]
    for blocks, node_blocks, host_pods, same_node in product(
        (False, True), open_of_hosts, (True, False) if host else (True,), open_of_hosts
    ):
        for one, other in ends:
            yield World(blocks, node_blocks, host_pods, same_node, one, other)


def is_world_of(dialect: Dialect, world: World) -> bool:
    return world.blocks_match_pods == dialect.blocks_match_pods and (
        not (world.source.host_network or world.destination.host_network)
        or (world.host_pods_are_pods, world.blocks_match_nodes)
        == (dialect.host_pods_are_pods, dialect.blocks_match_nodes)
    )


def _addresses(inventory: Inventory, versions: tuple[int, ...], party: Party, is_source: bool) -> list[Address]:
    """An address of every kind that the party may have: the first of those that the same blocks of policies hold."""
    if party.address is not None:
        return [party.address]
    blocks = [network for block in blocks_of(inventory) for network in (block.cidr, *block.excluded)]
    everywhere = [n for n in WHOLE if n.version in versions]
    ranges = pod_ranges(inventory)
    spaces = everywhere if party.host_network else [n for n in ranges if n.version in versions]
    out: list[Address] = []
    for space in spaces:
        cuts = {int(space.network_address)}
        for block in (*blocks, *ranges):
            if block.version == space.version:
                cuts |= {int(block.network_address), int(block.broadcast_address) + 1}
        make = IPv4Address if space.version == 4 else IPv6Address
        out += [make(c) for c in sorted(cuts) if int(space.network_address) <= c <= int(space.broadcast_address)]
    # A node's address is not a pod's; but it may send from an overlay's, which is one of the pod range.
    if party.host_network and not is_source:
        out = [a for a in out if not any(a in cidr for cidr in inventory.pod_cidrs)]
    kinds: dict[tuple[int, ...], Address] = {}
    for address in out:
        kinds.setdefault((address.version, *(i for i, block in enumerate(blocks) if address in block)), address)
    return [*kinds.values()] or [ip_address("192.0.2.1")]
