"""What a stack may say of a GKE cluster."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from netspec.spec.model import Settings
from netspec.spec.types import Cidr, LabelKey, Labels, LabelValue

#: What Google calls things. Whether there is such a one, only Google knows.
Project = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{4,28}[a-z0-9]$")]
Region = Annotated[str, StringConstraints(pattern=r"^[a-z]+-[a-z]+[0-9]+$", max_length=32)]
Zone = Annotated[str, StringConstraints(pattern=r"^[a-z]+-[a-z]+[0-9]+-[a-z]$", max_length=34)]
KubernetesVersion = Annotated[str, StringConstraints(pattern=r"^1\.[0-9]{2}$")]
PoolName = Annotated[str, StringConstraints(pattern=r"^[a-z]([a-z0-9-]*[a-z0-9])?$", max_length=39)]
MachineType = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]+$", max_length=64)]


class GkeTaint(Settings):
    """A taint of a pool's nodes."""

    key: LabelKey = Field(description="Its key.")
    value: LabelValue = Field("", description="Its value.")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] = Field("NoSchedule", description="What it does.")


class GkeNodePool(Settings):
    """Nodes that are alike, which GKE starts and replaces. Numbers are for each zone."""

    name: PoolName = Field(description="Its name.")
    machine_type: MachineType = Field("e2-standard-4", description="What its nodes are.")
    min: int = Field(1, ge=0, le=1000, description="At least so many in a zone.")
    max: int = Field(1, ge=1, le=1000, description="At most so many in a zone; more than min: GKE scales.")
    max_surge: int = Field(1, ge=1, le=20, description="How many more there are while nodes are replaced.")
    disk_gib: int = Field(100, alias="diskGiB", ge=10, le=2048, description="The boot disk.")
    labels: Labels = Field(default_factory=dict, description="Labels of its nodes.")
    taints: list[GkeTaint] = Field(default_factory=list, max_length=50, description="Taints of its nodes.")


class GkeSettings(Settings):
    """A Standard cluster of Google Kubernetes Engine, VPC-native, in a network of its own."""

    project: Project = Field(description="The Google Cloud project.")
    region: Region = Field(description="The region, as europe-west1.")
    zones: list[Zone] = Field(
        min_length=1, max_length=4, description="Where nodes are. One: a zonal cluster; more: a regional one."
    )
    version: KubernetesVersion = Field(description="The Kubernetes version at least, as 1.35.")
    channel: Literal["RAPID", "REGULAR", "STABLE", "EXTENDED"] = Field(
        "REGULAR", description="The release channel, by which GKE upgrades."
    )
    node_cidr: Cidr = Field("10.0.0.0/20", alias="nodeCIDR", description="The nodes' addresses: the subnet's own.")
    node_pools: list[GkeNodePool] = Field(min_length=1, max_length=30, description="Its nodes.")
    private_nodes: bool = Field(True, description="Nodes have no address outside, and leave by Cloud NAT.")
    private_endpoint: bool = Field(False, description="The API server is reached from inside the network alone.")
    authorized_networks: list[Cidr] = Field(
        default_factory=list,
        max_length=100,
        description="From where the API server is reached; [0.0.0.0/0]: from everywhere.",
    )
    deletion_protection: bool = Field(False, description="Refuses to delete the cluster.")
