"""What reachability answers with: a verdict, and the policies that decide it on each side."""

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address
from typing import Literal

from netspec.ir.model import Direction


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
class Side:
    """One side of a flow. `isolating`: the policies that select the pod for this direction (none: not isolated).
    `matching`: the rules that allow the flow."""

    direction: Direction
    isolating: tuple[str, ...] = ()
    matching: tuple[RuleRef, ...] = ()

    @property
    def allows(self) -> bool:
        return not self.isolating or bool(self.matching)


@dataclass(frozen=True, slots=True)
class Verdict:
    """`egress` is the source's side, `ingress` the destination's; both must allow (NetworkPolicy v1)."""

    answer: Answer
    egress: Side
    ingress: Side
    note: str = ""

    @property
    def deciding(self) -> tuple[str, ...]:
        """The policies that decide: for allow the matching ones, for deny those that isolate the closed side."""
        if self.answer is Answer.ALLOW:
            names = [r.policy for s in (self.egress, self.ingress) for r in s.matching]
        else:
            names = [p for s in (self.egress, self.ingress) if not s.allows for p in s.isolating]
        return tuple(dict.fromkeys(names))


Expected = Literal["allow", "deny"]
