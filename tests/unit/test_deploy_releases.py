"""Helm releases: what the stand-in asks of helm, what helm's records say, and what Pulumi says of a chart."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from airgap.standin.kubernetes_standin import releases as standin
from airgap.standin.kubernetes_standin import wire
from netspec.deploy import ready, releases
from netspec.deploy.drift import Kept, kept_in
from netspec.deploy.explain import explain
from netspec.plan import Condition
from netspec.toolchain import programs

CHART = {"name": "a", "namespace": "n", "chart": "thing", "version": "1.2.3"}


def test_a_chart_is_of_a_repository_a_registry_or_a_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(standin.CHARTS, raising=False)
    of_repository = {**CHART, "repositoryOpts": {"repo": "https://charts.example"}}
    assert standin.located(of_repository) == (["thing", "--version", "1.2.3", "--repo", "https://charts.example"], None)
    of_registry = {**CHART, "chart": "oci://registry.example/charts/thing"}
    assert standin.located(of_registry)[0] == ["oci://registry.example/charts/thing", "--version", "1.2.3"]
    assert standin.located({"chart": "/charts/thing"})[0] == ["/charts/thing"]

    monkeypatch.setenv(standin.CHARTS, str(tmp_path))
    assert standin.located(of_repository)[0][0] == "thing", "another version is not taken for it"
    (tmp_path / "thing-1.2.3").mkdir()
    assert standin.located(of_repository) == ([str(tmp_path / "thing-1.2.3")], None)
    (tmp_path / "thing.values.yaml").write_text("a: 1")
    assert standin.located(of_registry) == ([str(tmp_path / "thing-1.2.3")], tmp_path / "thing.values.yaml")


def test_inputs_are_options_of_the_action_that_has_them() -> None:
    inputs = {"skipAwait": True, "createNamespace": True, "cleanupOnFail": True, "atomic": False}
    assert standin.options_of(inputs, "install") == ["--create-namespace"]
    assert standin.options_of(inputs, "upgrade") == ["--cleanup-on-fail", "--history-max", "0"]
    assert standin.options_of({"timeout": 60}, "install") == ["--wait", "--timeout", "60s"]


def test_an_input_that_the_stand_in_does_not_know_is_not_dropped() -> None:
    request = SimpleNamespace(urn="a::b::c::d", news=wire.dump({**CHART, "postrender": "x"}), olds=wire.dump({}))
    with pytest.raises(ValueError, match="postrender of a release"):
        standin.Releases(None).Check(request, None)


def kubectl(monkeypatch: pytest.MonkeyPatch, *labels: dict[str, str], code: int = 0) -> None:
    items = [{"metadata": {"labels": found}} for found in labels]
    done = programs.Done([], code, json.dumps({"items": items}), "refused")
    monkeypatch.setattr(programs, "kubectl", lambda *_, **__: done)


@pytest.mark.parametrize(
    ("labels", "applied", "said"),
    [
        ([], None, None),
        ([("1", "deployed")], 1, None),
        ([("1", "failed")], 1, None),
        ([("1", "deployed")], None, "a run that was cut left it deployed"),
        ([("1", "pending-install")], None, "a run that was cut left it pending-install"),
        ([("9", "deployed"), ("10", "pending-upgrade")], 9, "its last change did not end (pending-upgrade)"),
        ([("1", "superseded"), ("2", "deployed")], 1, "revision 2 is not the one that was applied, 1"),
        ([], 1, "was uninstalled"),
    ],
)
def test_what_helm_s_records_say_of_a_release(
    monkeypatch: pytest.MonkeyPatch, labels: list[tuple[str, str]], applied: int | None, said: str | None
) -> None:
    kubectl(monkeypatch, *({"version": version, "status": status} for version, status in labels))
    plan = [Kept("::release:n/a", CHART, {})]
    kept = [] if applied is None else [Kept("u::t::p::release:n/a", CHART, {"status": {"revision": applied}})]
    found = releases.look("kubeconfig", kept, plan)
    assert found is not None and [d.changes for d in found] == ([] if said is None else [(said,)])
    assert all(d.kept.name == "release:n/a" for d in found)


def test_an_api_server_that_does_not_answer_says_nothing_of_a_release(monkeypatch: pytest.MonkeyPatch) -> None:
    kubectl(monkeypatch, code=1)
    assert releases.look("kubeconfig", [], [Kept("::release:n/a", CHART, {})]) is None


def test_a_stack_that_was_not_made_to_its_end_has_its_kubeconfig_in_the_provider() -> None:
    state = {
        "deployment": {
            "resources": [
                {"type": "pulumi:pulumi:Stack", "urn": "a", "outputs": {}},
                {"type": "pulumi:providers:kubernetes", "urn": "b", "outputs": {"kubeconfig": "k"}},
                {"type": releases.TOKEN, "urn": f"u::s::L${releases.TOKEN}::r", "inputs": CHART, "outputs": {"a": 1}},
            ]
        }
    }
    kubeconfig, kept = kept_in(json.dumps(state))
    assert kubeconfig == "k" and [k.type for k in kept] == [releases.TOKEN]


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (
            'looks like "https://charts.example" is not a valid chart repository or cannot be reached',
            "the chart of release:n/a is unavailable: looks like",
        ),
        (
            "execution error at (thing/templates/validate.yaml:1:4): b needs a",
            "the chart of release:n/a refuses its values: execution error",
        ),
    ],
)
def test_a_chart_s_trouble_is_one_sentence(said: str, sentence: str) -> None:
    text = f"{releases.TOKEN} resource 'release:n/a': property chart value {{thing}} has a problem: {said}"
    problem = explain("dev", "", [f"{text}; check the chart name and repository configuration."])
    assert problem.message.startswith(sentence) and problem.hint and "configuration" not in problem.message


def daemons(**status: int) -> dict[str, Any]:
    meta = {"name": "agent", "namespace": "n", "generation": 2}
    return {"kind": "DaemonSet", "metadata": meta, "status": {"observedGeneration": 2, **status}}


@pytest.mark.parametrize(
    ("status", "lacks"),
    [
        ({"desiredNumberScheduled": 3, "updatedNumberScheduled": 3, "numberAvailable": 3}, None),
        (
            {"desiredNumberScheduled": 3, "updatedNumberScheduled": 1, "numberAvailable": 3},
            "1 of 3 pods",
        ),
        ({"desiredNumberScheduled": 3, "updatedNumberScheduled": 3}, "0 of 3 pods"),
        ({}, "0 of 0 pods"),
        ({"observedGeneration": 1}, "agent has changed, and its pods have not yet"),
    ],
)
def test_daemons_are_ready_when_every_node_has_the_newest(status: dict[str, int], lacks: str | None) -> None:
    said = ready.lacking(Condition("daemonsets/agent", "Available", "n"), [daemons(**status)])
    assert said is None if lacks is None else said is not None and lacks in said


def test_a_pod_that_is_not_ready_is_named_with_its_node_and_its_last_words(monkeypatch: pytest.MonkeyPatch) -> None:
    meta = {"name": "agent-1", "namespace": "n"}
    ended = {"terminated": {"exitCode": 1, "message": 'level=info msg=hello\nlevel=fatal msg="no cgroup v2"\nbye\n'}}
    waiting = {"waiting": {"reason": "CrashLoopBackOff"}}
    status = {"containerStatuses": [{"state": waiting, "lastState": ended}], "phase": "Running"}
    pod = {"metadata": meta, "spec": {"nodeName": "worker"}, "status": status}
    said = ready.unready_pods([pod], lambda found: ready.last_words("kubeconfig", found))
    assert said == ['n/agent-1 CrashLoopBackOff on worker (level=fatal msg="no cgroup v2")']

    hanging = {**pod, "status": {"phase": "Running"}}
    log = programs.Done([], 0, 'one\nlevel=error msg="cannot reach the API server"\ntwo\n', "")
    monkeypatch.setattr(programs, "kubectl", lambda *_, **__: log)
    assert "cannot reach the API server" in ready.unready_pods([hanging], lambda p: ready.last_words("k", p))[0]
