"""Workloads, Services, namespaces and addresses of an import: as they were read, or said to be otherwise."""

from typing import Any

import pytest
from import_support import (
    deployment,
    imported,
    meaning,
    namespace,
    of_reading,
    policy,
    reading,
    said,
    service,
    spec,
    workload,
)

from netspec.importing.convert import Imported
from netspec.manifests.documents import Document

SHOP = namespace("shop")
POD_LABELS = {"app": "web", "pod-template-hash": "5d4f8", "controller-revision-hash": "1"}


def workloads(found: Imported) -> dict[str, dict[str, Any]]:
    """By id, without name and namespace."""
    meaning(found)
    listed = spec(found).get("workloads", [])
    return {f"{w.pop('namespace')}/{w.pop('name')}": w for w in listed}


def test_a_workload_is_as_it_was_read() -> None:
    body = deployment("web", ports=[("http", 8080), 9090], app="web", tier="front")
    body["spec"]["replicas"] = 3
    ports = [{"name": "http", "port": 8080}, {"port": 9090}]
    expected = {"labels": {"app": "web", "tier": "front"}, "replicas": 3, "ports": ports}
    found = imported([SHOP, body])
    assert workloads(found) == {"shop/web": expected}
    assert said(found) == set() and found.proof.shown == 0


def test_replicas_may_be_none() -> None:
    body = deployment("web")
    body["spec"]["replicas"] = 0
    assert workloads(imported([SHOP, body]))["shop/web"]["replicas"] == 0


@pytest.mark.parametrize("kind", ["Pod", "StatefulSet", "DaemonSet", "Job"])
def test_other_kinds_are_workloads_too_and_named_in_a_comment(kind: str) -> None:
    found = imported([SHOP, workload(kind, "web", "shop", {"app": "web"}, [])])
    assert workloads(found)["shop/web"]["labels"] == {"app": "web"}
    assert [i.note for i in found.draft.sections["workloads"]] == [kind]


def test_labels_of_controllers_are_left_out() -> None:
    found = imported([SHOP, workload("Pod", "web-1", "shop", POD_LABELS, [])])
    assert workloads(found)["shop/web-1"]["labels"] == {"app": "web"}


def test_a_label_of_controllers_that_a_policy_selects_by_is_lost_with_the_policy() -> None:
    by_hash = policy("p", podSelector={"matchLabels": {"pod-template-hash": "5d4f8"}}, ingress=[{}])
    found = imported([SHOP, workload("Pod", "web-1", "shop", POD_LABELS, []), by_hash])
    workloads(found)
    why = "pod-template-hash is set by the Deployment controller [NS210]"
    assert ("NetworkPolicy shop/p", why) in said(found, "lost")
    assert "networkPolicies" not in spec(found) and not found.proof.changes


def test_a_job_without_labels_of_its_own_has_its_name() -> None:
    found = imported([SHOP, workload("Job", "migrate", "shop", {}, [])])
    assert workloads(found)["shop/migrate"]["labels"] == {"batch.kubernetes.io/job-name": "migrate"}


def test_pods_that_no_selector_tells_apart_are_one_workload() -> None:
    twins = [deployment("blue", ports=[80], app="web"), deployment("green", ports=[("http", 80), 81], app="web")]
    found = imported([SHOP, *twins])
    assert workloads(found) == {
        "shop/blue": {"labels": {"app": "web"}, "replicas": 2, "ports": [{"name": "http", "port": 80}, {"port": 81}]}
    }
    why = "its labels are those of shop/blue: they are one workload in the spec"
    assert said(found) == {("Deployment shop/green", why)}


def test_names_that_a_spec_does_not_take_are_changed_and_others_keep_theirs() -> None:
    names = ["web.v1", "web-v1", "x" * 70]
    found = imported([SHOP, *(deployment(name, app=name[:9]) for name in names)])
    got = workloads(found)
    assert {"shop/web-v1", "shop/web-v1-2"} < set(got) and got["shop/web-v1"]["labels"] == {"app": "web-v1"}
    assert all(len(name.partition("/")[2]) <= 63 for name in got)
    assert ("Deployment shop/web.v1", "it is called shop/web-v1-2 in the spec") in said(found, "changed")


def test_pods_of_one_owner_that_differ_are_workloads_of_their_own() -> None:
    owner = [{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db", "controller": True}]
    pods = [workload("Pod", f"db-{i}", "shop", {"app": "db", "role": f"r{i}"}, []) for i in range(2)]
    for pod in pods:
        pod["metadata"]["ownerReferences"] = owner
    assert set(workloads(imported([SHOP, *pods]))) == {"shop/db-0", "shop/db-1"}


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (workload("Pod", "x", "shop", {}, []), "its pods have no labels, and a workload has some"),
        (
            workload("Pod", "x", "shop", {"app": "x"}, [], hostNetwork=True),
            "its pods are in the node's network: add it where it matters",
        ),
    ],
)
def test_pods_that_no_workload_says_are_listed(body: dict[str, Any], why: str) -> None:
    found = imported([SHOP, deployment("web"), body])
    assert set(workloads(found)) == {"shop/web"} and not found.proof.changes
    (remark,) = found.draft.remarks
    assert (remark.kind, remark.what, remark.why) == ("lost", "Pod shop/x", why)
    assert remark.where is not None and remark.where.file == "k8s.yaml" and remark.where.line > 1


def test_ports_that_no_workload_says_are_listed() -> None:
    ports = [
        {"name": "a", "containerPort": 80},
        {"name": "b", "containerPort": 80},
        {"name": "a", "containerPort": 81},
        {"name": "c", "containerPort": 82, "protocol": "SCTP"},
    ]
    found = imported([SHOP, workload("Deployment", "web", "shop", {"app": "web"}, ports)])
    assert workloads(found)["shop/web"]["ports"] == [
        {"name": "a", "port": 80},
        {"port": 81},
        {"name": "c", "port": 82, "protocol": "SCTP"},
    ]
    assert said(found, "lost") == {
        ("port name b (80/TCP) of shop/web", "a workload's port has one name"),
        ("port name a (81/TCP) of shop/web", "a port name means one port of a workload"),
    }


def test_fields_of_pods_that_a_workload_lacks_are_listed_with_their_line() -> None:
    found = imported(
        """\
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent, namespace: shop}
spec:
  template:
    metadata: {labels: {app: agent}}
    spec:
      dnsPolicy: None
      dnsConfig: {nameservers: [192.0.2.53]}
      containers:
      - name: c
        ports:
        - {containerPort: 80}
        - containerPort: 81
          hostPort: 81
"""
    )
    assert workloads(found)["shop/agent"]["ports"] == [{"port": 80}, {"port": 81}]
    lost = [(r.why, r.where.line) for r in found.draft.remarks if r.kind == "lost" and r.where]
    assert lost == [
        ("a workload has no dnsPolicy", 8),
        ("a workload has no dnsConfig", 9),
        ("hostPort is left out: not every CNI has it", 15),
    ]


def test_each_list_is_read_once_more_and_its_items_need_no_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two lists whose objects alternate in the order of the spec: a list of thousands is not read for each of them."""
    ports = [{"containerPort": 80, "hostPort": 80}]
    lists = [
        {"apiVersion": "apps/v1", "kind": "DeploymentList", "items": [_kindless(i, ports) for i in range(start, 8, 2)]}
        for start in range(2)
    ]
    found = reading([SHOP, *lists])
    loads: list[int] = []
    load = Document.load
    monkeypatch.setattr(Document, "load", lambda self: (loads.append(self.line), load(self))[1])
    result = of_reading(found)
    assert len(workloads(result)) == 8
    assert len([r for r in result.draft.remarks if r.why == "hostPort is left out: not every CNI has it"]) == 8
    assert len(loads) == 2


def _kindless(number: int, ports: list[dict[str, Any]]) -> dict[str, Any]:
    body = workload("Deployment", f"w{number}", "shop", {"app": f"w{number}"}, ports)
    return {key: value for key, value in body.items() if key not in ("kind", "apiVersion")}


def test_the_clusters_own_dns_is_not_a_workload() -> None:
    ports = [
        {"name": "dns", "containerPort": 53, "protocol": "UDP"},
        {"name": "dns-tcp", "containerPort": 53},
        {"name": "metrics", "containerPort": 9153},
    ]
    coredns = workload("Deployment", "coredns", "kube-system", {"k8s-app": "kube-dns"}, ports)
    coredns["spec"]["replicas"] = 5
    kube_dns = service("kube-dns", "kube-system", selector={"k8s-app": "kube-dns"})
    found = imported([SHOP, deployment("web"), coredns, kube_dns, service("kubernetes", "default", selector=None)])
    assert set(workloads(found)) == {"shop/web"} and "services" not in spec(found)
    assert spec(found)["dns"] == {"coredns": {"replicas": 5}}
    assert said(found) == set() and found.proof.shown == 0


def test_dns_of_another_name_is_the_specs() -> None:
    other = workload("Deployment", "rke2-coredns", "kube-system", {"k8s-app": "kube-dns", "x": "y1"}, [])
    found = imported([SHOP, deployment("web"), other])
    assert set(workloads(found)) == {"shop/web"} and not found.proof.changes
    why = "it answers the cluster's lookups: the spec calls it kube-system/coredns"
    assert said(found) == {("Deployment kube-system/rke2-coredns", why)}


# Namespaces


def test_namespaces_have_their_labels_and_those_that_are_only_used_none() -> None:
    found = imported([namespace("empty", team="a1"), deployment("web")])
    assert spec(found)["namespaces"] == [{"name": "empty", "labels": {"team": "a1"}}, {"name": "shop"}]
    why = "it has no Namespace object (kubectl get namespaces -o yaml) and is written without labels"
    assert said(found) == {("namespace shop", why)}


def test_namespaces_that_begin_with_kube_are_declared_but_kubernetes_own_are_not() -> None:
    given = [namespace("kube-flannel", a="b"), namespace("kube-public", a="b"), deployment("x", "kube-flannel")]
    found = imported(given)
    assert set(workloads(found)) == {"kube-flannel/x"}
    assert [n["name"] for n in spec(found)["namespaces"]] == ["kube-flannel"]


# What a spec has no word for


def test_what_a_spec_has_no_word_for_is_listed_with_its_place() -> None:
    found = imported(
        """
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: shop}
spec: {defaultBackend: {service: {name: web, port: {number: 80}}}}
---
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: guard}
spec: {tier: Admin, priority: 1, subject: {namespaces: {}}, ingress: []}
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: cnp, namespace: shop}
spec: {endpointSelector: {}, ingressDeny: [{fromEntities: [world]}], ingress: [{fromEndpoints: [{}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: broken, namespace: shop}
spec: {podSelector: 7}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c}]}
"""
    )
    meaning(found)
    lost = [r for r in found.draft.remarks if r.kind == "lost"]
    lines = {r.what.partition(":")[0]: r.where.line if r.where else 0 for r in lost}
    assert lines["Ingress shop/web"] == 2
    assert lines["ClusterNetworkPolicy guard"] == 7
    assert lines["CiliumNetworkPolicy shop/cnp"] == 15
    assert sum(r.what.startswith("CiliumNetworkPolicy") for r in lost) == 1
    assert lines["NetworkPolicy shop/broken"] == 20
    assert set(spec(found)["workloads"][0]["labels"].items()) == {("app", "web")}
