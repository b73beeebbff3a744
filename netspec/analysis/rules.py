"""A policy's rule as sets: the peers and ports that it matches, and those that it may match for all the input says."""

from typing import NamedTuple

from netspec.analysis.bits import from_members
from netspec.analysis.pods import PodIndex, PortName
from netspec.analysis.spaces import AddressSpace, PortSpace
from netspec.ir.model import Action, Entity, Inventory, IpBlock, Peer, PolicyPort, Rule, TierRule


class CompiledRule(NamedTuple):
    """`selected`: classes by selectors and by what they are; `blocks`: bits of the ipBlocks; `anyone`: no peer
    restriction. `ports`: the numbered ports; `names`: the named ones, which the destination resolves.

    What it may match besides: `perhaps`, classes by selectors and by what they are; `unread`, classes whatever they are
    taken for; `unread_ports` and `unread_names`, ports that could not be read or on which L7 rules decide."""

    selected: int
    blocks: int
    anyone: bool
    ports: int
    names: tuple[PortName, ...]
    action: Action
    perhaps: int = 0
    unread: int = 0
    unread_ports: int = 0
    unread_names: tuple[PortName, ...] = ()

    @property
    def is_sure(self) -> bool:
        return not (self.perhaps or self.unread or self.unread_ports or self.unread_names)


class RuleCompiler:
    """Peers are numbered: pod classes first, then external classes, one per address signature."""

    def __init__(self, inventory: Inventory, pods: PodIndex, ports: PortSpace, addresses: AddressSpace) -> None:
        self._pods, self._ports, self._units = pods, ports, addresses.units
        self.signatures = list(dict.fromkeys(signature for *_, signature in addresses.intervals))
        self.externals = ((1 << len(self.signatures)) - 1) << pods.count
        self._outside: dict[int, int] = {}
        bits = 0
        for network in inventory.node_addresses:
            bits |= self._units.get(IpBlock(network), 0)
        self._nodes = self.outside_of(bits) if bits else 0
        dialect = inventory.dialect
        #: The external classes that no NetworkPolicy's ipBlock matches, whatever it holds: nodes, to some CNIs.
        self.unblocked = self._nodes if dialect is not None and not dialect.blocks_match_nodes else 0

    def outside_of(self, blocks: int) -> int:
        """The external classes that one of the blocks holds."""
        found = self._outside.get(blocks)
        if found is None:
            inside = (i for i, signature in enumerate(self.signatures) if signature & blocks)
            found = self._outside[blocks] = from_members(inside) << self._pods.count
        return found

    def compile(self, rule: Rule | TierRule, home: str | None) -> CompiledRule:
        """`home`: the namespace of a NetworkPolicy's rule."""
        selected = perhaps = unread = blocks = 0
        for peer in rule.peers:
            if peer.unread:
                unread |= self._unread(peer)
            elif peer.entity is not None or peer.outside:
                perhaps |= (found := self._known(peer))
                selected |= 0 if peer.unsure else found
            elif peer.ip_block is not None:
                blocks |= self._units[peer.ip_block]
            else:
                seen = self._pods.everyone if home is not None else ~self._pods.host
                selected |= self._pods.peer(peer, home) & seen
                perhaps |= self._pods.peer(peer, home, True) & seen
        ports, names = self._port_set([p for p in rule.ports if not (p.unread or p.l7)])
        unread_ports, unread_names = self._port_set([p for p in rule.ports if p.unread or p.l7])
        return CompiledRule(
            selected,
            blocks,
            home is not None and not rule.peers,
            ports if rule.ports else self._ports.full,
            names,
            rule.action if isinstance(rule, TierRule) else "Accept",
            perhaps & ~selected,
            unread,
            unread_ports,
            unread_names,
        )

    def _unread(self, peer: Peer) -> int:
        """A node's address belongs to no pod, except one on the host network."""
        others = self.externals | self._pods.host
        return others if peer.unread in ("nodes", "api-server") else self._pods.everyone | self.externals

    def _known(self, peer: Peer) -> int:
        """By what the peers are, whatever their labels: the address of a node is not outside."""
        nodes = self._nodes
        if peer.entity is None:
            assert peer.ip_block is not None
            return self.outside_of(self._units[peer.ip_block]) & ~nodes
        sets: dict[Entity, int] = {
            "all": self._pods.everyone | self.externals,
            "cluster": self._pods.everyone | nodes,
            "world": self.externals & ~nodes,
            "nodes": self._pods.host | nodes,
            "proxy": 0,
        }
        return sets[peer.entity]

    def _port_set(self, ports: list[PolicyPort]) -> tuple[int, tuple[PortName, ...]]:
        mask, names = 0, []
        for port in ports:
            if port.unread:
                mask = self._ports.full
            elif isinstance(port.port, str):
                names.append((port.port, port.protocol))
            elif port.port is None:
                mask |= self._ports.mask(port.protocol)
            else:
                mask |= self._ports.mask(port.protocol, port.port, port.end_port or port.port)
        return mask, tuple(names)
