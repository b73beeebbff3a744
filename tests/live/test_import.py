"""netspec init --kubeconfig on the running cluster: the spec that comes back says what the cluster's own spec says."""

import json
import time
from pathlib import Path

import pytest
import yaml
from live_cluster import Live

from netspec.cli import OK, main


def ending(live: Live) -> list[str]:
    """What other tests made and the cluster is still deleting."""
    found = json.loads(live.kubectl("get", "namespaces,pods", "--all-namespaces", "-o", "json"))["items"]
    return [item["metadata"]["name"] for item in found if "deletionTimestamp" in item["metadata"]]


def test_the_running_cluster_is_imported(live: Live, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(60):
        if not ending(live):
            break
        time.sleep(1)
    words = ("init", str(tmp_path), "--name", "imported", "--kubeconfig", str(live.kubeconfig), "--output", "json")
    assert main(words) == OK
    found = json.loads(capsys.readouterr().out)
    assert found["proof"]["unexplained"] == [] and found["proof"]["differences"] == found["proof"]["absent"]
    spec = yaml.safe_load((tmp_path / "stacks" / "imported.yaml").read_text())
    declared = {w.id: (dict(w.labels), w.replicas) for w in live.ir.workloads if not w.system}
    assert {f"{w['namespace']}/{w['name']}": (w["labels"], w.get("replicas", 1)) for w in spec["workloads"]} == declared
    assert spec["network"]["podCIDRs"] == [str(c) for c in live.ir.network.pod_cidrs]
    assert spec["network"]["serviceCIDRs"] == [str(c) for c in live.ir.network.service_cidrs]
    assert len(spec["policies"]) == len(live.ir.intents) and "networkPolicies" not in spec
    assert main(["check", found["spec"]]) == OK
