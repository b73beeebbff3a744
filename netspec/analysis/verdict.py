"""What reachability answers with: a verdict, and the policies that decide it on each side."""

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address
from typing import Literal

from netspec.ir.model import Action, Direction


class Answer(StrEnum):
    """allow and deny are Kubernetes' own; undefined: the API does not say; dialect: this CNI says so."""

    ALLOW = "allow"
    DENY = "deny"
    UNDEFINED = "undefined"
    DIALECT = "dialect"


@dataclass(frozen=True, slots=True)
class PodEnd:
    """A pod of a workload, by workload id "namespace/name"."""

    workload: str

    def __str__(self) -> str:
        return self.workload


@dataclass(frozen=True, slots=True)
class AddressEnd:
    """An address outside the pod network."""

    address: IPv4Address | IPv6Address

    def __str__(self) -> str:
        return str(self.address)


@dataclass(frozen=True, slots=True)
class ProxyEnd:
    """Whatever pods lead routes of the outside in; which they are is not known."""

    def __str__(self) -> str:
        return "ingress"


End = PodEnd | AddressEnd


@dataclass(frozen=True, slots=True)
class RuleRef:
    """A rule of a policy: `index` counts from 0 in that direction's list."""

    policy: str
    direction: Direction
    index: int

    def __str__(self) -> str:
        return f"{self.policy} {self.direction.lower()}[{self.index}]"


@dataclass(frozen=True, slots=True)
class TierStep:
    """The first rule of a policy tier that matches the flow, and what it says."""

    rule: RuleRef
    action: Action


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a flow. `isolating`: the NetworkPolicies that select the pod in this direction (none: not isolated).
    `matching`: their rules that allow the flow. `tiers`: what policy tiers say before and after them."""

    direction: Direction
    isolating: tuple[str, ...] = ()
    matching: tuple[RuleRef, ...] = ()
    tiers: tuple[TierStep, ...] = ()

    @property
    def final(self) -> TierStep | None:
        """The tier rule that decides, where one does."""
        return next((step for step in self.tiers if step.action != "Pass"), None)

    @property
    def allows(self) -> bool:
        if self.final is not None:
            return self.final.action == "Accept"
        return not self.isolating or bool(self.matching)

    @property
    def deciding(self) -> tuple[str, ...]:
        """The policies behind `allows`: a tier's rule, else the matching policies, else those that isolate."""
        if self.final is not None:
            return (self.final.rule.policy,)
        return tuple(r.policy for r in self.matching) or self.isolating


Expected = Literal["allow", "deny"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """`egress` is the source's side, `ingress` the destination's; both must allow (NetworkPolicy v1).

    For undefined, the sides are those under which the flow passes. `note` says why, where policies alone do not.
    """

    answer: Answer
    egress: Side
    ingress: Side
    note: str = ""

    @property
    def expected(self) -> Expected | None:
        """What a probe should see; None where it may be either (undefined)."""
        if self.answer is Answer.UNDEFINED:
            return None
        return "allow" if self.egress.allows and self.ingress.allows else "deny"

    @property
    def deciding(self) -> tuple[str, ...]:
        """The policies that decide: where the flow passes those of both sides, else those of the closed sides."""
        passes = self.egress.allows and self.ingress.allows
        names = [p for s in (self.egress, self.ingress) if passes or not s.allows for p in s.deciding]
        return tuple(dict.fromkeys(names))
