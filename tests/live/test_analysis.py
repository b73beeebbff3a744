"""The analysis of the running cluster is that of its spec: two inputs, one engine."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from live_cluster import STACK, Live

ROOT = Path(__file__).resolve().parents[2]


def matrix(*words: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "netspec", "matrix", *words, "--output", "json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def between(found: dict[str, Any], peers: set[str]) -> dict[tuple[str, str], Any]:
    """The connections between these peers, with what they allow and leave open."""
    return {
        (c["source"], c["destination"]): (c.get("allow"), c.get("undefined"))
        for c in found["connections"]
        if {c["source"], c["destination"]} <= peers
    }


def outside(found: dict[str, Any], peers: set[str]) -> set[tuple[str, str]]:
    """Which of these peers an address reaches, and which reach one: addresses are cut differently on the two sides."""
    external = {p["id"] for p in found["peers"] if p["kind"] == "External"}
    return {
        ("outside", c["destination"]) if c["source"] in external else (c["source"], "outside")
        for c in found["connections"]
        if len(external & {c["source"], c["destination"]}) == 1 and peers & {c["source"], c["destination"]}
    }


def test_the_cluster_and_its_spec_have_the_same_matrix(live: Live) -> None:
    of_spec = matrix("stacks/boutique.yaml", "--stack", STACK)
    of_cluster = matrix("--kubeconfig", str(live.kubeconfig))
    peers = {w.id for w in live.ir.workloads}
    assert peers <= {p["id"] for p in of_cluster["peers"]}
    assert len(between(of_spec, peers)) > 20
    assert between(of_cluster, peers) == between(of_spec, peers)
    assert outside(of_cluster, peers) == outside(of_spec, peers)
