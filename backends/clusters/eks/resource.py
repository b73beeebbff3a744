"""How the plan's nodes of AWS are written: one provider, names of ours, tags."""

from collections.abc import Iterable, Mapping
from typing import Any

from netspec.catalogue import PLUGINS
from netspec.plan import PROVIDER, Json, Ref, ResourceNode

AWS = "aws"
CLUSTER_NODE = "eks"


def provider(region: str, cluster: str) -> ResourceNode:
    given = {"region": region, "defaultTags": {"tags": tags(cluster)}}
    return ResourceNode(AWS, PROVIDER + AWS, given, version=PLUGINS["aws"].official, fixed=("region",))


def tags(cluster: str) -> dict[str, str]:
    """Every resource gets them: what belongs to a cluster is found by them."""
    return {"netspec.dev/cluster": cluster}


def resource(
    id: str, token: str, properties: Mapping[str, Any], depends_on: Iterable[str] = (), **fields: Any
) -> ResourceNode:
    """A resource of AWS by its token after `aws:`. Inputs that are None are left out."""
    given = {key: value for key, value in properties.items() if value is not None}
    return ResourceNode(id, f"aws:{token}", given, tuple(depends_on), provider=AWS, **fields)


def partition(region: str) -> str:
    """
    >>> partition("eu-west-1"), partition("cn-north-1"), partition("us-gov-east-1")
    ('aws', 'aws-cn', 'aws-us-gov')
    """
    return "aws-cn" if region.startswith("cn-") else "aws-us-gov" if region.startswith("us-gov-") else "aws"


def role(name: str, service: str, region: str, policies: Iterable[str]) -> tuple[ResourceNode, ...]:
    """An IAM role that one service takes, and its policies: AWS's own by name, any other by its ARN."""
    actions = ["sts:AssumeRole", *(["sts:TagSession"] if service == "pods.eks.amazonaws.com" else [])]
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": actions}
    trust = Json({"Version": "2012-10-17", "Statement": [statement]})
    own = f"role-{name}"
    made = resource(own, "iam/role:Role", {"assumeRolePolicy": trust, "tags": {"Name": name}})
    attached = (
        resource(
            f"{own}-{policy.rpartition('/')[2]}",
            "iam/rolePolicyAttachment:RolePolicyAttachment",
            {
                "role": Ref(own, "name"),
                "policyArn": policy
                if policy.startswith("arn:")
                else f"arn:{partition(region)}:iam::aws:policy/{policy}",
            },
        )
        for policy in policies
    )
    return made, *attached


def ids(nodes: Iterable[ResourceNode]) -> tuple[str, ...]:
    return tuple(node.id for node in nodes)
