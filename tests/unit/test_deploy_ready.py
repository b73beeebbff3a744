"""What a barrier still waits for, in words."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from netspec.deploy import ready
from netspec.diagnostics import Problem
from netspec.plan import Condition, ManifestNode
from netspec.stopping import STOP_FILE


def thing(name: str, status: str | None, **more: str) -> dict[str, Any]:
    conditions = [] if status is None else [{"type": "Ready", "status": status, **more}]
    return {"metadata": {"name": name, "namespace": "ns"}, "status": {"conditions": conditions}}


@pytest.mark.parametrize(
    ("found", "lacks"),
    [
        ([thing("a", "True"), thing("b", "True")], None),
        ([thing("a", "True")], "nodes (1 of 2 there)"),
        ([], "nodes (0 of 2 there)"),
        (None, "nodes (the API server does not answer)"),
        (
            [thing("a", "True"), thing("b", "False", reason="KubeletNotReady")],
            "nodes (b is not Ready: KubeletNotReady)",
        ),
        ([thing("a", "Unknown"), thing("b", None)], "nodes (a is not Ready, b is not Ready)"),
    ],
)
def test_what_a_condition_lacks(found: list[dict[str, Any]] | None, lacks: str | None) -> None:
    assert ready.lacking(Condition("nodes", "Ready", at_least=2), found) == lacks


def test_pods_that_are_not_ready_are_named_with_their_reason() -> None:
    pulling = thing("pulling", "False")
    pulling["status"]["containerStatuses"] = [{"state": {"waiting": {"reason": "ImagePullBackOff"}}}]
    done = thing("done", None)
    done["status"]["phase"] = "Succeeded"
    assert ready.unready_pods([pulling, done, thing("fine", "True")]) == ["ns/pulling ImagePullBackOff"]
    assert ready.unready_pods([thing(f"p{i}", "False") for i in range(9)])[-1] == "and 1 more"
    assert ready.unready_pods(None) == []


def props(timeout: float) -> dict[str, Any]:
    return {"kubeconfig": "k", "conditions": [{"resource": "nodes", "condition": "Ready"}], "timeout": timeout}


def test_waiting_ends_when_it_holds(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    answers: Iterator[Any] = iter([None, [], [thing("a", "False")], [thing("a", "False")], [thing("a", "True")]])
    monkeypatch.setattr(ready, "_get", lambda *_: next(answers))
    monkeypatch.setattr(ready, "INTERVAL", 0)
    ready.wait(props(60))
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 3 and said[-1] == "waiting for nodes (a is not Ready)"


def test_what_is_missing_when_the_time_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    pods = [thing("calico-node-x", "False")]
    monkeypatch.setattr(ready, "_get", lambda _, resource, *__: pods if resource == "pods" else [])
    with pytest.raises(Problem) as caught:
        ready.wait(props(-1))
    assert "nodes (0 of 1 there)" in caught.value.message and "ns/calico-node-x Unknown" in caught.value.message


def test_waiting_ends_when_the_run_is_to_stop(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    looks = iter(range(9))

    def look(*_: Any) -> list[dict[str, Any]]:
        if next(looks) == 2:
            (tmp_path / "stop").touch()
        return [thing("a", "False")]

    monkeypatch.setattr(ready, "_get", look)
    monkeypatch.setattr(ready, "INTERVAL", 0)
    monkeypatch.setenv(STOP_FILE, str(tmp_path / "stop"))
    with pytest.raises(Problem, match=r"stopped while it waited for nodes \(a is not Ready\)"):
        ready.wait(props(60))
    assert next(looks) == 3


def test_pods_in_trouble_are_told_once_while_there_is_time(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def pod(name: str, reason: str) -> dict[str, Any]:
        status = {"containerStatuses": [{"state": {"waiting": {"reason": reason}}}]}
        meta = {"name": name, "namespace": "ns", "uid": name}
        return {"metadata": meta, "spec": {"nodeName": "worker"}, "status": status}

    pods = [pod("starting", "ContainerCreating"), pod("agent", "CrashLoopBackOff")]
    left = iter(range(9))
    monkeypatch.setattr(
        ready, "_get", lambda _, resource, *__: pods if resource == "pods" else [thing("a", str(next(left) > 3))]
    )
    monkeypatch.setattr(ready, "last_words", lambda _, pod: f"{pod['metadata']['name']} has no kernel")
    monkeypatch.setattr(ready, "INTERVAL", 0)
    monkeypatch.setattr(ready, "TROUBLE_INTERVAL", -1)
    ready.wait(props(60))
    said = capsys.readouterr().out.splitlines()
    assert said[1:] == ["ns/agent CrashLoopBackOff on worker (agent has no kernel)"]

    many = [pod(f"p{i}", "ImagePullBackOff") for i in range(20)]
    monkeypatch.setattr(ready, "_get", lambda *_: many)
    told: set[str] = set()
    for _ in range(3):
        ready.tell_troubles("k", told)
    assert len(capsys.readouterr().out.splitlines()) == ready.TROUBLES


def test_a_change_of_what_it_waits_for_waits_again() -> None:
    old = {"conditions": [], "timeout": 5, "after": ready.digest([ManifestNode("a", {"spec": 1})])}
    provider = ready.ReadyProvider()
    assert not provider.diff("ready", old, dict(old)).changes
    assert provider.diff("ready", old, old | {"after": ready.digest([ManifestNode("a", {"spec": 2})])}).changes
