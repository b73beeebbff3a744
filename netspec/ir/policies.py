"""Policies as they are judged: NetworkPolicy, and the tiers of ordered rules around it."""

from dataclasses import dataclass, field
from typing import Literal

from netspec.ir.base import Direction, IPNetwork, Place, Protocol
from netspec.ir.selectors import Selector


@dataclass(frozen=True, slots=True)
class IpBlock:
    cidr: IPNetwork
    excluded: tuple[IPNetwork, ...] = ()


#: Who a peer of some policies is without a selector: everyone; all of the cluster, pods and nodes; every address that
#: is neither a pod's nor a node's; the nodes, and so the pods on their network; what leads routes in, where it is not
#: a pod.
Entity = Literal["all", "cluster", "world", "nodes", "proxy"]


@dataclass(frozen=True, slots=True)
class Peer:
    """One peer of a policy: an ipBlock, or selectors. `pods` and `namespaces` together are AND; `pods` alone is
    the policy's own namespace; `namespaces` alone is every pod of them. `unread`: none of these, but what the input
    does not say: nodes, the API server, names of addresses anywhere, or anything at all.

    Policies that know whom an address belongs to have `entity`, and blocks that are about `outside` alone: they match
    neither a pod nor a node. `unsure`: it asks for more than the input says, so whom it describes it only may match;
    `because` is what it asks for."""

    pods: Selector | None = None
    namespaces: Selector | None = None
    ip_block: IpBlock | None = None
    unread: Literal["", "nodes", "api-server", "names", "anything"] = ""
    entity: Entity | None = None
    outside: bool = False
    unsure: bool = False
    because: str = ""

    @property
    def describes_pods(self) -> bool:
        """Whether it has selectors."""
        return self.ip_block is None and not self.unread and self.entity is None


@dataclass(frozen=True, slots=True)
class PolicyPort:
    """`port` None is every port of the protocol; a name resolves on the destination pod. `unread`: it may be any port
    of any protocol. `l7`: what decides there beside the port, as a policy calls it (http, dns), "" for nothing."""

    protocol: Protocol = "TCP"
    port: int | str | None = None
    end_port: int | None = None
    unread: bool = False
    l7: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """One ingress or egress rule. Empty `peers` is every peer; empty `ports` is every port (absent and [] alike)."""

    peers: tuple[Peer, ...] = ()
    ports: tuple[PolicyPort, ...] = ()
    place: Place = field(default=Place(), compare=False)


@dataclass(frozen=True, slots=True)
class NetworkPolicy:
    """networking.k8s.io/v1 NetworkPolicy, policyTypes defaulted. `origin` says for the reader what it came from."""

    namespace: str
    name: str
    pods: Selector
    types: tuple[Direction, ...]
    ingress: tuple[Rule, ...] = ()
    egress: tuple[Rule, ...] = ()
    origin: str = "networkPolicies"
    place: Place = field(default=Place(), compare=False)

    @property
    def id(self) -> str:
        return f"{self.namespace}/{self.name}"

    def rules(self, direction: Direction) -> tuple[Rule, ...]:
        return self.ingress if direction == "Ingress" else self.egress


#: Unread: any of the others, for all that the input says.
Action = Literal["Accept", "Deny", "Pass", "Unread"]
Tier = Literal["Admin", "Baseline"]
#: A policy whose rules have no order is three in the order in which they count: what it denies comes before what any
#: policy allows; what it allows adds to what others, and NetworkPolicies, allow; the rest is denied by default. One
#: whose rules have an order is two: what they say, at its own place, and the default.
Stage = Literal["deny", "allow", "default", "ordered"]
#: Where they stand: behind every Admin tier, and before every Baseline tier, of policies with priorities (0-1000).
STAGES: dict[Stage, tuple[Tier, int]] = {
    "deny": ("Admin", 2000),
    "allow": ("Admin", 2001),
    "default": ("Baseline", -1),
}


@dataclass(frozen=True, slots=True)
class TierRule:
    """One rule of a tier policy. Both selectors of a peer are set; an ipBlock is one of `networks`: it matches pods. No
    peers: it matches nothing."""

    action: Action
    peers: tuple[Peer, ...]
    ports: tuple[PolicyPort, ...] = ()
    name: str = ""
    place: Place = field(default=Place(), compare=False)


@dataclass(frozen=True, slots=True)
class TierPolicy:
    """ClusterNetworkPolicy v1alpha2, AdminNetworkPolicy or BaselineAdminNetworkPolicy v1alpha1: ordered rules around
    NetworkPolicy, lower `priority` first; a Baseline tier decides for pods that no NetworkPolicy isolates. `stage`:
    which part it is of a policy that is several. `group`: lower ones are asked before, and Pass leads to the next."""

    kind: str
    name: str
    tier: Tier
    priority: int
    subject: Peer
    ingress: tuple[TierRule, ...] = ()
    egress: tuple[TierRule, ...] = ()
    place: Place = field(default=Place(), compare=False)
    stage: Stage | None = None
    group: int = 0

    @property
    def place_in_tier(self) -> tuple[int, int]:
        """What comes first is asked first."""
        return self.group, self.priority

    @property
    def id(self) -> str:
        part = f" ({self.stage})" if self.stage in ("deny", "default") else ""
        return f"{self.kind}/{self.name}{part}"

    @property
    def object(self) -> tuple[str, str]:
        """The kind and name of what was applied, which may be several policies: stages, and sets of rules."""
        return self.kind, self.name.partition(" ")[0]

    def rules(self, direction: Direction) -> tuple[TierRule, ...]:
        return self.ingress if direction == "Ingress" else self.egress
