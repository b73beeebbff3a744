"""What a preview says of who reaches whom: the applied objects against the plan."""

from pathlib import Path

import pytest

from netspec.analysis.diff import Change
from netspec.backends.registry import REGISTRY
from netspec.cli._changes import reachability_change
from netspec.compiler import CompileResult, compile_spec
from netspec.plan import Plan
from netspec.spec.load import loads

SHOP = (Path(__file__).parents[2] / "stacks" / "shop.yaml").read_text(encoding="utf-8")
#: The same shop after a change: api lets stats in too, and web is no longer let into api.
API = "  - {name: web-to-api, from: {workload: shop/web}, to: {service: shop/api}}"
OTHER = API.replace("shop/web}", "shop/stats}").replace("web-to-api", "stats-to-api")
EXPECTED = "  - {from: shop/web, to: shop/api:8080, expect: allow}\n"
FOREIGN = SHOP.replace(
    "ports: [{name: sql, port: 5432}], standIn: true}", "ports: [{name: sql, port: 5432}], standIn: false}"
)


def compiled(text: str) -> CompileResult:
    result = compile_spec(loads(text, "shop.yaml"), "shop", REGISTRY)
    assert result.plan is not None, [d.render() for d in result.diagnostics]
    return result


def plan_of(text: str) -> Plan:
    plan = compiled(text).plan
    assert plan is not None
    return plan


def changes(old: str, new: str) -> list[Change]:
    result, applied = compiled(new), plan_of(old)
    assert result.ir is not None and result.plan is not None
    diff = reachability_change(result.ir, result.plan, applied.manifests(), applied.network)
    return list(diff.changes())


@pytest.mark.parametrize("text", [SHOP, FOREIGN], ids=["stand-ins", "a workload that netspec does not deploy"])
def test_what_is_applied_already_changes_nothing(text: str) -> None:
    assert changes(text, text) == []


def test_a_policy_for_another_source_opens_and_closes() -> None:
    new = SHOP.replace(API, OTHER).replace(EXPECTED, "")
    found = {(c.kind, c.source, c.destination): c for c in changes(SHOP, new)}
    assert set(found) == {("closed", "shop/web", "shop/api"), ("opened", "shop/stats", "shop/api")}
    assert found["opened", "shop/stats", "shop/api"].opens == {"TCP": ((8080, 8080),)}
    assert found["closed", "shop/web", "shop/api"].closes == {"TCP": ((8080, 8080),)}


def test_pods_that_netspec_does_not_deploy_are_on_both_sides() -> None:
    line = "  - {name: api-to-db, from: {workload: shop/api}, to: {workload: shop/db}, ports: [5432/TCP]}\n"
    assert [(c.kind, c.source, c.destination) for c in changes(FOREIGN, FOREIGN.replace(line, ""))] == [
        ("closed", "shop/api", "shop/db")
    ]


def test_a_label_that_only_a_new_rule_looks_at_is_no_change_by_itself() -> None:
    assert changes(SHOP, SHOP.replace("labels: {app: web}, ports", "labels: {app: web, tier: front}, ports")) == []


def test_the_operator_is_not_among_the_peers() -> None:
    text, _, rest = SHOP.partition("expectations:")
    opened = text.replace("defaultDeny: [ingress, egress], allowDNS: true", "allowDNS: false")
    found = changes(SHOP, opened + "stacks:" + rest.partition("stacks:")[2])
    assert {c.kind for c in found} <= {"opened", "changed"} and found
    assert not [c for c in found if "tigera" in c.source + c.destination]


def test_the_pod_range_of_the_applied_cluster_counts() -> None:
    """An address that was not a pod's before may be one now: the customers' rule lets in all but the pod range."""
    found = changes(SHOP, SHOP.replace("podCIDRs: [10.244.0.0/16]", "podCIDRs: [10.245.0.0/16]"))
    assert {(c.kind, c.destination) for c in found if c.source.startswith("external:")} == {
        ("opened", "shop/web"),
        ("closed", "shop/web"),
    }
