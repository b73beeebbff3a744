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
from netspec.verify.drift import Drift, compare
from netspec.verify.model import Status
from netspec.verify.objects import Objects, read_objects
from netspec.verify.state import Pod

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
    return compare(ir, Objects(tuple(items)))


def is_none(found: Drift) -> bool:
    return not (found.findings or found.connections or found.listed or found.problem)


def named(items: Items, name: str) -> dict[str, Any]:
    return next(i for i in items if i["metadata"]["name"] == name)


def test_the_specs_own_policies_are_no_drift() -> None:
    assert is_none(drift())
    assert drift().observe(PROBE).status is Status.PASS


def test_the_order_of_lists_is_no_drift() -> None:
    def turn(items: Items) -> None:
        items.reverse()
        for item in items:
            for side in ("ingress", "egress"):
                item.get("spec", {}).get(side, []).reverse()

    assert is_none(drift(turn))


def test_a_policy_for_strangers_changes_no_known_connection_and_is_wrong_all_the_same() -> None:
    found = drift(lambda items: items.append(STRANGERS))
    assert (found.policies, found.connections) == (("policy shop/strangers is not in the spec",), ())
    seen = found.observe(PROBE)
    assert (seen.status, seen.observed) == (Status.WRONG, ["policy shop/strangers is not in the spec"])


def test_a_missing_policy_names_the_connections() -> None:
    found = drift(lambda items: items.remove(named(items, "api-to-db-ingress")))
    assert found.policies == ("policy shop/api-to-db-ingress is missing",)
    assert found.connections == ("shop/api -> shop/db closes TCP 5432",)


def test_a_changed_policy_names_the_connections() -> None:
    def widen(items: Items) -> None:
        named(items, "customers-ingress")["spec"]["ingress"][0].pop("ports")

    found = drift(widen)
    assert found.policies == ("policy shop/customers-ingress says something else",)
    assert [c for c in found.connections if c.startswith("external:") and "shop/web opens" in c]


def test_other_peoples_policies_count_where_they_select_the_specs_pods() -> None:
    elsewhere = copy.deepcopy(STRANGERS)
    elsewhere["metadata"]["namespace"] = "theirs"
    assert is_none(drift(lambda items: items.append(elsewhere)))
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
        ("GlobalNetworkPolicy", None, ("GlobalNetworkPolicy x is not in the spec",)),
        ("NetworkPolicy", "shop", ("CalicoNetworkPolicy shop/x is not in the spec",)),
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
    assert found.policies == ("AdminNetworkPolicy open is not in the spec",)
    assert len(found.connections) == 13 and found.connections[-1].endswith("more")


def test_an_api_server_that_does_not_answer_is_a_failed_check() -> None:
    class Silent(Access):
        def kubectl(self, *args: str, stdin: str = "", limit: float = 0) -> "CompletedProcess[str]":
            return CompletedProcess(args, 1, "", "The connection to the server was refused")

    seen = compare(shop()[0], read_objects(Silent(Path("none")))).observe(PROBE)
    assert (seen.status, seen.detail) == (Status.CHECK_FAILED, "The connection to the server was refused")


def policy(name: str, app: str) -> dict[str, Any]:
    spec = {"podSelector": {"matchLabels": {"app": app}}, "ingress": [{}]}
    return {**STRANGERS, "metadata": {"name": name, "namespace": "shop"}, "spec": spec}


def test_a_policy_that_selects_nothing_is_listed_alone() -> None:
    found = drift(lambda items: items.append(policy("idle", "nobody")))
    assert (found.findings, found.listed) == ((), ("policy shop/idle",))
    seen = found.observe(PROBE)
    assert (seen.status, seen.detail) == (Status.PASS, "not the spec's: policy shop/idle")


def test_a_policy_that_selects_a_pod_which_the_spec_does_not_have_is_wrong() -> None:
    ir, items = shop()
    items.append(policy("idle", "nobody"))
    stranger = Pod("shop", "stranger", "w1", "10.244.1.77", {"app": "nobody"}, True)
    assert compare(ir, Objects(tuple(items)), [stranger]).policies == ("policy shop/idle is not in the spec",)


def test_a_tier_policy_for_other_namespaces_is_listed_alone() -> None:
    admin = {
        "apiVersion": "policy.networking.k8s.io/v1alpha1",
        "kind": "AdminNetworkPolicy",
        "metadata": {"name": "theirs"},
        "spec": {
            "priority": 1,
            "subject": {"namespaces": {"matchLabels": {"team": "others"}}},
            "ingress": [{"action": "Allow", "from": [{"namespaces": {}}]}],
        },
    }
    found = drift(lambda items: items.append(admin))
    assert (found.findings, found.listed) == ((), ("AdminNetworkPolicy/theirs",))


def test_each_difference_has_the_command_that_sets_it_right() -> None:
    def change(items: Items) -> None:
        items.remove(named(items, "api-to-db-ingress"))
        items.append(STRANGERS)

    assert {f.what: f.command for f in drift(change).findings} == {
        "policy shop/api-to-db-ingress is missing": "netspec up --stack shop",
        "policy shop/strangers is not in the spec": "netspec exec --stack shop -- kubectl delete "
        "networkpolicy.networking.k8s.io strangers --namespace shop",
    }
