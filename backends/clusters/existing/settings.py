"""What a stack may say of a cluster that somebody else made."""

from typing import Annotated, Literal

from pydantic import Field

from netspec.spec.model import Settings
from netspec.spec.types import Address, Cidr, Name

Text = Annotated[str, Field(min_length=1, max_length=512)]


class ExistingSettings(Settings):
    """A cluster that somebody else made. netspec makes what the spec declares on it, and touches nothing else."""

    context: Text | None = Field(None, description="The kubeconfig's context. Unset: its current one.")
    kubeconfig: Text | None = Field(
        None, description="The kubeconfig file, from the project's folder on. Unset: kubectl's own."
    )
    namespaces: list[Name] = Field(
        default_factory=list,
        max_length=1000,
        description="Declared namespaces that somebody else made: netspec adds the labels, and removes only these.",
    )
    nodes: Annotated[int, Field(ge=1, le=15000)] | None = Field(
        None, description="How many nodes it has. Unset: as many as there are."
    )
    pod_cidrs: Annotated[list[Cidr], Field(alias="podCIDRs", max_length=100)] = Field(
        default_factory=list, description="Where its pods have their addresses. Unset: network.podCIDRs."
    )
    service_cidrs: Annotated[list[Cidr], Field(alias="serviceCIDRs", max_length=2)] = Field(
        default_factory=list, description="Where its Services have theirs. Unset: network.serviceCIDRs."
    )
    node_networks: list[Cidr] = Field(
        default_factory=list, max_length=100, description="Where its nodes have their addresses."
    )
    dns_address: Address | None = Field(None, description="Its DNS Service's address. Unset: the Service CIDR's tenth.")
    proxy: Literal["iptables", "nftables", "ipvs", "none"] = Field(
        "iptables", description="The mode that its kube-proxy runs in."
    )
    load_balancers: bool = Field(False, description="Its Services of type LoadBalancer get an address.")
