"""Probe containers: which are used, which are made, and what is said of one that does not run."""

from collections.abc import Mapping
from subprocess import CompletedProcess
from typing import Any

import pytest
from verify_support import pod

import netspec.verify.ephemeral as ephemeral_module
from netspec.verify.ephemeral import ensure_probe_containers


class Access:
    """`runs` after so many looks; `said` is what `kubectl debug` says when it refuses."""

    def __init__(self, runs: int = 1, said: str = "") -> None:
        self.runs, self.said, self.looks = runs, said, 0
        self.made: list[str] = []

    def kubectl(self, *args: str, stdin: str = "", limit: float = 0) -> "CompletedProcess[str]":
        if args[0] == "debug":
            self.made += [a.removeprefix("--container=") for a in args if a.startswith("--container=")]
            return CompletedProcess(args, 1 if self.said else 0, "", self.said)
        self.looks += 1
        return CompletedProcess(args, 0, '{"running":{}}' if self.looks >= self.runs else '{"waiting":{}}', "")


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ephemeral_module, "PAUSE", 0)


@pytest.mark.parametrize(
    ("there", "name", "made"),
    [
        ({}, "netspec-probe", ["netspec-probe"]),
        ({"netspec-probe": "running"}, "netspec-probe", []),
        ({"netspec-probe": "waiting"}, "netspec-probe", []),
        ({"netspec-probe": ""}, "netspec-probe", []),
        ({"netspec-probe": "terminated"}, "netspec-probe-2", ["netspec-probe-2"]),
        ({"netspec-probe": "terminated", "netspec-probe-2": "running"}, "netspec-probe-2", []),
    ],
)
def test_one_that_ended_is_never_started_again_so_another_takes_its_place(
    there: Mapping[str, str], name: str, made: list[str]
) -> None:
    access = Access(runs=3)
    found = ensure_probe_containers(access, [pod("web", 1, ephemeral=there)])  # type: ignore[arg-type]
    assert (found.names, found.problems, access.made) == ({"shop/web-1": name}, {}, made)
    assert access.looks == (0 if there.get(name) == "running" else 3)


def test_one_that_another_run_has_just_made_is_waited_for() -> None:
    access = Access(said='spec.ephemeralContainers[0].name: Duplicate value: "netspec-probe"')
    assert ensure_probe_containers(access, [pod("web", 1)]).problems == {}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("access", "says"),
    [(Access(said="error: forbidden"), "forbidden"), (Access(runs=1000), "does not start")],
)
def test_one_that_does_not_run_is_said_of_its_pod(access: Any, says: str) -> None:
    assert says in ensure_probe_containers(access, [pod("web", 1)]).problems["shop/web-1"]
