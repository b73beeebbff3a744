"""CI's rotation over the stacks besides the default one: none is missing from what it says."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
import yaml

FILE = Path(__file__).resolve().parents[2] / ".ci" / "others.py"


@pytest.fixture(scope="module")
def others() -> ModuleType:
    spec = importlib.util.spec_from_file_location("ci_others", FILE)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["ci_others"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


class Clock:
    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def test_one_runs_in_any_case_and_the_rest_while_it_is_early(others: ModuleType) -> None:
    stacks, clock = [others.Stack(name, Path(), True) for name in "abcd"], Clock(25)

    def run(stack: object) -> str:
        clock.now += 5
        return ""

    lines, passed = others.run_all(stacks, clock, run)
    assert passed
    assert lines == [
        "stack a: green in 5.0 min",
        "stack b: green in 5.0 min",
        "stack c: NOT RUN (no time, minute 35)",
        "stack d: NOT RUN (no time, minute 35)",
    ]
    late = Clock(others.SOON + 20)
    assert others.run_all(stacks[:1], late, run)[0] == ["stack a: green in 0.0 min"], "at least one"


def test_what_is_not_built_runs_where_building_fits(others: ModuleType) -> None:
    cold = others.Stack("cold", Path(), False)
    assert others.run_all([cold], Clock(30), lambda _: "")[0] == ["stack cold: green in 0.0 min"]
    (line,), passed = others.run_all([cold], Clock(60), lambda _: "")
    assert line == "stack cold: NOT RUN (no time: its components are not built, minute 60)"
    assert passed


def test_a_failed_stack_fails_and_the_next_still_runs(others: ModuleType) -> None:
    stacks = [others.Stack(name, Path(), True) for name in "ab"]
    lines, passed = others.run_all(stacks, Clock(1), lambda stack: "FAILED (make up)" if stack.name == "a" else "")
    assert not passed
    assert [line.split(" in ")[0] for line in lines] == ["stack a: FAILED (make up)", "stack b: green"]


def test_every_stack_of_a_kind_cluster_takes_part(others: ModuleType) -> None:
    named = {name for name, _ in others.local(others.ROOT / "stacks")}
    wanted = set()
    for file in (others.ROOT / "stacks").glob("*.yaml"):
        stacks = yaml.safe_load(file.read_text()).get("stacks", {})
        wanted |= {name for name, stack in stacks.items() if stack["cluster"]["type"] == "kind"}
    assert wanted - {others.DEFAULT} == named, "a stack that nothing runs: give it a stacks/Pulumi.<stack>.yaml"
    assert named
