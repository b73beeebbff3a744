"""What a pod that is not in the inventory could do: any labels, any namespace, any address."""

from typing import NamedTuple

from netspec.analysis.engine import Reachability
from netspec.analysis.sides import SideKey
from netspec.ir.model import Peer, Rule, TierRule


class Reach(NamedTuple):
    """Ports (masks): `every` unknown pod may use, and `some` unknown pod may."""

    every: int
    some: int


def unknown_reach(reach: Reachability, key: SideKey) -> Reach:
    """Between an unknown pod and the subjects of a side."""
    if not key.policies:
        following = Reach(reach.ports.full, reach.ports.full)
        if key.tiers:
            following = _tier(reach, key, "Baseline", following)
    else:
        every = some = 0
        for i in key.policies:
            policy = reach.inventory.policies[i]
            for rule in policy.rules(key.direction):
                ports = _ports(reach, key, rule)
                some |= ports
                if not rule.peers or any(is_every_pod(p) for p in rule.peers):
                    every |= ports
        following = Reach(every, some)
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
            ports = _ports(reach, key, rule)
            low = {"Accept": ports, "Deny": 0, "Pass": ports & following.every}[rule.action]
            high = {"Accept": ports, "Deny": 0, "Pass": ports & following.some}[rule.action]
            if not tied and any(is_every_pod(p) for p in rule.peers):
                every, some = every & ~ports | low, some & ~ports | high
            else:
                every, some = every & (~ports | low), some | high
    return Reach(every, some)


def is_every_pod(peer: Peer) -> bool:
    """Whether the peer is every pod of every namespace."""
    return (
        peer.ip_block is None
        and peer.namespaces is not None
        and peer.namespaces.is_empty
        and (peer.pods is None or peer.pods.is_empty)
    )


def _ports(reach: Reachability, key: SideKey, rule: Rule | TierRule) -> int:
    """Named ports on an unknown destination are none: it may not have them."""
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
