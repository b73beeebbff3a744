"""One side of every flow at once: for a class of subjects, which ports each peer may use.

What Kubernetes leaves open is carried as two answers, `lower` (passes in every world) and `upper` (passes in some).
The worlds are those of `oracle`; they differ only in which peers an ipBlock, or a host-network pod's selector, matches.
"""

from collections.abc import Iterable, Iterator
from functools import reduce
from itertools import groupby
from typing import NamedTuple

from netspec.analysis.bits import Partition, cover, product, to_members
from netspec.analysis.decide import NOTHING, Decided, either, hit, may, may_hit, open_again, then
from netspec.analysis.pods import PodIndex, PortName
from netspec.analysis.rules import CompiledRule, RuleCompiler
from netspec.analysis.spaces import WHOLE, AddressSpace, PortSpace, families, pod_ranges
from netspec.ir.model import Direction, Inventory, NetworkPolicy, Peer, Tier, TierPolicy


class SideKey(NamedTuple):
    """What decides a side: the NetworkPolicies and tier policies (by index) that select the subject, what port names
    mean on it (Ingress only), and whether it is on the host network. `perhaps`: those of `tiers` that only may."""

    direction: Direction
    policies: tuple[int, ...]
    tiers: tuple[int, ...]
    ports: tuple[tuple[PortName, int], ...]
    host: bool
    perhaps: tuple[int, ...] = ()


class Side(NamedTuple):
    """Ports -> peers (pod classes, then external classes). `upper` has one partition per IP family of the pods."""

    lower: Partition
    upper: tuple[Partition, ...]


class _World(NamedTuple):
    """`space`: the peers it speaks of. `blocks`, `tier_blocks`: the ipBlocks of NetworkPolicies and of tiers that match
    them (None: external classes, each by its own). `selectable`: whether NetworkPolicies' selectors see them."""

    space: int
    blocks: int | None
    tier_blocks: int = 0
    selectable: bool = True


class Sides:
    """Compiles an inventory's policies and computes sides on demand, each once.

    Peers are numbered: pod classes first, then external classes, one per address signature.
    """

    def __init__(
        self,
        inventory: Inventory,
        pods: PodIndex,
        ports: PortSpace,
        addresses: AddressSpace,
        versions: tuple[int, ...],
    ) -> None:
        self._inventory, self._pods, self._ports = inventory, pods, ports
        compiler = self._compiler = RuleCompiler(inventory, pods, ports, addresses)
        self.external_signatures, self.externals = compiler.signatures, compiler.externals
        self.outside_of = compiler.outside_of
        self.everyone = pods.everyone | self.externals
        self.open = {ports.full: self.everyone}
        dialect = inventory.dialect
        self._blocks_match = (False, True) if dialect is None else (dialect.blocks_match_pods,)
        self._blocks_match_nodes = (False, True) if dialect is None else (dialect.blocks_match_nodes,)
        #: How a host-network pod may be taken: as a pod, or as its node.
        self.host_is_pod = (True, False) if dialect is None else (dialect.host_pods_are_pods,)
        ranges, known = pod_ranges(inventory), inventory.pod_cidrs
        whole = [n for n in WHOLE if n.version in (families(inventory) if known else versions)]
        self._pod_signatures = [addresses.signatures(n.version, ranges) for n in whole]
        # A node's address is not a pod's, but through an overlay it sends from one of the pod range.
        self._node_signatures: dict[Direction, frozenset[int]] = {
            "Ingress": frozenset(s for n in whole for s in addresses.signatures(n.version, (n,))),
            "Egress": frozenset(
                s for n in whole for s in addresses.signatures(n.version, (n,), known) or frozenset((0,))
            ),
        }
        self._compiled: dict[tuple[int, Direction], tuple[CompiledRule, ...]] = {}
        self._known: dict[SideKey, Side] = {}
        self._known_worlds: dict[SideKey, tuple[list[list[_World]], list[_World]]] = {}

    def subjects(self, direction: Direction) -> list[SideKey]:
        """Per pod class, the key of its side."""
        policies: list[list[int]] = [[] for _ in range(self._pods.count)]
        tiers: list[list[int]] = [[] for _ in range(self._pods.count)]
        perhaps: list[list[int]] = [[] for _ in range(self._pods.count)]
        for i, policy in enumerate(self._inventory.policies):
            if direction in policy.types:
                for member in to_members(self._pods.peer(Peer(pods=policy.pods), policy.namespace)):
                    policies[member].append(i)
        for i, tier in enumerate(self._inventory.tiers):
            if tier.rules(direction):
                surely = self._pods.peer(tier.subject, None) & ~self._pods.host
                for member in to_members(self._pods.peer(tier.subject, None, True) & ~self._pods.host):
                    tiers[member].append(i)
                    if not surely >> member & 1:
                        perhaps[member].append(i)
        return [
            SideKey(
                direction,
                tuple(policies[c]),
                tuple(tiers[c]),
                tuple(self._pods.ports[c].items()) if direction == "Ingress" and (policies[c] or tiers[c]) else (),
                bool(self._pods.host >> c & 1 and policies[c]),
                tuple(perhaps[c]),
            )
            for c in range(self._pods.count)
        ]

    def side(self, key: SideKey) -> Side:
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._compute(key)
        return found

    def rules(self, policy: NetworkPolicy | TierPolicy, direction: Direction) -> tuple[CompiledRule, ...]:
        """A policy's rules of one direction; `policy` must be the inventory's own object."""
        found = self._compiled.get((id(policy), direction))
        if found is None:
            home = policy.namespace if isinstance(policy, NetworkPolicy) else None
            found = tuple(self._compiler.compile(rule, home) for rule in policy.rules(direction))
            self._compiled[id(policy), direction] = found
        return found

    # One side

    def _compute(self, key: SideKey) -> Side:
        families = len(self._pod_signatures)
        is_open = not key.policies and not key.tiers
        if is_open or self.is_node(key):
            return Side(self.open, (self.open,) * families)
        outside = _World(self.externals, None)
        lower = self._evaluate(key, outside, False)
        upper = [self._evaluate(key, outside, True) for _ in range(families)]
        pods, hosts = self._worlds(key)
        _add(lower, self._meet(key, dict.fromkeys(w for worlds in pods for w in worlds)))
        for family, worlds in enumerate(pods):
            _add(upper[family], self._join(key, worlds))
        if hosts:
            _add(lower, self._meet(key, hosts))
            always = {self._ports.full: self._pods.host}  # a node and its own pods reach each other
            for family in range(families):
                _add(upper[family], always if False in self.host_is_pod else self._join(key, hosts))
        if key.host and False in self.host_is_pod:
            return Side(lower, (self.open,) * families)
        return Side(lower, tuple(upper))

    def is_node(self, key: SideKey) -> bool:
        """Whether the subject is its node to this CNI, which no policy selects."""
        return key.host and True not in self.host_is_pod

    def _worlds(self, key: SideKey) -> tuple[list[list[_World]], list[_World]]:
        """Of peers that are pods, per IP family; of those on the host network."""
        found = self._known_worlds.get(key)
        if found is not None:
            return found
        blocks = self._blocks_of(key)
        space = self._pods.everyone & ~self._pods.host
        pods = [
            [_World(space, *seen) for seen in self._seen(signatures, blocks, self._blocks_match)]
            for signatures in self._pod_signatures
        ]
        hosts: list[_World] = []
        if self._pods.host:
            nodes = self._node_signatures[key.direction]
            if True in self.host_is_pod:
                hosts += [_World(self._pods.host, *seen) for seen in self._seen(nodes, blocks, self._blocks_match)]
            if False in self.host_is_pod and not key.host:  # a subject that is a pod has host peers that are pods
                hosts += [
                    _World(self._pods.host, *seen, False)
                    for seen in self._seen(nodes, blocks, self._blocks_match_nodes)
                ]
        self._known_worlds[key] = pods, hosts
        return pods, hosts

    def _blocks_of(self, key: SideKey) -> tuple[int, int]:
        """The ipBlocks that the side's NetworkPolicies, and its tiers, name."""
        blocks = tier_blocks = 0
        for i in key.policies:
            for rule in self.rules(self._inventory.policies[i], key.direction):
                blocks |= rule.blocks
        for i in key.tiers:
            for rule in self.rules(self._inventory.tiers[i], key.direction):
                tier_blocks |= rule.blocks
        return blocks, tier_blocks

    @staticmethod
    def _seen(
        signatures: frozenset[int], blocks: tuple[int, int], blocks_match: tuple[bool, ...]
    ) -> list[tuple[int, int]]:
        """Which of a side's blocks may match a peer with one of these signatures: each combination once."""
        if blocks == (0, 0):
            return [(0, 0)]
        return sorted({(s & blocks[0] if match else 0, s & blocks[1]) for s in signatures for match in blocks_match})

    def _meet(self, key: SideKey, worlds: Iterable[_World]) -> Partition:
        """What passes in every world."""
        return reduce(lambda a, b: product(a, b, int.__and__), [self._evaluate(key, w, False) for w in worlds])

    def _join(self, key: SideKey, worlds: Iterable[_World]) -> Partition:
        """What passes in some world."""
        return reduce(lambda a, b: product(a, b, int.__or__), [self._evaluate(key, w, True) for w in worlds])

    def _evaluate(self, key: SideKey, world: _World, optimistic: bool) -> Partition:
        """The Admin tier, then NetworkPolicy, then, where none isolates, the Baseline tier.

        `optimistic` breaks ties between tier policies of one priority towards passing, otherwise away from it.
        """
        if not world.space:
            return {}
        full = self._ports.full
        if key.policies:
            following = cover(self._allowed(key, world, optimistic), world.space)
        else:
            baseline = self._tier(key, "Baseline", world, optimistic)
            following = product(baseline, {full: world.space}, lambda decided, every: every & ~decided[1])
        if not key.tiers:
            return following
        admin = self._tier(key, "Admin", world, optimistic)
        return product(admin, following, lambda decided, ports: decided[0] | (ports & ~decided[1]))

    def _allowed(self, key: SideKey, world: _World, optimistic: bool) -> Partition:
        """Ports -> the peers that some NetworkPolicy rule allows them to, or (`optimistic`) may allow them to."""
        out: Partition = {}
        for i in key.policies:
            for rule in self.rules(self._inventory.policies[i], key.direction):
                perhaps = optimistic and not rule.is_sure
                for ports, where in self.spread(rule, key, self._peers(rule, world, False, perhaps), perhaps):
                    out[ports] = out.get(ports, 0) | where
        return out

    def _peers(self, rule: CompiledRule, world: _World, is_tier: bool, perhaps: bool = False) -> int:
        """The peers of `world` that a rule, a tier's or a NetworkPolicy's, matches, or (`perhaps`) may match."""
        if rule.anyone:
            return world.space
        selected = rule.selected | rule.perhaps if perhaps else rule.selected
        peers = selected & world.space if is_tier or world.selectable else 0
        if perhaps:
            peers |= rule.unread & world.space
        if rule.blocks and world.blocks is None:
            spared = 0 if is_tier else self._compiler.unblocked
            return peers | (self.outside_of(rule.blocks) & world.space & ~spared)
        return world.space if rule.blocks & ((world.tier_blocks if is_tier else world.blocks) or 0) else peers

    def spread(self, rule: CompiledRule, key: SideKey, peers: int, perhaps: bool = False) -> Iterator[tuple[int, int]]:
        """The rule's ports with the peers they apply to: a named port differs by destination. `perhaps`: with the ports
        that could not be read."""
        if not peers:
            return
        ports = rule.ports | rule.unread_ports if perhaps else rule.ports
        for name in (*rule.names, *rule.unread_names) if perhaps else rule.names:
            if key.direction == "Ingress":
                port = dict(key.ports).get(name)
                ports |= self._ports.mask(name[1], port, port) if port is not None else 0
            else:
                for port, where in self._pods.with_port(name).items():
                    if peers & where:
                        yield self._ports.mask(name[1], port, port), peers & where
        if ports:
            yield ports, peers

    def matched(self, rule: CompiledRule, key: SideKey, peer: int, is_tier: bool) -> tuple[int, int]:
        """The ports on which a rule matches a peer (its class) in every world, and in some."""
        bit = 1 << peer
        pods, hosts = self._worlds(key)
        if bit & self.externals:
            worlds = [_World(bit, None)]
        else:
            worlds = hosts if bit & self._pods.host else [world for family in pods for world in family]
        surely, possibly = self._ports.full, 0
        for world in worlds:
            for perhaps in (False, True):
                ports = 0
                for found, _ in self.spread(rule, key, self._peers(rule, world, is_tier, perhaps) & bit, perhaps):
                    ports |= found
                surely, possibly = surely & ports, possibly | ports
        return surely, possibly

    # Tiers

    def _tier(self, key: SideKey, tier: Tier, world: _World, optimistic: bool) -> dict[Decided, int]:
        """What the tier decides -> peers."""
        state: dict[Decided, int] = {NOTHING: world.space}
        policies = sorted((i for i in key.tiers if self._inventory.tiers[i].tier == tier), key=self._priority)
        after, resolve = then(optimistic), either(optimistic)
        for _, group in groupby(policies, key=lambda i: self._priority(i)[0]):
            left: dict[Decided, int] = {}
            for decided, peers in state.items():
                left[open_again(decided)] = left.get(open_again(decided), 0) | peers
            state = left
            for _, tied in groupby(group, key=self._priority):
                found = [self._first_match(i, key, world, optimistic) for i in tied]
                state = product(state, reduce(lambda a, b: product(a, b, resolve), found), after)
        return state

    def _priority(self, tier: int) -> tuple[int, int]:
        return self._inventory.tiers[tier].place_in_tier

    def first_matches(self, policy: TierPolicy, key: SideKey) -> dict[Decided, int]:
        """What the first rules of a policy that surely match say -> peers. An address stands for the pods at it too."""
        world = _World(self.everyone, None)
        state: dict[Decided, int] = {NOTHING: world.space}
        for rule in self.rules(policy, key.direction):
            state = self._after(state, rule, key, world, False, False)
        return state

    def _first_match(self, tier: int, key: SideKey, world: _World, optimistic: bool) -> dict[Decided, int]:
        state: dict[Decided, int] = {NOTHING: world.space}
        for rule in self.rules(self._inventory.tiers[tier], key.direction):
            state = self._after(state, rule, key, world, False, optimistic)
            if not rule.is_sure:
                state = self._after(state, rule, key, world, True, optimistic)
        if tier in key.perhaps:
            return product(state, {NOTHING: world.space}, lambda decided, _: may(decided, optimistic))
        return state

    def _after(
        self,
        state: dict[Decided, int],
        rule: CompiledRule,
        key: SideKey,
        world: _World,
        perhaps: bool,
        optimistic: bool,
    ) -> dict[Decided, int]:
        """With a rule that is asked after those of `state`, where it matches or (`perhaps`) may match."""
        says, after = may_hit if perhaps else hit, then(optimistic)
        for ports, where in self.spread(rule, key, self._peers(rule, world, True, perhaps), perhaps):
            said = says(rule.action, ports, optimistic)
            if said != NOTHING:
                state = product(state, {said: where, NOTHING: world.space & ~where}, after)
        return state


def _add(partition: Partition, disjoint: Partition) -> None:
    for value, members in disjoint.items():
        partition[value] = partition.get(value, 0) | members
