"""Which rules are behind a connection of the matrix, per side."""

from typing import NamedTuple

from netspec.analysis.engine import Connection, Reachability
from netspec.analysis.sides import SideKey
from netspec.analysis.unknown import matches_every_pod, rule_ports
from netspec.analysis.walk import AnyPolicy, AnyRule, walk
from netspec.ir.model import TierPolicy


class Because(NamedTuple):
    """Per side, the rules that let (or, for a tier's Pass, send on) some of the ports through, and NODE where the host
    network does. Empty: no policy stops them. None: the end is not a pod."""

    egress: tuple[str, ...] | None
    ingress: tuple[str, ...] | None

    def to_json(self) -> dict[str, list[str] | None]:
        return {
            "egress": None if self.egress is None else list(self.egress),
            "ingress": None if self.ingress is None else list(self.ingress),
        }

    def __str__(self) -> str:
        sides = (("egress", self.egress), ("ingress", self.ingress))
        said = [f"{n}: {', '.join(r) or 'not isolated'}" for n, r in sides if r is not None]
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


def rules_between(reach: Reachability, key: SideKey, peer: int | None, ports: int) -> tuple[str, ...]:
    """What lets some of the ports through to a peer (its class; None: some pod that is not known)."""

    def matched(policy: AnyPolicy, index: int, rule: AnyRule) -> tuple[int, int]:
        if peer is None:
            found = rule_ports(reach, key, rule)
            return found if matches_every_pod(rule) else 0, found
        compiled = reach.sides.rules(policy, key.direction)[index]
        return reach.sides.matched(compiled, key, peer, isinstance(policy, TierPolicy))

    return walk(reach, key, matched).behind(ports)
