"""Policies of Calico's own in a stack: what is made of them, and that what is predicted is what the objects say."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from netspec.analysis.evaluate import evaluate
from netspec.analysis.verdict import Answer, PodEnd
from netspec.backends.registry import REGISTRY
from netspec.compiler import CompileResult, compile_spec
from netspec.manifests.read import read_texts
from netspec.spec.load import load, loads
from netspec.target import ObjectRead
from netspec.verify.drift import compare
from netspec.verify.objects import Objects

SPEC = Path(__file__).parents[1] / "golden" / "calico-policies" / "spec.yaml"
NAMES = ["default.no-lab", "default.rest", "security.lab-stays"]


@pytest.fixture(scope="module")
def result() -> CompileResult:
    return compile_spec(load(SPEC), "dev", REGISTRY)


def manifests(result: CompileResult) -> list[dict[str, Any]]:
    assert result.plan is not None
    return [dict(m) for m in result.plan.manifests()]


def test_the_objects_say_what_is_predicted(result: CompileResult) -> None:
    """The reader takes them back from what is applied, places aside."""
    assert result.ir is not None
    text = json.dumps({"kind": "List", "items": manifests(result)})
    stated = read_texts([("plan", text)]).inventory
    assert stated.tiers == tuple(sorted(result.ir.tiers, key=lambda t: (t.tier, t.place_in_tier, t.id)))
    assert {t.object[1].rpartition("/")[2] for t in stated.tiers} == set(NAMES)


def test_order_decides_before_and_behind_network_policies(result: CompileResult) -> None:
    assert result.ir is not None
    inventory = result.ir.inventory
    web, db, probe = (PodEnd(name) for name in ("shop/web", "shop/db", "lab/probe"))
    flows = [(web, db, 5432), (probe, db, 5432), (probe, web, 8080), (probe, web, 8001), (probe, web, 9000)]
    found = [evaluate(inventory, a, b, port, "TCP").answer for a, b, port in flows]
    assert found == [Answer.ALLOW, Answer.DENY, Answer.ALLOW, Answer.DENY, Answer.DENY]


def test_each_comes_after_its_namespace_and_is_a_fact(result: CompileResult) -> None:
    assert result.plan is not None
    nodes = {node.id: node for node in result.plan.nodes}
    assert "namespace:shop" in nodes["networkpolicy:shop/default.rest"].depends_on
    assert "cni-ready" in nodes["globalnetworkpolicy:default.no-lab"].depends_on
    facts = {f.subject: f for f in result.facts if f.name == "calico-policy"}
    assert sorted(facts) == ["default.no-lab", "lab/security.lab-stays", "security", "shop/default.rest"]
    assert "tier:security" in nodes["networkpolicy:lab/security.lab-stays"].depends_on
    kinds = ("NetworkPolicy", "GlobalNetworkPolicy", "Tier")
    made = {m["metadata"]["name"]: m for m in manifests(result) if m["kind"] in kinds}
    for fact in facts.values():
        assert isinstance(fact.read, ObjectRead)
        assert fact.expect == {"spec": made[fact.read.name]["spec"]}
    resources = {f.read.resource for f in facts.values() if isinstance(f.read, ObjectRead)}
    wanted = ("networkpolicies", "globalnetworkpolicies", "tiers")
    assert resources == {f"{each}.crd.projectcalico.org" for each in wanted}


def test_a_policy_of_somebody_else_is_a_difference_and_the_stack_s_own_are_none(result: CompileResult) -> None:
    assert result.ir is not None
    own = [m for m in manifests(result) if m["kind"] in ("Namespace", "NetworkPolicy", "GlobalNetworkPolicy", "Tier")]
    assert [f.what for f in compare(result.ir, Objects(tuple(own))).findings] == []
    stranger = {
        "apiVersion": "crd.projectcalico.org/v1",
        "kind": "GlobalNetworkPolicy",
        "metadata": {"name": "default.shut"},
        "spec": {"order": 1, "selector": "app == 'web'", "ingress": [{"action": "Deny"}]},
    }
    drift = compare(result.ir, Objects((*own, stranger)))
    (finding,) = drift.findings
    assert finding.what == "GlobalNetworkPolicy default.shut is not in the spec"
    assert "kubectl delete globalnetworkpolicies.crd.projectcalico.org default.shut" in finding.command
    assert any("lab/probe -> shop/web closes" in change for change in drift.connections)


def test_on_a_cluster_that_is_there_the_policies_are_applied_and_calico_is_not() -> None:
    text = SPEC.read_text().replace("type: kind, workers: 1", "type: existing").replace(
        "provider: calico\n", "provider: calico\n      managed: false\n"
    )  # fmt: skip
    found = compile_spec(loads(text, "spec"), "dev", REGISTRY)
    assert [d.render() for d in found.diagnostics if d.code.startswith("NS92")] == []
    kinds = [m["kind"] for m in manifests(found)]
    assert kinds.count("GlobalNetworkPolicy") == 1 and "Installation" not in kinds


def test_a_policy_that_cannot_be_said_exactly_is_an_error_there_too() -> None:
    text = SPEC.read_text().replace("type: kind, workers: 1", "type: existing").replace(
        "provider: calico\n", "provider: calico\n      managed: false\n"
    ).replace("order: 2000", "order: 1000")  # fmt: skip
    found = compile_spec(loads(text, "spec"), "dev", REGISTRY)
    assert found.plan is None and "NS925" in {d.code for d in found.diagnostics}


def test_without_them_nothing_is_different(result: CompileResult) -> None:
    assert result.ir is not None
    assert replace(result.ir, tiers=()).inventory.tiers == ()
