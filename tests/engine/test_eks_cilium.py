"""Cilium on EKS through the engine and helm, on a real API server whose webhook asks AWS's stand-in who a token is of:
so access entries decide who comes in. The chart is a small one of ours by Cilium's name; nodes there are none."""

import contextlib
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.engine import kubernetes
from tests.engine.cloud import ACCOUNT, REGION, Cloud, EksWorld
from tests.engine.kubernetes import Server

pytestmark = pytest.mark.engine

#: Of the chart: what the agents and their operator are told.
CONFIG = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: cilium-config, namespace: {{ .Release.Namespace }}}
data:
  ipam: {{ .Values.ipam.mode }}
  chaining: {{ (.Values.cni).chainingMode | default "none" | quote }}
  subnets: {{ (.Values.eni).nodeSpec | default dict | toJson | quote }}
"""
FINALIZER = "service.kubernetes.io/load-balancer-cleanup"
#: What the controller of load balancers makes of a Service, and takes away.
BALANCE = """\
import boto3
ec2 = boto3.client("ec2")
public = [{"Name": "tag:kubernetes.io/role/elb", "Values": ["1"]}]
subnet = ec2.describe_subnets(Filters=public)["Subnets"][0]["SubnetId"]
ec2.create_network_interface(SubnetId=subnet, Description="ELB theirs")
"""
UNBALANCE = """\
import boto3
ec2 = boto3.client("ec2")
for found in ec2.describe_network_interfaces()["NetworkInterfaces"]:
    if found["Description"] == "ELB theirs":
        ec2.delete_network_interface(NetworkInterfaceId=found["NetworkInterfaceId"])
"""


class Controller(threading.Thread):
    """As the cloud's controller: a Service that goes takes its load balancer along, and stays until that is gone."""

    def __init__(self, server: Server, cloud: Cloud) -> None:
        super().__init__(daemon=True)
        self._server, self._cloud, self.over = server, cloud, threading.Event()
        self.start()

    def run(self) -> None:
        while not self.over.wait(0.5):
            for item in self._server.ask("GET", "/api/v1/services")["items"]:
                meta = item["metadata"]
                if item["spec"]["type"] != "LoadBalancer":
                    continue
                path = f"/api/v1/namespaces/{meta['namespace']}/services/{meta['name']}"
                if meta.get("deletionTimestamp"):
                    self._cloud.run(UNBALANCE)
                    self._server.ask("PATCH", path, {"metadata": {"finalizers": None}})
                elif FINALIZER not in meta.get("finalizers", ()):
                    self._server.ask("PATCH", path, {"metadata": {"finalizers": [FINALIZER]}})
                    self._cloud.run(BALANCE)


@pytest.fixture
def world(tmp_path: Path, pulumi: Path, aws_python: Path) -> Iterator[EksWorld]:
    if shutil.which("helm", path=str(pulumi.parent)) is None:
        pytest.skip("not run: helm is not beside pulumi")
    try:
        kubectl = kubernetes.programs()["kubectl"]
    except kubernetes.Unavailable as reason:
        pytest.skip(f"not run: {reason}")
    with contextlib.ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setenv("PATH", str(kubectl.parent), prepend=":")
        cloud = Cloud(aws_python, tmp_path / "aws.log")
        stack.callback(cloud.close)
        (tmp_path / "api").mkdir()
        webhook = f"{cloud.url}/token-review/{ACCOUNT}/{REGION}/shop-shop"
        server = Server(stack.enter_context(kubernetes.serving(tmp_path / "api", webhook)))
        stack.callback(server.close)
        made = EksWorld(tmp_path, pulumi, server, cloud)
        cloud.set(authority=kubernetes.authority(tmp_path / "api"), foreign_cni=True)
        made.steer("kubectl", str(kubectl))
        made.env |= {"NETSPEC_CHARTS": str(tmp_path / "charts"), "KUBECACHEDIR": str(tmp_path / "cache")}
        kubernetes.write_chart(tmp_path / "charts", config=CONFIG)
        yield made


def told(world: EksWorld) -> dict[str, Any]:
    return world.server.config()


def test_cilium_in_eni_mode_and_chained(world: EksWorld) -> None:
    eni: dict[str, Any] = {"provider": "cilium", "eni": {"podSubnetsOnly": True}}
    world.write_stack(eni, admins=["arn:aws:iam::123456789012:role/somebody-else"])
    said = world.up(code=2)["stderr"]
    assert "Unauthorized" in said or "must be logged in" in said
    assert "shop" not in world.server.kubectl("get", "namespaces")

    world.write_stack(eni)
    world.up()
    assert told(world)["ipam"] == "eni" and told(world)["subnets"].count("subnet-") == 2
    calls = world.cloud.calls()
    (group,) = [i for i, call in enumerate(calls) if call.startswith("POST /clusters/shop-shop/node-groups")]
    (role,) = [i for i, call in enumerate(calls) if call.startswith("PutRolePolicy") and "cilium-operator" in call]
    assert role < group and not any("vpc-cni" in call for call in calls)

    controller = Controller(world.server, world.cloud)
    world.server.kubectl("create", "service", "loadbalancer", "theirs", "--tcp=80:80", "--namespace=default")
    world.wait_for(lambda: "ELB theirs" in world.cloud.interfaces())
    done = world.run("down", "--stack", "shop")
    assert "removing Service of type LoadBalancer default/theirs, which the stack did not make" in done.stderr
    assert world.cloud.left() == {}
    controller.over.set()
    controller.join()

    # The same names on a cluster of the same address, with another network.
    world.server.wipe()
    world.server.kubectl("delete", "namespace", "shop")
    world.write_stack({"provider": "cilium", "vpcCni": {"prefixDelegation": True}}, vpc={})
    world.up()
    assert told(world)["chaining"] == "aws-cni"
    assert any(call.endswith("addons vpc-cni") for call in world.cloud.calls())
    world.run("down", "--stack", "shop")
    assert world.cloud.left() == {}
