"""Policies as they are judged: NetworkPolicy, and the tiers of ordered rules around it."""

from dataclasses import dataclass, field
from typing import Literal

from netspec.ir.base import Direction, IPNetwork, Place, Protocol
from netspec.ir.selectors import Selector


@dataclass(frozen=True, slots=True)
class IpBlock:
    cidr: IPNetwork
    excluded: tuple[IPNetwork, ...] = ()


@dataclass(frozen=True, slots=True)
class Peer:
    """One NetworkPolicyPeer: an ipBlock, or selectors. `pods` and `namespaces` together are AND; `pods` alone is
    the policy's own namespace; `namespaces` alone is every pod of them. `unread`: none of these, but what the input
    does not say: nodes, names of addresses anywhere, or anything at all."""

    pods: Selector | None = None
    namespaces: Selector | None = None
    ip_block: IpBlock | None = None
    unread: Literal["", "nodes", "names", "anything"] = ""


@dataclass(frozen=True, slots=True)
class PolicyPort:
    """`port` None is every port of the protocol; a name resolves on the destination pod. `unread`: it may be any port
    of any protocol."""

    protocol: Protocol = "TCP"
    port: int | str | None = None
    end_port: int | None = None
    unread: bool = False


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
    NetworkPolicy, lower `priority` first; a Baseline tier decides for pods that no NetworkPolicy isolates."""

    kind: str
    name: str
    tier: Tier
    priority: int
    subject: Peer
    ingress: tuple[TierRule, ...] = ()
    egress: tuple[TierRule, ...] = ()
    place: Place = field(default=Place(), compare=False)

    @property
    def id(self) -> str:
        return f"{self.kind}/{self.name}"

    def rules(self, direction: Direction) -> tuple[TierRule, ...]:
        return self.ingress if direction == "Ingress" else self.egress
