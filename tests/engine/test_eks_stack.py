"""A stack on EKS through the real Pulumi engine; AWS and its plugin are stand-ins (airgap/aws, airgap/standin).

Order is read off AWS's side, not off the plan: the calls in the order in which they came, and refusals like AWS's.
"""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from netspec.deploy.leftovers import kill_marked
from tests.engine.apiserver import ApiServer
from tests.engine.cloud import CLUSTER, Cloud, EksWorld
from tests.engine.conftest import SPEC

pytestmark = pytest.mark.engine

PATH = "POST /clusters/shop-shop/"


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
    cni, group = place(up, f"{PATH}addons vpc-cni"), place(up, f"{PATH}node-groups")
    identity = place(up, f"{PATH}pod-identity-associations")
    assert place(up, f"{PATH}addons eks-pod-identity-agent") < identity < cni < group
    assert place(up, f"{PATH}addons kube-proxy") < group < place(up, f"{PATH}addons coredns")
    entry, objects = place(up, f"{PATH}access-entries arn"), list(world.api.objects)
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


#: What AWS refuses: how it is brought about, and the sentence.
REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "region": ({}, {"region": "eu-wset-1", "zones": ["eu-wset-1a", "eu-wset-1b"]}, "there is no AWS region eu-wset-1"),
    "rights": ({"CreateVpc": ["UnauthorizedOperation", "No."]}, {}, "the credentials do not allow it: "),
    "quota": ({"CreateVpc": ["VpcLimitExceeded", "5."]}, {}, "the provider has no room for it: "),
    "version": ({}, {"version": "1.60"}, "EKS does not have that version: "),
}


def test_what_aws_refuses_is_one_sentence_and_the_next_up_goes_on(world: EksWorld) -> None:
    for refusing, cluster, sentence in REFUSED.values():
        world.cloud.set(refusing=refusing)
        proxy = f"v{cluster.get('version', '1.35')}.0-eksbuild.2"
        world.write_stack(**cluster, addons={**CLUSTER["addons"], "kube-proxy": proxy})
        said = world.up(code=2)["stderr"]
        assert f"error: {sentence}" in said and "Traceback" not in said
    world.cloud.set(refusing={}, lacking="eu-west-1b")
    world.write_stack()
    said = world.up(code=2)["stderr"]
    assert "error: a zone does not have what the stack wants there: " in said and "(eu-west-1b)" in said
    (failed,) = world.cloud.left()["nodeGroups"]

    world.cloud.set(lacking="")
    said = world.run("up", "--stack", "shop", "--no-verify").stderr
    assert "node-group-general was not made as it should be: it is made again" in said
    (whole,) = world.cloud.left()["nodeGroups"]
    assert whole != failed

    # Somebody deletes an add-on.
    world.cloud.run("import boto3; boto3.client('eks').delete_addon(clusterName='shop-shop', addonName='kube-proxy')")
    world.up()
    assert world.cloud.calls()[-1] == f"{PATH}addons kube-proxy"
    world.run("down", "--stack", "shop")
    assert world.cloud.left() == {}


def kill_when_held(world: EksWorld, call: str) -> None:
    """Kills `up` and all that it started when calls that begin so were done, and nothing of them recorded."""
    before = world.cloud.held()
    world.cloud.set(holding=call)
    process = world.start("up", "--stack", "shop", "--no-verify")
    world.wait_for(lambda: world.cloud.held() > before)
    process.send_signal(signal.SIGKILL)
    assert kill_marked(f"{world.project}:shop")
    process.communicate()
    world.cloud.set(holding="")


def test_an_apply_that_is_killed_goes_on_and_leaves_nothing(world: EksWorld, adopter: None) -> None:
    """Subnets have ids that only AWS knows; between cluster and nodes, an add-on is there whose name is taken."""
    kill_when_held(world, "CreateSubnet")
    world.run("down", "--stack", "shop")
    assert world.cloud.left() == {}

    kill_when_held(world, f"{PATH}addons vpc-cni")
    world.up()
    assert set(world.up()) == {"same"}
    assert len(world.cloud.left()["vpcs"]) == 1 and len(world.cloud.left()["nat"]) == 2
    world.run("down", "--stack", "shop")
    assert world.cloud.left() == {}


def test_nodes_without_a_network_fail_and_are_made_again_with_one(world: EksWorld) -> None:
    """A CNI that does not come up, and then does: Calico's operator makes it of objects, of which AWS knows nothing."""
    world.write_stack({"provider": "calico", "encapsulation": "vxlan"}, vpc={})
    said = world.up(code=2)["stderr"]
    assert "error: nodes were started and did not become ready: " in said and "NodeCreationFailure" in said
    world.cloud.set(foreign_cni=True)
    world.up()
    calls = world.cloud.calls()
    assert sum(call.startswith(f"{PATH}node-groups") for call in calls) == 2
    assert not [call for call in calls if "vpc-cni" in call or "pod-identity" in call]
    assert "/apis/operator.tigera.io/v1/installations/default" in world.api.objects
    world.run("down", "--stack", "shop")
    assert world.cloud.left() == {}


def test_calico_beside_the_vpc_cni(world: EksWorld) -> None:
    cni = {"provider": "calico", "vpcCni": {"customNetworking": True}}
    world.write_stack(cni)
    made = world.up()["create"]
    calls = world.cloud.calls()
    assert place(calls, f"{PATH}addons vpc-cni") < place(calls, f"{PATH}node-groups")
    told = world.api.objects["/apis/operator.tigera.io/v1/installations/default"]
    assert told["spec"]["cni"]["type"] == "AmazonVPC"
    assert any("/eniconfigs/eu-west-1a" in path for path in world.api.objects)

    # A policy alone: its two sides change, and nothing of AWS.
    policies = yaml.safe_load(SPEC)["policies"]
    closed = {"policies": [p for p in policies if p["name"] != "metrics"]}
    world.api.requests.clear()
    world.write_stack(cni, closed)
    changed = world.up()
    assert changed == {"same": made - changed["delete"], "delete": changed["delete"]}
    gone = [path.rpartition("/")[2] for path in world.api.requests]
    assert all(
        r.startswith("DELETE /apis/networking.k8s.io/v1/namespaces/shop/networkpolicies/") for r in world.api.requests
    )
    assert sorted(gone) == ["metrics-egress", "metrics-ingress"]
    assert world.cloud.calls() == calls

    world.run("down", "--stack", "shop")
    down = world.cloud.calls()[len(calls) :]
    group = place(down, "DELETE /clusters/shop-shop/node-groups/")
    assert group < place(down, "DELETE /clusters/shop-shop/addons/vpc-cni")
    assert world.cloud.left() == {}


def test_credentials_that_are_not_taken(world: EksWorld) -> None:
    said = world.up(code=2, AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="", AWS_EC2_METADATA_DISABLED="true")["stderr"]
    assert "the cluster's provider does not take the credentials" in said and "Traceback" not in said
    assert world.cloud.calls() == []
