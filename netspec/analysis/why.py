"""Which rules are behind a connection of the matrix, per side."""

from typing import NamedTuple

from netspec.analysis.engine import Connection, Reachability
from netspec.analysis.sides import SideKey
from netspec.analysis.verdict import RuleRef
from netspec.ir.model import NetworkPolicy, TierPolicy


class Because(NamedTuple):
    """Per side, the rules that let (or, for a tier's Pass, send on) some of the ports through. Empty: no policy selects
    the pod in that direction. None: the end is no pod."""

    egress: tuple[RuleRef, ...] | None
    ingress: tuple[RuleRef, ...] | None

    def to_json(self) -> dict[str, list[str] | None]:
        return {
            "egress": None if self.egress is None else [str(r) for r in self.egress],
            "ingress": None if self.ingress is None else [str(r) for r in self.ingress],
        }

    def __str__(self) -> str:
        sides = (("egress", self.egress), ("ingress", self.ingress))
        said = [f"{n}: {', '.join(map(str, r)) or 'not isolated'}" for n, r in sides if r is not None]
        return "; ".join(said)


def because(reach: Reachability, connection: Connection) -> Because:
    """The rules behind one connection; the ingress peer's are those that let any pod, or some, in."""
    count = reach.peer_count()
    source = reach.class_of(connection.source) if connection.source < count else None
    destination = reach.class_of(connection.destination)
    ports = connection.allow | connection.undefined
    egress = ingress = None
    if source is not None and source < reach.pods.count:
        egress = rules_between(reach, reach.egress_keys[source], destination, ports)
    if destination < reach.pods.count:
        ingress = rules_between(reach, reach.ingress_keys[destination], source, ports)
    return Because(egress, ingress)


def rules_between(reach: Reachability, key: SideKey, peer: int | None, ports: int) -> tuple[RuleRef, ...]:
    """The rules of a side that let some of the ports through to a peer (its class; None: some pod not known)."""
    policies: list[NetworkPolicy | TierPolicy] = [reach.inventory.tiers[i] for i in key.tiers]
    policies += [reach.inventory.policies[i] for i in key.policies]
    return tuple(
        RuleRef(policy.id, key.direction, index)
        for policy in policies
        for index, rule in enumerate(reach.sides.rules(policy, key.direction))
        if rule.action != "Deny" and reach.sides.may_match(rule, key, peer, ports)
    )
