"""What a stack may say of an AKS cluster."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from netspec.spec.model import Settings
from netspec.spec.types import Address, Cidr, LabelKey, Labels, LabelValue

#: What Azure calls things. Whether there is such a one, only Azure knows.
Region = Annotated[str, StringConstraints(pattern=r"^[a-z]+[a-z0-9]*$", max_length=32)]
KubernetesVersion = Annotated[str, StringConstraints(pattern=r"^1\.[0-9]{2}(\.[0-9]{1,2})?$")]
Subscription = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
PoolName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]{0,11}$")]
VmSize = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Za-z0-9_-]+$", max_length=64)]


class AksVnet(Settings):
    """The virtual network that nodes and, but for the overlay, pods are in."""

    cidr: Cidr = Field("10.224.0.0/12", description="Its addresses.")
    node_subnet: Cidr = Field("10.224.0.0/16", description="The nodes' subnet.")
    pod_subnet: Cidr | None = Field(None, description="A subnet for pods alone, which cni.mode: podSubnet uses.")


class AksTaint(Settings):
    """A taint of a pool's nodes."""

    key: LabelKey = Field(description="Its key.")
    value: LabelValue = Field("", description="Its value.")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] = Field("NoSchedule", description="What it does.")


class AksNodePool(Settings):
    """Nodes that are alike, which AKS starts and replaces."""

    name: PoolName = Field(description="Its name: at most twelve letters and digits.")
    mode: Literal["system", "user"] = Field(
        "system", description="system: pods of the cluster's own are there. The first pool is one."
    )
    vm_size: VmSize = Field("Standard_D4s_v5", description="What its nodes are.")
    zones: list[Literal["1", "2", "3"]] = Field(
        default_factory=list, max_length=3, description="Availability zones. Unset: none is asked for."
    )
    min: int = Field(2, ge=0, le=1000, description="At least so many.")
    max: int = Field(2, ge=1, le=1000, description="At most so many; more than min: AKS's own autoscaler decides.")
    max_surge: int = Field(1, ge=1, le=100, description="How many more there are while nodes are replaced.")
    disk_gib: int = Field(128, alias="diskGiB", ge=30, le=2048, description="The disk of the system.")
    labels: Labels = Field(default_factory=dict, description="Labels of its nodes.")
    taints: list[AksTaint] = Field(
        default_factory=list,
        max_length=50,
        description="Taints of its nodes; of the first pool only CriticalAddonsOnly=true:NoSchedule.",
    )


class AksSettings(Settings):
    """A cluster of Azure Kubernetes Service, in a virtual network of its own."""

    region: Region = Field(description="The Azure region, as westeurope.")
    version: KubernetesVersion = Field(description="The Kubernetes version, as 1.35.")
    subscription: Subscription | None = Field(
        None, description="The subscription. Unset: the one of whoever applies the stack (ARM_SUBSCRIPTION_ID)."
    )
    vnet: AksVnet = Field(default_factory=AksVnet, description="Its network.")
    node_pools: list[AksNodePool] = Field(min_length=1, max_length=30, description="Its nodes.")
    dns_service_ip: Address | None = Field(
        None, alias="dnsServiceIP", description="The DNS Service's address. Unset: the Service CIDR's tenth."
    )
    private_cluster: bool = Field(False, description="The API server is reached from inside the network alone.")
    authorized_ranges: list[Cidr] = Field(
        default_factory=list,
        alias="authorizedIPRanges",
        max_length=200,
        description="From where the API server is reached; [0.0.0.0/0]: from everywhere.",
    )
    tier: Literal["Free", "Standard", "Premium"] = Field("Standard", description="What is promised of the API server.")
