"""netspec capacity: what binds, the arithmetic, the change that lifts it; the same as errors of check."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from eks_support import CLUSTER, SPEC, VPC_CNI, cluster, compiled, group, said

from netspec.capacity import is_short, needed
from netspec.cli import FAILED, OK, main
from netspec.compiler import CompileResult
from netspec.target import Limit


def limits(result: CompileResult) -> dict[str, Limit]:
    return {limit.what: limit for limit in result.limits}


def spec(path: Path, stack: dict[str, Any], **changes: Any) -> str:
    file = path / "spec.yaml"
    file.write_text(yaml.safe_dump({**SPEC, **changes, "stacks": {"s": stack}}, sort_keys=False))
    return str(file)


KIND = {"cluster": {"type": "kind", "workers": 2}, "cni": {"provider": "calico"}}
EKS = {"cluster": CLUSTER, "cni": VPC_CNI}


def test_limits_of_kind() -> None:
    found = limits(compiled({"type": "kind", "workers": 2}, {"provider": "calico"}))
    rooms = {what: limit.room for what, limit in found.items()}
    assert rooms == {
        "node addresses": 65536 - 4,
        "nodes with a block": 1024,
        "pods that netspec runs": 2 * (110 - 2),
        "pods of all workloads": 2 * (110 - 2),
        "nodes with a share of the pod CIDR": 256,
        "Service addresses": 65534,
    }
    assert all(limit.how and limit.hint for limit in found.values())
    alone = limits(compiled({"type": "kind", "workers": 0}, {"provider": "calico"}))
    assert alone["pods that netspec runs"].room == 110 - 2 - 4


def test_limits_of_eks() -> None:
    """A subnet holds every node at most, and as many more as an update starts, each with the pods that it may run."""
    result = compiled(cluster(vpc={"cidr": "10.0.0.0/20"}))
    found = limits(result)
    assert result.ir is not None
    pods = found["pods on a node of general"]
    assert (pods.room, needed(pods, result.ir)) == (29, 29)
    assert pods.how == "3 interfaces x (10 - 1) + 2 = 29"
    zone = found["addresses in eu-west-1a"]
    # (4 + 4) / 2 nodes, 3 interfaces of 10 addresses each, 6 for the control plane.
    assert (zone.room, zone.needed) == (1024 - 5, 4 * 30 + 6)
    assert found["pods of all workloads"].room == 2 * (29 - 3)


def test_custom_networking_takes_an_interface_and_gives_addresses() -> None:
    result = compiled(
        cluster(vpc={"podSubnets": True}), {"provider": "vpc-cni", "customNetworking": True, "prefixDelegation": True}
    )
    found = limits(result)
    assert found["pods on a node of general"].room == 290
    # 108 pods in 7 blocks and one to spare, on one interface.
    assert found["pod addresses in eu-west-1a"].needed == 4 * (8 * 16 + 1)
    assert found["node addresses in eu-west-1a"].needed == 4 + 6


def test_discovery_adds_subnets_without_taking_an_interface() -> None:
    found = limits(compiled(cluster(vpc={"podSubnets": True})))
    assert found["pods on a node of general"].room == 29
    assert found["addresses in eu-west-1a"].room == (2**14 - 5) + (2**15 - 5)


def test_an_overlay_s_node_takes_one_address() -> None:
    found = limits(compiled(cluster(), {"provider": "calico", "encapsulation": "vxlan"}))
    assert found["addresses in eu-west-1a"].needed == 4 + 6


def test_what_does_not_fit_is_an_error_of_check() -> None:
    tight = cluster(vpc={"cidr": "10.0.0.0/24"}, nodeGroups=group(max=40))
    assert {code for code, _ in said(compiled(tight))} == {"NS815"}
    elsewhere = {"workloads": [{**SPEC["workloads"][0], "replicas": 60}]}
    shown = compiled(**elsewhere)
    assert (
        shown.ir is not None and shown.plan is not None and is_short(limits(shown)["pods of all workloads"], shown.ir)
    )
    many = {"workloads": [{**SPEC["workloads"][0], "replicas": 60, "standIn": True}]}
    assert said(compiled(**many)) == [("NS131", "workloads")]
    result = compiled(**many)
    assert result.ir is not None and is_short(limits(result)["pods that netspec runs"], result.ir)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["capacity", spec(tmp_path, EKS), "--stack", "s", "--output", "json"]) == OK
    found = json.loads(capsys.readouterr().out)
    (binds,) = [limit for limit in found["limits"] if limit["state"] == "binds first"]
    assert binds["what"] == "pods on a node of general" and "prefixDelegation" in binds["lift"]
    for output in ("text", "md", "html", "csv"):
        assert main(["capacity", spec(tmp_path, KIND), "--stack", "s", "--output", output]) == OK
        assert "2 nodes of workers x (110 - 2 agents)" in capsys.readouterr().out


def test_the_command_says_what_is_too_few(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    many = [{**SPEC["workloads"][0], "replicas": 300}]
    assert main(["capacity", spec(tmp_path, KIND, workloads=many), "--stack", "s"]) == FAILED
    out, err = capsys.readouterr()
    (row,) = [line for line in out.splitlines() if "too few" in line]
    assert row.startswith("pods of all workloads ") and row.endswith("more nodes, or more pods a node") and err == ""


def test_a_spec_that_cannot_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = {**KIND, "cluster": {"type": "moon"}}
    assert main(["capacity", spec(tmp_path, bad), "--stack", "s"]) == 2
    assert "nothing can be said of what fits" in capsys.readouterr().err
