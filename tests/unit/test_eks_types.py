"""Every resource of AWS that a plan has, against what pulumi-aws says: names, types, what is required, outputs."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from eks_support import VXLAN, cluster, compiled, group, plan_of, resources

from netspec.plan import Cut, Json, Ref, ResourceNode

#: What tests/aws/describe_types.py printed, by pulumi-aws 7.51.1.
TYPES: dict[str, Any] = json.loads((Path(__file__).parent.parent / "aws" / "types.json").read_text())
SCALARS = {"str": str, "int": int, "bool": bool, "float": (int, float)}


def wrong(value: Any, kind: Any, where: str, of: dict[str, ResourceNode]) -> Iterator[str]:
    """What is wrong with an input."""
    if isinstance(value, Ref):
        made = of[value.node]
        found = TYPES[made.token]["outputs"].get(value.output.partition(".")[0])
        if value.output not in made.outputs and found is None:
            yield f"{where}: {made.token} has no output {value.output}"
        elif "." not in value.output and value.output not in made.outputs and kind not in (found, "any"):
            yield f"{where}: {value} is {found}, wanted {kind}"
    elif isinstance(value, Json | Cut):
        if kind not in ("str", "any"):
            yield f"{where}: text, wanted {kind}"
    elif isinstance(kind, list):
        if not isinstance(value, list | tuple):
            yield f"{where}: not a list"
        else:
            for index, inner in enumerate(value):
                yield from wrong(inner, kind[0], f"{where}[{index}]", of)
    elif isinstance(kind, dict):
        yield from wrong_mapping(value, kind, where, of)
    elif kind != "any" and (not isinstance(value, SCALARS[kind]) or (kind == "int" and isinstance(value, bool))):
        yield f"{where}: {value!r} is not {kind}"


def wrong_mapping(value: Any, kind: dict[str, Any], where: str, of: dict[str, ResourceNode]) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{where}: not a mapping"
        return
    fields = {name.removesuffix("!"): inner for name, inner in kind.items()}
    for name, inner in value.items():
        if name not in fields and "*" not in fields:
            yield f"{where}.{name}: unknown"
        else:
            yield from wrong(inner, fields.get(name, fields.get("*")), f"{where}.{name}", of)
    yield from (f"{where}.{n}: required" for k in kind if k.endswith("!") and (n := k[:-1]) not in value)


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
        for text in wrong_mapping(dict(node.properties), TYPES[node.token]["inputs"], name, found)
    ]
    assert problems == []
    assert all(node.provider == "aws" for node in ours.values())


def test_the_check_finds_mistakes() -> None:
    found = resources(plan_of(compiled()))
    kind = TYPES["aws:eks/cluster:Cluster"]["inputs"]
    good = dict(found["eks"].properties)
    assert list(wrong_mapping(good, kind, "eks", found)) == []
    for change in (
        {"vpc_config": {}},
        {"version": 1.35},
        {"vpcConfig": [good["vpcConfig"]]},
        {"roleArn": Ref("role-cluster", "aren")},
        {"tags": {"Name": 1}},
        {"enabledClusterLogTypes": "api"},
    ):
        assert list(wrong_mapping(good | change, kind, "eks", found))
    del good["roleArn"]
    assert list(wrong_mapping(good, kind, "eks", found)) == ["eks.roleArn: required"]


def test_all_that_is_described_is_used() -> None:
    used = {n.token for n in resources(plan_of(compiled(EVERYTHING))).values()}
    assert TYPES.keys() <= used
