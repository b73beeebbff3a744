"""What Calico's backend lowers the IR to, for both operators that the plan fits."""

from dataclasses import replace
from ipaddress import IPv4Network
from typing import Any

import pytest

from netspec.backends.cni.calico import Calico
from netspec.backends.cni.calico.operator import cluster_role, installation
from netspec.backends.cni.calico.settings import CalicoSettings
from netspec.ir.model import Dns, Ir, Network
from netspec.plan import CNI_READY, Node, ReadyNode
from netspec.target import Needs, Traits

NETWORK = Network((IPv4Network("10.244.0.0/16"),), (IPv4Network("10.96.0.0/16"),))
IR = Ir("shop", "dev", NETWORK, Dns(address="10.96.0.10"), Traits(nodes=3), {"cluster": "kind", "cni": "calico"})


def calico(ir: Ir = IR) -> tuple[Node, ...]:
    return Calico().lower(ir, CalicoSettings(), Needs())


def test_the_operator_finds_no_default_to_write_into_a_pool() -> None:
    """pkg/controller/ippool/defaults.go of both operators: what both would fill in is given, and nothing that only
    one of their CRDs declares (1.42's assignmentMode)."""
    (pool,) = installation(NETWORK, CalicoSettings())["spec"]["calicoNetwork"]["ipPools"]
    defaulted = {"name", "encapsulation", "natOutgoing", "nodeSelector", "blockSize", "disableNewAllocations"}
    assert defaulted | {"allowedUses", "disableBGPExport", "cidr"} == pool.keys()


def test_the_mtu_is_the_interface_s_unless_given() -> None:
    assert "mtu" not in installation(NETWORK, CalicoSettings())["spec"]["calicoNetwork"]
    assert installation(NETWORK, CalicoSettings(mtu=1400))["spec"]["calicoNetwork"]["mtu"] == 1400


@pytest.mark.parametrize(("mode", "dataplane"), [("iptables", "Iptables"), ("nftables", "Nftables")])
def test_the_data_plane_is_kube_proxy_s(mode: Any, dataplane: str) -> None:
    made = installation(replace(NETWORK, proxy_mode=mode), CalicoSettings())
    assert made["spec"]["calicoNetwork"]["linuxDataplane"] == dataplane


def test_felix_is_configured_before_the_operator_writes_the_same_object() -> None:
    nodes = {node.id: node for node in calico()}
    assert "felixconfiguration:default" in nodes["installation:default"].depends_on
    assert nodes["felixconfiguration:default"].depends_on == ("calico-crds",)
    assert isinstance(nodes["calico-crds"], ReadyNode)


@pytest.mark.parametrize("workers", [0, 3])
def test_ready_means_every_node(workers: int) -> None:
    ready = next(node for node in calico(replace(IR, traits=Traits(nodes=workers + 1))) if node.id == CNI_READY)
    assert isinstance(ready, ReadyNode)
    assert {c.resource: c.at_least for c in ready.conditions} == {"tigerastatus/calico": 1, "nodes": workers + 1}


def test_the_operator_s_role_has_no_wildcard() -> None:
    rules = cluster_role()["rules"]
    assert not any("*" in entry for rule in rules for entry in (*rule["apiGroups"], *rule["resources"], *rule["verbs"]))


def test_every_kind_that_an_operator_keeps_a_cache_of_can_be_read() -> None:
    """v1.36.5 and v1.42.4 of github.com/tigera/operator: what WatchObject is given in pkg/controller without
    Enterprise's CRDs, and what CreateOrUpdateOrDelete reads first (pkg/controller/utils/component.go)."""
    cached = {
        "": ("namespaces", "services", "serviceaccounts", "configmaps", "secrets", "pods", "nodes"),
        "apps": ("daemonsets", "deployments"),
        "policy": ("poddisruptionbudgets",),
        "rbac.authorization.k8s.io": ("clusterroles", "clusterrolebindings", "roles", "rolebindings"),
        "apiextensions.k8s.io": ("customresourcedefinitions",),
        "storage.k8s.io": ("csidrivers",),
        "operator.tigera.io": (
            *("apiservers", "gatewayapis", "goldmanes", "imagesets", "installations", "istios"),
            *("managementclusterconnections", "tigerastatuses", "whiskers"),
        ),
        "crd.projectcalico.org": (
            *("bgpconfigurations", "clusterinformations", "felixconfigurations", "ippools"),
            "kubecontrollersconfigurations",
        ),
    }
    granted = {
        (group, resource)
        for rule in cluster_role()["rules"]
        if {"get", "list", "watch"} <= set(rule["verbs"])
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    assert {(group, r) for group, resources in cached.items() for r in resources} <= granted


def test_the_operator_enters_no_pod_and_no_node() -> None:
    resources = {name for rule in cluster_role()["rules"] for name in rule["resources"]}
    assert not {"pods/exec", "nodes/proxy", "serviceaccounts/token"} & resources
