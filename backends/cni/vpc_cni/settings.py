"""What a stack may say of the VPC CNI where it enforces policies too."""

from typing import Literal

from pydantic import Field

from netspec.backends.cni.vpc.settings import VpcAddresses
from netspec.spec.model import MayBeThere


class VpcCniSettings(VpcAddresses, MayBeThere):
    """Amazon's VPC CNI: pods have addresses of the VPC. An add-on of EKS."""

    network_policy: Literal["off", "standard", "strict"] = Field(
        "standard",
        description="Who enforces NetworkPolicies: nobody, or AWS's agent. strict: closed until a policy opens.",
    )
