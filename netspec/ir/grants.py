"""What opens a flow and no NetworkPolicy can say: requests, names, and peers without labels or addresses."""

from dataclasses import dataclass, field, replace
from typing import Literal

from netspec.ir.base import Direction, Place
from netspec.ir.policies import STAGES, Peer, PolicyPort, TierPolicy, TierRule
from netspec.ir.selectors import Selector

#: Whom an intent may name that has neither labels nor addresses in the spec.
Entity = Literal["world", "cluster", "host", "remote-node", "kube-apiserver"]
_PEERS: dict[Entity, Peer] = {
    "world": Peer(entity="world"),
    "cluster": Peer(entity="cluster"),
    "host": Peer(entity="nodes", unsure=True, because="the pod's own node"),
    "remote-node": Peer(entity="nodes", unsure=True, because="another node than the pod's"),
    "kube-apiserver": Peer(unread="api-server"),
}
#: Where no Node object says which addresses are nodes', any may be.
_SOME_NODE = Peer(unread="nodes")


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """`method` and `path` None: any. `path` is a regular expression for all of it."""

    method: str | None = None
    path: str | None = None
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class GrantRule:
    """Opens to, or for, some of `peers` (none: everyone), an `entity`, or the addresses of a `name`: one of the three.
    `requests`: what is let through; none: everything."""

    peers: tuple[Peer, ...] = ()
    entity: Entity | None = None
    name: str = ""
    ports: tuple[PolicyPort, ...] = ()
    requests: tuple[HttpRequest, ...] = ()
    #: The names of a rule beside it are looked up there.
    lookups: bool = False

    def as_peers(self) -> tuple[Peer, ...]:
        """Whom it is about, as far as the spec says."""
        if self.name:
            return (Peer(entity="world", unsure=True, because=f"an address of {self.name}"),)
        if self.entity in ("host", "remote-node", "cluster"):
            return (_PEERS[self.entity], _SOME_NODE)
        if self.entity is not None:
            return (_PEERS[self.entity],)
        return self.peers or (Peer(entity="all"),)

    def as_rule(self, place: Place) -> TierRule:
        ports = self.ports
        if self.requests:
            ports = tuple(replace(p, l7="http") for p in ports)
        return TierRule("Accept", self.as_peers(), ports, place=place)


@dataclass(frozen=True, slots=True)
class Grant:
    """Opens some of a direction of pods that something else isolates; it isolates none itself."""

    namespace: str
    name: str
    pods: Selector
    direction: Direction
    rules: tuple[GrantRule, ...]
    origin: str
    place: Place = field(default=Place(), compare=False)

    @property
    def id(self) -> str:
        return f"{self.namespace}/{self.name}"

    def as_tier(self, namespaces: Selector) -> TierPolicy:
        """As it is judged: it adds to what NetworkPolicies allow. `namespaces`: what selects its own."""
        rules = tuple(rule.as_rule(self.place) for rule in self.rules)
        return TierPolicy(
            "policies",
            self.id,
            *STAGES["allow"],
            Peer(self.pods, namespaces),
            rules if self.direction == "Ingress" else (),
            rules if self.direction == "Egress" else (),
            self.place,
            "allow",
        )
