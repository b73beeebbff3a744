"""Resources that AWS calls failed or degraded, through the real Pulumi engine; AWS and its plugin are stand-ins: before
an apply they are made again, and an apply that leaves one so is no success."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.apiserver import ApiServer
from tests.engine.cloud import CLUSTER, Cloud, EksWorld
from tests.engine.conftest import PATIENCE

pytestmark = pytest.mark.engine

ADDON, GROUP = "addon:kube-proxy", "node-group-general"
ADDONS, GROUPS = "/clusters/shop-shop/addons", "/clusters/shop-shop/node-groups"
#: netspec that waits two seconds, and no minute, for what an apply left ailing.
HASTY = (
    "import sys; from netspec.cli import main; from netspec.deploy import health; health.PATIENCE = 2.0; "
    "sys.exit(main())"
)


@pytest.fixture
def cloud(aws_python: Path, tmp_path: Path) -> Iterator[Cloud]:
    found = Cloud(aws_python, tmp_path / "aws.log")
    yield found
    found.close()


@pytest.fixture
def world(tmp_path: Path, pulumi: Path, api: ApiServer, cloud: Cloud) -> EksWorld:
    made = EksWorld(tmp_path, pulumi, api, cloud)
    made.program = ("-c", HASTY)
    return made


def with_nodes(world: EksWorld, desired: int) -> None:
    world.write_stack(vpc={"podSubnets": True}, nodeGroups=[{**CLUSTER["nodeGroups"][0], "desired": desired}])


def fell_ill_meanwhile(world: EksWorld) -> str:
    """What an apply says that changes the number of nodes, in the middle of which the group of nodes and kube-proxy
    become DEGRADED; those that come after them do not."""
    names = ("kube-proxy", *world.cloud.left()["nodeGroups"])
    before = world.cloud.held()
    with_nodes(world, 3)
    world.cloud.set(holding=f"POST {GROUPS}/{GROUP}")
    process = world.start("up", "--stack", "shop", "--no-verify")
    world.wait_for(lambda: world.cloud.held() > before or process.poll() is not None)
    assert process.poll() is None, process.communicate()
    world.cloud.set(ailing=dict.fromkeys(names, "ConfigurationConflict"), holding="")
    out, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2, f"it ended with {process.returncode}\n{out}\n{said}"
    return said


def test_what_ails_is_no_success_and_is_made_again(world: EksWorld) -> None:
    # Failed when it was made.
    with_nodes(world, 2)
    world.cloud.set(failing="kube-proxy")
    assert "CREATE_FAILED" in world.up(code=2)["stderr"]
    world.cloud.set(failing="")
    said = world.run("up", "--stack", "shop", "--no-verify").stderr
    assert f"{ADDON} was not made as it should be: it is made again" in said

    # Ill after an apply: said. Ill before one: made again, and nothing else is.
    said = fell_ill_meanwhile(world)
    ill = {name: f"{name} is DEGRADED (ConfigurationConflict: it is not well)" for name in (ADDON, GROUP)}
    assert f"error: {ill[ADDON]}; {ill[GROUP]}\n" in said and "it is then made again" in said
    since = len(world.cloud.calls())
    said = world.run("up", "--stack", "shop", "--no-verify").stderr
    assert all(f"{sentence}: it is made again" in said for sentence in ill.values())
    made, gone = f"POST {ADDONS} kube-proxy", f"DELETE {ADDONS}/kube-proxy"
    told = world.cloud.calls()[since:]
    assert told.index(gone) < told.index(made)
    assert sorted(call.split()[0] for call in told if call.partition(" ")[2].startswith(GROUPS)) == ["DELETE", "POST"]
    assert len(told) == 4, told

    assert set(world.up()) == {"same"}
    world.run("down", "--stack", "shop")
    assert world.cloud.left() == {}
