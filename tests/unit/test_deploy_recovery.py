"""What a provider's command line is asked: what ails, what a cut run made, what others left. Programs are scripts."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from netspec.deploy import asking, cut, health, sweep
from netspec.deploy.asking import Recorded
from netspec.diagnostics import Problem
from netspec.plan import Found, Health, Json, ManifestNode, Plan, Ref, ResourceNode

Script = Callable[[str, str], Path]
URN = "urn:pulumi:s::p::aws:eks/addon:Addon::"


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Script:
    """Puts a program on PATH, of a shell's text; returns the log of its arguments."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}", prepend=":")
    monkeypatch.setattr(sweep, "INTERVAL", 0.01)
    monkeypatch.setattr(health, "INTERVAL", 0.01)

    def put(name: str, text: str) -> Path:
        program, log = tmp_path / "bin" / name, tmp_path / f"{name}.log"
        program.write_text(f'#!/bin/sh\necho "$*" >> {log}\n{text}\n')
        program.chmod(0o755)
        return log

    return put


def state(*resources: dict[str, Any]) -> dict[str, Any]:
    return {"deployment": {"resources": list(resources)}}


def addon(name: str, **fields: Any) -> dict[str, Any]:
    found = {"urn": f"{URN}addon:{name}", "type": "aws:eks/addon:Addon", "custom": True, "id": f"c:{name}"}
    return {**found, "outputs": {"addonName": name}, **fields}


HEALTH = Health(
    ("aws", "describe", Ref("addon:dns", "addonName")),
    "addon.status",
    ("DEGRADED",),
    ("CREATING",),
    "addon.health.issues",
)
DNS = ResourceNode("addon:dns", "aws:eks/addon:Addon", {}, health=HEALTH)
PLAN = Plan("p", "s", (DNS, ManifestNode("x:a", {}, ("addon:dns",)), ManifestNode("x:b", {}, ("cluster",))))


def said(status: str) -> str:
    issues = [{"code": "TooFew", "message": "no nodes"}]
    return f"echo '{json.dumps({'addon': {'status': status, 'health': {'issues': issues}}})}'"


def test_what_ails_is_found_with_its_reason_and_what_it_brought(script: Script) -> None:
    log = script("aws", said("DEGRADED"))
    exported = state(addon("dns"), {**addon("a"), "urn": f"{URN}x:a"}, {**addon("b"), "urn": f"{URN}x:b"})
    (found,) = health.look(PLAN, exported).ailing
    assert str(found) == "addon:dns is DEGRADED (TooFew: no nodes)" and log.read_text() == "describe dns\n"
    assert health.with_objects(PLAN, [found.urn], exported) == [f"{URN}addon:dns", f"{URN}x:a"]


def test_what_is_well_does_not_ail_and_what_is_not_made_is_not_asked_after(script: Script) -> None:
    log = script("aws", said("ACTIVE"))
    assert health.look(PLAN, state()) == health.Seen() and not log.exists()
    assert health.look(PLAN, state(addon("dns"))) == health.Seen() and log.exists()


#: How a provider's command line leaves a question open, and what is said of it.
OPEN = {
    "echo no credentials >&2; exit 1": "no credentials",
    "sleep 5": "aws describe dns did not end in 0.2 s",
    "echo words": "addon.status is not known, or not in the answer",
    "echo '{}'": "addon is not known, or not in the answer",
}


@pytest.mark.parametrize("text", OPEN)
def test_what_nobody_answers_for_is_not_taken_for_whole(
    script: Script, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    """Before an apply it is said; after one it is no success."""
    monkeypatch.setattr(asking, "LIMIT", 0.2)
    monkeypatch.setattr(health, "PATIENCE", 0.0)
    script("aws", f"exec {text}" if text.startswith("sleep") else text)
    told: list[str] = []
    sentence = f"whether addon:dns is whole is not known ({OPEN[text]})"
    assert health.settled(PLAN, state(addon("dns")), told.append) == [] and told == [sentence]
    with pytest.raises(Problem, match=re.escape(sentence)):
        health.wait(PLAN, state(addon("dns")))


def test_of_one_reason_there_is_one_sentence() -> None:
    seen = health.Seen([], [health.Unknown(name, "denied") for name in "ab"] + [health.Unknown("c", "late")])
    assert seen.unanswered() == [
        "whether a, b are whole is not known (denied)",
        "whether c is whole is not known (late)",
    ]


def test_an_answer_that_comes_late_counts(script: Script, tmp_path: Path) -> None:
    script("aws", f"[ -e {tmp_path}/asked ] && {said('ACTIVE')} || {{ touch {tmp_path}/asked; exit 1; }}")
    health.wait(PLAN, state(addon("dns")))


def test_what_an_apply_leaves_ailing_is_an_error_that_says_so(
    script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script("aws", said("DEGRADED"))
    monkeypatch.setattr(health, "PATIENCE", 0.0)
    with pytest.raises(Problem, match=r"addon:dns is DEGRADED \(TooFew: no nodes\)"):
        health.wait(PLAN, state(addon("dns")))
    monkeypatch.setattr(health, "PATIENCE", 30.0)
    script("aws", f"[ -e {tmp_path}/well ] && {said('ACTIVE')} || {{ touch {tmp_path}/well; {said('DEGRADED')}; }}")
    health.wait(PLAN, state(addon("dns")))


def test_what_is_under_way_is_waited_for(script: Script, tmp_path: Path) -> None:
    script("aws", f"[ -e {tmp_path}/made ] && {said('DEGRADED')} || {{ touch {tmp_path}/made; {said('CREATING')}; }}")
    told: list[str] = []
    (found,) = health.settled(PLAN, state(addon("dns")), told.append)
    assert found.state == "DEGRADED" and told == ["addon:dns is CREATING (TooFew: no nodes): waiting"]


# A run that was cut


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "Pulumi.yaml").write_text("name: netspec\nruntime: python\n")
    monkeypatch.setenv("NETSPEC_PROJECT", str(tmp_path))
    return tmp_path


def pending(name: str, **inputs: Any) -> dict[str, Any]:
    return {"type": "creating", "resource": {**addon(name), "id": "", "outputs": {}, "inputs": inputs}}


LOOKUPS = (
    ResourceNode("addon:dns", "a", {}, lookup=Found("{clusterName}:{addonName}")),
    ResourceNode("addon:net", "a", {}, lookup=Found(words=("aws", "tags", "{zone}"), items="Found", name="ARN")),
    ResourceNode("addon:cidr", "a", {}, lookup=Found("{v}/{0}", ("aws", "cidr"), "Vpcs.0.Own", "Id", {"Cidr": "b"})),
    ResourceNode("addon:none", "a", {}),
)


def test_what_was_being_made_is_taken_over_where_it_can_be_named(script: Script, checkout: Path) -> None:
    answers = {"tags eu": {"Found": [{"ARN": "arn:x/old"}, {"ARN": "arn:x/new"}]}}
    answers["cidr"] = {"Vpcs": [{"Own": [{"Id": "1", "Cidr": "a"}, {"Id": "2", "Cidr": "b"}]}]}  # type: ignore[dict-item]
    cases = "".join(f"'{words}') echo '{json.dumps(answer)}';;" for words, answer in answers.items())
    script("aws", f'case "$*" in {cases} esac')
    cut.keep("s", Plan("p", "s", LOOKUPS))
    whole = {"deployment": {"resources": [addon("net", id="old")]}}
    of = [pending("dns", clusterName="c", addonName="dns"), pending("net", zone="eu"), pending("cidr", v="vpc")]
    other = {**pending("dns"), "type": "deleting"}
    assert cut.adopt("s", whole, [*of, pending("none"), other], print)
    assert [r["id"] for r in whole["deployment"]["resources"]] == ["old", "c:dns", "new", "vpc/2"]
    cut.forget("s")
    assert not cut.adopt("s", whole, of, print)


def test_who_does_not_answer_names_nothing(script: Script, checkout: Path) -> None:
    script("aws", "echo denied >&2; exit 1")
    cut.keep("s", Plan("p", "s", LOOKUPS))
    told: list[str] = []
    assert not cut.adopt("s", {"deployment": {"resources": []}}, [pending("net", zone="eu")], told.append)
    assert told == ["what a cut run made is not looked for: denied"]


def test_a_provider_does_not_move_away_from_what_it_made() -> None:
    token = "pulumi:providers:aws"
    urn = f"urn:pulumi:s::p::{token}::aws"
    provider = {"urn": urn, "type": token, "custom": True, "id": "x", "inputs": {"region": "a"}}
    made = {**addon("dns"), "provider": f"{urn}::x"}
    here, there = (
        Plan("p", "s", (ResourceNode("aws", token, {"region": region}, fixed=("region",)),)) for region in ("a", "b")
    )
    for plan, exported in ((here, state(provider, made)), (there, state()), (there, state(provider))):
        cut.refuse_moved(plan, exported)
    with pytest.raises(Problem, match="the stack s is in the region a, and the spec says b"):
        cut.refuse_moved(there, state(provider, made))


# What others left

LEFT = {
    "what": "interface",
    "find": ["aws", "find"],
    "items": "Found",
    "names": ["space", "id"],
    "remove": ["aws", "remove", "{0}", "--id={1}"],
    "only": {"of.kind": "ours"},
}


def test_what_others_left_is_removed_until_nothing_is_left(
    script: Script, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"space": "a", "id": i, "of": {"kind": kind}} for i, kind in ((1, "ours"), (2, "theirs"), (3, "ours"))]
    first, rest = json.dumps({"Found": rows}), json.dumps({"Found": rows[1:2]})
    gone = f"[ -e {tmp_path}/gone ] && echo '{rest}' || echo '{first}'"
    log = script("aws", f'case "$1" in find) {gone};; remove) [ "$3" = --id=1 ] || touch {tmp_path}/gone;; esac')
    sweep.clear(LEFT, "unused")
    assert log.read_text().splitlines() == ["find", "remove a --id=1", "remove a --id=3", "find"]
    told = capsys.readouterr().out.splitlines()
    assert len(told) == 2 and told[0].startswith("removing interface a/1, which the stack did not make")


def test_a_destroy_goes_on_past_what_does_not_answer_or_go(
    script: Script, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script("aws", "echo denied >&2; exit 1")
    sweep.clear(LEFT, "unused")
    assert capsys.readouterr().out == "nobody looks for what is left of this kind, interface: denied\n"
    monkeypatch.setattr(sweep, "PATIENCE", 0.0)
    row = json.dumps({"Found": [{"space": "a", "id": 1, "of": {"kind": "ours"}}]})
    script("aws", f"[ \"$1\" = find ] && echo '{row}' || {{ echo in use >&2; exit 1; }}")
    sweep.clear(LEFT, "unused")
    assert capsys.readouterr().out.splitlines()[-1] == "interface a/1 does not go: in use"


def test_kubectl_looks_on_the_stack_s_cluster(script: Script) -> None:
    log = script("kubectl", "echo '{\"items\": []}'")
    sweep.clear({**LEFT, "find": ["kubectl", "get", "services"], "items": "items"}, "/file")
    assert log.read_text() == "--kubeconfig=/file get services\n"


def test_values_that_only_the_state_knows_are_in_the_words() -> None:
    recorded = Recorded(state(addon("dns")))
    words = ("aws", Json([{"Values": [Ref("addon:dns", "id")]}]))
    assert recorded.words(words) == ("aws", '[{"Values": ["c:dns"]}]')
    with pytest.raises(KeyError):
        recorded.words((Ref("addon:net", "id"),))
