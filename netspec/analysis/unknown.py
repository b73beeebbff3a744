"""What a pod that is not in the inventory could do: any labels, any namespace, any address."""

from collections.abc import Callable
from typing import NamedTuple

from netspec.analysis.engine import Reachability
from netspec.analysis.sides import SideKey
from netspec.analysis.walk import AnyPolicy, AnyRule, Walk, walk
from netspec.ir.model import Peer, Rule


class Reach(NamedTuple):
    """Ports (masks): `every` unknown pod may use, and `some` unknown pod may."""

    every: int
    some: int


def unknown_reach(reach: Reachability, key: SideKey) -> Reach:
    """Between an unknown pod and the subjects of a side."""
    if reach.sides.is_node(key):
        return Reach(reach.ports.full, reach.ports.full)
    if not key.policies:
        following = Reach(reach.ports.full, reach.ports.full)
        if key.tiers:
            following = _tier(reach, key, "Baseline", following)
    else:
        every = some = 0
        for i in key.policies:
            policy = reach.inventory.policies[i]
            for rule in policy.rules(key.direction):
                ports = rule_ports(reach, key, rule)
                some |= ports
                if matches_every_pod(rule):
                    every |= ports
        # A host-network pod that may be its node may be open to all.
        following = Reach(every, reach.ports.full if key.host and False in reach.sides.host_is_pod else some)
    return _tier(reach, key, "Admin", following) if key.tiers else following


def _tier(reach: Reachability, key: SideKey, tier: str, following: Reach) -> Reach:
    """From the last rule to the first: a rule that surely matches overrides what follows, another may."""
    policies = sorted(
        (p for i in key.tiers if (p := reach.inventory.tiers[i]).tier == tier), key=lambda p: p.priority, reverse=True
    )
    every, some = following.every, following.some
    for policy in policies:
        tied = sum(p.priority == policy.priority for p in policies) > 1
        for rule in reversed(policy.rules(key.direction)):
            ports = rule_ports(reach, key, rule)
            low = {"Accept": ports, "Deny": 0, "Pass": ports & following.every}[rule.action]
            high = {"Accept": ports, "Deny": 0, "Pass": ports & following.some}[rule.action]
            if not tied and matches_every_pod(rule):
                every, some = every & ~ports | low, some & ~ports | high
            else:
                every, some = every & (~ports | low), some | high
    return Reach(every, some)


def walk_of_any(reach: Reachability, key: SideKey, is_any: Callable[[Peer], bool]) -> Walk:
    """The side towards a peer that matches no rule but those for any such peer."""

    def matched(_: AnyPolicy, index: int, rule: AnyRule) -> tuple[int, int]:
        ports = rule_ports(reach, key, rule) if _matches_any(rule, is_any) else 0
        return ports, ports

    return walk(reach, key, matched)


def matches_every_pod(rule: AnyRule) -> bool:
    """Whether it matches every pod that may exist."""
    return _matches_any(rule, is_every_pod)


def _matches_any(rule: AnyRule, is_any: Callable[[Peer], bool]) -> bool:
    return (isinstance(rule, Rule) and not rule.peers) or any(map(is_any, rule.peers))


def is_every_pod(peer: Peer) -> bool:
    """Whether the peer is every pod of every namespace."""
    return (
        peer.ip_block is None
        and peer.namespaces is not None
        and peer.namespaces.is_empty
        and (peer.pods is None or peer.pods.is_empty)
    )


def rule_ports(reach: Reachability, key: SideKey, rule: AnyRule) -> int:
    """The rule's ports. Named ones on an unknown destination are none: it may not have them."""
    if not rule.ports:
        return reach.ports.full
    names = dict(key.ports)
    mask = 0
    for port in rule.ports:
        if isinstance(port.port, str):
            number = names.get((port.port, port.protocol))
            mask |= reach.ports.mask(port.protocol, number, number) if number is not None else 0
        elif port.port is None:
            mask |= reach.ports.mask(port.protocol)
        else:
            mask |= reach.ports.mask(port.protocol, port.port, port.end_port or port.port)
    return mask
