"""What Flannel, Antrea, Weave Net and kindnet say of themselves, and what excludes what."""

import json
from dataclasses import replace
from ipaddress import IPv4Network
from typing import Any

import pytest
import yaml

from netspec.backends.cni.flannel.agent import plural
from netspec.backends.registry import REGISTRY
from netspec.compiler import CompileResult, compile_spec
from netspec.diagnostics import Report
from netspec.ir.model import Dns, Ir, Network
from netspec.plan import CNI_READY, ManifestNode, needs_of
from netspec.spec.load import loads
from netspec.target import Needs, Range, Traits

NETWORK = Network((IPv4Network("10.244.0.0/16"),), (IPv4Network("10.96.0.0/16"),))
ONE = (Range("172.30.0.0/16"),)
IR = Ir("shop", "dev", NETWORK, Dns(address="10.96.0.10"), Traits(nodes=2, node_networks=ONE), {"cluster": "kind"})


def settings_of(cni: str, given: dict[str, Any]) -> Any:
    return REGISTRY.providers("cni")[cni].settings.model_validate(given)


def traits_of(cni: str, before: Traits = IR.traits, **given: Any) -> Traits:
    return REGISTRY.providers("cni")[cni].traits(IR, settings_of(cni, given), before)


def codes(cni: str, ir: Ir = IR, **given: Any) -> list[tuple[str, str]]:
    report = Report()
    REGISTRY.providers("cni")[cni].check(ir, settings_of(cni, given), Needs(), report)
    return [(d.code, ".".join(map(str, d.path[3:]))) for d in report.sorted()]


def options(cni: str, **given: Any) -> list[str]:
    needs = REGISTRY.providers("cni")[cni].needs(IR, settings_of(cni, given), Needs())
    return [wanted.option for wanted in needs.kernel]


def compiled(cni: dict[str, Any], **changes: Any) -> CompileResult:
    data = {
        "apiVersion": "netspec.dev/v1alpha1",
        "kind": "NetworkSpec",
        "metadata": {"name": "shop"},
        **changes,
        "stacks": {"dev": {"cluster": {"type": "kind", "workers": 1}, "cni": cni}},
    }
    return compile_spec(loads(yaml.safe_dump(data), "shop.yaml"), "dev", REGISTRY)


@pytest.mark.parametrize(
    ("cni", "given", "overhead", "mtu", "forwarded"),
    [
        ("flannel", {}, 50, None, "tunnel"),
        ("flannel", {"directRouting": True}, 50, None, "node"),
        ("flannel", {"backend": "host-gw"}, 0, None, "node"),
        ("flannel", {"backend": "wireguard", "mtu": 1400}, 80, 1400, "tunnel"),
        ("antrea", {}, 50, None, "tunnel"),
        ("antrea", {"tunnel": "gre"}, 38, None, "tunnel"),
        ("antrea", {"encapMode": "noEncap"}, 0, None, "node"),
        ("antrea", {"encapMode": "hybrid"}, 50, None, "node or tunnel"),
        ("antrea", {"encryption": "wireGuard"}, 80, None, "tunnel"),
        ("weave", {}, 84, 1376, "tunnel"),
        ("kindnet", {}, 0, None, "node"),
    ],
)
def test_bytes_on_the_wire_and_whose_address_is_seen(
    cni: str, given: dict[str, Any], overhead: int, mtu: int | None, forwarded: str
) -> None:
    traits = traits_of(cni, **given)
    assert (traits.overhead, traits.mtu, traits.forwarded) == (overhead, mtu, forwarded)
    assert traits.dialect is not None and traits.dialect.blocks_match_pods


def test_whoever_enforces_has_the_dialect() -> None:
    names = {policy: traits_of("flannel", policy=policy).dialect for policy in ("calico", "netpol")}
    assert {policy: d.cni for policy, d in names.items() if d} == {
        "calico": "calico",
        "netpol": "kube-network-policies",
    }


def test_default_deny_needs_somebody_who_enforces_it() -> None:
    denied = {"namespaces": [{"name": "shop", "defaultDeny": ["ingress"]}]}
    (found,) = compiled({"provider": "flannel"}, **denied).diagnostics
    assert (found.code, found.path) == ("NS901", ("namespaces", 0, "defaultDeny"))
    assert "cni.policy to calico" in (found.hint or "") and "netpol" in (found.hint or "")
    assert compiled({"provider": "flannel", "policy": "calico"}, **denied).plan is not None
    assert compiled({"provider": "flannel"}).plan is not None


@pytest.mark.parametrize(
    ("cni", "given", "found"),
    [
        ("flannel", {}, []),
        ("flannel", {"backend": "host-gw", "directRouting": True}, [("NS961", "directRouting")]),
        ("weave", {}, [("NS963", "")]),
        ("weave", {"acceptArchived": True}, []),
        ("kindnet", {}, []),
        ("antrea", {"encapMode": "noEncap", "noSNAT": True}, []),
        ("antrea", {"encapMode": "noEncap", "tunnel": "vxlan"}, [("NS964", "tunnel")]),
        ("antrea", {"encapMode": "hybrid", "encryption": "wireGuard"}, [("NS964", "encryption")]),
        ("antrea", {"noSNAT": True}, [("NS964", "noSNAT")]),
        ("antrea", {"encapMode": "networkPolicyOnly"}, [("NS964", "encapMode")]),
    ],
)
def test_what_excludes_what(cni: str, given: dict[str, Any], found: list[tuple[str, str]]) -> None:
    assert codes(cni, **given) == found


@pytest.mark.parametrize("cni", ["flannel", "antrea"])
def test_a_share_of_the_pod_cidr_is_where_addresses_come_from(cni: str) -> None:
    ir = replace(IR, traits=replace(IR.traits, node_shares=False))
    assert codes(cni, ir) == [("NS960", "")]
    assert REGISTRY.providers("cni")[cni].needs(IR, settings_of(cni, {}), Needs()).node_cidrs


def test_host_gw_is_for_nodes_on_one_link() -> None:
    two = replace(IR, traits=replace(IR.traits, node_networks=(*ONE, Range("172.31.0.0/16"))))
    assert codes("flannel", two, backend="host-gw") == [("NS961", "backend")]
    assert codes("flannel", two) == []


def test_kindnet_comes_with_kind() -> None:
    assert codes("kindnet", replace(IR, providers={"cluster": "other"})) == [("NS962", "")]
    plan = compiled({"provider": "kindnet"}).plan
    assert plan is not None
    cluster = next(n for n in plan.nodes if n.id == "cluster")
    assert getattr(cluster, "properties", {})["config"]["networking"]["disableDefaultCNI"] is False


def test_what_the_kernel_must_have() -> None:
    assert options("flannel") == [] and options("flannel", policy="netpol") == ["CONFIG_NFT_QUEUE"]
    assert options("flannel", backend="wireguard") == ["CONFIG_WIREGUARD"]
    assert options("antrea") == ["CONFIG_OPENVSWITCH", "CONFIG_GENEVE"]
    assert options("antrea", encapMode="noEncap") == ["CONFIG_OPENVSWITCH"]
    assert options("kindnet") == ["CONFIG_NFT_QUEUE"]


def manifests(cni: dict[str, Any], **changes: Any) -> dict[str, ManifestNode]:
    plan = compiled(cni, **changes).plan
    assert plan is not None
    return {n.id: n for n in plan.nodes if isinstance(n, ManifestNode)}


def test_flannel_s_configuration_says_what_the_spec_says() -> None:
    config = manifests({"provider": "flannel", "mtu": 1400}, network={"proxy": {"mode": "nftables"}})
    data = config["configmap:kube-flannel/kube-flannel-cfg"].manifest["data"]
    assert json.loads(data["net-conf.json"]) == {
        "Network": "10.244.0.0/16",
        "EnableNFTables": True,
        "Backend": {"Type": "vxlan", "MTU": 1450},
    }
    plugins = json.loads(data["cni-conf.json"])["plugins"]
    assert plugins[0]["delegate"] == {"type": "ptp"}, "kind's node images have no bridge plugin"


def test_beside_calico_s_agent_flannel_only_routes() -> None:
    found = manifests({"provider": "flannel", "policy": "calico"})
    assert "cni-conf.json" not in found["configmap:kube-flannel/kube-flannel-cfg"].manifest["data"]
    pod = found["daemonset:kube-flannel/kube-flannel-ds"].manifest["spec"]["template"]["spec"]
    assert "initContainers" not in pod
    agent = found["daemonset:kube-flannel/calico-node"].manifest["spec"]["template"]["spec"]
    assert [c["name"] for c in agent["initContainers"]] == ["wait-for-flannel", "install-cni"]
    env = {e["name"]: e.get("value") for e in agent["containers"][0]["env"]}
    assert env["CALICO_NETWORKING_BACKEND"] == "none" and env["FELIX_MTUIFACEPATTERN"] == r"^flannel\.1$"


def test_pods_wait_until_the_agents_have_rolled_out() -> None:
    plan = compiled({"provider": "flannel", "policy": "calico"}).plan
    assert plan is not None
    ready = next(n for n in plan.nodes if n.id == CNI_READY)
    assert {"daemonset:kube-flannel/kube-flannel-ds", "daemonset:kube-flannel/calico-node"} <= needs_of(ready).keys()


def test_the_agent_may_read_every_kind_that_it_is_given() -> None:
    found = manifests({"provider": "flannel", "policy": "calico"})
    made = {n.manifest["spec"]["names"]["plural"] for n in found.values() if "CustomResource" in n.manifest["kind"]}
    rules = found["clusterrole:calico-node"].manifest["rules"]
    read = {r for rule in rules if "list" in rule["verbs"] for r in rule["resources"]}
    assert made <= read and {"networkpolicies", "ippools", "tiers"} <= made
    assert plural("HostEndpoint") == "hostendpoints"


def test_antrea_in_kube_proxy_s_place_knows_the_api_server() -> None:
    plan = compiled({"provider": "antrea"}, network={"proxy": {"mode": "none"}}).plan
    assert plan is not None
    release = next(n for n in plan.nodes if n.id == "release:kube-system/antrea")
    values = getattr(release, "properties", {})["values"]
    assert values["antreaProxy"] == {"proxyAll": True}
    assert values["kubeAPIServerOverride"] == "https://shop-dev-control-plane:6443"
