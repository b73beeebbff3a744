"""What a stack may say of Calico's own policies: of projectcalico.org/v3, what can be predicted exactly."""

from typing import Any, Literal

from pydantic import Field, model_validator

from netspec.spec.model import Settings
from netspec.spec.types import Cidr, Name, ObjectName, problem

_TYPE = Literal["Ingress", "Egress"]


class CalicoEntity(Settings):
    """One end of a rule: pods by label, or addresses. Unset: everyone."""

    selector: str | None = Field(None, description="Pods, as an expression: `app == 'web' && tier in {'a', 'b'}`.")
    namespace_selector: str | None = Field(
        None, description="Namespaces, as an expression over their labels; their name is projectcalico.org/name."
    )
    nets: list[Cidr] = Field(default_factory=list, description="Addresses.")
    not_nets: list[Cidr] = Field(default_factory=list, description="Addresses that are not meant.")
    ports: list[int | str] = Field(
        default_factory=list, description="Ports of the called: numbers, names, or ranges as `8000:8080`."
    )
    not_ports: list[int | str] = Field(default_factory=list, description="Ports that are not meant.")


class CalicoRule(Settings):
    """What happens to flows of one direction that it matches."""

    action: Literal["Allow", "Deny", "Log", "Pass"] = Field(
        description="Pass leads on to the next tier; behind the last one, NetworkPolicies' own, all is allowed."
    )
    protocol: Literal["TCP", "UDP", "SCTP"] | None = Field(None, description="Unset: all.")
    not_protocol: Literal["TCP", "UDP", "SCTP"] | None = Field(None, description="All but this one.")
    source: CalicoEntity | None = Field(None, description="Who calls, in a rule of ingress.")
    destination: CalicoEntity | None = Field(
        None, description="Who is called, in a rule of egress; in one of ingress the ports alone."
    )

    @model_validator(mode="before")
    @classmethod
    def _no_requests(cls, data: Any) -> Any:
        if isinstance(data, dict) and "http" in data:
            message = (
                "requests are decided by a proxy of Calico's beside each pod (Dikastes), which netspec does not install"
            )
            raise problem("NS925", message, "cni.provider cilium decides requests: policies[].http")
        return data


class CalicoTier(Settings):
    """A tier of policies that is asked before the one that NetworkPolicies are in."""

    name: ObjectName = Field(description="Its name.")
    order: int | float = Field(description="Lower comes first; below 1000 before AdminNetworkPolicies.")
    default_action: Literal["Deny", "Pass"] = Field(
        "Deny", description="What happens to flows of pods that its policies select and no rule of them matches."
    )


class CalicoPolicy(Settings):
    """A NetworkPolicy or GlobalNetworkPolicy of Calico's own. The first rule that matches decides, in the order of the
    policies; it isolates the pods that it selects. NetworkPolicies stand at 1000."""

    name: ObjectName = Field(description="Its name, without the tier's.")
    namespace: Name | None = Field(None, description="Its namespace. Unset: it is global.")
    tier: ObjectName | None = Field(None, description="One of `tiers`. Unset: the one that NetworkPolicies are in.")
    order: int | float | None = Field(
        None, description="Lower comes first: below 1000 before NetworkPolicies, above behind them. Unset: last."
    )
    selector: str | None = Field(None, description="The pods that it is about. Unset: all.")
    namespace_selector: str | None = Field(None, description="Of a global one: the namespaces that it is about.")
    types: list[_TYPE] = Field(
        default_factory=list, max_length=2, description="Directions in which it isolates. Unset: those with rules."
    )
    ingress: list[CalicoRule] = Field(default_factory=list, description="What happens to what comes in.")
    egress: list[CalicoRule] = Field(default_factory=list, description="What happens to what goes out.")
