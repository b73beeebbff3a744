"""What the checks share."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from netspec.analysis.bits import from_members
from netspec.analysis.engine import Reachability
from netspec.analysis.rules import CompiledRule
from netspec.analysis.sides import SideKey
from netspec.analysis.spaces import blocks_of
from netspec.ir.dns import NODE_LOCAL_ADDRESS, dns_servers, usual_dns
from netspec.ir.model import (
    Direction,
    Inventory,
    NetworkPolicy,
    Peer,
    Place,
    Rule,
    TierPolicy,
    TierRule,
    Workload,
)

DIRECTIONS: tuple[Direction, ...] = ("Ingress", "Egress")
#: Namespaces that the cluster brings begin with one of these.
SYSTEM = ("kube-", "openshift-")
#: How many workloads a message names.
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Finding:
    """`subject` is the object that it is about: a policy, workload, namespace, Service or route."""

    code: str
    subject: str
    message: str
    place: Place


class Context:
    """One inventory and its engine. Where it has no DNS pods, the usual ones are assumed."""

    def __init__(self, inventory: Inventory) -> None:
        self._given = {w.id for w in inventory.workloads}
        self.dns = dns_servers(inventory)
        if not self.dns:
            inventory = replace(inventory, workloads=(*inventory.workloads, *usual_dns()))
            self.dns = dns_servers(inventory)
        self.reach = Reachability(inventory)
        self.inventory = self.reach.inventory
        self.sides = self.reach.sides

    @property
    def has_pods(self) -> bool:
        """Where the input has none, that a selector matches none says nothing."""
        return bool(self._given)

    @property
    def has_node_local_dns(self) -> bool:
        """Whether a DNS on the host network, or a policy that names its link-local address, says so."""
        return any(s.workload.host_network for s in self.dns) or any(
            block.cidr.network_address.is_link_local and NODE_LOCAL_ADDRESS in block.cidr
            for block in blocks_of(self.inventory)
        )

    def keys(self, direction: Direction) -> list[SideKey]:
        """Per pod class."""
        return self.reach.ingress_keys if direction == "Ingress" else self.reach.egress_keys

    @cached_property
    def subjects(self) -> dict[tuple[int, Direction], int]:
        """NetworkPolicy index and direction -> the pod classes that it isolates."""
        found: dict[tuple[int, Direction], list[int]] = {}
        for direction in DIRECTIONS:
            for number, key in enumerate(self.keys(direction)):
                for i in key.policies:
                    found.setdefault((i, direction), []).append(number)
        return {at: from_members(members) for at, members in found.items()}

    @cached_property
    def keys_of(self) -> dict[tuple[int, Direction], list[SideKey]]:
        """NetworkPolicy index and direction -> the different sides that it is part of."""
        found: dict[tuple[int, Direction], list[SideKey]] = {}
        for direction in DIRECTIONS:
            for key in dict.fromkeys(self.keys(direction)):
                for i in key.policies:
                    found.setdefault((i, direction), []).append(key)
        return found

    def may_match(self, peer: Peer, home: str | None) -> bool:
        """Whether selectors match pods, or may match some that were given."""
        pods = self.reach.pods
        return bool(pods.peer(peer, home) or pods.peer(peer, home, True) & self._given_classes)

    @cached_property
    def _given_classes(self) -> int:
        return from_members({number for number, _ in self.workloads()})

    def workloads(self) -> Iterator[tuple[int, Workload]]:
        """The given ones, with their pod class."""
        for peer, workload in enumerate(self.reach.workloads):
            if workload.id in self._given:
                yield self.reach.class_of(peer), workload

    def rules(self) -> Iterator[tuple[NetworkPolicy | TierPolicy, Direction, int, Rule | TierRule, CompiledRule]]:
        """Every rule of every policy, with its index and its compiled form."""
        policies: list[NetworkPolicy | TierPolicy] = [*self.inventory.policies, *self.inventory.tiers]
        for policy in policies:
            for direction in DIRECTIONS:
                compiled = self.sides.rules(policy, direction)
                rules: tuple[Rule | TierRule, ...] = policy.rules(direction)
                for index, rule in enumerate(rules):
                    yield policy, direction, index, rule, compiled[index]

    def peers(self, rule: CompiledRule, perhaps: bool = False) -> int:
        """A rule's peers by selectors, and addresses (which stand for pods at these addresses too); `perhaps`: those
        too that it may match, for all that the input says."""
        if rule.anyone:
            return self.sides.everyone
        more = rule.perhaps | rule.unread if perhaps else 0
        return rule.selected | self.sides.outside_of(rule.blocks) | more

    def names(self, classes: int) -> str:
        """Some workloads of the classes, for a message; "" where none was given."""
        names = [self.reach.workloads[p].id for p in self.reach.peers_in(classes)]
        names = [n for n in names if n in self._given]
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        return ", ".join(names[:_SHOWN]) + more
