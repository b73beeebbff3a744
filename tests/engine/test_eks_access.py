"""A stack on EKS and a real API server whose webhook asks AWS's stand-in who a token is of: access entries decide who
comes in. Nodes there are none."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine import kubernetes
from tests.engine.cloud import ACCOUNT, REGION, Cloud, EksWorld
from tests.engine.kubernetes import Server

pytestmark = pytest.mark.engine


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
        kubernetes.write_chart(tmp_path / "charts")
        yield made


def test_whoever_has_no_access_entry_is_not_let_in(world: EksWorld) -> None:
    """With Cilium in ENI mode: its operator has its rights by then, and no node is there."""
    other = "arn:aws:iam::123456789012:role/somebody-else"
    world.write_stack({"provider": "cilium", "eni": {"podSubnetsOnly": True}}, admins=[other])
    said = world.up(code=2)["stderr"]
    assert "Unauthorized" in said or "must be logged in" in said
    assert "shop" not in world.server.kubectl("get", "namespaces")
    calls = world.cloud.calls()
    assert any(call.startswith("PutRolePolicy") and "cilium-operator" in call for call in calls)
    assert not any("vpc-cni" in call or "/node-groups" in call for call in calls)
