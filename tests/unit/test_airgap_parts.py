"""Parts of airgap/ that are plain functions: go.mod, image archives, the OCI front, the stand-in plugin, the engine."""

import hashlib
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from airgap import engine, host, leftovers, oci_front
from airgap.archive import Image, Layer, write_archive
from airgap.component import PACKAGE
from airgap.errors import AirgapError
from airgap.golang import GoBuild, go_mod_text
from airgap.recipes import images, programs
from airgap.standin.kubernetes_standin import __main__ as plugin
from airgap.standin.kubernetes_standin import cluster, wire
from netspec import catalogue


def test_go_mod_takes_staging_modules_at_their_published_version() -> None:
    own = {
        "Go": "1.24.0",
        "Replace": [{"Old": {"Path": "k8s.io/api"}, "New": {"Path": "./staging/src/k8s.io/api"}}],
        "Require": [{"Path": "example.com/x", "Version": "v1.0.0"}],
    }
    text = go_mod_text(GoBuild(module="k8s.io/kubernetes", version="v1.34.4", staging="v0.34.4"), own)
    assert "go 1.24.0\nrequire k8s.io/kubernetes v1.34.4\nreplace k8s.io/api => k8s.io/api v0.34.4\n" in text
    assert "example.com" not in text


def test_go_mod_inherits_requires_and_replaces_except_those_overridden() -> None:
    own = {
        "Go": "1.22",
        "Require": [{"Path": "example.com/a", "Version": "v1.0.0"}],
        "Replace": [
            {"Old": {"Path": "example.com/b"}, "New": {"Path": "./b"}},
            {"Old": {"Path": "example.com/c", "Version": "v1.2.0"}, "New": {"Path": "fork/c", "Version": "v1.2.1"}},
            {"Old": {"Path": "example.com/d"}, "New": {"Path": "fork/d", "Version": "v9.0.0"}},
        ],
    }
    build = GoBuild(module="m", version="v1.0.0", inherit=True, replaces=("example.com/d => own/d v1.0.0",))
    lines = go_mod_text(build, own).splitlines()
    assert "require example.com/a v1.0.0" in lines
    assert "replace example.com/c v1.2.0 => fork/c v1.2.1" in lines
    assert "replace example.com/d => own/d v1.0.0" in lines
    assert not any("./b" in line or "fork/d" in line for line in lines)


def test_the_versions_built_are_those_of_the_catalogue() -> None:
    assert programs.KUBERNETES.version == f"v{catalogue.KUBERNETES.airgap}"
    assert programs.KIND.version == f"v{catalogue.TOOLS['kind'].airgap}"
    assert programs.PULUMI_CLI.version == f"v{catalogue.TOOLS['pulumi'].airgap}"
    assert catalogue.TOOLS["kubectl"].airgap == catalogue.KUBERNETES.airgap, "kubectl comes out of the same build"


def test_an_archive_has_each_layer_once_and_digests_that_match(tmp_path: Path) -> None:
    shared, own = tmp_path / "shared.tar", tmp_path / "own.tar"
    source = tmp_path / "program"
    source.write_text("#!/bin/sh\n")
    with Layer(shared) as layer:
        layer.file(source, "usr/bin/program")
        layer.link("bin", "usr/bin")
    with Layer(own) as layer:
        layer.text("status/status.json", "{}", owner=999)
    path = tmp_path / "images.tar"
    write_archive(path, [Image("example/a:1", [shared, own], {"Cmd": ["/program"]}), Image("example/b:1", [shared])])
    with tarfile.open(path) as archive:
        names = archive.getnames()
        manifest = json.load(archive.extractfile("manifest.json"))  # type: ignore[arg-type]
        assert [entry["RepoTags"] for entry in manifest] == [["example/a:1"], ["example/b:1"]]
        assert sum(name.endswith(".tar") for name in names) == 2
        for entry in manifest:
            config = json.load(archive.extractfile(entry["Config"]))  # type: ignore[arg-type]
            for layer_name, digest in zip(entry["Layers"], config["rootfs"]["diff_ids"], strict=True):
                content = archive.extractfile(layer_name).read()  # type: ignore[union-attr]
                assert digest == f"sha256:{hashlib.sha256(content).hexdigest()}"
    with tarfile.open(own) as archive:
        assert archive.getmember("status/status.json").uid == 999


def test_kubeadm_asking_for_an_image_that_is_not_built_is_an_error() -> None:
    images.check_kubeadm(["a:1", "registry/coredns:v1"], ["a:1", "b:1"])
    with pytest.raises(AirgapError, match="c:2"):
        images.check_kubeadm(["a:1", "c:2"], ["a:1"])


def test_calico_s_images_are_named_as_the_built_operator_asks_for_them() -> None:
    listed = [
        "docker.io/calico/node:v3.29.2",
        "quay.io/calico/node:v3.29.2-fips",
        "docker.io/calico/node-windows:v3.29.2",
    ]
    assert images.operators_images(listed) == {"node": listed[0], "node-windows": listed[2]}


def test_the_front_removes_what_cannot_be_granted(tmp_path: Path) -> None:
    process = {
        "capabilities": {"bounding": ["CAP_SYS_ADMIN", "CAP_SYS_RESOURCE"], "ambient": None},
        "oomScoreAdj": -998,
        "args": ["sh"],
    }
    (tmp_path / "config.json").write_text(json.dumps({"process": process, "root": {"path": "r"}}))
    oci_front.rewrite(["--root", "/r", "create", "--bundle", str(tmp_path), "id"])
    written = json.loads((tmp_path / "config.json").read_text())
    assert written["process"]["capabilities"] == {"bounding": ["CAP_SYS_ADMIN"], "ambient": None}
    assert written["process"]["oomScoreAdj"] == 0
    assert written["process"]["args"] == ["sh"]
    assert written["root"] == {"path": "r"}


def test_the_front_rewrites_the_process_of_an_exec_and_becomes_the_runtime(tmp_path: Path) -> None:
    path = tmp_path / "process.json"
    path.write_text(json.dumps({"capabilities": {"effective": ["CAP_SYS_RESOURCE"]}, "oomScoreAdj": 100}))
    command = [sys.executable, "-ISE", str(PACKAGE / "oci_front.py"), "/bin/echo", "exec", f"--process={path}", "id"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == command[4:]
    assert json.loads(path.read_text()) == {"capabilities": {"effective": []}, "oomScoreAdj": 100}


def test_calls_that_read_no_file_pass_through_the_front(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    oci_front.rewrite(["--root", "/r", "delete", "--force", "id"])
    oci_front.rewrite(["exec", "id", "sh"])
    assert list(tmp_path.iterdir()) == []


def test_a_container_has_its_own_part_of_the_v2_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oci_front, "UNIFIED", str(tmp_path))
    id_, create = "a" * 64, ["--root", "/r", "create", "--bundle", "/b"]
    folder = tmp_path / "docker" / id_
    oci_front.group([*create, id_])  # there is no such tree
    assert not folder.exists()
    (tmp_path / "cgroup.procs").touch()
    oci_front.group(["--root", "/r", "exec", "--process=/p", id_])  # of a container that is gone
    assert not folder.exists()
    oci_front.group([*create, id_])
    assert (folder / "cgroup.procs").read_text() == str(os.getpid())
    (folder / "cgroup.procs").write_text("")
    oci_front.group(["--root", "/r", "exec", "--process=/p", id_])
    assert (folder / "cgroup.procs").read_text() == str(os.getpid())
    oci_front.group(["--root", "/r", "state", id_])
    (folder / "cgroup.procs").unlink()  # the kernel's files do not keep a group from being removed
    (folder / "kubelet").mkdir()
    oci_front.group(["--root", "/r", "delete", "--force", id_])
    assert not folder.exists() and folder.parent.exists()


def test_standin_numbers_and_leaves() -> None:
    assert wire.ints({"port": 80.0, "share": 0.5, "list": [1.0]}) == {"port": 80, "share": 0.5, "list": [1]}
    assert dict(wire.leaves({"a": {"b": 1, "c": {}}, "d": [1]})) == {"a.b": 1, "a.c": {}, "d": [1]}
    assert wire.has_unknown({"a": [{"b": wire.UNKNOWN}]})
    assert not wire.has_unknown({"a": "b"})


def test_standin_refresh_sees_only_fields_that_were_written() -> None:
    live = {"spec": {"replicas": 5, "strategy": "x"}, "status": {}}
    assert wire.project({"spec": {"replicas": 3}}, live) == {"spec": {"replicas": 5}}


def _deployment(ready: int, generation: int = 1, before: int = 0) -> dict[str, Any]:
    return {
        "kind": "Deployment",
        "metadata": {"generation": generation},
        "spec": {"replicas": 2},
        "status": {
            "observedGeneration": 1,
            "replicas": ready + before,
            "updatedReplicas": ready,
            "availableReplicas": ready,
        },
    }


def test_standin_readiness() -> None:
    assert cluster.ready(_deployment(2))
    assert not cluster.ready(_deployment(1))
    assert not cluster.ready(_deployment(2, before=1)), "a pod of before is still there"
    assert not cluster.ready(_deployment(2, generation=2)), "the controller has not seen the change"
    established = {"conditions": [{"type": "Established", "status": "True"}]}
    assert cluster.ready({"kind": "CustomResourceDefinition", "status": established})
    assert not cluster.ready({"kind": "CustomResourceDefinition"})
    assert cluster.ready({"kind": "Service"})


def _diff(kind: str, old: dict[str, Any], new: dict[str, Any]) -> Any:
    def full(fields: dict[str, Any]) -> Any:
        return wire.dump({"apiVersion": "v1", "kind": kind, "metadata": {"name": "n"}, **fields})

    urn = f"urn:pulumi:dev::p::kubernetes:core/v1:{kind}::n"
    request = SimpleNamespace(urn=urn, old_inputs=full(old), news=full(new))
    return plugin.Provider().Diff(request, None)


def test_standin_replaces_what_the_server_would_refuse_to_change() -> None:
    changed = _diff("ConfigMap", {"data": {"a": "1"}}, {"data": {"a": "2"}})
    assert list(changed.replaces) == ["data.a"]
    assert changed.deleteBeforeReplace
    scaled = _diff("Deployment", {"spec": {"replicas": 1}}, {"spec": {"replicas": 2}})
    assert list(scaled.replaces) == []
    assert list(scaled.diffs) == ["spec"]
    same = _diff("Deployment", {"spec": {"replicas": 1, "x": None}}, {"spec": {"replicas": 1}})
    assert same.changes == same.DIFF_NONE


class _Server(cluster.Cluster):
    """An API server with one node, that records what is applied to it and by whom."""

    def __init__(self) -> None:
        self.force, self.upsert, self.namespace = True, True, "default"
        self.node: dict[str, Any] = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "one", "uid": "1"}}
        self.calls: list[tuple[str, str, Any]] = []

    def kind(self, version: str, kind: str) -> tuple[str, bool]:
        return "nodes", False

    def call(self, method: str, path: str, body: Any = None, content: str = "", query: str = "") -> Any:
        if not path.endswith("/nodes/one"):
            raise cluster.ApiException(status=404, reason="{}")
        self.calls.append((method, query, body))
        return self.node


NODE_URN = "urn:pulumi:dev::p::kubernetes:core/v1:NodePatch::node:one"


def test_standin_takes_back_its_own_fields_of_an_object_that_is_somebody_else_s() -> None:
    provider, server = plugin.Provider(), _Server()
    provider.configured = server
    patch = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "one", "labels": {"a": "b"}}}
    made = provider.Create(SimpleNamespace(urn=NODE_URN, properties=wire.dump(patch), preview=False, timeout=0), None)
    assert made.id == "one"
    provider.Delete(SimpleNamespace(urn=NODE_URN, id="one", properties=wire.dump(patch), timeout=0), None)
    changes = [call for call in server.calls if call[0] != "GET"]
    assert [(method, query.split("&")[0]) for method, query, _ in changes] == [
        ("PATCH", "?fieldManager=pulumi-kubernetes-standin-patch")
    ] * 2
    assert changes[0][2] == patch
    assert changes[1][2] == {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "one"}}


def test_standin_makes_nothing_of_a_patch_whose_object_is_not_there() -> None:
    provider, server = plugin.Provider(), _Server()
    provider.configured = server
    patch = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "two", "labels": {"a": "b"}}}
    context = SimpleNamespace(code=lambda: None, abort=lambda code, text: None)
    request = SimpleNamespace(urn=NODE_URN, properties=wire.dump(patch), preview=False, timeout=0)
    with pytest.raises(ValueError, match="nodes/two, which is to be patched, is not there"):
        provider.Create(request, context)
    assert server.calls == []


def test_missing_packages_are_those_of_missing_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "which", lambda program: None if program in ("dockerd", "docker", "ip") else "/bin/x")
    assert host.missing_packages(host.ENGINE_PACKAGES) == ["docker.io", "iproute2"]


def test_the_engine_needs_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(engine, "status", lambda: None)
    with pytest.raises(AirgapError, match="needs root"):
        engine.start()


def test_entering_an_engine_that_is_not_there_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "SOCKET", tmp_path / "missing")
    with pytest.raises(AirgapError, match="not running"):
        engine.enter()


@pytest.mark.parametrize(("lacking", "expected"), [(False, {}), (True, {"KubeletInUserNamespace": True})])
def test_only_a_host_without_the_capability_needs_the_gate(
    lacking: bool, expected: dict[str, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "lacks_sys_resource", lambda: lacking)
    assert engine.kind_config().get("featureGates", {}) == expected


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may stop the engine")
def test_stop_clears_half_started_leftovers_and_may_be_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NETSPEC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(engine, "RUN", tmp_path / "run")
    monkeypatch.setattr(engine, "SOCKET", tmp_path / "run" / "docker.sock")
    monkeypatch.setattr(engine, "_HIDDEN", ())
    monkeypatch.setattr(leftovers, "remove_cgroups", lambda _: None)
    monkeypatch.setattr(engine, "USERS", tmp_path / "users.lock")
    engine.stop()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "docker.sock").write_text("")

    monkeypatch.setattr(engine, "_held", None)
    engine.hold()
    said: list[str] = []
    engine.stop(said.append)
    assert said == ["the private container engine stays: another netspec command is using it"]
    assert (tmp_path / "run").exists()
    assert engine._held is not None
    engine._held.close()

    engine.stop()
    assert not (tmp_path / "run").exists()
    engine.stop()


def test_only_the_control_groups_of_own_containers_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leftovers, "_CGROUPS", tmp_path)
    ours, theirs = "a" * 64, "b" * 64
    groups = [
        tmp_path / top / container / "kubelet" for top in ("docker", "memory/docker") for container in (ours, theirs)
    ]
    for group in groups:
        group.mkdir(parents=True)
    leftovers.remove_cgroups([ours])
    assert [group.parent.exists() for group in groups] == [False, True, False, True]
