"""The predicted number of DNS servers against the stand-in of the autoscaler (airgap/src/autoscaler), which was written
from the real one's source: both work out the same from the same ConfigMap."""

import json
import os
import shutil
import subprocess
from itertools import product
from pathlib import Path

import pytest

from airgap.build import bin_dir, ensure
from airgap.errors import AirgapError
from netspec.ir.autoscale import Ladder, Linear

#: (nodes, cores of each)
SIZES = [(nodes, cores) for nodes in (0, 1, 2, 3, 5, 16, 17) for cores in (1, 2, 8)]
LINEAR = [
    Linear(per_cores, per_nodes, least, most, single)
    for per_cores, per_nodes, least, most, single in product(
        (0, 1, 3, 256), (0, 1, 2, 16), (1, 2, 4), (None, 1, 4, 9), (True, False)
    )
    if (per_cores or per_nodes) and (most is None or most >= least)
]
STEPS = [(), ((1, 1),), ((1, 1), (3, 2), (16, 5)), ((5, 2), (17, 3))]
LADDERS = [Ladder(cores, nodes) for cores, nodes in product(STEPS, STEPS) if cores or nodes]


@pytest.fixture(scope="module")
def program() -> Path:
    try:
        if shutil.which("go") is None:
            raise AirgapError("no `go` is on PATH", "install Go")
        ensure(["autoscaler"], lambda line: None)
    except AirgapError as error:
        if os.environ.get("NETSPEC_REQUIRE_LIVE") == "1":
            raise
        pytest.skip(f"not run: the stand-in of the autoscaler cannot be built: {error}")
    return bin_dir("autoscaler") / "autoscaler"


def test_as_many_as_the_autoscaler_sets(program: Path, tmp_path: Path) -> None:
    asked = list(product([*LINEAR, *LADDERS], SIZES))
    cases = [
        {"data": scale.parameters, "nodes": [{"status": {"allocatable": {"cpu": str(cores)}}}] * nodes}
        for scale, (nodes, cores) in asked
    ]
    file = tmp_path / "cases.json"
    file.write_text(json.dumps(cases))
    done = subprocess.run([program, "--cases", file], capture_output=True, text=True, timeout=60, check=True)
    answers = done.stdout.splitlines()
    assert len(answers) == len(asked)
    differ = [
        (scale, nodes, cores, answer)
        for (scale, (nodes, cores)), answer in zip(asked, answers, strict=True)
        if str(scale.replicas(nodes, nodes * cores)) != answer
    ]
    assert not differ, differ[:5]


def test_what_takes_no_pods_does_not_count_and_thousandths_of_a_core_are_summed(program: Path, tmp_path: Path) -> None:
    cordoned = {"spec": {"unschedulable": True}, "status": {"allocatable": {"cpu": "8"}}}
    nodes = [cordoned, *[{"status": {"allocatable": {"cpu": "1500m"}}}] * 2]
    by_nodes, by_cores = '{"nodesPerReplica": 1}', '{"coresPerReplica": 1}'
    everyone = '{"nodesPerReplica": 1, "includeUnschedulableNodes": true}'
    ladders = '{"nodesToReplicas": [[1, 1]]}'
    data = [{"linear": by_nodes}, {"linear": by_cores}, {"linear": everyone}, {"linear": by_nodes, "ladder": ladders}]
    file = tmp_path / "cases.json"
    file.write_text(json.dumps([{"data": d, "nodes": nodes} for d in data]))
    done = subprocess.run([program, "--cases", file], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines() == ["2", "3", "3", "the ConfigMap must have one key, and has 2"]
