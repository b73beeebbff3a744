"""The commands against the real Pulumi engine and kubernetes plugin; docker, kind and the API server are stand-ins."""

import json
import re
import signal
import subprocess
from pathlib import Path

import pytest

from netspec.backends.clusters.kind.settings import KindSettings
from tests.engine.apiserver import ApiServer
from tests.engine.conftest import PATIENCE, SPEC, World

pytestmark = pytest.mark.engine

NODES = {"shop-shop-control-plane", "shop-shop-worker"}


def nodes_of(world: World) -> set[str]:
    found = world.docker["containers"].values()
    return {c["name"] for c in found if "io.x-k8s.kind.cluster" in c["labels"]}


def test_life_of_a_stack(world: World) -> None:
    committed = (world.project / "stacks" / "Pulumi.shop.yaml").read_text()
    made = world.up()
    assert set(made) == {"create"}
    assert "/apis/apps/v1/namespaces/shop/deployments/web" in world.api.objects
    deployments = [r for r in world.api.requests if "/deployments/web" in r]
    policies = [r for r in world.api.requests if "/namespaces/shop/networkpolicies/" in r]
    assert policies and world.api.requests.index(policies[-1]) < world.api.requests.index(deployments[0])
    check_nothing_leaked(world, committed)

    world.api.requests.clear()
    assert world.up() == {"same": made["create"]}
    assert world.api.requests == []
    assert "Deployment" in world.run("status", "--stack", "shop").stdout

    by_hand = ("exec", "--", "pulumi", "up", "--stack", "shop", "--yes", "--skip-preview", "--non-interactive")
    assert f"{made['create']} unchanged" in world.run(*by_hand).stdout
    done = world.run("exec", "--", "pulumi", "stack", "output", "cluster", "--stack", "shop")
    assert done.stdout.strip() == "shop-shop"

    world.run("down", "--stack", "shop")
    assert world.docker["containers"] == {} and world.docker["networks"] == {}
    assert not [r for r in world.api.requests if r.startswith("DELETE")]  # they went with the cluster
    world.run("down", "--stack", "shop")
    assert "nothing is applied" in world.run("status", "--stack", "shop").stdout


def holding_the_key(*folders: Path) -> list[Path]:
    """The files in which the cluster's client key stands in plain text."""
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return [path for path in files if b"not-so-secret-client-key" in path.read_bytes()]


def check_nothing_leaked(world: World, committed: str) -> None:
    """Nothing secret in plain text, and no committed file changed."""
    assert list(world.project.rglob("shop.json"))  # Pulumi's state is among what is looked at
    assert holding_the_key(world.project) == []
    assert (world.project / "stacks" / "Pulumi.shop.yaml").read_text() == committed
    assert (world.project / ".netspec" / "passphrase").stat().st_mode & 0o777 == 0o600


def test_the_preview_says_that_another_cni_is_another_cluster(world: World) -> None:
    world.up()
    world.write_spec(SPEC.replace("cni: {provider: calico}", "cni: {provider: flannel, policy: calico}"))
    text = world.run("preview", "--stack", "shop").stdout
    assert "replace  cluster  because of immutable" in text


def test_what_changes_in_place_and_what_replaces(world: World) -> None:
    made = world.up()["create"]

    state = world.docker
    del state["containers"]["shop-shop-outside"]
    world.docker = state
    assert world.up()["update"] == 1
    assert world.docker["containers"]["shop-shop-outside"]["state"] == "running"

    world.write_spec(SPEC.replace("podCIDRs: [10.244.0.0/16]", "podCIDRs: [10.245.0.0/16]"))
    text = world.run("preview", "--stack", "shop").stdout
    assert "replace  cluster  because of config.networking.podSubnet" in text
    world.write_spec(SPEC)

    state = world.docker
    state["containers"]["shop-shop-worker"]["state"] = "exited"
    world.docker = state
    world.api.wipe()
    foreseen = world.preview()
    replaced = {s["name"]: s["because"] for s in foreseen["steps"] if s["operation"] == "replace"}
    created = {s["name"] for s in foreseen["steps"] if s["operation"] == "create"}
    # The objects are gone with the old cluster's API server: they are made, not replaced.
    assert replaced["cluster"] == ["nodes"] and "deployment:shop/web" in created
    done = world.up()
    assert (done["replace"], done["create"]) == (len(replaced), len(created))
    assert nodes_of(world) == NODES
    assert all(c["state"] == "running" for c in world.docker["containers"].values())
    assert "/apis/apps/v1/namespaces/shop/deployments/web" in world.api.objects
    assert world.up() == {"same": made}


def test_preview_says_what_changes_in_who_reaches_whom(world: World) -> None:
    assert world.preview()["reachability"] is None
    made = world.up()["create"]
    same = world.preview()
    assert same["reachability"]["changes"] == [] and same["changes"] == {"same": made}

    closing = "  - {name: web-to-api, from: {workload: shop/web}, to: {service: shop/api}}\n"
    expected = "  - {from: shop/web, to: shop/api:8080, expect: allow}\n"
    world.write_spec(SPEC.replace(closing, "").replace(expected, ""))
    who, _, steps = world.run("preview", "--stack", "shop").stdout.partition("\n\n")
    row = ["closed", "shop/web", "shop/api", "TCP", "8080", "TCP", "8080", "none"]
    assert [line.split() for line in who.splitlines()[2:]] == [row]
    assert "networkpolicy:shop/" in steps and "shop: " in steps


def test_faults_are_one_sentence_and_leave_what_is_not_ours(world: World) -> None:
    nothing = world.docker
    theirs = {"name": "shop-shop-control-plane", "id": "f" * 64, "state": "running", "network": "kind", "image": "x"}
    node = theirs | {"labels": {"io.x-k8s.kind.cluster": "shop-shop"}}
    world.docker = nothing | {"containers": {node["name"]: node}}
    said = world.up(code=2)["stderr"]
    assert "there is a kind cluster shop-shop that this stack did not make\n" in said
    assert "Traceback" not in said and "the full log is" in said
    assert node["name"] in world.docker["containers"]

    cidr = re.search(r"networkCIDR: (\S+?)[,}\s]", SPEC)
    taken = cidr[1] if cidr else KindSettings().network_cidr
    world.docker = nothing | {"networks": {"other": {"name": "other", "subnet": taken, "labels": {}}}}
    said = world.up(code=2)["stderr"]
    assert f"the address range {taken} of the cluster's container network is taken" in said

    world.docker = nothing
    world.steer("kind-fails", "ERROR: Bind for 127.0.0.1:6443 failed: port is already allocated")
    assert "a port that the cluster needs is taken: 127.0.0.1:6443\n" in world.up(code=2)["stderr"]
    world.steer("kind-fails", None)

    world.up()
    assert nodes_of(world) == NODES


def test_wrong_passphrase(world: World) -> None:
    world.up(PULUMI_CONFIG_PASSPHRASE="one")
    said = world.up(code=2, PULUMI_CONFIG_PASSPHRASE="two")["stderr"]
    assert "error: the passphrase does not open the state of the stack shop\n" in said
    assert "Traceback" not in said


def test_what_somebody_else_changed_is_set_back_and_named(world: World) -> None:
    made = world.up()["create"]
    policy = next(p for p in world.api.objects if "/namespaces/shop/networkpolicies/" in p)
    service = next(p for p in world.api.objects if p.endswith("/namespaces/shop/services/api"))
    before = {path: world.api.objects[path] for path in (policy, service)}
    del world.api.objects[policy]
    world.api.change(service, lambda o: o["spec"]["ports"][0].update(port=8081))
    world.api.change("/api/v1/namespaces/shop", lambda o: o["metadata"]["labels"].clear())
    name = f"networkpolicy:shop/{policy.rpartition('/')[2]}"
    port = before[service]["spec"]["ports"][0]["port"]

    assert world.up("--no-refresh") == {"same": made}
    foreseen = world.preview()
    assert foreseen["changes"]["create"] == 1 and policy not in world.api.objects
    done = json.loads(world.run("up", "--stack", "shop", "--no-verify", "--output", "json").stdout)
    found = {entry["name"]: entry["changes"] for entry in done["setBack"]}
    assert found == {entry["name"]: entry["changes"] for entry in foreseen["setBack"]}
    assert found[name] == ["was deleted"]
    assert found["service:shop/api"] == [f"spec.ports[0].port 8081 -> {port}"]
    assert [c.partition(" nothing -> ")[0] for c in found["namespace:shop"]] == ["metadata.labels.team"]
    assert len(found) == 3
    assert done["changes"] == {"create": 1, "update": 2, "same": made - 3}
    for path in before:
        assert world.api.objects[path]["spec"] == before[path]["spec"]

    again = json.loads(world.run("up", "--stack", "shop", "--no-verify", "--output", "json").stdout)
    assert again["changes"] == {"same": made} and again["setBack"] == []


#: Until when a run gets before it is killed -> what the API server holds back, and whether before or after it is done.
MOMENTS = {
    "creating the cluster": None,
    "waiting": None,
    "before the objects": ("/clusterroles/", False),
    "within the objects": ("/networkpolicies/", False),
    "creating objects": ("/deployments/", False),
    "after the objects": ("/deployments/web", True),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_kill_then_up_converges(world: World, adopter: None, tmp_path: Path, moment: str) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    if moment == "creating the cluster":
        world.steer("kind-hangs")
    elif moment == "waiting":
        world.steer("not-ready")
    else:
        part, after = MOMENTS[moment] or ("", False)
        world.api.hold(part, after)
    process = world.start("up", "--stack", "shop", "--no-verify", TMPDIR=str(temporary))
    if moment == "creating the cluster":
        world.wait_for((world.state / "kind-made-nodes").exists)
    elif moment == "waiting":
        world.wait_for((world.state / "kubectl.log").exists)
    else:
        world.wait_for(lambda: world.api.held > 0)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    # Nothing is recorded before the end, so what is there is found again.
    assert not any("shop-shop" in file.read_text() for file in world.project.rglob("stacks/netspec/shop.json"))
    for name in ("kind-hangs", "not-ready"):
        world.steer(name, None)
    world.api.release()
    world.up(TMPDIR=str(temporary))
    assert holding_the_key(temporary, world.project) == []
    assert nodes_of(world) == NODES
    assert "/apis/apps/v1/namespaces/shop/deployments/web" in world.api.objects
    assert set(world.up()) == {"same"}


def test_ctrl_c_ends_in_good_order(world: World) -> None:
    world.steer("kind-hangs")
    process = world.start("up", "--stack", "shop", "--no-verify")
    world.wait_for((world.state / "kind-made-nodes").exists)
    process.send_signal(signal.SIGINT)
    world.steer("kind-hangs", None)
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert "Traceback" not in said
    world.run("down", "--stack", "shop")
    assert world.docker["containers"] == {} and world.docker["networks"] == {}


def test_another_engine_than_the_clusters_is_refused(world: World) -> None:
    world.up()
    before = world.docker
    world.steer("engine-id", "another")
    for words in (("up", "--no-verify"), ("down",)):
        said = world.run(*words, "--stack", "shop", code=2, NETSPEC_ENGINE="auto").stderr
        assert "the cluster of the stack shop is on a Docker engine, and another one answers\n" in said
    assert world.docker == before
    world.steer("engine-id", None)
    world.run("down", "--stack", "shop")
    world.steer("engine-id", "another")
    world.up()


def test_down_when_the_cluster_is_gone_already(world: World) -> None:
    world.up()
    world.docker = {"containers": {}, "networks": {}, "count": 9}
    world.run("down", "--stack", "shop")
    assert "nothing is applied" in world.run("status", "--stack", "shop").stdout


def test_refresh_by_hand_after_the_cluster_is_gone(world: World, api: ApiServer) -> None:
    made = world.up()["create"]
    world.docker = {"containers": {}, "networks": {}, "count": 9}
    api.close()
    world.run("exec", "--", "pulumi", "refresh", "--stack", "shop", "--yes", "--non-interactive")
    again = ApiServer()
    world.steer("kubeconfig", again.kubeconfig)
    changes = world.up()
    assert nodes_of(world) == NODES
    assert "/apis/apps/v1/namespaces/shop/deployments/web" in again.objects
    assert sum(changes.values()) == made
    again.close()


def test_refresh_by_hand_keeps_a_broken_cluster(world: World) -> None:
    by_hand = ("--stack", "shop", "--yes", "--non-interactive")
    world.up()
    state = world.docker
    state["containers"]["shop-shop-worker"]["state"] = "exited"
    world.docker = state
    world.run("exec", "--", "pulumi", "refresh", *by_hand)
    world.run("exec", "--", "pulumi", "destroy", *by_hand)
    assert world.docker["containers"] == {} and world.docker["networks"] == {}


def waits(world: World) -> "subprocess.Popen[str]":
    """`up`, when it has said that it waits."""
    world.steer("not-ready")
    process = world.start("up", "--stack", "shop", "--no-verify")
    assert process.stderr is not None
    for line in process.stderr:
        if "waiting for" in line:
            return process
    pytest.fail("it does not say what it waits for")


def test_what_is_not_ready_is_named(world: World) -> None:
    process = waits(world)
    world.steer("not-ready", None)
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 0


def test_ctrl_c_ends_a_wait(world: World) -> None:
    process = waits(world)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    (log,) = world.project.glob(".netspec/logs/shop-*.log")
    said = log.read_text()
    assert "stopped while it waited for" in said and "not ready after" not in said


def test_another_spec_for_an_existing_stack(world: World) -> None:
    other = world.project / "other.yaml"
    other.write_text(SPEC, encoding="utf-8")
    said = world.run("up", "other.yaml", "--stack", "shop", code=2).stderr
    assert "the stack shop is made from stacks/shop.yaml, not from other.yaml\n" in said


def test_a_stack_without_a_file_is_bound_to_its_spec_from_up_to_down(world: World) -> None:
    (world.project / "stacks" / "Pulumi.shop.yaml").unlink()
    (world.project / "mine.yaml").write_text(SPEC, encoding="utf-8")
    world.run("preview", "stacks/shop.yaml", "--stack", "shop")
    made = world.up("mine.yaml")["create"]
    said = world.run("preview", "stacks/shop.yaml", "--stack", "shop", code=2).stderr
    assert "made from mine.yaml, not from stacks/shop.yaml" in said and "netspec down --stack shop" in said
    by_hand = ("exec", "--", "pulumi", "preview", "--stack", "shop", "--non-interactive")
    assert f"{made} unchanged" in world.run(*by_hand).stdout
    world.run("down", "--stack", "shop")
    world.run("preview", "stacks/shop.yaml", "--stack", "shop")


def test_a_committed_salt_of_another_checkout(world: World) -> None:
    committed = world.project / "stacks" / "Pulumi.shop.yaml"
    with committed.open("a") as file:
        file.write("encryptionsalt: v1:RiTvm07Q/7Q=:v1:ncqwgshbM68smkRo:eg0Zh6Uc172s0yVx875kFxBphQ3zag==\n")
    made = world.up()["create"]
    assert world.up() == {"same": made}


def test_a_spec_with_errors_touches_nothing(world: World) -> None:
    world.write_spec(SPEC.replace("podCIDRs: [10.244.0.0/16]", "podCIDRs: [10.0.0.0/33]"))
    world.run("up", "--stack", "shop", code=1)
    assert not (world.project / ".netspec" / "state").exists()
    assert world.docker["containers"] == {}
