"""Policies on a cluster against the spec's, for what no probe between the spec's own pods can see."""

import copy
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from netspec.backends.common.policies import policy_manifest
from netspec.backends.registry import REGISTRY
from netspec.compiler import compile_spec
from netspec.ir.model import Ir
from netspec.probes import FactProbe
from netspec.spec.load import load
from netspec.verify.access import Access
from netspec.verify.drift import Drift, compare, read_drift
from netspec.verify.model import Status

SPEC = Path(__file__).parents[2] / "stacks" / "shop.yaml"
PROBE = FactProbe("fact:policies:cluster", "policies", "cluster", "those of the spec")
Items = list[dict[str, Any]]
#: Opens web to pods that the spec does not have.
STRANGERS: dict[str, Any] = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "NetworkPolicy",
    "metadata": {"name": "strangers", "namespace": "shop"},
    "spec": {
        "podSelector": {"matchLabels": {"app": "db"}},
        "ingress": [{"from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "default"}}}]}],
    },
}


def shop() -> tuple[Ir, Items]:
    """The shop, and what its cluster has."""
    ir = compile_spec(load(SPEC), "shop", REGISTRY).ir
    assert ir is not None
    namespaces: Items = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": n.name, "labels": dict(n.labels)}}
        for n in ir.namespaces
    ]
    return ir, namespaces + [copy.deepcopy(dict(policy_manifest(p))) for p in ir.policies]


def drift(change: Callable[[Items], object] = lambda _: None) -> Drift:
    ir, items = shop()
    change(items)
    return compare(ir, items)


def named(items: Items, name: str) -> dict[str, Any]:
    return next(i for i in items if i["metadata"]["name"] == name)


def test_the_specs_own_policies_are_no_drift() -> None:
    assert drift() == Drift()
    assert drift().observe(PROBE).status is Status.PASS


def test_the_order_of_lists_is_no_drift() -> None:
    def turn(items: Items) -> None:
        items.reverse()
        for item in items:
            for side in ("ingress", "egress"):
                item.get("spec", {}).get(side, []).reverse()

    assert drift(turn) == Drift()


def test_a_policy_for_strangers_changes_no_known_connection_and_is_wrong_all_the_same() -> None:
    found = drift(lambda items: items.append(STRANGERS))
    assert found == Drift(policies=("shop/strangers is none of the spec's",))
    seen = found.observe(PROBE)
    assert (seen.status, seen.observed) == (Status.WRONG, ["shop/strangers is none of the spec's"])


def test_a_missing_policy_names_the_connections() -> None:
    found = drift(lambda items: items.remove(named(items, "api-to-db-ingress")))
    assert found.policies == ("shop/api-to-db-ingress is missing",)
    assert found.connections == ("shop/api -> shop/db closes TCP 5432",)


def test_a_changed_policy_names_the_connections() -> None:
    def widen(items: Items) -> None:
        named(items, "customers-ingress")["spec"]["ingress"][0].pop("ports")

    found = drift(widen)
    assert found.policies == ("shop/customers-ingress says something else",)
    assert [c for c in found.connections if c.startswith("external:") and "shop/web opens" in c]


def test_other_peoples_policies_count_where_they_select_the_specs_pods() -> None:
    elsewhere = copy.deepcopy(STRANGERS)
    elsewhere["metadata"]["namespace"] = "theirs"
    assert drift(lambda items: items.append(elsewhere)) == Drift()
    dns = {
        **STRANGERS,
        "metadata": {"name": "closed", "namespace": "kube-system"},
        "spec": {"podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}},
    }
    found = drift(lambda items: items.append(dns))
    assert not found.policies
    assert "shop/web -> kube-system/coredns closes TCP 53; UDP 53" in found.connections
    assert found.observe(PROBE).status is Status.WRONG


def test_labels_of_a_namespace_count_where_a_policy_looks_at_them() -> None:
    def relabel(items: Items) -> None:
        named(items, "shop")["metadata"]["labels"] = {"team": "others"}
        named(items, "metrics-ingress")["spec"]["ingress"][0]["from"] = [
            {"namespaceSelector": {"matchLabels": {"team": "shop"}}}
        ]

    assert "shop/web -> shop/stats closes UDP 8125" in drift(relabel).connections


@pytest.mark.parametrize(
    ("kind", "namespace", "said"),
    [
        ("GlobalNetworkPolicy", None, ("GlobalNetworkPolicy x is none of the spec's, and not analysed",)),
        ("NetworkPolicy", "shop", ("NetworkPolicy shop/x is none of the spec's, and not analysed",)),
        ("NetworkPolicy", "calico-system", ()),
    ],
)
def test_a_cnis_own_policies_are_named(kind: str, namespace: str | None, said: tuple[str, ...]) -> None:
    meta = {"name": "x"} | ({"namespace": namespace} if namespace else {})
    policy = {"apiVersion": "crd.projectcalico.org/v1", "kind": kind, "metadata": meta, "spec": {}}
    assert drift(lambda items: items.append(policy)).policies == said


def test_a_tier_policy_is_drift() -> None:
    admin = {
        "apiVersion": "policy.networking.k8s.io/v1alpha1",
        "kind": "AdminNetworkPolicy",
        "metadata": {"name": "open"},
        "spec": {
            "priority": 1,
            "subject": {"namespaces": {}},
            "ingress": [{"action": "Allow", "from": [{"namespaces": {}}]}],
            "egress": [{"action": "Allow", "to": [{"namespaces": {}}]}],
        },
    }
    found = drift(lambda items: items.append(admin))
    assert found.policies == ("AdminNetworkPolicy/open is none of the spec's",)
    assert len(found.connections) == 13 and found.connections[-1].endswith("more")


def test_an_api_server_that_does_not_answer_is_a_failed_check() -> None:
    class Silent(Access):
        def kubectl(self, *args: str, stdin: str = "", limit: float = 0) -> "CompletedProcess[str]":
            return CompletedProcess(args, 1, "", "The connection to the server was refused")

    seen = read_drift(Silent(Path("none")), shop()[0]).observe(PROBE)
    assert (seen.status, seen.detail) == (Status.CHECK_FAILED, "The connection to the server was refused")
