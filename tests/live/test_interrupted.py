"""Work cut short: whatever point `up` is killed at, running it again ends verified, and `down` leaves nothing.

Stack shop, or the one that NETSPEC_CUT_STACK names, beside the running stack. One cluster, cut again and again: each
run continues what the last one left.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from live_cluster import Live

from netspec.toolchain import project

ROOT = Path(__file__).resolve().parents[2]
STACK = os.environ.get("NETSPEC_CUT_STACK", "shop")
#: Of each stack its cluster, and what `up` says of its CNI: that it starts, that it is there.
CLUSTER, STARTS, THERE = {
    "shop": ("shop-shop", "waiting for tigerastatus/calico", "cni 9/9"),
    "dev-cilium": ("boutique-dev-cilium", "waiting for daemonsets/cilium", "cni 2/2"),
}[STACK]
#: The line of `up` after which it is cut, and how; and how many seconds later.
CUTS = [
    pytest.param("Starting control-plane", signal.SIGKILL, 0, id="killed-while-the-cluster-is-made"),
    pytest.param("cluster 1/1", signal.SIGKILL, 2, id="killed-while-the-cni-is-installed"),
    pytest.param(STARTS, signal.SIGKILL, 0, id="killed-while-the-cni-starts"),
    pytest.param(THERE, signal.SIGKILL, 0, id="killed-while-objects-are-made"),
    pytest.param("cluster 1/1", signal.SIGINT, 0, id="ctrl-c"),
]
#: Seconds after which a run that did not get there has failed.
LIMIT = 400


def netspec(*words: str, limit: int = LIMIT) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "netspec", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=limit, check=False)


def cut(line: str, how: signal.Signals, later: float = 0) -> tuple[int, str]:
    """Runs `up` and sends the signal to all of it when the line was printed; its exit code and output."""
    command = [sys.executable, "-m", "netspec", "up", "--stack", STACK, "--no-verify"]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    late = threading.Timer(LIMIT, os.killpg, (process.pid, signal.SIGKILL))
    late.start()
    seen, sent = [], False
    try:
        assert process.stdout is not None
        for text in process.stdout:
            seen.append(text)
            if line in text and not sent:
                time.sleep(later)
                os.killpg(process.pid, how)
                sent = True
        code = process.wait(LIMIT)
    finally:
        late.cancel()
    assert sent, f"never saw {line!r}:\n{''.join(seen)}"
    return code, "".join(seen)


@pytest.fixture(scope="module", autouse=True)
def nothing_of_it(live: Live) -> Iterator[None]:
    """Nothing of the stack before and after; `live` is there so that the engine runs and stays."""
    netspec("down", "--stack", STACK)
    yield
    netspec("down", "--stack", STACK)


def left_behind(live: Live) -> list[str]:
    """Containers and networks of the stack's cluster, as the engine knows them."""
    of_ours = ("--filter", f"label=io.x-k8s.kind.cluster={CLUSTER}", "--format", "{{.Names}}")
    containers = netspec("exec", "--", "docker", "ps", "--all", *of_ours).stdout.split()
    networks = netspec("exec", "--", "docker", "network", "ls", "--format", "{{.Name}}").stdout.split()
    assert f"netspec-{live.ir.cluster_name}" in networks, "the engine was asked"
    return [*containers, *(n for n in networks if CLUSTER in n)]


def test_down_removes_a_cluster_that_was_never_recorded(live: Live) -> None:
    """kill -9 while kind works: Pulumi's state knows nothing of the containers."""
    cut("Starting control-plane", signal.SIGKILL)
    assert f"{CLUSTER}-control-plane" in left_behind(live)
    done = netspec("down", "--stack", STACK)
    assert done.returncode == 0, done.stdout + done.stderr
    assert left_behind(live) == []


@pytest.mark.parametrize(("line", "how", "later"), CUTS)
def test_a_run_is_cut(line: str, how: signal.Signals, later: float) -> None:
    code, output = cut(line, how, later)
    assert code == (-how if how == signal.SIGKILL else 130), output
    assert "Traceback" not in output


def test_the_next_run_ends_verified() -> None:
    done = netspec("up", "--stack", STACK, "--output", "json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["verification"]["answer"] == "green"


def test_nothing_secret_is_in_plain_text() -> None:
    """The cluster's client key stands in no state, log, plan or report."""
    shown = netspec("exec", "--", "kind", "get", "kubeconfig", "--name", CLUSTER)
    key = yaml.safe_load(shown.stdout)["users"][0]["user"]["client-key-data"]
    assert len(key) > 500
    files = [f for top in (project.private_dir(), ROOT / "out") for f in top.rglob("*") if f.is_file()]
    assert any(f.suffix == ".log" for f in files)
    assert any(STACK in f.name and f.suffix == ".json" for f in files)
    assert [str(f) for f in files if key.encode() in f.read_bytes()] == []


def test_a_second_run_changes_nothing() -> None:
    done = netspec("up", "--stack", STACK, "--no-verify", "--output", "json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(json.loads(done.stdout)["changes"]) == {"same"}


def test_down_cut_and_run_again_leaves_nothing(live: Live) -> None:
    command = [sys.executable, "-m", "netspec", "down", "--stack", STACK]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stdout is not None
    process.stdout.readline()
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=LIMIT)
    done = netspec("down", "--stack", STACK)
    assert done.returncode == 0, done.stdout + done.stderr
    assert left_behind(live) == []
