"""Every resource of AWS that a plan has, against what pulumi-aws says: names, types, what is required, outputs."""

import json
from pathlib import Path
from typing import Any

import pytest
from eks_support import VXLAN, cluster, compiled, group, plan_of, resources
from sdk_types import wrong_mapping

from netspec.plan import Ref

#: What tests/aws/describe_types.py printed, by pulumi-aws 7.51.1.
TYPES: dict[str, Any] = json.loads((Path(__file__).parent.parent / "aws" / "types.json").read_text())
EVERYTHING = cluster(
    vpc={
        "podSubnets": True,
        "reservePrefixes": True,
        "nat": "perZone",
        "flowLogs": 30,
        "endpoints": ["s3", "ecr.api", "sts"],
    },
    logging=["api"],
    encryptionKey="own",
    deletionProtection=True,
    endpointPublicAccess=True,
    publicAccessCIDRs=["203.0.113.0/24"],
    access=[
        {"principal": "arn:aws:iam::123456789012:role/team", "policy": "AmazonEKSViewPolicy", "namespaces": ["shop"]},
        {"principal": "arn:aws:iam::123456789012:user/ann", "groups": ["readers"]},
    ],
    podIdentities=[
        {"namespace": "shop", "serviceAccount": "web", "policies": ["arn:aws:iam::123456789012:policy/orders"]}
    ],
    nodeGroups=group(taints=[{"key": "a"}], labels={"b": "c"}, desired=2),
)


@pytest.mark.parametrize(
    ("settings", "cni"),
    [
        (EVERYTHING, {"provider": "vpc-cni", "customNetworking": True, "securityGroupsForPods": "standard"}),
        (cluster(), {"provider": "vpc-cni"}),
        (cluster(), VXLAN),
        (cluster(vpc={"podSubnets": True}), {"provider": "cilium", "eni": {"podSubnetsOnly": True}}),
        (cluster(), {"provider": "calico", "vpcCni": {"securityGroupsForPods": "standard"}}),
    ],
    ids=["everything", "little", "overlay", "eni", "policies"],
)
def test_resources_are_what_the_sdk_takes(settings: dict[str, Any], cni: dict[str, Any]) -> None:
    found = resources(plan_of(compiled(settings, cni)))
    ours = {name: node for name, node in found.items() if node.token.startswith("aws:")}
    assert len(ours) > 20 and {node.token for node in ours.values()} <= TYPES.keys()
    problems = [
        text
        for name, node in ours.items()
        for text in wrong_mapping(dict(node.properties), TYPES[node.token]["inputs"], name, found, TYPES)
    ]
    assert problems == []
    assert all(node.provider == "aws" for node in ours.values())


def test_the_check_finds_mistakes() -> None:
    found = resources(plan_of(compiled()))
    kind = TYPES["aws:eks/cluster:Cluster"]["inputs"]
    good = dict(found["eks"].properties)
    assert list(wrong_mapping(good, kind, "eks", found, TYPES)) == []
    for change in (
        {"vpc_config": {}},
        {"version": 1.35},
        {"vpcConfig": [good["vpcConfig"]]},
        {"roleArn": Ref("role-cluster", "aren")},
        {"tags": {"Name": 1}},
        {"enabledClusterLogTypes": "api"},
    ):
        assert list(wrong_mapping(good | change, kind, "eks", found, TYPES))
    del good["roleArn"]
    assert list(wrong_mapping(good, kind, "eks", found, TYPES)) == ["eks.roleArn: required"]


def test_all_that_is_described_is_used() -> None:
    used = {n.token for n in resources(plan_of(compiled(EVERYTHING))).values()}
    assert TYPES.keys() <= used
