"""GKE with its own network: what the plan makes, what excludes what, and how much fits."""

from typing import Any

import pytest
from cloud_support import NO_PROXY, compiled, limit, plan_of, resources, said

from netspec.plan import CLUSTER, NODES, ReadyNode

GKE: dict[str, Any] = {
    "type": "gke",
    "project": "example-project",
    "region": "europe-west1",
    "zones": ["europe-west1-b"],
    "version": "1.35",
    "authorizedNetworks": ["203.0.113.0/24"],
    "nodePools": [{"name": "general", "min": 3, "max": 3}],
}
CNI: dict[str, Any] = {"provider": "gke-cni"}
POOL = GKE["nodePools"][0]


def gke(*pools: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {**GKE, **({"nodePools": list(pools)} if pools else {}), **changes}


def test_the_data_plane_follows_the_proxy() -> None:
    legacy = resources(compiled(GKE, CNI))["gke"].properties
    assert (legacy["datapathProvider"], legacy["networkPolicy"]) == (
        "LEGACY_DATAPATH",
        {"enabled": True, "provider": "CALICO"},
    )
    assert legacy["addonsConfig"] == {"networkPolicyConfig": {"disabled": False}}
    second = resources(compiled(GKE, CNI, **NO_PROXY))["gke"].properties
    assert second["datapathProvider"] == "ADVANCED_DATAPATH" and "networkPolicy" not in second
    bare = resources(compiled(GKE, CNI | {"policies": False}))["gke"].properties
    assert "networkPolicy" not in bare and "addonsConfig" not in bare


def test_pods_and_services_have_alias_ranges_of_the_subnet() -> None:
    found = resources(compiled(GKE, CNI, network={"podCIDRs": ["10.4.0.0/16"], "serviceCIDRs": ["10.8.0.0/20"]}))
    assert found["subnet"].properties["secondaryIpRanges"] == [
        {"rangeName": "pods", "ipCidrRange": "10.4.0.0/16"},
        {"rangeName": "services", "ipCidrRange": "10.8.0.0/20"},
    ]
    policy = found["gke"].properties["ipAllocationPolicy"]
    assert policy == {"clusterSecondaryRangeName": "pods", "servicesSecondaryRangeName": "services"}
    assert found["gke"].secrets == ("kubeconfig",) and found["gke"].provides == (CLUSTER,)
    assert found["node-pool-general"].provides == (NODES,)


def test_private_nodes_leave_by_nat_before_the_cluster_is_there() -> None:
    assert "nat" in resources(compiled(GKE, CNI))["gke"].depends_on
    public = resources(compiled(gke(privateNodes=False), CNI))
    assert "nat" not in public and "privateClusterConfig" not in public["gke"].properties


def test_numbers_are_for_each_zone() -> None:
    zones = ["europe-west1-b", "europe-west1-c", "europe-west1-d"]
    taints = [{"key": "a", "effect": "NoExecute"}]
    result = compiled(gke({"name": "a", "max": 4}, {"name": "b", "taints": taints}, zones=zones), CNI)
    found = resources(result)
    assert (found["gke"].properties["location"], found["gke"].properties["nodeLocations"]) == ("europe-west1", zones)
    assert found["node-pool-a"].properties["autoscaling"] == {"minNodeCount": 1, "maxNodeCount": 4}
    assert found["node-pool-b"].properties["nodeCount"] == 1 and "node-pool-a" in found["node-pool-b"].depends_on
    assert found["node-pool-b"].properties["nodeConfig"]["taints"][0]["effect"] == "NO_EXECUTE"
    assert result.ir is not None and (result.ir.traits.nodes, result.ir.traits.open_nodes) == (6, 3)
    assert limit(result, "nodes with a range for pods") == (256, 4 * 3 + 1 + 3 + 1)
    zonal = resources(compiled(GKE, CNI))["gke"].properties
    assert zonal["location"] == "europe-west1-b" and "nodeLocations" not in zonal


@pytest.mark.parametrize(
    ("cni", "changes", "agent"),
    [({}, {}, "calico-node"), ({}, NO_PROXY, "anetd"), ({"policies": False}, {}, None)],
)
def test_policies_are_waited_for_and_seen(cni: dict[str, Any], changes: dict[str, Any], agent: str | None) -> None:
    result = compiled(GKE, CNI | cni, **changes)
    (ready,) = [n for n in plan_of(result).nodes if isinstance(n, ReadyNode) and n.id == "cni-ready"]
    assert [c.resource for c in ready.conditions] == ["nodes", *([f"daemonsets/{agent}"] if agent else [])]
    assert [f.name for f in result.facts if f.subject == "gke-cni"] == ([agent] if agent else [])
    dialect = result.ir.traits.dialect if result.ir is not None else None
    assert (dialect.cni if dialect else None) == {"calico-node": "calico", "anetd": "cilium", None: None}[agent]


@pytest.mark.parametrize(
    ("cluster", "cni", "changes", "code", "path"),
    [
        (GKE, {"provider": "cilium"}, {}, "NS991", "cni"),
        (gke(zones=["europe-west4-a"]), CNI, {}, "NS992", "cluster.zones.0"),
        (gke(nodeCIDR="10.0.0.0/30"), CNI, {}, "NS992", "cluster.nodeCIDR"),
        (gke(POOL, POOL), CNI, {}, "NS993", "cluster.nodePools.1.name"),
        (gke({**POOL, "min": 4}), CNI, {}, "NS993", "cluster.nodePools.0.max"),
        (gke({**POOL, "taints": [{"key": "a"}]}), CNI, {}, "NS993", "cluster.nodePools"),
        (GKE, CNI, {"network": {"maxPods": 300}}, "NS994", "network.maxPods"),
        (gke(authorizedNetworks=[]), CNI, {}, "NS995", "cluster"),
        (gke(privateNodes=False, privateEndpoint=True), CNI, {}, "NS995", "cluster.privateEndpoint"),
        (gke(authorizedNetworks=["0.0.0.0/0", "192.0.2.0/24"]), CNI, {}, "NS995", "cluster.authorizedNetworks"),
        (GKE, CNI | {"dataplane": "v2"}, {}, "NS996", "cni.dataplane"),
        (GKE, CNI | {"policies": False}, NO_PROXY, "NS996", "cni.policies"),
        (GKE, CNI, {"network": {"podCIDRs": ["10.4.0.0/23"]}}, "NS997", "network.podCIDRs.0"),
        (gke({**POOL, "max": 5}, nodeCIDR="10.0.0.0/29"), CNI, {}, "NS998", "cluster.nodeCIDR"),
    ],
)
def test_what_excludes_what_and_what_does_not_fit(
    cluster: dict[str, Any], cni: dict[str, Any], changes: dict[str, Any], code: str, path: str
) -> None:
    assert (code, path) in said(compiled(cluster, cni, **changes))


def test_a_node_s_range_follows_from_its_pods() -> None:
    """GKE docs, "Configure maximum pods per node": 32 pods have a /26, so a /22 is enough for 16 nodes."""
    network = {"podCIDRs": ["10.4.0.0/22"], "maxPods": 32}
    result = compiled(gke({**POOL, "max": 15}), CNI, network=network)
    assert limit(result, "nodes with a range for pods") == (16, 16)
    assert resources(result)["gke"].properties["defaultMaxPodsPerNode"] == 32
    assert limit(compiled(gke(nodeCIDR="10.0.0.0/29"), CNI), "addresses of nodes") == (4, 4)
