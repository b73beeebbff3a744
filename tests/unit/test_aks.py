"""AKS with Azure's CNI: what the plan makes, what excludes what, and how much fits."""

from typing import Any

import pytest
from cloud_support import NO_PROXY, compiled, limit, plan_of, resources, said

from netspec.plan import CLUSTER, NODES, ReadyNode, Ref

CLUSTER_: dict[str, Any] = {
    "type": "aks",
    "region": "westeurope",
    "version": "1.35",
    "authorizedIPRanges": ["203.0.113.0/24"],
    "nodePools": [{"name": "system", "min": 3, "max": 3}],
}
CNI: dict[str, Any] = {"provider": "azure-cni"}
POD_SUBNET = {"vnet": {"podSubnet": "10.225.0.0/16"}}
WORK = {"name": "work", "mode": "user"}
SYSTEM = CLUSTER_["nodePools"][0]


def aks(*pools: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {**CLUSTER_, **({"nodePools": list(pools)} if pools else {}), **changes}


def profile(cni: dict[str, Any], cluster: dict[str, Any] = CLUSTER_, **changes: Any) -> dict[str, Any]:
    found = dict(resources(compiled(cluster, CNI | cni, **changes))["aks"].properties["networkProfile"])
    return {k: v for k, v in found.items() if k.startswith(("network", "pod"))}


def test_the_network_profile_is_what_mode_data_plane_and_policy_come_to() -> None:
    overlay = {"networkPlugin": "azure", "networkPluginMode": "overlay", "podCidr": "10.244.0.0/16"}
    assert profile({}) == {**overlay, "networkDataPlane": "azure", "networkPolicy": "calico"}
    assert profile({}, **NO_PROXY) == {**overlay, "networkDataPlane": "cilium", "networkPolicy": "cilium"}
    assert profile({"policy": "none", "mode": "nodeSubnet"}) == {"networkPlugin": "azure", "networkDataPlane": "azure"}
    flat = profile({"mode": "podSubnet", "policy": "azure"}, aks(**POD_SUBNET))
    assert flat == {"networkPlugin": "azure", "networkDataPlane": "azure", "networkPolicy": "azure"}


def test_services_and_dns_have_the_spec_s_addresses() -> None:
    network = {"serviceCIDRs": ["172.20.0.0/16"]}
    found = resources(compiled(CLUSTER_, CNI, network=network))["aks"].properties["networkProfile"]
    assert (found["serviceCidr"], found["dnsServiceIp"]) == ("172.20.0.0/16", "172.20.0.10")
    result = compiled(aks(dnsServiceIP="172.20.0.53"), CNI, network=network)
    assert resources(result)["aks"].properties["networkProfile"]["dnsServiceIp"] == "172.20.0.53"
    assert result.ir is not None and result.ir.dns.address == "172.20.0.53"


def test_the_cluster_comes_after_its_right_on_the_network_and_shows_no_kubeconfig() -> None:
    found = resources(compiled(CLUSTER_, CNI))["aks"]
    assert "identity-network" in found.depends_on and found.provides == (CLUSTER, NODES)
    assert found.secrets == ("kubeconfig",) and found.outputs["kubeconfig"] == Ref("aks", "kubeConfigRaw")
    private = {k: v for k, v in CLUSTER_.items() if k != "authorizedIPRanges"} | {"privateCluster": True}
    inside = resources(compiled(private, CNI))["aks"]
    assert inside.properties["privateClusterEnabled"] and "apiServerAccessProfile" not in inside.properties
    assert inside.outputs["identity"] == Ref("aks", "privateFqdn")
    anywhere = resources(compiled(aks(authorizedIPRanges=["0.0.0.0/0"]), CNI))["aks"]
    assert "apiServerAccessProfile" not in anywhere.properties


def test_further_pools_are_resources_and_the_last_stands_for_all_nodes() -> None:
    taints = [{"key": "gpu", "value": "yes"}]
    first = {**SYSTEM, "taints": [{"key": "CriticalAddonsOnly", "value": "true"}]}
    pools = [first, {**WORK, "min": 1, "max": 5}, {"name": "gpu", "mode": "user", "taints": taints}]
    found = resources(compiled(aks(*pools), CNI))
    assert found["aks"].properties["defaultNodePool"]["onlyCriticalAddonsEnabled"] is True
    work, gpu = found["node-pool-work"], found["node-pool-gpu"]
    assert (work.properties["minCount"], work.properties["maxCount"]) == (1, 5) and "nodeCount" not in work.properties
    assert gpu.properties["nodeTaints"] == ["gpu=yes:NoSchedule"] and gpu.properties["nodeCount"] == 2
    assert found["aks"].provides == (CLUSTER,) and work.provides == () and gpu.provides == (NODES,)
    assert "node-pool-work" in gpu.depends_on


@pytest.mark.parametrize(
    ("cni", "changes", "agent"),
    [
        ({}, {}, "daemonsets/calico-node"),
        ({"policy": "azure"}, {}, "daemonsets/azure-npm"),
        ({}, NO_PROXY, "daemonsets/cilium"),
        ({"policy": "none"}, {}, None),
    ],
)
def test_policies_are_waited_for_and_seen(cni: dict[str, Any], changes: dict[str, Any], agent: str | None) -> None:
    result = compiled(CLUSTER_, CNI | cni, **changes)
    (ready,) = [n for n in plan_of(result).nodes if isinstance(n, ReadyNode) and n.id == "cni-ready"]
    assert [c.resource for c in ready.conditions] == ["nodes", *([agent] if agent else [])]
    assert [f"daemonsets/{f.name}" for f in result.facts if f.subject == "azure-cni"] == ([agent] if agent else [])


def test_the_dialect_is_that_of_who_enforces() -> None:
    found = [compiled(CLUSTER_, CNI | {"policy": policy}).ir for policy in ("azure", "calico")]
    found.append(compiled(CLUSTER_, CNI, **NO_PROXY).ir)
    dialects = [ir.traits.dialect for ir in found if ir is not None]
    assert [(d.cni, d.blocks_match_pods) for d in dialects if d is not None] == [
        ("azure-npm", True),
        ("calico", True),
        ("cilium", False),
    ]


def test_pods_have_addresses_where_the_mode_puts_them() -> None:
    def ranges(mode: str, **changes: Any) -> list[str]:
        ir = compiled(aks(**changes), CNI | {"mode": mode}).ir
        assert ir is not None
        return [r.text for r in ir.traits.pod_networks]

    assert ranges("overlay") == [] and ranges("nodeSubnet") == ["10.224.0.0/16"]
    assert ranges("podSubnet", **POD_SUBNET) == ["10.225.0.0/16"]


@pytest.mark.parametrize(
    ("cluster", "cni", "changes", "code", "path"),
    [
        (CLUSTER_, {"provider": "calico"}, {}, "NS973", "cni"),
        (aks(WORK), CNI, {}, "NS987", "cluster.nodePools.0.mode"),
        (aks({**SYSTEM, "taints": [{"key": "a"}]}, WORK), CNI, {}, "NS987", "cluster.nodePools.0.taints"),
        (aks(SYSTEM, SYSTEM), CNI, {}, "NS987", "cluster.nodePools.1.name"),
        (aks({**SYSTEM, "min": 4}), CNI, {}, "NS987", "cluster.nodePools.0.max"),
        (aks(vnet={"nodeSubnet": "10.0.0.0/16"}), CNI, {}, "NS972", "cluster.vnet.nodeSubnet"),
        (CLUSTER_, CNI, {"network": {"serviceCIDRs": ["10.230.0.0/16"]}}, "NS974", "network.serviceCIDRs.0"),
        (aks(dnsServiceIP="10.96.0.1"), CNI, {}, "NS974", "cluster.dnsServiceIP"),
        (aks(authorizedIPRanges=[]), CNI, {}, "NS975", "cluster"),
        (aks(privateCluster=True), CNI, {}, "NS975", "cluster.authorizedIPRanges"),
        (CLUSTER_, CNI, {"network": {"maxPods": 300}}, "NS977", "network.maxPods"),
        (aks({**SYSTEM, "min": 2, "max": 2}), CNI, {"network": {"maxPods": 12}}, "NS977", "cluster.nodePools.0.min"),
        (CLUSTER_, CNI | {"policy": "cilium"}, {}, "NS980", "cni.policy"),
        (CLUSTER_, CNI | {"policy": "calico"}, NO_PROXY, "NS980", "cni.policy"),
        (CLUSTER_, CNI | {"dataplane": "cilium"}, {}, "NS980", "cni.dataplane"),
        (CLUSTER_, CNI | {"mode": "podSubnet"}, {}, "NS981", "cni.mode"),
        (aks(**POD_SUBNET), CNI, {}, "NS981", "cluster.vnet.podSubnet"),
        (
            CLUSTER_,
            CNI | {"mode": "nodeSubnet"},
            {"network": {"podCIDRs": ["10.9.0.0/16"]}},
            "NS981",
            "network.podCIDRs",
        ),
        (CLUSTER_, CNI | {"policy": "azure"}, {}, "NS985", "cni.policy"),
    ],
)
def test_what_excludes_what(
    cluster: dict[str, Any], cni: dict[str, Any], changes: dict[str, Any], code: str, path: str
) -> None:
    assert (code, path) in said(compiled(cluster, cni, **changes))


def test_each_node_takes_a_24_of_the_overlay() -> None:
    small: dict[str, Any] = {"network": {"podCIDRs": ["10.244.0.0/22"]}}
    assert limit(compiled(CLUSTER_, CNI, **small), "nodes with a /24") == (4, 4)  # three, and one while it is replaced
    four = aks({**SYSTEM, "max": 4})
    assert ("NS982", "network.podCIDRs.0") in said(compiled(four, CNI, **small))
    tiny = compiled(CLUSTER_, CNI, network={"podCIDRs": ["10.244.0.0/25"], "nodeCIDRMask": 26})
    assert limit(tiny, "nodes with a /24")[0] == 0


def test_a_subnet_holds_nodes_and_in_the_flat_modes_their_pods() -> None:
    """AKS docs, "IP address planning": 50 nodes and one more, each with 30 pods, take 1,581 addresses."""
    pool = {**SYSTEM, "min": 50, "max": 50}
    found = compiled(aks(pool, vnet={"nodeSubnet": "10.224.0.0/21"}), CNI | {"mode": "nodeSubnet"})
    assert limit(found, "addresses of nodes") == (2048 - 5, 1581) and said(found) == []
    short = compiled(aks(pool, vnet={"nodeSubnet": "10.224.0.0/22"}), CNI | {"mode": "nodeSubnet"})
    assert said(short) == [("NS983", "cluster.vnet.nodeSubnet")]
    apart = compiled(aks(pool, vnet={"podSubnet": "10.225.0.0/19"}), CNI | {"mode": "podSubnet"})
    assert limit(apart, "addresses of pods") == (8192 - 5, 51 * 128)
    assert limit(apart, "addresses of nodes") == (65536 - 5, 51)


def test_azure_s_policy_engine_is_for_250_nodes() -> None:
    pool = {**SYSTEM, "max": 250}
    assert ("NS984", "cni.policy") in said(compiled(aks(pool), CNI | {"policy": "azure"}))
    assert said(compiled(aks({**SYSTEM, "max": 249}), CNI | {"policy": "azure"})) == [("NS985", "cni.policy")]
    assert said(compiled(aks(pool), CNI | {"mode": "overlay"}, network={"podCIDRs": ["10.200.0.0/14"]})) == []
