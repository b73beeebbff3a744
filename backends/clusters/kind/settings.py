"""What a stack may say of a kind cluster."""

from typing import Annotated

from pydantic import Field

from netspec.spec.model import Settings
from netspec.spec.types import Address, Cidr


class KindVpc(Settings):
    """Nodes that pretend to be EC2 instances, for the VPC CNI: the container network is the VPC's one subnet."""

    instance_type: Annotated[str, Field(min_length=1, max_length=48)] = Field(
        "m5.large", description="Whose number of interfaces and addresses every node has."
    )


class KindSettings(Settings):
    """A cluster of containers on this machine (kind)."""

    workers: int = Field(2, ge=0, le=50, description="Worker nodes, besides one control plane.")
    node_image: Annotated[str, Field(min_length=1, max_length=512)] | None = Field(
        None, description="The nodes' image. Unset: the one netspec is tested with."
    )
    network_cidr: Cidr = Field(
        "172.30.0.0/16", alias="networkCIDR", description="The container network that the nodes join."
    )
    outside_address: Address | None = Field(
        None,
        description="The address on it of the host beside the nodes, for dns.hosts and policies to name. Unset: one "
        "that the engine chooses.",
    )
    vpc: KindVpc | None = Field(None, description="Nodes pretend to be EC2 instances, for the VPC CNI.")
