"""Declared objects against the cluster's, field by field."""

from dataclasses import replace
from typing import Any

import pytest
from verify_support import STATE, WEB, ir, pod

from netspec.ir.model import Namespace
from netspec.probes import FactProbe
from netspec.probing import derive_probes
from netspec.verify.declared import observe
from netspec.verify.model import Observation, Status
from netspec.verify.state import LiveWorkload, State, pods_by_workload

SPEC = ir(namespaces=(Namespace("shop", {"team": "shop"}), Namespace("kube-system", {}, system=True)))
SHOP = {"team": "shop", "kubernetes.io/metadata.name": "shop", "somebody": "else"}
AS_DECLARED = replace(STATE, namespaces={"shop": SHOP, "kube-system": {}})
DEPLOYMENT = STATE.deployments["shop/web"]


def seen(fact: str, subject: str, state: State = AS_DECLARED) -> Observation:
    probe = next(p for p in derive_probes(SPEC) if p.id == f"fact:{fact}:{subject}")
    assert isinstance(probe, FactProbe)
    return observe(probe, state, pods_by_workload(state.pods, SPEC.inventory.workloads))


@pytest.mark.parametrize(
    ("fact", "subject"), [("namespace-labels", "shop"), ("workload-spec", "shop/web"), ("pod-labels", "shop/web")]
)
def test_what_is_as_declared_passes(fact: str, subject: str) -> None:
    assert (seen(fact, subject).status, seen(fact, subject).detail) == (Status.PASS, "")


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        ({}, "team is missing, the spec says 'shop'"),
        (SHOP | {"team": "others"}, "team is 'others', the spec says 'shop'"),
        (None, "namespace shop is missing"),
    ],
)
def test_a_namespaces_labels(labels: dict[str, str] | None, told: str) -> None:
    found = seen(
        "namespace-labels", "shop", replace(AS_DECLARED, namespaces={} if labels is None else {"shop": labels})
    )
    assert (found.status, found.detail) == (Status.WRONG, told)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"replicas": 2}, "replicas is 2, the spec says 1"),
        ({"replicas": 0}, "replicas is 0, the spec says 1"),
        ({"labels": {"app": "web", "k8s-app": "kube-dns"}}, "labels: k8s-app is 'kube-dns', the spec says missing"),
        ({"labels": {}}, "labels: app is missing, the spec says 'web'"),
        ({"ports": ()}, "ports is nothing, the spec says [['http', 8080, 'TCP']]"),
        ({"host_network": True}, "hostNetwork is True, the spec says False"),
    ],
)
def test_a_stand_ins_deployment(change: dict[str, Any], told: str) -> None:
    changed = replace(DEPLOYMENT, **change)
    found = seen("workload-spec", "shop/web", replace(AS_DECLARED, deployments={"shop/web": changed}))
    assert (found.status, found.detail) == (Status.WRONG, told)


def test_a_deployment_that_is_missing() -> None:
    found = seen("workload-spec", "shop/web", replace(AS_DECLARED, deployments={"shop/api": LiveWorkload(1, 1)}))
    assert (found.status, found.detail) == (Status.WRONG, "Deployment shop/web is missing")


def test_pods_are_named_that_are_labelled_otherwise() -> None:
    odd = replace(pod("web", 5), labels={"netspec.dev/workload": "web", "app": "api", "pod-template-hash": "x"})
    found = seen("pod-labels", "shop/web", replace(AS_DECLARED, pods=(*AS_DECLARED.pods, odd)))
    assert found.observed == {"shop/web-5": {"app": "api", "k8s-app": None}}
    assert found.detail == "shop/web-5: app is 'api', the spec says 'web'"


def test_a_label_that_nobody_looks_at_may_be_there() -> None:
    more = replace(pod("web", 1), labels={**pod("web", 1).labels, "version": "7"})
    found = seen("pod-labels", WEB.id, replace(AS_DECLARED, pods=(more,)))
    assert found.status is Status.PASS
