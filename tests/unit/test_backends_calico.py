"""What Calico's backend lowers the IR to, for both operators that the plan fits."""

from dataclasses import replace
from ipaddress import IPv4Network
from typing import Any

import pytest

from netspec.backends.cni.calico import Calico
from netspec.backends.cni.calico.modes import BESIDE
from netspec.backends.cni.calico.operator import cluster_role, installation
from netspec.backends.cni.calico.settings import CalicoSettings
from netspec.backends.common import Common
from netspec.diagnostics import Report
from netspec.ir.model import Dns, Ir, Namespace, Network
from netspec.plan import CNI_READY, ManifestNode, Node, ReadyNode
from netspec.target import Address, Needs, ObjectRead, Range, Traits
from netspec.verify.readers import _value

NETWORK = Network((IPv4Network("10.244.0.0/16"),), (IPv4Network("10.96.0.0/16"),))
IR = Ir("shop", "dev", NETWORK, Dns(address="10.96.0.10"), Traits(nodes=3), {"cluster": "kind", "cni": "calico"})


def calico(ir: Ir = IR, **settings: Any) -> tuple[Node, ...]:
    return Calico().lower(ir, CalicoSettings.model_validate(settings), Needs())


def made_of(ir: Ir = IR, **settings: Any) -> dict[str, Any]:
    """The Installation's calicoNetwork."""
    found = installation(ir, CalicoSettings.model_validate(settings))["spec"]["calicoNetwork"]
    assert isinstance(found, dict)
    return found


def proxied(mode: Any) -> Ir:
    return replace(IR, network=replace(NETWORK, proxy_mode=mode))


def found(ir: Ir = IR, **settings: Any) -> list[tuple[str, str]]:
    """Code and last parts of the path of what `check` says."""
    report = Report()
    Calico().check(ir, CalicoSettings.model_validate(settings), Needs(), report)
    return [(d.code, ".".join(map(str, d.path[2:]))) for d in report.sorted()]


def test_the_operator_finds_no_default_to_write_into_a_pool() -> None:
    """pkg/controller/ippool/defaults.go of both operators: what both would fill in is given, and nothing that only
    one of their CRDs declares (1.42's assignmentMode)."""
    (pool,) = made_of()["ipPools"]
    defaulted = {"name", "encapsulation", "natOutgoing", "nodeSelector", "blockSize", "disableNewAllocations"}
    assert defaulted | {"allowedUses", "disableBGPExport", "cidr"} == pool.keys()


def test_the_mtu_is_the_interface_s_unless_given() -> None:
    assert "mtu" not in made_of()
    assert made_of(mtu=1400)["mtu"] == 1400


@pytest.mark.parametrize(
    ("mode", "dataplane"), [("iptables", "Iptables"), ("nftables", "Nftables"), ("ipvs", "Iptables"), ("none", "BPF")]
)
def test_the_data_plane_is_kube_proxy_s(mode: Any, dataplane: str) -> None:
    assert made_of(proxied(mode))["linuxDataplane"] == dataplane


@pytest.mark.parametrize(
    ("mode", "dataplane", "codes"),
    [
        *((mode, plane, []) for mode, plane in BESIDE.items()),
        ("iptables", "nftables", ["NS920"]),
        ("nftables", "iptables", ["NS920"]),
        ("ipvs", "nftables", ["NS920"]),
        ("iptables", "ebpf", ["NS920"]),
        # That nobody carries Services is the feature's to say.
        ("none", "iptables", []),
    ],
)
def test_the_data_plane_goes_with_kube_proxy(mode: Any, dataplane: str, codes: list[str]) -> None:
    ir = replace(proxied(mode), traits=Traits(api_server=Address("lab", 6443)))
    assert [code for code, _ in found(ir, dataplane=dataplane)] == codes


def test_ebpf_takes_the_place_of_kube_proxy_and_knows_the_api_server() -> None:
    ir = replace(proxied("none"), traits=Traits(nodes=3, api_server=Address("lab-control-plane", 6443)))
    nodes = {node.id: node for node in calico(ir)}
    endpoint = nodes["configmap:tigera-operator/kubernetes-services-endpoint"]
    assert isinstance(endpoint, ManifestNode) and endpoint.manifest["data"] == {
        "KUBERNETES_SERVICE_HOST": "lab-control-plane",
        "KUBERNETES_SERVICE_PORT": "6443",
    }
    assert endpoint.id in nodes["deployment:tigera-operator/tigera-operator"].depends_on
    assert Calico().needs(ir, CalicoSettings(), Needs()).kube_proxy is False
    assert Calico().needs(IR, CalicoSettings(), Needs()).kube_proxy is True
    assert found(proxied("none")) == [("NS920", "cni")]


@pytest.mark.parametrize(
    ("settings", "overhead", "forwarded"),
    [
        ({"encapsulation": "vxlan"}, 50, "tunnel"),
        ({"encapsulation": "vxlanCrossSubnet"}, 50, "node"),
        ({"encapsulation": "ipip"}, 20, "tunnel"),
        ({"encapsulation": "ipipCrossSubnet"}, 20, "node"),
        ({"encapsulation": "none"}, 0, "node"),
        ({"encapsulation": "none", "wireguard": True}, 60, "node or tunnel"),
        ({"encapsulation": "vxlan", "wireguard": True}, 60, "node or tunnel"),
    ],
)
def test_bytes_on_the_wire_and_whose_address_is_seen(settings: Any, overhead: int, forwarded: str) -> None:
    before = Traits(nodes=3, node_networks=(Range("172.30.0.0/16"),))
    traits = Calico().traits(IR, CalicoSettings.model_validate(settings), before)
    assert (traits.overhead, traits.forwarded) == (overhead, forwarded)


def test_ebpf_hands_a_flow_on_as_it_is_and_several_subnets_leave_it_open() -> None:
    assert Calico().traits(proxied("none"), CalicoSettings(), Traits()).forwarded == "caller"
    two = Traits(node_networks=(Range("10.1.0.0/24"), Range("10.2.0.0/24")))
    assert Calico().traits(IR, CalicoSettings(encapsulation="ipipCrossSubnet"), two).forwarded == "node or tunnel"


@pytest.mark.parametrize("encapsulation", ["ipip", "ipipCrossSubnet", "none"])
def test_routes_come_by_bgp_where_there_is_no_vxlan(encapsulation: str) -> None:
    assert made_of(encapsulation=encapsulation)["bgp"] == "Enabled"
    assert found(encapsulation=encapsulation, bgp={"enabled": False}) == [("NS921", "cni.bgp.enabled")]
    sessions = [f for f in Calico().facts(IR, CalicoSettings(encapsulation="none")) if f.name == "bgp-sessions"]
    assert [f.expect for f in sessions] == ["2 established"]


@pytest.mark.parametrize("encapsulation", ["vxlan", "vxlanCrossSubnet"])
def test_vxlan_has_no_bgp_unless_asked(encapsulation: str) -> None:
    assert made_of(encapsulation=encapsulation)["bgp"] == "Disabled"
    assert made_of(encapsulation=encapsulation, bgp={"enabled": True})["bgp"] == "Enabled"
    assert found(encapsulation=encapsulation, bgp={"asNumber": 65001}) == [("NS922", "cni.bgp")]


REFLECTORS = {"nodes": ["lab-worker"]}
#: Called as the object that makes all nodes peer with their reflectors.
OURS = {"name": "netspec-route-reflectors", "address": "172.30.0.9", "asNumber": 65000}


@pytest.mark.parametrize(
    ("bgp", "codes"),
    [
        ({}, []),
        ({"routeReflectors": REFLECTORS}, []),
        ({"fullMesh": False, "peers": [{"name": "a", "address": "172.30.0.9", "asNumber": 65000}]}, []),
        ({"fullMesh": True, "routeReflectors": REFLECTORS}, [("NS922", "cni.bgp.fullMesh")]),
        ({"fullMesh": False}, [("NS922", "cni.bgp.fullMesh")]),
        (
            {"peers": [{"name": "a", "address": "172.30.0.9", "asNumber": 1}] * 2},
            [("NS922", "cni.bgp.peers.1.name")],
        ),
        ({"peers": [OURS]}, []),
        ({"routeReflectors": REFLECTORS, "peers": [OURS]}, [("NS922", "cni.bgp.peers.0.name")]),
    ],
)
def test_how_nodes_learn_routes(bgp: Any, codes: list[tuple[str, str]]) -> None:
    assert found(encapsulation="none", bgp=bgp) == codes


def test_reflectors_are_marked_before_anybody_peers_with_them() -> None:
    nodes = {node.id: node for node in calico(encapsulation="none", bgp={"routeReflectors": REFLECTORS})}
    mark = nodes["node:lab-worker"]
    assert isinstance(mark, ManifestNode) and mark.patch
    assert mark.manifest["metadata"]["annotations"] == {"projectcalico.org/RouteReflectorClusterID": "244.0.0.1"}
    configuration = nodes["bgpconfiguration:default"]
    assert isinstance(configuration, ManifestNode)
    assert configuration.manifest["spec"]["nodeToNodeMeshEnabled"] is False
    assert mark.id in nodes["bgppeer:netspec-route-reflectors"].depends_on


PART = {"name": "a", "cidr": "10.244.0.0/17"}


@pytest.mark.parametrize(
    ("pools", "codes"),
    [
        ([PART], []),
        ([{"name": "a", "cidr": "10.1.0.0/16"}], [("NS923", "cni.pools.0.cidr")]),
        ([PART, PART | {"name": "b"}], [("NS923", "cni.pools.1.cidr")]),
        ([PART, {"name": "a", "cidr": "10.244.128.0/17"}], [("NS923", "cni.pools.1.name")]),
        ([{"name": "a", "cidr": "10.244.0.0/28"}], [("NS923", "cni.pools.0.cidr")]),
        ([PART, {"name": "b", "cidr": "10.244.128.0/17", "namespaces": ["shop"]}], []),
        (
            [PART, {"name": "b", "cidr": "10.244.128.0/17", "namespaces": ["shop"], "nodes": {"zone": "a"}}],
            [("NS923", "cni.pools.1.nodes")],
        ),
        (
            [PART, {"name": "b", "cidr": "10.244.128.0/17", "namespaces": ["other"]}],
            [("NS923", "cni.pools.1.namespaces.0")],
        ),
        ([PART | {"namespaces": ["shop"]}], [("NS923", "cni.pools")]),
    ],
)
def test_pools_are_parts_of_the_pod_cidr_for_somebody(pools: Any, codes: list[tuple[str, str]]) -> None:
    assert found(replace(IR, namespaces=(Namespace("shop", {}),)), pools=pools) == codes


def test_a_pool_for_namespaces_is_for_no_other_pod() -> None:
    pools = [PART, {"name": "b", "cidr": "10.244.128.0/17", "namespaces": ["shop"]}]
    by_name = {pool["name"]: pool for pool in made_of(pools=pools)["ipPools"]}
    assert (by_name["a"]["nodeSelector"], by_name["b"]["nodeSelector"]) == ("all()", "!all()")
    needs = Calico().needs(IR, CalicoSettings.model_validate({"pools": pools}), Needs())
    assert needs.annotations == {"shop": {"cni.projectcalico.org/ipv4pools": '["b"]'}}
    (namespace, *_) = Common().lower(replace(IR, namespaces=(Namespace("shop", {}),)), None, needs)
    assert isinstance(namespace, ManifestNode)
    assert namespace.manifest["metadata"]["annotations"] == needs.annotations["shop"]


def test_pods_have_addresses_of_their_pools() -> None:
    pools = [
        {"name": "all", "cidr": "10.244.0.0/17"},
        {"name": "shop", "cidr": "10.244.128.0/18", "namespaces": ["shop"]},
        {"name": "rack", "cidr": "10.244.192.0/19", "nodes": {"kubernetes.io/hostname": "a"}},
        {"name": "zone", "cidr": "10.244.224.0/19", "nodes": {"zone": "b"}},
    ]
    facts = Calico().facts(IR, CalicoSettings.model_validate({"pools": pools}))
    read = {fact.subject: fact.read for fact in facts if fact.name.startswith("pool-of")}
    assert set(read) == {"shop", "a"}
    of_shop, of_a = read["shop"], read["a"]
    assert isinstance(of_shop, ObjectRead) and isinstance(of_a, ObjectRead)
    assert of_shop.namespace == "shop" and of_shop.fields[0][1].outside == ("10.244.128.0/18",)
    # Of a pool for labels whose nodes are not known, a pod may have one anywhere.
    assert of_a.fields[0][1].outside == ("10.244.0.0/17", "10.244.128.0/18", "10.244.192.0/19", "10.244.224.0/19")

    def pod(node: str, address: str | None, **spec: Any) -> dict[str, Any]:
        return {"spec": {"nodeName": node, **spec}, "status": {"podIP": address} if address else {}}

    pods = [
        pod("a", "10.244.192.1"),
        pod("b", "192.168.0.1"),
        pod("a", None),
        pod("a", "172.30.0.2", hostNetwork=True),
        pod("a", "10.245.0.9"),
    ]
    assert _value(of_a, pods, {}) == {"elsewhere": ["10.245.0.9"]}
    assert _value(of_a, pods[:4], {}) == {"elsewhere": []}


def test_what_the_kernel_must_have() -> None:
    def options(ir: Ir = IR, **settings: Any) -> list[str]:
        needs = Calico().needs(ir, CalicoSettings.model_validate(settings), Needs())
        return [wanted.option for wanted in needs.kernel]

    assert options() == []
    assert options(encapsulation="ipipCrossSubnet", wireguard=True) == ["CONFIG_NET_IPIP", "CONFIG_WIREGUARD"]
    assert "CONFIG_CGROUP_BPF" in options(proxied("none"))


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
