"""What replaces a cluster, what does not, and whose a cluster is: decisions, with a docker that only remembers."""

import json
import os
import sys
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from netspec.cli import exec as exec_
from netspec.deploy import cluster, containers, kind
from netspec.deploy.cluster import KindProvider
from netspec.deploy.containers import EngineDown, Network
from netspec.diagnostics import Problem
from netspec.plan import ResourceNode
from netspec.toolchain import project

FAKES = Path(__file__).resolve().parent.parent / "engine" / "fakes.py"
NODE = ResourceNode(
    "cluster",
    cluster.TOKEN,
    {
        "name": "lab",
        "image": "node:1",
        "config": {
            "networking": {"podSubnet": "10.0.0.0/16"},
            "nodes": [{"role": "control-plane"}, {"role": "worker"}],
        },
        "network": "netspec-lab",
        "networkCidr": "172.30.0.0/16",
        "outsideName": "lab-outside",
        "outsideImage": "outside:1",
        "immutable": {"blockSize": 26},
    },
)
INPUTS = cluster.inputs(NODE, "dev")


class Docker:
    """What the stand-in of docker remembers."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / "docker.json"

    def read(self) -> dict[str, Any]:
        empty: dict[str, Any] = {"containers": {}, "networks": {}, "count": 0}
        return dict(json.loads(self._file.read_text())) if self._file.exists() else empty

    def change(self, **parts: dict[str, Any]) -> None:
        self._file.write_text(json.dumps(self.read() | parts))

    def container(self, name: str, network: str, **labels: str) -> dict[str, Any]:
        return {"name": name, "id": name.ljust(64, "0"), "state": "running", "network": network, "labels": labels}


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Docker:
    for name in ("docker", "kind"):
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -ISE {FAKES} {name} "$@"\n')
        program.chmod(0o755)
    (tmp_path / "Pulumi.yaml").write_text("name: netspec\n")
    (tmp_path / "kubeconfig").write_text("the kubeconfig\n")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}/bin:/usr/bin")
    monkeypatch.setenv("FAKE_STATE", str(tmp_path))
    monkeypatch.setenv("NETSPEC_PROJECT", str(tmp_path))
    monkeypatch.setenv("NETSPEC_ENGINE", "docker")
    return Docker(tmp_path)


def made() -> tuple[str, dict[str, Any]]:
    result = KindProvider().create(INPUTS)
    assert result.outs is not None
    return result.id, result.outs


def test_create_labels_what_it_makes_and_returns_the_kubeconfig(docker: Docker) -> None:
    id_, outs = made()
    state = docker.read()
    assert sorted(state["containers"]) == ["lab-control-plane", "lab-outside", "lab-worker"]
    labels = {containers.CLUSTER_LABEL: "lab", containers.OWNER_LABEL: f"{project.owner()}/dev"}
    assert state["networks"]["netspec-lab"]["labels"] == labels
    assert outs["kubeconfig"] == "the kubeconfig\n"
    assert id_ == f"lab/{state['containers']['lab-control-plane']['id'][:12]}"


def test_only_the_private_engine_adds_to_the_config(
    docker: Docker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kind.toolchain, "kind_overrides", lambda: {"featureGates": {"A": True}})
    made()
    assert json.loads((tmp_path / "kind-config.json").read_text()) == {
        **NODE.properties["config"],
        "featureGates": {"A": True},
    }
    assert "featureGates" not in NODE.properties["config"]


def test_another_address_starts_the_host_beside_the_nodes_again(
    docker: Docker, monkeypatch: pytest.MonkeyPatch
) -> None:
    id_, outs = made()
    given = INPUTS | {"outsideAddress": "172.30.128.1"}
    found = KindProvider().diff(id_, outs, given)
    assert found.changes and not found.replaces
    ran: list[list[str]] = []
    whole = containers.run
    monkeypatch.setattr(containers, "run", lambda words, *more: (ran.append(list(words)), whole(words, *more))[1])
    now = KindProvider().update(id_, outs, given).outs
    (started,) = [words for words in ran if words[0] == "run"]
    assert "--ip=172.30.128.1" in started
    assert now is not None and not KindProvider().diff(id_, now, given).changes


WANTED = {"kernel": {"CONFIG_IP_VS": "kube-proxy in ipvs mode", "CONFIG_VXLAN": "VXLAN"}}


def test_what_the_kernel_lacks_is_said_before_anything_is_made(docker: Docker, tmp_path: Path) -> None:
    (tmp_path / "kernel").write_text("6.18.44\nCONFIG_VXLAN=m\n# CONFIG_IP_VS is not set\n")
    with pytest.raises(Problem) as caught:
        KindProvider().create(INPUTS | WANTED)
    assert caught.value.message == (
        "the kernel of the container engine, 6.18.44, lacks CONFIG_IP_VS (kube-proxy in ipvs mode)"
    )
    assert docker.read()["networks"] == {} and docker.read()["containers"] == {}


@pytest.mark.parametrize("says", ["6.18.44\n", "6.18.44\nCONFIG_IP_VS=y\nCONFIG_VXLAN=y\n"])
def test_a_kernel_that_says_nothing_of_itself_is_taken_to_have_all(docker: Docker, tmp_path: Path, says: str) -> None:
    (tmp_path / "kernel").write_text(says)
    assert KindProvider().create(INPUTS | WANTED).id.startswith("lab/")


@pytest.mark.parametrize(
    ("change", "replaces"),
    [
        ({}, []),
        ({"image": "node:2"}, ["image"]),
        ({"networkCidr": "172.31.0.0/16"}, ["networkCidr"]),
        ({"immutable": {"blockSize": 28}}, ["immutable.blockSize"]),
        ({"stack": "other"}, ["stack"]),
        (
            {"config": {"networking": {"podSubnet": "10.1.0.0/16"}, "nodes": [{"role": "control-plane"}]}},
            ["config.networking.podSubnet", "config.nodes"],
        ),
    ],
)
def test_diff_names_what_replaces(docker: Docker, change: dict[str, Any], replaces: list[str]) -> None:
    id_, outs = made()
    found = KindProvider().diff(id_, outs, INPUTS | change)
    assert (found.changes, found.replaces) == (bool(replaces), replaces)
    assert not found.delete_before_replace


def test_another_outside_image_changes_in_place(docker: Docker) -> None:
    id_, outs = made()
    news = INPUTS | {"outsideImage": "outside:2"}
    found = KindProvider().diff(id_, outs, news)
    assert (found.changes, found.replaces) == (True, [])
    before = docker.read()["containers"]["lab-control-plane"]["id"]
    assert KindProvider().update(id_, outs, news).outs == outs | {"outsideImage": "outside:2"}
    after = docker.read()["containers"]
    assert after["lab-outside"]["image"] == "outside:2" and after["lab-control-plane"]["id"] == before


@pytest.mark.parametrize("what", ["gone", "stopped", "all gone", "another's"])
def test_nodes_that_are_not_as_they_were_replace_the_cluster(docker: Docker, what: str) -> None:
    id_, outs = made()
    found = docker.read()["containers"]
    if what == "gone":
        del found["lab-worker"]
    elif what == "stopped":
        found["lab-worker"]["state"] = "exited"
    elif what == "all gone":
        found = {}
    else:
        found["lab-control-plane"]["id"] = "e" * 64
    docker.change(containers=found)
    assert KindProvider().diff(id_, outs, INPUTS).replaces == [cluster.NODES]
    # It stays in the state while anything of it is left: what is forgotten is never removed.
    assert KindProvider().read(id_, outs).id == id_
    KindProvider().delete(id_, outs)
    if what != "another's":
        assert docker.read()["containers"] == {} and docker.read()["networks"] == {}
        assert KindProvider().read(id_, outs).id is None


def test_read_of_a_cluster_that_is_well(docker: Docker) -> None:
    id_, outs = made()
    found = KindProvider().read(id_, outs)
    assert (found.id, found.outs) == (id_, outs)


def test_create_removes_what_an_earlier_run_left_whatever_its_name(docker: Docker) -> None:
    labels = {containers.CLUSTER_LABEL: "old", containers.OWNER_LABEL: f"{project.owner()}/dev"}
    network = {"name": "netspec-old", "subnet": "172.30.0.0/16", "labels": labels}
    half = docker.container("old-control-plane", "netspec-old", **{containers.KIND_CLUSTER_LABEL: "old"})
    docker.change(containers={"old-control-plane": half}, networks={"netspec-old": network})
    made()
    state = docker.read()
    assert list(state["networks"]) == ["netspec-lab"] and "old-control-plane" not in state["containers"]


@pytest.mark.parametrize("owner", ["", "another-checkout/dev", "same/other-stack"])
def test_a_cluster_that_is_not_ours_is_left_alone(docker: Docker, owner: str) -> None:
    owner = owner.replace("same", project.owner())
    labels = {containers.CLUSTER_LABEL: "lab", containers.OWNER_LABEL: owner} if owner else {}
    network = {"name": "netspec-lab", "subnet": "172.30.0.0/16", "labels": labels}
    node = docker.container("lab-control-plane", "netspec-lab", **{containers.KIND_CLUSTER_LABEL: "lab"})
    before = {"containers": {"lab-control-plane": node}, "networks": {"netspec-lab": network}}
    docker.change(**before)
    with pytest.raises(Problem, match="kind cluster lab that this stack did not make"):
        made()
    docker.change(containers={})
    with pytest.raises(Problem, match="container network netspec-lab that this stack did not make"):
        made()
    assert docker.read()["networks"] == before["networks"]


@pytest.mark.parametrize(
    ("change", "others", "sentence"),
    [
        (
            {"name": "blog"},
            {"containers": {"blog-control-plane": {"name": "blog"}}},
            "kind cluster blog that this stack",
        ),
        ({"network": "netspec-blog"}, {"networks": {"netspec-blog": "10.9.0.0/16"}}, "container network netspec-blog"),
        ({"networkCidr": "172.28.0.0/16"}, {"networks": {"other": "172.28.7.0/24"}}, "is taken by the network other"),
        ({"image": "node:2"}, {}, "pull access denied for node:2"),
    ],
)
def test_what_cannot_be_made_costs_nothing_of_what_is_there(
    docker: Docker, tmp_path: Path, change: dict[str, Any], others: dict[str, dict[str, Any]], sentence: str
) -> None:
    made()
    state = docker.read()
    for name in others.get("containers", {}):
        state["containers"][name] = docker.container(name, "kind", **{containers.KIND_CLUSTER_LABEL: "blog"})
    for name, subnet in others.get("networks", {}).items():
        state["networks"][name] = {"name": name, "subnet": subnet, "labels": {}}
    docker.change(**state)
    if "image" in change:
        (tmp_path / "no-images").touch()
    with pytest.raises(Problem, match=sentence):
        KindProvider().create(INPUTS | change)
    assert docker.read() == state


def test_delete_of_one_that_was_replaced_leaves_the_new_one(docker: Docker) -> None:
    old, outs = made()
    new, _ = made()
    assert old != new
    record = project.private_dir() / "dev.engine"
    KindProvider().delete(old, outs)
    assert "lab-control-plane" in docker.read()["containers"] and record.exists()
    KindProvider().delete(new, outs)
    assert docker.read()["containers"] == {} and docker.read()["networks"] == {}
    assert not record.exists()  # whoever destroys it: `pulumi destroy` by hand comes here too
    KindProvider().delete(new, outs)


def test_delete_of_half_a_cluster(docker: Docker) -> None:
    id_, outs = made()
    found = docker.read()["containers"]
    del found["lab-control-plane"]
    docker.change(containers=found)
    KindProvider().delete(id_, outs)
    assert docker.read()["containers"] == {} and docker.read()["networks"] == {}


def test_an_engine_that_is_down(docker: Docker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    id_, outs = made()
    (tmp_path / "down").touch()
    with pytest.raises(EngineDown):
        KindProvider().delete(id_, outs)
    monkeypatch.setenv("NETSPEC_ENGINE", "private")  # what it ran ended with it
    KindProvider().delete(id_, outs)
    assert KindProvider().read(id_, outs).id is None


def test_an_engine_that_is_down_in_the_words_of_docker_29(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = "failed to connect to the docker API at unix:///var/run/docker.sock; check if the path is correct"
    (tmp_path / "docker").write_text(f"#!/bin/sh\necho '{said}' >&2\nexit 1\n")
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(EngineDown):
        containers.networks()


def test_exec_runs_beside_half_a_cluster(
    docker: Docker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made()
    (tmp_path / "no-kubeconfig").touch()
    monkeypatch.delenv("KUBECONFIG", raising=False)
    with exec_._kubeconfig(None) as env:
        assert env == {}
    assert "kubectl has no cluster to talk to: there is no running kind cluster lab" in capsys.readouterr().err
    with pytest.raises(Problem, match="no running kind cluster lab"), exec_._kubeconfig("dev"):
        pass
    (tmp_path / "no-kubeconfig").unlink()
    with exec_._kubeconfig(None) as env:
        assert Path(env["KUBECONFIG"]).read_text() == "the kubeconfig\n"
    assert not Path(env["KUBECONFIG"]).exists()


def test_an_owner_is_a_checkouts_own_and_lasts(docker: Docker) -> None:
    assert project.owner() == project.owner()
    assert kind._is_private() is False
    assert cluster.cluster_of(INPUTS).network == Network("netspec-lab", "lab", f"{project.owner()}/dev")


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("ERROR: failed: Bind for 0.0.0.0:80 failed: port is already allocated", "is taken: 0.0.0.0:80"),
        ("ERROR: write /x: no space left on device", "disk of the container engine is full"),
        ('ERROR: failed to create cluster: failed to pull image "node:1"', "image node:1 cannot be pulled"),
        (
            "ERROR: failed to create cluster: it broke\nCommand Output: more",
            "could not create the cluster lab: failed to",
        ),
        ("", "it printed nothing"),
    ],
)
def test_why_kind_failed_is_one_sentence(said: str, sentence: str) -> None:
    problem = kind.explained(cluster.cluster_of(INPUTS, "someone"), said.splitlines())
    assert sentence in problem.message and problem.hint


@pytest.mark.parametrize(("says", "identity"), [("echo one", "one"), ("date +%N", "")])
def test_an_engine_that_calls_itself_something_else_each_time_has_no_identity(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str, identity: str
) -> None:
    docker_that(tmp_path, monkeypatch, says)
    assert containers.engine_id() == identity


def docker_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    program = tmp_path / "docker"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)


def once(marker: Path, otherwise: str) -> str:
    """Fails the first time."""
    return f"[ -e {marker} ] || {{ : >{marker}; echo first >&2; exit 1; }}; {otherwise}"


def test_ranges_that_another_address_manager_gives_are_no_conflict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    networks = [
        {"Name": name, "Scope": "local", "IPAM": {"Driver": driver, "Config": [{"Subnet": subnet}]}}
        for name, driver, subnet in (("ours", "default", "172.30.0.0/16"), ("dhcp", "null", "0.0.0.0/0"))
    ]
    inspect = once(tmp_path / "seen", f"echo '{json.dumps(networks)}'")  # a network went in between
    docker_that(tmp_path, monkeypatch, f"case $2 in ls) echo a b ;; inspect) {inspect} ;; esac")
    assert containers.subnets() == {"ours": [ip_network("172.30.0.0/16")], "dhcp": []}


def test_an_image_is_pulled_more_than_once_before_it_cannot_be_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker_that(tmp_path, monkeypatch, f"case $1 in image) exit 1 ;; pull) {once(tmp_path / 'seen', 'exit 0')} ;; esac")
    containers.need_image("node:1", lambda _: None)
    docker_that(tmp_path, monkeypatch, "exit 1")
    with pytest.raises(Problem, match="`docker pull"):
        containers.need_image("node:1", lambda _: None)
