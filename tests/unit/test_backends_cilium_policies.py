"""CiliumNetworkPolicies of grants: that Cilium takes them, and that they say what the spec says."""

import json
from pathlib import Path
from typing import Any

import pytest

from netspec.analysis.diff import Diff
from netspec.backends.registry import REGISTRY
from netspec.compiler import compile_spec
from netspec.ir.model import Inventory
from netspec.manifests.read import read_texts
from netspec.spec.load import loads
from tests.oracle import cilium, crd

SPEC = Path(__file__).parents[1] / "golden" / "cilium-policies" / "spec.yaml"


@pytest.fixture(scope="module")
def compiled() -> tuple[Inventory, list[dict[str, Any]]]:
    result = compile_spec(loads(SPEC.read_bytes(), "spec.yaml"), "dev", REGISTRY)
    assert result.ir is not None and result.plan is not None
    made = [json.loads(json.dumps(m)) for m in result.plan.manifests()]
    return result.ir.inventory, [m for m in made if m["kind"] == "CiliumNetworkPolicy"]


def test_every_grant_is_an_object_behind_its_namespace_and_the_cni() -> None:
    result = compile_spec(loads(SPEC.read_bytes(), "spec.yaml"), "dev", REGISTRY)
    assert result.ir is not None and result.plan is not None
    nodes = {n.id: n for n in result.plan.nodes}
    for grant in result.ir.grants:
        assert {"cni-ready", f"namespace:{grant.namespace}"} <= set(nodes[f"ciliumnetworkpolicy:{grant.id}"].depends_on)
    facts = {f.subject: f.expect["spec"] for f in result.facts if f.name == "cilium-policy"}
    policies = [m for m in result.plan.manifests() if m["kind"] == "CiliumNetworkPolicy"]
    made = {f"{m['metadata']['namespace']}/{m['metadata']['name']}": m for m in policies}
    assert facts.keys() == {g.id for g in result.ir.grants}
    assert all(made[name]["spec"] == spec for name, spec in facts.items())


def test_they_fit_the_definitions_that_cilium_ships(compiled: tuple[Inventory, list[dict[str, Any]]]) -> None:
    schema = crd.schema("ciliumnetworkpolicies")
    assert [crd.problems(m, schema) for m in compiled[1]] == [[]] * len(compiled[1])
    broken = json.loads(json.dumps(compiled[1][0]))
    broken["spec"]["ingress"][0]["toPorts"][0]["ports"][0]["port"] = 8080
    assert crd.problems(broken, schema)


def test_cilium_takes_them(compiled: tuple[Inventory, list[dict[str, Any]]]) -> None:
    with cilium.running() as program:
        assert program.judge(compiled[1], {}, []).refused == [""] * len(compiled[1])


def test_read_back_they_mean_the_same(compiled: tuple[Inventory, list[dict[str, Any]]]) -> None:
    from dataclasses import replace

    inventory, made = compiled
    namespaces = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": n}} for n in ("shop", "jobs")]
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": [*namespaces, *made]})
    reading = read_texts([("cluster.json", text)])
    assert [d.render() for d in reading.diagnostics if d.severity.value == "error"] == []
    assert len(reading.inventory.tiers) == len(made)
    there = replace(inventory, tiers=reading.inventory.tiers)
    assert list(Diff(inventory, there).changes()) == []
    without = replace(inventory, tiers=reading.inventory.tiers[1:])
    assert list(Diff(inventory, without).changes()) != []
