"""Faults on the running cluster: each must turn the verification red (or inconclusive) and name its cause first.

faults.py is their table. The last tests see the cluster green again.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from faulting import looked_at
from faults import FAULTS, Fault
from live_cluster import STACK, Live

from netspec.verify.model import Answer, explain

ROOT = Path(__file__).resolve().parents[2]


def test_the_untouched_cluster_is_green(live: Live) -> None:
    run = live.verify()
    assert run.answer is Answer.GREEN, [explain(o) for o in run.unexpected]
    assert len(run.observations) == len(live.probes)
    placed = {d.same_node for o in run.flows for d in o.dials}
    assert {True, False} <= placed, "pairs on one node and across nodes"
    pairs = {(c.source, c.target) for c in run.canary.checks}
    assert {client for client, _ in pairs} == {f"{live.ir.cluster_name}-worker", f"{live.ir.cluster_name}-worker2"}
    assert {client == server for client, server in pairs} == {True, False}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f.id)
def test_a_fault_is_caught_and_its_cause_named(live: Live, fault: Fault) -> None:
    if not fault.is_here(live):
        pytest.skip("not run: the cluster has nothing that this breaks")
    with fault.make(live) as expected:
        _, wrong = looked_at(live, expected)
    assert not wrong


@pytest.mark.parametrize(
    "command",
    [("netspec", "verify", "--stack", STACK, "--report"), ("pytest", "-q", "--stack", STACK, "--netspec-report")],
    ids=["netspec-verify", "pytest-verify"],
)
def test_green_again_by_either_command_and_nothing_secret_written(
    live: Live, tmp_path: Path, command: tuple[str, ...]
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *command, str(tmp_path / "report")],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=tmp_path,  # where pytest finds no test of ours
        env={**os.environ, "NETSPEC_PROJECT": str(ROOT)},
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads((tmp_path / "report" / "results.json").read_text())
    assert results["answer"] == "green"
    assert len(results["observations"]) == len(live.probes)
    key = next(line.split()[1] for line in live.kubeconfig.read_text().splitlines() if "client-key-data:" in line)
    for file in (tmp_path / "report").iterdir():
        assert key not in file.read_text()


def test_no_canary_stays_behind(live: Live) -> None:
    left = json.loads(live.kubectl("get", "namespaces", "-l", "netspec.dev/canary", "-o", "json"))["items"]
    assert [n for n in left if n["status"]["phase"] != "Terminating"] == []
