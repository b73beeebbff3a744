"""Cilium on EKS in its three ways, through the real Pulumi engine and helm: AWS and its plugin are stand-ins, the API
server is a real one, whose webhook asks AWS's stand-in who a token is of, so that access entries decide who comes in.

There are no nodes, and the chart is a small one of ours, which keeps what it was given.
"""

import contextlib
import json
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.engine import kubernetes
from tests.engine.cloud import ACCOUNT, ADMIN, CLUSTER, REGION, Cloud, EksWorld
from tests.engine.kubernetes import Server

pytestmark = pytest.mark.engine

MADE, GONE = "POST /clusters/shop-shop/", "DELETE /clusters/shop-shop/"
RELEASE = "sh.helm.release.v1.cilium.v1"
#: What the chart is given, as the cluster can be asked for it.
VALUES = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: values, namespace: {{ .Release.Namespace }}}
data: {values: {{ toYaml .Values | quote }}}
"""


#: The taints of the one group of nodes, and every subnet with its range.
THERE = """\
import boto3, json
eks, ec2 = boto3.client("eks"), boto3.client("ec2")
(name,) = eks.list_nodegroups(clusterName="shop-shop")["nodegroups"]
group = eks.describe_nodegroup(clusterName="shop-shop", nodegroupName=name)["nodegroup"]
subnets = {s["SubnetId"]: s["CidrBlock"] for s in ec2.describe_subnets()["Subnets"]}
print(json.dumps({"taints": group["taints"], "subnets": subnets}))
"""


@dataclass
class Ground:
    """What the stacks of this file share: an account, and an API server for the one cluster that is there at a time."""

    cloud: Cloud
    server: Server
    folder: Path
    kubectl: Path
    #: Interfaces that nodes left, by id.
    left: list[str] = field(default_factory=list)

    def audited(self) -> list[dict[str, Any]]:
        return kubernetes.audited(self.folder)


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory, pulumi: Path, aws_python: Path) -> Iterator[Ground]:
    if shutil.which("helm", path=str(pulumi.parent)) is None:
        pytest.skip("not run: helm is not beside pulumi")
    try:
        kubectl = kubernetes.programs()["kubectl"]
    except kubernetes.Unavailable as reason:
        pytest.skip(f"not run: {reason}")
    with contextlib.ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setenv("PATH", str(kubectl.parent), prepend=":")
        patch.setenv("KUBECACHEDIR", str(tmp_path_factory.mktemp("cache")))
        cloud = Cloud(aws_python, tmp_path_factory.mktemp("aws") / "log")
        stack.callback(cloud.close)
        folder = tmp_path_factory.mktemp("api")
        webhook = f"{cloud.url}/token-review/{ACCOUNT}/{REGION}/shop-shop"
        server = Server(stack.enter_context(kubernetes.serving(folder, webhook)))
        stack.callback(server.close)
        cloud.set(authority=kubernetes.authority(folder))
        yield Ground(cloud, server, folder, kubectl)


@pytest.fixture
def world(tmp_path: Path, pulumi: Path, ground: Ground) -> EksWorld:
    ground.server.wipe()
    made = EksWorld(tmp_path, pulumi, ground.server, ground.cloud)
    made.steer("kubectl", str(ground.kubectl))
    made.env |= {"NETSPEC_CHARTS": str(tmp_path / "charts"), "KUBECACHEDIR": str(tmp_path / "cache")}
    kubernetes.write_chart(tmp_path / "charts", values=VALUES)
    return made


class Log:
    """What was asked of AWS since a moment."""

    def __init__(self, cloud: Cloud, since: int = 0) -> None:
        self.calls, self._times = cloud.calls()[since:], cloud.times()[since:]

    def at(self, *parts: str) -> float:
        """When the one call was that begins with the first and has the others."""
        first, *rest = parts
        found = [i for i, call in enumerate(self.calls) if call.startswith(first) and all(p in call for p in rest)]
        assert len(found) == 1, (parts, [self.calls[i] for i in found])
        return self._times[found[0]]


def moment(event: dict[str, Any]) -> float:
    return datetime.fromisoformat(event["requestReceivedTimestamp"]).timestamp()


def of_the_stack(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the role that applies the stack asked, and was let in for."""
    return [e for e in events if e["user"].get("username") == ADMIN]


def installed(ground: Ground) -> float:
    """When helm first wrote its record of the chart, by the stack's role."""
    written = [e for e in of_the_stack(ground.audited()) if e["verb"] == "create"]
    return moment([e for e in written if (e.get("objectRef") or {}).get("name") == RELEASE][-1])


def values(ground: Ground) -> dict[str, Any]:
    there = json.loads(ground.server.kubectl("get", "configmap", "values", "-n", "kube-system", "-o", "json"))
    return dict(yaml.safe_load(there["data"]["values"]))


@dataclass(frozen=True)
class Way:
    """`cni`: a setting of it, and `later` what it is changed to; `own`: whether Cilium is the only one that nodes get a
    network from."""

    cni: dict[str, Any]
    later: dict[str, Any]
    own: bool
    vpc: dict[str, Any]


PODS = {"podSubnets": True}
WAYS = {
    "eni": Way({"eni": {"podSubnetsOnly": True}}, {"eni": {"podSubnetsOnly": True, "releaseExcess": True}}, True, PODS),
    "chained": Way({"vpcCni": {}}, {"vpcCni": {"warmIpTarget": 5}}, False, PODS),
    "overlay": Way({"tunnel": "vxlan"}, {"tunnel": "geneve"}, True, {}),
}


@pytest.mark.parametrize("name", WAYS)
def test_life_of_a_stack_with_cilium(ground: Ground, world: EksWorld, name: str) -> None:
    way, cloud = WAYS[name], ground.cloud
    cni, since = {"provider": "cilium", **way.cni}, len(cloud.calls())
    cloud.set(foreign_cni=way.own)
    if name == "eni":
        whoever_has_no_access_entry_is_not_let_in(ground, world, cni)
    world.write_stack(cni, vpc=way.vpc)
    world.up()
    up = Log(cloud, since)
    check_the_way_up(ground, up, way)

    made = world.up()
    assert set(made) == {"same"}
    assert cloud.calls()[since:] == up.calls

    before = values(ground)
    more = {**CLUSTER["nodeGroups"][0], "desired": 3}
    world.write_stack({**cni, **way.later}, vpc=way.vpc, nodeGroups=[more])
    # The release or the add-on; the group of nodes, and the two barriers that wait for as many.
    assert world.up() == {"same": made["same"] - 4, "update": 4}
    assert (values(ground) != before) == (name != "chained")
    told = Log(cloud, since + len(up.calls))
    assert len(told.calls) == (2 if name == "chained" else 1)
    told.at(MADE, "/update-config")

    with theirs(ground) if name == "eni" else contextlib.nullcontext():
        since, asked = len(cloud.calls()), len(ground.audited())
        done = world.run("down", "--stack", "shop")
    down = Log(cloud, since)
    check_the_way_down(down, way)
    deleted = [e["objectRef"]["name"] for e in of_the_stack(ground.audited()[asked:]) if e["verb"] == "delete"]
    if name == "eni":
        check_what_others_left_is_gone(ground, down, done.stdout + done.stderr)
    # All else went with the cluster.
    assert set(deleted) == {"front", *(["theirs"] if name == "eni" else [])}
    assert cloud.left() == {}
    # The release went with the cluster: nobody took Cilium away from nodes that still ran.
    assert [status for _, status in ground.server.records()][-1:] == ["deployed"]


def whoever_has_no_access_entry_is_not_let_in(ground: Ground, world: EksWorld, cni: dict[str, Any]) -> None:
    """Nothing is made on the cluster then, nor anything after it; with an entry of its own the stack goes on."""
    since, asked = len(ground.cloud.calls()), len(ground.audited())
    world.write_stack(cni, vpc=PODS, admins=["arn:aws:iam::123456789012:role/somebody-else"])
    said = world.up(code=2)["stderr"]
    assert "Unauthorized" in said or "must be logged in" in said
    assert not any("/node-groups" in call for call in ground.cloud.calls()[since:])
    events = ground.audited()[asked:]
    assert [e for e in events if e["responseStatus"]["code"] == 401] and of_the_stack(events) == []


def check_the_way_up(ground: Ground, up: Log, way: Way) -> None:
    group, release = up.at(f"{MADE}node-groups"), installed(ground)
    entry = up.at(f"{MADE}access-entries/", ADMIN, "/access-policies")
    first = min(moment(e) for e in of_the_stack(ground.audited()) if moment(e) > up.at("POST /clusters shop-shop"))
    assert entry < first
    assert release < group
    there, given = json.loads(ground.cloud.run(THERE)), values(ground)
    taint = {"key": "node.cilium.io/agent-not-ready", "value": "true", "effect": "NO_EXECUTE"}
    assert there["taints"] == [taint]
    aws_node = [call for call in up.calls if "vpc-cni" in call or "aws-node" in call]
    if way.own:
        assert aws_node == [], "nodes get their network from Cilium alone"
    else:
        assert given["cni"]["chainingMode"] == "aws-cni"
        rights = up.at(f"{MADE}pod-identity-associations aws-node")
        assert up.at(f"{MADE}addons eks-pod-identity-agent") < rights < up.at(f"{MADE}addons vpc-cni") < group
    if "eni" in way.cni:
        rights = up.at(f"{MADE}pod-identity-associations cilium-operator")
        assert up.at(f"{MADE}addons eks-pod-identity-agent") < rights < release
        assert up.at("PutRolePolicy", "cilium-operator") < release
        own = [ident for ident, block in there["subnets"].items() if block.startswith("10.244.")]
        assert given["ipam"]["mode"] == "eni" and sorted(given["eni"]["nodeSpec"]["subnetIDs"]) == sorted(own)
        assert len(own) == 2


def check_the_way_down(down: Log, way: Way) -> None:
    """Nodes end while their network and its rights are there."""
    group = down.at(f"{GONE}node-groups/")
    if way.own:
        assert not [call for call in down.calls if "vpc-cni" in call]
    else:
        assert group < down.at(f"{GONE}addons/vpc-cni")
        assert group < down.at("DetachRolePolicy", "AmazonEKS_CNI_Policy")
    if way.own and "eni" not in way.cni:
        assert not [call for call in down.calls if "pod-identity" in call]
        return
    assert group < down.at(f"{GONE}pod-identity-associations/") < down.at(f"{GONE}addons/eks-pod-identity-agent")
    if way.own:
        assert group < down.at("DeleteRolePolicy", "cilium-operator")


# What others left

#: A load balancer with its interface, of the cluster's first public subnet, as AWS's controller makes it.
BALANCER = """\
import boto3, sys
ec2, elb = boto3.client("ec2"), boto3.client("elbv2")
subnets = sorted(ec2.describe_subnets(Filters=[{"Name": "tag:kubernetes.io/role/elb", "Values": ["1"]}])["Subnets"],
    key=lambda s: s["SubnetId"])
elb.create_load_balancer(Name="theirs", Subnets=[s["SubnetId"] for s in subnets], Type="network")
ec2.create_network_interface(SubnetId=subnets[0]["SubnetId"], Description="ELB net/theirs")
"""
UNBALANCED = """\
import boto3
ec2, elb = boto3.client("ec2"), boto3.client("elbv2")
for found in elb.describe_load_balancers()["LoadBalancers"]:
    elb.delete_load_balancer(LoadBalancerArn=found["LoadBalancerArn"])
for found in ec2.describe_network_interfaces()["NetworkInterfaces"]:
    if found["Description"] == "ELB net/theirs":
        ec2.delete_network_interface(NetworkInterfaceId=found["NetworkInterfaceId"])
"""
#: Interfaces that nodes left: one with the VPC CNI's tag, one with Cilium's, in the cluster's own security group.
LEFT = """\
import boto3
ec2, eks = boto3.client("ec2"), boto3.client("eks")
vpc = eks.describe_cluster(name="shop-shop")["cluster"]["resourcesVpcConfig"]
for key in ("cluster.k8s.amazonaws.com/name", "netspec.dev/cluster"):
    tags = [{"ResourceType": "network-interface", "Tags": [{"Key": key, "Value": "shop-shop"}]}]
    made = ec2.create_network_interface(SubnetId=vpc["subnetIds"][0], Groups=[vpc["clusterSecurityGroupId"]],
        TagSpecifications=tags)
    print(made["NetworkInterface"]["NetworkInterfaceId"])
"""
FINALIZER = "elbv2.k8s.aws/resources"


def balanced(kind: str, version: str, spec: dict[str, Any]) -> dict[str, Any]:
    meta = {"name": "theirs", "namespace": "default", "finalizers": [FINALIZER]}
    return {"apiVersion": version, "kind": kind, "metadata": meta, "spec": spec}


#: What somebody else has on the cluster, by its path; each goes only when its controller has taken its part away.
THEIRS = {
    "/api/v1/namespaces/default/services": balanced(
        "Service", "v1", {"type": "LoadBalancer", "ports": [{"port": 80}], "selector": {"app": "theirs"}}
    ),
    "/apis/networking.k8s.io/v1/namespaces/default/ingresses": balanced(
        "Ingress",
        "networking.k8s.io/v1",
        {
            "ingressClassName": "alb",
            "defaultBackend": {"service": {"name": "theirs", "port": {"number": 80}}},
        },
    ),
}


@contextlib.contextmanager
def theirs(ground: Ground) -> Iterator[None]:
    """A Service and an Ingress that the stack did not make, their load balancer, who takes it away when they are
    deleted, and interfaces that nodes left."""
    for path, thing in THEIRS.items():
        assert ground.server.ask("POST", path, thing).get("kind") == thing["kind"]
    ground.cloud.run(BALANCER)
    ground.left = ground.cloud.run(LEFT).split()
    over = threading.Event()

    def controller() -> None:
        while not over.wait(0.3):
            for path in THEIRS:
                found = ground.server.ask("GET", f"{path}/theirs")
                if (found.get("metadata") or {}).get("deletionTimestamp"):
                    ground.cloud.run(UNBALANCED)
                    ground.server.ask("PATCH", f"{path}/theirs", {"metadata": {"finalizers": None}})

    runs = threading.Thread(target=controller)
    runs.start()
    try:
        yield
    finally:
        over.set()
        runs.join()


def check_what_others_left_is_gone(ground: Ground, down: Log, said: str) -> None:
    for what in ("Service of type LoadBalancer", "Ingress of class alb"):
        assert f"removing {what} default/theirs, which the stack did not make" in said
    group = down.at(f"{GONE}node-groups/")
    assert down.at("DeleteLoadBalancer") < group
    assert len(ground.left) == 2
    for ident in ground.left:
        assert f"removing network interface {ident}, which the stack did not make" in said
    removed = [i for i, call in enumerate(down.calls) if call.startswith("DeleteNetworkInterface")]
    cluster = down.calls.index("DELETE /clusters/shop-shop")
    assert len(removed) == 3 and removed[-1] < cluster
