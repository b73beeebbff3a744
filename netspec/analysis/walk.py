"""The rules of a side in the order in which they are asked, each with the ports that are left to it."""

from collections.abc import Callable, Iterator
from itertools import groupby
from typing import NamedTuple

from netspec.analysis.engine import Reachability
from netspec.analysis.sides import SideKey
from netspec.analysis.verdict import RuleRef
from netspec.ir.model import Action, Direction, NetworkPolicy, Rule, TierPolicy, TierRule

#: Named where no rule lets a flow through but the host network does: a node and its own pods always reach each other,
#: and a host-network pod may be taken for its node, which no policy selects.
NODE = "node"

AnyPolicy = NetworkPolicy | TierPolicy
AnyRule = Rule | TierRule


class Asked(NamedTuple):
    """A rule that may decide something: `ports` that it may match and that no rule before it decides for sure."""

    ref: RuleRef
    action: Action
    ports: int


class Walk(NamedTuple):
    """`rest`: the ports that no rule need decide, which are then open."""

    asked: tuple[Asked, ...]
    rest: int

    @property
    def allowed(self) -> int:
        """The ports that some rule lets through, or nothing stops."""
        ports = self.rest
        for asked in self.asked:
            ports |= asked.ports if asked.action in ("Accept", "Unread") else 0
        return ports

    def behind(self, ports: int) -> tuple[str, ...]:
        """What lets (or, for a tier's Pass, sends on) some of the ports through. Empty: nothing stops them."""
        through = (str(a.ref) for a in self.asked if a.action != "Deny" and a.ports & ports)
        return (*through, *((NODE,) if ports & ~self.allowed else ()))


def ranks(reach: Reachability, key: SideKey) -> Iterator[tuple[str, list[AnyPolicy]]]:
    """Tier by tier the policies that are asked together: those of one priority, or every NetworkPolicy. None for a pod
    that is the node to its CNI; no Baseline tier for one that NetworkPolicies isolate."""
    if reach.sides.is_node(key):
        return
    tiers = sorted((reach.inventory.tiers[i] for i in key.tiers), key=lambda p: p.place_in_tier)
    for tier in ("Admin", "NetworkPolicy", "Baseline"):
        if tier == "NetworkPolicy":
            if key.policies:
                yield tier, [reach.inventory.policies[i] for i in key.policies]
                return
        else:
            for _, tied in groupby((p for p in tiers if p.tier == tier), key=lambda p: p.place_in_tier):
                yield tier, list(tied)


def numbered(policy: AnyPolicy, direction: Direction) -> Iterator[tuple[RuleRef, AnyRule]]:
    """A policy's rules of one direction."""
    rules: tuple[AnyRule, ...] = policy.rules(direction)
    for index, rule in enumerate(rules):
        yield RuleRef(policy.id, direction, index), rule


def _group(rank: tuple[str, list[AnyPolicy]]) -> tuple[str, int]:
    """Behind which a Pass leads on."""
    tier, (first, *_) = rank
    return tier, first.group if isinstance(first, TierPolicy) else 0


def walk(reach: Reachability, key: SideKey, matched: Callable[[AnyPolicy, int, AnyRule], tuple[int, int]]) -> Walk:
    """The side towards one peer. `matched` gives the ports on which a rule surely, and possibly, matches it."""
    asked: list[Asked] = []
    final = 0
    unsure = {reach.inventory.tiers[i].id for i in key.perhaps}
    for (tier, _), group in groupby(ranks(reach, key), key=_group):
        settled, passed = final, 0
        for _, policies in group:
            below = settled
            for policy in policies:
                own = settled
                for ref, rule in numbered(policy, key.direction):
                    surely, possibly = matched(policy, ref.index, rule)
                    ports = possibly & ~own
                    action = rule.action if isinstance(rule, TierRule) else "Accept"
                    if ports:
                        asked.append(Asked(ref, action, ports))
                    if action in ("Pass", "Unread"):
                        passed |= ports
                    if tier != "NetworkPolicy" and policy.id not in unsure:  # NetworkPolicies add up
                        own |= surely
                below |= own
            settled = below
        final = settled & ~passed
    closed = key.policies or reach.sides.is_node(key)
    return Walk(tuple(asked), 0 if closed else reach.ports.full & ~final)
