"""Reading the cluster: its state, its nodes, the stack's settings, and the way in."""

import os
import stat
import subprocess
import sys
import tempfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from verify_support import API, WEB, ir

from netspec.diagnostics import Problem
from netspec.ir.model import WORKLOAD_LABEL, Workload
from netspec.probing import derive_probes
from netspec.verify import access as access_module
from netspec.verify.access import Access, kubeconfig_file
from netspec.verify.runner import verify
from netspec.verify.sites import KindSite
from netspec.verify.stack import spec_of
from netspec.verify.state import Endpoint, LiveService, Node, Pod, parse_state, pods_by_workload, read_state, read_words


def meta(name: str, namespace: str = "shop", **more: Any) -> dict[str, Any]:
    return {"name": name, "namespace": namespace, **more}


def pod(name: str, ready: bool = True, **more: Any) -> dict[str, Any]:
    labels = {"app": "web", WORKLOAD_LABEL: "web"}
    return {
        "kind": "Pod",
        "metadata": meta(name, labels=labels, **more),
        "spec": {"nodeName": "w1"},
        "status": {
            "phase": "Running",
            "podIP": "10.244.1.9",
            "conditions": [{"type": "Ready", "status": str(ready)}],
            "containerStatuses": [{"name": "main", "state": {"running": {}}}],
            "ephemeralContainerStatuses": [{"name": "netspec-probe", "state": {"terminated": {}}}],
        },
    }


def test_only_ready_pods_that_stay_are_the_workloads() -> None:
    state = parse_state([pod("b"), pod("a"), pod("c", ready=False), pod("d", deletionTimestamp="2026-01-01T00:00:00Z")])
    found = pods_by_workload(state.pods, (WEB, API))
    assert {w: [p.name for p in pods] for w, pods in found.items()} == {"shop/web": ["a", "b"], "shop/api": []}
    assert (state.pods[0].containers, state.pods[0].ephemeral) == (("main",), {"netspec-probe": "terminated"})


def test_a_pod_is_of_the_workload_that_says_most_of_it() -> None:
    front, back, whole = (
        Workload("shop", name, labels)
        for name, labels in (("front", {"app": "x"}), ("back", {"app": "x", "tier": "b"}), ("whole", {}))
    )
    pods = [
        Pod("shop", name, "w1", "10.244.1.2", labels, True)
        for name, labels in (
            ("a", {"app": "x", "tier": "b"}),
            ("b", {"app": "x"}),
            ("c", {"app": "x", "tier": "c"}),
            ("d", {"app": "web", WORKLOAD_LABEL: "web"}),
            ("e", {"app": "web"}),
        )
    ]
    found = pods_by_workload(pods, (front, back, whole, WEB))
    names = {workload: [p.name for p in theirs] for workload, theirs in found.items()}
    assert names == {"shop/front": ["b", "c"], "shop/back": ["a"], "shop/whole": ["e"], "shop/web": ["d"]}


def test_nodes_and_services_are_read() -> None:
    items: list[dict[str, Any]] = [
        {
            "kind": "Node",
            "metadata": {"name": "cp"},
            "spec": {"taints": [{"key": "x", "effect": "NoSchedule"}]},
            "status": {
                "addresses": [{"type": "Hostname", "address": "cp"}, {"type": "InternalIP", "address": "172.30.0.2"}],
                "conditions": [{"type": "Ready", "status": "Unknown"}],
            },
        },
        {
            "kind": "Service",
            "metadata": meta("web"),
            "spec": {
                "type": "NodePort",
                "clusterIP": "10.96.0.7",
                "externalTrafficPolicy": "Local",
                "externalIPs": ["192.0.2.1"],
                "ports": [{"name": "http", "port": 80, "protocol": "TCP", "nodePort": 30080}],
            },
        },
    ]
    state = parse_state(items)
    assert state.nodes == (Node("cp", "172.30.0.2", open=False, ready=False),)
    assert state.services["shop/web"] == LiveService(
        *("10.96.0.7", {(80, "TCP"): 30080}, {(80, "TCP"): "http"}, "NodePort", "Local", ("192.0.2.1",)),
        targets={(80, "TCP"): 80},
    )


def test_endpoints_are_read_from_every_slice_of_a_service() -> None:
    def endpoint_slice(*endpoints: dict[str, Any], **port: Any) -> dict[str, Any]:
        of_web = {"kubernetes.io/service-name": "web"}
        ports = [{"name": "http", "port": 8080, "protocol": "TCP"} | port]
        return {
            "kind": "EndpointSlice",
            "metadata": meta("web-x", labels=of_web),
            "ports": ports,
            "endpoints": endpoints,
        }

    web = {"targetRef": {"kind": "Pod", "name": "web-1"}, "addresses": ["10.244.1.9"]}
    unready = {"targetRef": {"kind": "Pod", "name": "web-2"}, "conditions": {"ready": False}}
    alien = {"addresses": ["203.0.113.7"], "conditions": {"ready": True}}
    state = parse_state([endpoint_slice(web, unready), endpoint_slice(alien, name="", port=9)])
    assert state.endpoints == {
        "shop/web": (Endpoint("http", "shop/web-1", 8080, "TCP"), Endpoint("", "203.0.113.7", 9, "TCP"))
    }


def test_why_a_pod_is_not_ready_is_read() -> None:
    pending = pod("pending", False)
    pending["status"] = {"phase": "Pending", "conditions": [UNSCHEDULED]}
    crashed, again = pod("crashed", False), pod("again", False)
    ended = {"terminated": {"exitCode": 1}}
    crashed["status"]["containerStatuses"] = [{"name": "main", "state": {"waiting": {}}, "lastState": ended}]
    again["status"]["containerStatuses"] = [{"name": "main", "state": {"running": {}}, "lastState": ended}]
    found = {p.name: p for p in parse_state([pending, crashed, again, pod("good")]).pods}
    assert {name: p.unscheduled for name, p in found.items() if p.unscheduled} == {"pending": "no free ports"}
    assert [name for name, p in found.items() if p.failed] == ["crashed"]


UNSCHEDULED = {"type": "PodScheduled", "status": "False", "message": "no free ports"}


class Logs(Access):
    """Knows the log of every pod."""

    def __init__(self) -> None:
        super().__init__(Path("nowhere"))
        self.asked: list[str] = []

    def kubectl(self, *args: str, stdin: str = "", limit: float = 30) -> CompletedProcess[str]:
        self.asked.append(args[1])
        return CompletedProcess(args, 0, "hello\nbind: address already in use\ngoodbye\n", "")


def test_of_pods_that_failed_the_first_few_are_asked_for_their_last_words() -> None:
    failed = [replace(POD, name=f"web-{i}", ready=False, failed=True) for i in range(6)]
    logs = Logs()
    words = read_words(logs, replace(EMPTY, pods=(POD, *failed)))
    assert logs.asked == ["web-0", "web-1", "web-2", "web-3"]
    assert words["shop/web-0"] == "bind: address already in use"


POD = Pod("shop", "web", "w1", "10.244.1.9", {}, True)
EMPTY = parse_state([])


def test_only_old_canaries_are_stale() -> None:
    def namespace(name: str, age: timedelta, **labels: str) -> dict[str, Any]:
        made = (datetime.now(UTC) - age).strftime("%Y-%m-%dT%H:%M:%SZ")
        return {"kind": "Namespace", "metadata": {"name": name, "creationTimestamp": made, "labels": labels}}

    old, young = timedelta(hours=1), timedelta(seconds=20)
    label = {"netspec.dev/canary": "true"}
    found = parse_state([namespace("old", old, **label), namespace("young", young, **label), namespace("shop", old)])
    assert found.stale_canaries == ("old",)


def test_a_silent_api_server_is_one_sentence() -> None:
    class Silent(Access):
        def kubectl(self, *args: str, stdin: str = "", limit: float = 0) -> "CompletedProcess[str]":
            return CompletedProcess(args, 1, "", "The connection to the server was refused")

    with pytest.raises(Problem, match="does not answer: The connection"):
        read_state(Silent(Path("none")))


# The way in


def test_the_kubeconfig_is_private_and_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = tmp_path / "kind"
    kind.write_text("#!/bin/sh\necho client-key-data: secret\n")
    kind.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with kubeconfig_file(KindSite(ir()).kubeconfig()) as path:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert "secret" in path.read_text()
    assert not path.exists()


def test_the_kubeconfig_of_a_run_that_was_killed_goes_with_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    killed = "import os; from netspec.verify.access import *; it = kubeconfig_file(''); it.__enter__(); os._exit(9)"
    subprocess.run([sys.executable, "-c", killed], env={**os.environ, "TMPDIR": str(tmp_path)}, check=False)
    (left,) = tmp_path.iterdir()
    with kubeconfig_file("x") as at_work, kubeconfig_file("y") as other:
        assert not left.exists() and at_work.read_text() == "x" and other.read_text() == "y"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("printed", "addresses"),
    [("172.30.0.9 10.0.0.2 ", ("172.30.0.9", "10.0.0.2")), ("invalid IP", ()), ("", ())],
)
def test_a_container_that_is_stopped_has_no_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, printed: str, addresses: tuple[str, ...]
) -> None:
    docker = tmp_path / "docker"
    docker.write_text(f"#!/bin/sh\necho '{printed}'\n")
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    outside = KindSite(ir()).outside()
    assert outside is not None and (outside.name, outside.addresses) == ("shop-dev-outside", addresses)


def test_no_cluster_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = tmp_path / "kind"
    kind.write_text('#!/bin/sh\necho "ERROR: could not locate any control plane nodes" >&2\nexit 1\n')
    kind.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(Problem, match="no running kind cluster shop-dev") as error:
        verify(ir(), derive_probes(ir()))
    assert error.value.hint == "bring it up first: netspec up --stack dev"


def test_a_hanging_exec_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_module, "EXEC_LIMIT", 0.5)
    kubectl = tmp_path / "kubectl"
    kubectl.write_text("#!/bin/sh\nsleep 60 & wait\n")
    kubectl.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    result = Access(tmp_path / "kubeconfig").pod("shop", "web-1", "main").run("true")
    assert (result.rc, result.stderr) == (124, "no end after 0.5 s")


def test_what_is_not_text_is_read_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kubectl = tmp_path / "kubectl"
    kubectl.write_text('#!/bin/sh\nprintf "a\\377b"\n')
    kubectl.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    access = Access(tmp_path / "kubeconfig")
    assert access.kubectl("get").stdout == access.pod("shop", "web-1", "main").run("true").stdout == "a\ufffdb"


def test_testinfra_is_what_enters_the_pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kubectl = tmp_path / "kubectl"
    kubectl.write_text('#!/bin/sh\nprintf "%s|" "$@"\n')
    kubectl.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    host = Access(Path("/tmp/k")).pod("shop", "web-1", "main")
    assert host.backend.get_connection_type() == "kubectl"
    said = host.run('echo "a  b" $x').stdout
    assert said == '--kubeconfig=/tmp/k|-n|shop|-c|main|exec|web-1|--|/bin/sh|-c|echo "a  b" $x|'


# The stack's settings


def test_the_stacks_settings_name_the_spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: netspec\n")
    (tmp_path / "stacks").mkdir()
    monkeypatch.setenv("NETSPEC_PROJECT", str(tmp_path))
    settings = tmp_path / "stacks" / "Pulumi.dev.yaml"
    with pytest.raises(Problem, match="nothing says which spec the stack dev"):
        spec_of("dev")
    settings.write_text("config: {}\n")
    with pytest.raises(Problem, match="nothing says which spec the stack dev"):
        spec_of("dev")
    settings.write_text("config:\n  netspec:spec: stacks/boutique.yaml\n")
    assert spec_of("dev") == tmp_path / "stacks" / "boutique.yaml"
