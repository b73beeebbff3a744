"""What the controller may do in AWS: read what it chooses from, and change what has the cluster's tag, or is made with
it.

Source: kubernetes-sigs/aws-load-balancer-controller 3.5, docs/install/iam_policy.json, without WAF, Shield, Cognito,
certificates of IAM and pools of customers, which nothing here uses.
"""

from collections.abc import Iterator, Mapping
from typing import Any

TAG = "elbv2.k8s.aws/cluster"
#: Reading has no resource; rules of security groups may be the cluster's own, which has no tag of the controller's.
ACTIONS = (
    *(
        f"ec2:{action}"
        for action in (
            *("DescribeAccountAttributes", "DescribeAddresses", "DescribeAvailabilityZones"),
            *("DescribeInternetGateways", "DescribeVpcs", "DescribeVpcPeeringConnections", "DescribeSubnets"),
            *("DescribeSecurityGroups", "DescribeInstances", "DescribeNetworkInterfaces", "DescribeTags"),
            *("GetSecurityGroupsForVpc", "DescribeRouteTables", "CreateSecurityGroup"),
            *("AuthorizeSecurityGroupIngress", "RevokeSecurityGroupIngress"),
        )
    ),
    *(
        f"elasticloadbalancing:{action}"
        for action in (
            *("DescribeLoadBalancers", "DescribeLoadBalancerAttributes", "DescribeListeners"),
            *("DescribeListenerCertificates", "DescribeListenerAttributes", "DescribeSSLPolicies", "DescribeRules"),
            *("DescribeTargetGroups", "DescribeTargetGroupAttributes", "DescribeTargetHealth", "DescribeTags"),
            *("DescribeTrustStores", "DescribeCapacityReservation"),
            *("CreateListener", "DeleteListener", "CreateRule", "DeleteRule", "ModifyListener", "ModifyRule"),
            *("AddListenerCertificates", "RemoveListenerCertificates", "SetRulePriorities"),
            *("RegisterTargets", "DeregisterTargets"),
        )
    ),
    *("acm:ListCertificates", "acm:DescribeCertificate"),
)
_MAKES = ("elasticloadbalancing:CreateLoadBalancer", "elasticloadbalancing:CreateTargetGroup")
_CHANGES = (
    "ec2:DeleteSecurityGroup",
    *(
        f"elasticloadbalancing:{action}"
        for action in (
            *("ModifyLoadBalancerAttributes", "SetIpAddressType", "SetSecurityGroups", "SetSubnets"),
            *("DeleteLoadBalancer", "ModifyTargetGroup", "ModifyTargetGroupAttributes", "DeleteTargetGroup"),
            *("ModifyListenerAttributes", "ModifyCapacityReservation", "ModifyIpPools"),
        )
    ),
)


def statements() -> tuple[Mapping[str, Any], ...]:
    return tuple(_statements())


def _statements() -> Iterator[Mapping[str, Any]]:
    linked = {"StringEquals": {"iam:AWSServiceName": "elasticloadbalancing.amazonaws.com"}}
    yield _allow(("iam:CreateServiceLinkedRole",), linked)
    made_with = {"Null": {f"aws:RequestTag/{TAG}": "false"}}
    yield _allow(_MAKES, made_with)
    has = {"Null": {f"aws:ResourceTag/{TAG}": "false"}}
    yield _allow(_CHANGES, has)
    # Tags: with what is made, and later on what has the cluster's, which nothing takes away.
    tags = ("elasticloadbalancing:AddTags", "elasticloadbalancing:RemoveTags")
    yield _allow(("ec2:CreateTags",), {"StringEquals": {"ec2:CreateAction": "CreateSecurityGroup"}, **made_with})
    stays = {"Null": {f"aws:RequestTag/{TAG}": "true", f"aws:ResourceTag/{TAG}": "false"}}
    yield _allow(("ec2:CreateTags", "ec2:DeleteTags", *tags), stays)
    created = ["CreateTargetGroup", "CreateLoadBalancer"]
    yield _allow(tags[:1], {"StringEquals": {"elasticloadbalancing:CreateAction": created}, **made_with})
    # Listeners and rules have no condition on their tags (AWS's own policy: none either).
    parts = [f"arn:*:elasticloadbalancing:*:*:{kind}/{family}/*" for kind in _PARTS for family in ("net", "app")]
    yield {**_allow(tags), "Resource": parts}


_PARTS = ("listener", "listener-rule")


def _allow(actions: tuple[str, ...], condition: Mapping[str, Any] | None = None) -> dict[str, Any]:
    conditioned = {"Condition": dict(condition)} if condition else {}
    return {"Effect": "Allow", "Action": list(actions), "Resource": "*", **conditioned}
