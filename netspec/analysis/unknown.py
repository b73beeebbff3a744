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
                some |= rule_ports(reach, key, rule, True)
                if matches_every_pod(rule):
                    every |= rule_ports(reach, key, rule)
        # A host-network pod that may be its node may be open to all.
        following = Reach(every, reach.ports.full if key.host and False in reach.sides.host_is_pod else some)
    return _tier(reach, key, "Admin", following) if key.tiers else following


def _tier(reach: Reachability, key: SideKey, tier: str, following: Reach) -> Reach:
    """From the last rule to the first: a rule that surely matches overrides what follows, another may."""
    tiers = reach.inventory.tiers
    places = {i: tiers[i].place_in_tier for i in key.tiers if tiers[i].tier == tier}
    every, some = following.every, following.some
    group = None
    for number in sorted(places, key=places.__getitem__, reverse=True):
        policy = tiers[number]
        if policy.group != group:
            group, following = policy.group, Reach(every, some)
        unsure = number in key.perhaps or list(places.values()).count(policy.place_in_tier) > 1
        for rule in reversed(policy.rules(key.direction)):
            ports, sure = rule_ports(reach, key, rule, True), 0
            low = {"Accept": ports, "Deny": 0, "Pass": ports & following.every, "Unread": 0}[rule.action]
            high = {"Accept": ports, "Deny": 0, "Pass": ports & following.some, "Unread": ports}[rule.action]
            if not unsure and matches_every_pod(rule):
                sure = rule_ports(reach, key, rule)
            every = every & ~ports | (every | sure) & low
            some = some & ~sure | high
    return Reach(every, some)


def walk_of_any(reach: Reachability, key: SideKey, is_any: Callable[[Peer], bool]) -> Walk:
    """The side towards a peer that matches no rule but those for any such peer."""

    def matched(_: AnyPolicy, index: int, rule: AnyRule) -> tuple[int, int]:
        if not _matches_any(rule, is_any):
            return 0, 0
        return rule_ports(reach, key, rule), rule_ports(reach, key, rule, True)

    return walk(reach, key, matched)


def matches_every_pod(rule: AnyRule) -> bool:
    """Whether it matches every pod that may exist."""
    return _matches_any(rule, is_every_pod)


def _matches_any(rule: AnyRule, is_any: Callable[[Peer], bool]) -> bool:
    return (isinstance(rule, Rule) and not rule.peers) or any(map(is_any, rule.peers))


def is_every_pod(peer: Peer) -> bool:
    """Whether the peer is every pod of every namespace."""
    if peer.ip_block is not None or peer.unread or peer.unsure:
        return False
    return peer.entity in ("all", "cluster") or (
        peer.namespaces is not None and peer.namespaces.is_empty and (peer.pods is None or peer.pods.is_empty)
    )


def rule_ports(reach: Reachability, key: SideKey, rule: AnyRule, perhaps: bool = False) -> int:
    """The rule's ports, or (`perhaps`) those too that could not be read. Named ones on an unknown destination are none:
    it may not have them."""
    if not rule.ports or (perhaps and any(port.unread for port in rule.ports)):
        return reach.ports.full
    names = dict(key.ports)
    mask = 0
    for port in rule.ports:
        if port.unread or (port.l7 and not perhaps):
            continue
        if isinstance(port.port, str):
            number = names.get((port.port, port.protocol))
            mask |= reach.ports.mask(port.protocol, number, number) if number is not None else 0
        elif port.port is None:
            mask |= reach.ports.mask(port.protocol)
        else:
            mask |= reach.ports.mask(port.protocol, port.port, port.end_port or port.port)
    return mask
