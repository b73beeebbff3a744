"""A stack on EKS through the real Pulumi engine; AWS and its plugin are stand-ins (airgap/aws, airgap/standin).

Order is read off AWS's side, not off the plan: the calls in the order in which they came, and refusals like AWS's.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.apiserver import ApiServer
from tests.engine.cloud import CLUSTER, Cloud, EksWorld

pytestmark = pytest.mark.engine


@pytest.fixture
def cloud(aws_python: Path, tmp_path: Path) -> Iterator[Cloud]:
    found = Cloud(aws_python, tmp_path / "aws.log")
    yield found
    found.close()


@pytest.fixture
def world(tmp_path: Path, pulumi: Path, api: ApiServer, cloud: Cloud) -> EksWorld:
    return EksWorld(tmp_path, pulumi, api, cloud)


def place(calls: list[str], start: str) -> int:
    """Where the one call that starts so is."""
    (found,) = [index for index, call in enumerate(calls) if call.startswith(start)]
    return found


def test_life_of_an_eks_stack(world: EksWorld) -> None:
    assert world.preview()["changes"].keys() == {"create"}
    assert world.cloud.calls() == []
    made = world.up()
    assert set(made) == {"create"}
    up = world.cloud.calls()
    path = "POST /clusters/shop-shop/"
    cni, group = place(up, f"{path}addons vpc-cni"), place(up, f"{path}node-groups")
    identity = place(up, f"{path}pod-identity-associations")
    assert place(up, f"{path}addons eks-pod-identity-agent") < identity < cni < group
    assert place(up, f"{path}addons kube-proxy") < group < place(up, f"{path}addons coredns")
    entry, objects = place(up, f"{path}access-entries arn"), list(world.api.objects)
    assert entry < cni and any("/eniconfigs/eu-west-1a" in path for path in objects)
    assert "/apis/apps/v1/namespaces/shop/deployments/web" in objects
    assert "at its provider" in world.run("status", "--stack", "shop").stdout
    read = world.run("exec", "--stack", "shop", "--", "sh", "-c", "cat $KUBECONFIG").stdout
    assert "get-token" in read and "shop-shop" in read and "token:" not in read

    assert world.up() == {"same": made["create"]}
    assert world.cloud.calls() == up

    smaller = {**CLUSTER["nodeGroups"][0], "desired": 3, "maxPods": 60}
    world.write_stack(nodeGroups=[smaller], endpointPublicAccess=True, publicAccessCIDRs=["203.0.113.0/24"])
    changed = world.up()
    # The cluster, the launch template and by it the group; and the two barriers that now wait for three nodes.
    assert changed == {"same": made["create"] - 5, "update": 5}
    told = world.cloud.calls()[len(up) :]
    group = next(call.split()[1].removesuffix("/update-config") for call in told if "node-groups" in call)
    assert [call.split()[:2] for call in told if not call.startswith("ModifyLaunchTemplate")] == [
        ["CreateLaunchTemplateVersion"],
        ["POST", "/clusters/shop-shop/update-config"],
        ["POST", f"{group}/update-config"],
        ["POST", f"{group}/update-version"],
    ]

    before = len(world.cloud.calls())
    world.run("down", "--stack", "shop")
    down = world.cloud.calls()[before:]
    path = "DELETE /clusters/shop-shop"
    group = place(down, f"{path}/node-groups/")
    assert place(down, f"{path}/addons/coredns") < group < place(down, f"{path}/addons/vpc-cni")
    assert (
        group < place(down, f"{path}/pod-identity-associations/") < place(down, f"{path}/addons/eks-pod-identity-agent")
    )
    policies = [i for i, call in enumerate(down) if call.startswith("DetachRolePolicy") and "CNI" in call]
    assert policies and group < policies[0]
    assert world.cloud.left() == {}
    # All went with the cluster, but for the load balancer's, which would have left its own behind.
    assert [r for r in world.api.requests if r.startswith("DELETE")] == [
        "DELETE /api/v1/namespaces/shop/services/front"
    ]


def test_a_node_group_that_failed_is_recorded_and_made_again(world: EksWorld) -> None:
    world.cloud.set(failing="node-group-general")
    said = world.up(code=2)["stderr"]
    assert "NodeCreationFailure" in said and "Unhealthy nodes" in said
    assert len(world.cloud.left()["nodeGroups"]) == 1
    (failed,) = world.cloud.left()["nodeGroups"]
    world.cloud.set(failing="")
    world.up()
    (whole,) = world.cloud.left()["nodeGroups"]
    assert whole != failed
    world.run("down", "--stack", "shop")
    assert world.cloud.left() == {}


def test_a_stack_that_failed_is_destroyed(world: EksWorld) -> None:
    world.cloud.set(failing="node-group-general")
    world.up(code=2)
    world.run("down", "--stack", "shop")
    assert world.cloud.left() == {}


def test_whoever_is_not_an_administrator_is_not_let_in(world: EksWorld) -> None:
    world.write_stack(admins=["arn:aws:iam::123456789012:role/somebody-else"])
    said = world.up(code=2)["stderr"]
    assert "401" in said and "Unauthorized" in said
    assert not any("/namespaces/" in path for path in world.api.objects)
    world.run("down", "--stack", "shop")
    assert world.cloud.left() == {}


def test_calico_on_eks(world: EksWorld) -> None:
    addons = {name: version for name, version in CLUSTER["addons"].items() if name in ("kube-proxy", "coredns")}
    world.cloud.set(foreign_cni=True)
    world.write_stack({"provider": "calico", "encapsulation": "vxlan"}, addons=addons, vpc={})
    world.up()
    calls = world.cloud.calls()
    assert not [call for call in calls if "vpc-cni" in call or "pod-identity" in call]
    assert "/apis/operator.tigera.io/v1/installations/default" in world.api.objects
    world.run("down", "--stack", "shop")
    assert world.cloud.left() == {}


def test_what_somebody_deleted_is_made_again(world: EksWorld) -> None:
    made = world.up()
    world.cloud.run("import boto3; boto3.client('eks').delete_addon(clusterName='shop-shop', addonName='kube-proxy')")
    assert world.up() == {"create": 1, "same": made["create"] - 1}
    assert world.cloud.calls()[-1] == "POST /clusters/shop-shop/addons kube-proxy"


def test_credentials_that_are_not_taken(world: EksWorld) -> None:
    said = world.up(code=2, AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="", AWS_EC2_METADATA_DISABLED="true")["stderr"]
    assert "the cluster's provider does not take the credentials" in said and "Traceback" not in said
    assert world.cloud.calls() == []
