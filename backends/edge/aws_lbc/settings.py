"""What a stack may say of AWS's load balancers."""

from typing import Annotated, Literal

from pydantic import Field

from netspec.spec.model import Settings

Certificate = Annotated[str, Field(pattern=r"^arn:aws[a-z-]*:(acm|iam):")]


class LoadBalancerSettings(Settings):
    """Load balancers of AWS, made by AWS Load Balancer Controller (its Helm chart) on EKS."""

    scheme: Literal["internet-facing", "internal"] = Field(
        "internet-facing", description="Where they are: in the public subnets, or in the private ones."
    )
    replicas: int = Field(2, ge=1, le=10, description="How many pods of the controller; one of them works.")


class AwsNlbSettings(LoadBalancerSettings):
    """Each Service of type LoadBalancer gets a Network Load Balancer of its own."""


class AwsAlbSettings(LoadBalancerSettings):
    """One Application Load Balancer serves the spec's HTTP routes."""

    certificates: dict[str, Certificate] = Field(
        default_factory=dict,
        description="Secret of a route, as namespace/name -> the certificate that stands for it here: its ARN in ACM.",
    )


class AwsAlbGatewaySettings(LoadBalancerSettings):
    """Each Gateway of the spec is an Application Load Balancer."""

    certificates: dict[str, Certificate] = Field(
        default_factory=dict,
        description="Secret of a listener, as namespace/name -> the certificate that stands for it here: its ARN in "
        "ACM.",
    )
