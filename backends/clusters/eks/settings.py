"""What a stack may say of an EKS cluster."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints, WithJsonSchema

from netspec.spec.model import Settings
from netspec.spec.types import Cidr, LabelKey, Labels, LabelValue, Name, problem

#: What AWS calls things. Whether there is such a one, only AWS knows.
Region = Annotated[str, StringConstraints(pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9]$", max_length=32)]
Zone = Annotated[str, StringConstraints(pattern=r"^[a-z]{2}(-[a-z0-9]+)+[a-z]$", max_length=48)]
KubernetesVersion = Annotated[str, StringConstraints(pattern=r"^1\.[0-9]{2}$")]
InstanceType = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]+\.[a-z0-9-]+$", max_length=48)]
VpcId = Annotated[str, StringConstraints(pattern=r"^vpc-[0-9a-f]{8,17}$")]
SubnetId = Annotated[str, StringConstraints(pattern=r"^subnet-[0-9a-f]{8,17}$")]
AddOnVersion = Annotated[str, StringConstraints(pattern=r"^v[0-9]+\.[0-9]+\.[0-9]+-eksbuild\.[0-9]+$")]
Endpoint = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]*$", max_length=64)]

_HINT = "arn:aws:iam::<account>:role/<name>; of an assumed role it is the role's own ARN, an SSO role with its path"


def _principal(value: str) -> str:
    """NS813: an access entry is about a role or a user, and not about one session of it."""
    service, _, rest = value.partition(":iam::")
    account, _, name = rest.partition(":")
    is_one = service in ("arn:aws", "arn:aws-cn", "arn:aws-us-gov") and account.isdigit() and len(account) == 12
    if not is_one or not name.startswith(("role/", "user/")) or name.endswith("/"):
        raise problem("NS813", f"{value[:90]!r} is not the ARN of an IAM role or user", _HINT)
    return value


Principal = Annotated[
    str, AfterValidator(_principal), WithJsonSchema({"title": "ARN of a role or user", "type": "string"})
]
Arn = Annotated[str, StringConstraints(pattern=r"^arn:aws(-cn|-us-gov)?:[a-z0-9-]+:[^:]*:[0-9]*:\S+$", max_length=2048)]

AmiType = Literal[
    "AL2023_x86_64_STANDARD",
    "AL2023_ARM_64_STANDARD",
    "BOTTLEROCKET_x86_64",
    "BOTTLEROCKET_ARM_64",
]


class EksSubnet(Settings):
    """A subnet of the VPC, where the zones are not to be filled evenly, or where it exists."""

    zone: Zone = Field(description="Its zone.")
    role: Literal["private", "public", "pods"] = Field(
        description="private: nodes and internal load balancers; public: NAT and load balancers; pods: pods alone."
    )
    cidr: Cidr = Field(description="Its addresses.")
    id: SubnetId | None = Field(None, description="Where the VPC exists: this subnet.")


class EksVpc(Settings):
    """The network that nodes and, with the VPC CNI, pods are in."""

    id: VpcId | None = Field(None, description="A VPC that exists, whose subnets are then given. Unset: a new one.")
    cidr: Cidr = Field("10.0.0.0/16", description="Its addresses, of an existing one too.")
    subnets: list[EksSubnet] = Field(
        default_factory=list, max_length=64, description="Unset: each zone a private and a public one."
    )
    pod_subnets: bool = Field(
        False, description="Makes network.podCIDRs a second CIDR of the VPC, with a subnet for pods in each zone."
    )
    reserve_prefixes: bool = Field(
        False, description="Reserves the pod subnets for blocks of 16 addresses, so that none is lost to single ones."
    )
    nat: Literal["single", "perZone", "none"] = Field(
        "single", description="NAT gateways for the private subnets; none: no public subnets either."
    )
    endpoints: list[Endpoint] = Field(
        default_factory=list, max_length=64, description="Services reached inside the VPC: s3, ecr.api, sts, ..."
    )
    flow_logs: Annotated[int, Field(ge=1, le=3653)] | None = Field(
        None, description="Days that flow logs are kept. Unset: there are none."
    )


class EksAccess(Settings):
    """What a role or user may do in the cluster, besides the administrators."""

    principal: Principal = Field(description="Who.")
    policy: Literal["AmazonEKSAdminPolicy", "AmazonEKSEditPolicy", "AmazonEKSViewPolicy"] | None = Field(
        None, description="What EKS grants."
    )
    namespaces: list[Name] = Field(
        default_factory=list, max_length=64, description="Where the policy holds; everywhere where there are none."
    )
    groups: list[Annotated[str, StringConstraints(min_length=1, max_length=253)]] = Field(
        default_factory=list, max_length=64, description="Kubernetes groups, for role bindings of yours."
    )


class EksTaint(Settings):
    """A taint of a group's nodes."""

    key: LabelKey = Field(description="Its key.")
    value: LabelValue = Field("", description="Its value.")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] = Field("NoSchedule", description="What it does.")


class EksNodeGroup(Settings):
    """Nodes that are alike, which EKS starts and replaces."""

    name: Name = Field(description="Its name.")
    instance_types: list[InstanceType] = Field(
        ["m5.large"], min_length=1, max_length=20, description="EC2 instance types, of one architecture."
    )
    ami_type: AmiType = Field("AL2023_x86_64_STANDARD", description="What nodes run.")
    capacity_type: Literal["ON_DEMAND", "SPOT"] = Field("ON_DEMAND", description="How they are paid for.")
    min: int = Field(2, ge=0, le=450, description="At least so many.")
    desired: Annotated[int, Field(ge=0, le=450)] | None = Field(
        None, description="So many. Unset: min at first, then whatever an autoscaler makes of it."
    )
    max: int = Field(4, ge=1, le=450, description="At most so many.")
    max_unavailable: int = Field(1, ge=1, le=100, description="How many an update takes away at a time.")
    disk_gib: int = Field(50, alias="diskGiB", ge=20, le=16384, description="The root volume.")
    labels: Labels = Field(default_factory=dict, description="Labels of its nodes.")
    taints: list[EksTaint] = Field(default_factory=list, max_length=50, description="Taints of its nodes.")
    max_pods: Annotated[int, Field(ge=4, le=1000)] | None = Field(
        None, description="The kubelet's limit there. Unset: network.maxPods, or what the CNI has room for."
    )


class EksPodIdentity(Settings):
    """Rights in AWS for the pods of a ServiceAccount."""

    namespace: Name = Field(description="Its namespace.")
    service_account: Name = Field(description="Its name.")
    policies: list[Arn] = Field(min_length=1, max_length=10, description="The policies of the role that it gets.")


class EksSettings(Settings):
    """A cluster of Amazon EKS with managed node groups."""

    region: Region = Field(description="The AWS region.")
    zones: list[Zone] = Field(min_length=2, max_length=6, description="Two availability zones or more.")
    version: KubernetesVersion = Field(description="The Kubernetes version, as 1.35.")
    addons: dict[Annotated[str, StringConstraints(pattern="^[a-z0-9-]+$", max_length=64)], AddOnVersion] = Field(
        description="The version of each add-on: aws eks describe-addon-versions --kubernetes-version VERSION."
    )
    admins: list[Principal] = Field(
        min_length=1, max_length=20, description="Roles or users that administer it; who runs netspec among them."
    )
    access: list[EksAccess] = Field(default_factory=list, max_length=100, description="What others may do.")
    vpc: EksVpc = Field(default_factory=EksVpc, description="Its network.")
    node_groups: list[EksNodeGroup] = Field(min_length=1, max_length=30, description="Its nodes.")
    endpoint_private_access: bool = Field(True, description="The API server is reached from inside the VPC.")
    endpoint_public_access: bool = Field(False, description="The API server is reached from outside.")
    public_access_cidrs: list[Cidr] = Field(
        default_factory=list, alias="publicAccessCIDRs", max_length=40, description="From where outside."
    )
    logging: list[Literal["api", "audit", "authenticator", "controllerManager", "scheduler"]] = Field(
        default_factory=list, max_length=5, description="Logs of the control plane."
    )
    log_days: int = Field(90, ge=1, le=3653, description="How long they are kept.")
    encryption_key: Literal["own"] | Arn | None = Field(
        None, description="The KMS key of Secrets: its ARN, or own for a new one. Unset: AWS's."
    )
    support: Literal["STANDARD", "EXTENDED"] = Field("STANDARD", description="What EKS does when the version ages.")
    deletion_protection: bool = Field(False, description="Refuses to delete the cluster.")
    auto_mode: bool = Field(False, description="EKS Auto Mode, which is refused: it brings a network of its own.")
    pod_identities: list[EksPodIdentity] = Field(
        default_factory=list, max_length=100, description="Rights in AWS for pods."
    )
