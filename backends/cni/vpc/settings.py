"""What a stack may say of how the VPC CNI gives pods addresses."""

from typing import Annotated, Literal

from pydantic import Field

from netspec.spec.model import Settings

Target = Annotated[int, Field(ge=0, le=1000)] | None


class VpcAddresses(Settings):
    """How Amazon's VPC CNI, an add-on of EKS, gives pods addresses of the VPC."""

    prefix_delegation: bool = Field(False, description="Interfaces get blocks of 16 addresses: many more pods a node.")
    custom_networking: bool = Field(
        False, description="Pods have addresses of the pod subnets alone; a node's first interface has none for pods."
    )
    subnet_discovery: bool = Field(
        True, description="Further interfaces take the tagged pod subnets too, where there are any."
    )
    security_groups_for_pods: Literal["off", "standard", "strict"] = Field(
        "off", description="Interfaces of their own for pods that a SecurityGroupPolicy selects."
    )
    warm_eni_target: Target = Field(None, description="Free interfaces that a node keeps. Unset: 1.")
    warm_ip_target: Target = Field(None, description="Free addresses that a node keeps; in place of whole interfaces.")
    minimum_ip_target: Target = Field(None, description="Addresses that a node has at least; with warmIpTarget.")
    warm_prefix_target: Target = Field(None, description="Free blocks that a node keeps. Unset: 1.")
    max_eni: Annotated[int, Field(ge=1, le=64)] | None = Field(
        None, description="How many interfaces of a node the CNI may use. Unset: all."
    )
    external_snat: bool = Field(
        False, description="Pods leave the VPC with their own address: a NAT gateway translates, and not their node."
    )
