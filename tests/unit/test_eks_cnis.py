"""Cilium and Calico on EKS where pods have addresses of the VPC: order both ways, rights, room, what excludes what."""

import json
from typing import Any

import pytest
from eks_support import before, cluster, compiled, group, plan_of, resources, said

from netspec.backends.cni.cilium.vpc import ACTIONS
from netspec.compiler import CompileResult
from netspec.plan import ManifestNode, Plan, Ref

PODS = {"vpc": {"podSubnets": True}}
RELEASE = "release:kube-system/cilium"
IDENTITY = "identity-kube-system-cilium-operator"
ROLE = "role-pods-kube-system-cilium-operator"


def cilium(of_cluster: dict[str, Any] | None = None, **settings: Any) -> CompileResult:
    return compiled(cluster(**(of_cluster or {})), {"provider": "cilium", **settings})


def calico(of_cluster: dict[str, Any] | None = None, **settings: Any) -> CompileResult:
    return compiled(cluster(**(of_cluster or {})), {"provider": "calico", **settings})


def values(plan: Plan) -> dict[str, Any]:
    return dict(resources(plan)[RELEASE].properties["values"])


def addon(plan: Plan) -> dict[str, Any]:
    return dict(json.loads(str(resources(plan)["addon:vpc-cni"].properties["configurationValues"])))


def room(result: CompileResult) -> dict[str, int]:
    return {limit.what: limit.room for limit in result.limits}


def cheapest(result: CompileResult) -> dict[str, int | None]:
    return {limit.what: limit.needed for limit in result.limits}


# ENI mode


def test_eni_mode_s_operator_has_its_rights_before_its_pods_and_until_the_last_node_is_gone() -> None:
    plan = plan_of(cilium(eni={}))
    needs, made = before(plan), resources(plan)
    rights = {IDENTITY, ROLE, f"{ROLE}-own", "addon:eks-pod-identity-agent"}
    assert needs[RELEASE] >= rights
    assert needs["node-group-general"] >= {*rights, RELEASE, "addon:kube-proxy"}
    assert "addon:vpc-cni" not in made and not any("aws-node" in name for name in made)
    policy = json.loads(str(made[f"{ROLE}-own"].properties["policy"]))
    (statement,) = policy["Statement"]
    assert statement["Effect"] == "Allow" and statement["Action"] == list(ACTIONS)
    assert {"ec2:CreateNetworkInterface", "ec2:AssignPrivateIpAddresses", "ec2:CreateTags"} <= set(ACTIONS)
    assert made[IDENTITY].properties["serviceAccount"] == "cilium-operator"
    assert made[IDENTITY].properties["roleArn"] == Ref(ROLE, "arn")


def test_eni_mode_takes_addresses_in_private_subnets_and_marks_what_it_takes() -> None:
    found = values(plan_of(cilium(eni={})))
    subnets = [Ref(f"subnet-private-eu-west-1{zone}", "id") for zone in "ab"]
    assert found["ipam"] == {"mode": "eni"} and found["routingMode"] == "native"
    assert found["enableIPv4Masquerade"] is False and "ipv4NativeRoutingCIDR" not in found
    assert found["eni"]["nodeSpec"] == {"subnetIDs": subnets, "firstInterfaceIndex": 0}
    assert found["eni"]["eniTags"] == {"netspec.dev/cluster": "shop-prod"}
    assert found["eni"]["gcTags"]["io.cilium/cluster-name"] == "shop-prod"
    apart = values(plan_of(cilium(PODS, eni={"podSubnetsOnly": True, "prefixDelegation": True})))["eni"]
    assert apart["nodeSpec"]["subnetIDs"] == [Ref(f"subnet-pods-eu-west-1{zone}", "id") for zone in "ab"]
    assert apart["nodeSpec"]["firstInterfaceIndex"] == 1 and apart["awsEnablePrefixDelegation"]


@pytest.mark.parametrize(
    ("of_cluster", "eni", "most"),
    [
        ({}, {}, 3 * 9 - 2 + 2),
        (PODS, {"podSubnetsOnly": True}, 2 * 9 - 2 + 2),
        ({}, {"prefixDelegation": True}, 3 * 9 * 16 - 2 + 2),
        (PODS, {"prefixDelegation": True, "podSubnetsOnly": True}, 2 * 9 * 16 - 2 + 2),
    ],
)
def test_a_node_s_room_in_eni_mode(of_cluster: dict[str, Any], eni: dict[str, Any], most: int) -> None:
    """m5.large: 3 interfaces of 10 addresses; the agent's router and health endpoint take two of them."""
    result = cilium(of_cluster, eni=eni)
    assert room(result)["pods on a node of general"] == most
    assert cheapest(result)["pods on a node of general"] == min(most, 110)


def test_the_images_are_those_of_the_operator_that_asks_ec2() -> None:
    assert any("operator-aws" in image for image in plan_of(cilium(eni={})).images)
    assert not any("operator-aws" in image for image in plan_of(cilium(vpcCni={})).images)


@pytest.mark.parametrize("settings", [{}, {"eni": {}}, {"vpcCni": {}}])
def test_no_pod_runs_on_a_node_before_cilium_does(settings: dict[str, Any]) -> None:
    plan = plan_of(cilium(**settings))
    taints = resources(plan)["node-group-general"].properties["taints"]
    assert taints == [{"key": "node.cilium.io/agent-not-ready", "effect": "NO_EXECUTE", "value": "true"}]
    assert values(plan)["operator"]["tolerations"] == [{"operator": "Exists"}]


def test_a_cluster_whose_groups_are_all_tainted_has_a_node_for_cilium_s_operator() -> None:
    tainted = {"nodeGroups": group(taints=[{"key": "team", "value": "a"}])}
    plan = plan_of(cilium(tainted, eni={}))
    keys = [taint["key"] for taint in resources(plan)["node-group-general"].properties["taints"]]
    assert keys == ["team", "node.cilium.io/agent-not-ready"]
    assert values(plan)["operator"]["tolerations"] == [{"operator": "Exists"}]


# Chained


def test_a_chained_cilium_leaves_addresses_and_routes_to_the_vpc_cni() -> None:
    result = cilium(vpcCni={"prefixDelegation": True})
    plan = plan_of(result)
    found, told = values(plan), addon(plan)
    assert found["cni"] == {"chainingMode": "aws-cni", "exclusive": False}
    assert found["routingMode"] == "native" and found["enableIPv4Masquerade"] is False and "eni" not in found
    assert found["ipam"]["operator"]["clusterPoolIPv4PodCIDRList"] == ["198.18.0.0/16"]
    assert told["enableNetworkPolicy"] == "false" and told["env"]["ENABLE_PREFIX_DELEGATION"] == "true"
    assert "NETWORK_POLICY_ENFORCING_MODE" not in told["env"]
    assert room(result)["pods on a node of general"] == 434
    needs = before(plan)
    assert needs["node-group-general"] >= {"addon:vpc-cni", "identity-vpc-cni", RELEASE}
    assert IDENTITY not in resources(plan)
    facts = {fact.name: fact.expect for fact in result.facts}
    assert facts["cni-settings"] == told["env"] and facts["cilium-config"]["cni-chaining-mode"] == "aws-cni"


def test_custom_networking_is_there_before_the_first_node_whoever_enforces() -> None:
    for result in (cilium(PODS, vpcCni={"customNetworking": True}), calico(PODS, vpcCni={"customNetworking": True})):
        needs = before(plan_of(result))
        assert needs["node-group-general"] >= {"eniconfig:eu-west-1a", "eniconfig:eu-west-1b", "addon:vpc-cni"}


# Calico as the policy engine


def test_calico_enforces_alone() -> None:
    result = calico(vpcCni={})
    plan = plan_of(result)
    (installation,) = [n for n in plan.nodes if isinstance(n, ManifestNode) and n.id == "installation:default"]
    spec = installation.manifest["spec"]
    assert spec["cni"] == {"type": "AmazonVPC", "ipam": {"type": "AmazonVPC"}}
    assert spec["calicoNetwork"]["bgp"] == "Disabled" and "ipPools" not in spec["calicoNetwork"]
    told = addon(plan)
    assert told["enableNetworkPolicy"] == "false" and told["env"]["ANNOTATE_POD_IP"] == "true"
    assert room(result)["pods on a node of general"] == 29
    assert result.ir is not None
    traits = result.ir.traits
    assert (traits.overhead, traits.forwarded) == (0, "node")
    assert [str(r.network) for r in traits.pod_networks] == ["10.0.0.0/18", "10.0.64.0/18"]
    facts = {fact.name: fact.expect for fact in result.facts}
    assert facts["encapsulation"] == "none" and facts["cni-settings"] == told["env"]
    assert "calico-pool" not in facts and "bgp-sessions" not in facts


# What excludes what

XEN = {"nodeGroups": group(instanceTypes=["t2.medium"])}


@pytest.mark.parametrize(
    ("provider", "settings", "of_cluster", "expected"),
    [
        ("cilium", {"eni": {}, "vpcCni": {}}, {}, ("NS947", "cni.eni")),
        ("cilium", {"eni": {}, "routing": "tunnel"}, {}, ("NS947", "cni.routing")),
        ("cilium", {"eni": {}, "tunnel": "geneve"}, {}, ("NS947", "cni.tunnel")),
        ("cilium", {"vpcCni": {}, "nativeRoutingCIDR": "10.0.0.0/16"}, {}, ("NS947", "cni.nativeRoutingCIDR")),
        ("cilium", {"vpcCni": {}, "directNodeRoutes": True}, {}, ("NS947", "cni.directNodeRoutes")),
        ("cilium", {"eni": {}, "ipam": "cluster-pool"}, {}, ("NS947", "cni.ipam")),
        ("cilium", {"eni": {"podSubnetsOnly": True}}, {}, ("NS821", "cni.eni.podSubnetsOnly")),
        ("cilium", {"eni": {"prefixDelegation": True}}, XEN, ("NS820", "cni.eni.prefixDelegation")),
        ("cilium", {"vpcCni": {}, "encryption": "ipsec"}, {}, ("NS948", "cni.encryption")),
        ("cilium", {"vpcCni": {"warmPrefixTarget": 1}}, {}, ("NS823", "cni.vpcCni.warmPrefixTarget")),
        (
            "cilium",
            {"vpcCni": {"securityGroupsForPods": "strict"}},
            {},
            ("NS948", "cni.vpcCni.securityGroupsForPods"),
        ),
        ("cilium", {"vpcCni": {}}, {"vpc": {"cidr": "198.18.0.0/16"}}, ("NS948", "cluster.vpc.cidr")),
        ("calico", {"vpcCni": {}, "encapsulation": "vxlan"}, {}, ("NS924", "cni.encapsulation")),
        ("calico", {"vpcCni": {}, "wireguard": True}, {}, ("NS924", "cni.wireguard")),
        ("calico", {"vpcCni": {}, "bgp": {"enabled": True}}, {}, ("NS924", "cni.bgp")),
        ("calico", {"vpcCni": {}, "blockSize": 27}, {}, ("NS924", "cni.blockSize")),
        ("calico", {"vpcCni": {}, "mtu": 1400}, {}, ("NS924", "cni.mtu")),
        ("calico", {"vpcCni": {}, "pools": [{"name": "a", "cidr": "10.0.0.0/18"}]}, {}, ("NS924", "cni.pools")),
        (
            "calico",
            {"vpcCni": {"securityGroupsForPods": "strict"}},
            {},
            ("NS924", "cni.vpcCni.securityGroupsForPods"),
        ),
        ("calico", {"vpcCni": {"customNetworking": True}}, {}, ("NS821", "cni.vpcCni.customNetworking")),
    ],
)
def test_exclusions(
    provider: str, settings: dict[str, Any], of_cluster: dict[str, Any], expected: tuple[str, str]
) -> None:
    result = compiled(cluster(**of_cluster), {"provider": provider, **settings})
    assert expected in said(result) and result.plan is None
    ours = [d for d in result.diagnostics if d.code == expected[0]]
    assert all(d.hint and d.position for d in ours)


@pytest.mark.parametrize(
    ("cni", "code"),
    [
        ({"provider": "cilium", "eni": {}}, "NS947"),
        ({"provider": "cilium", "vpcCni": {}}, "NS903"),
        ({"provider": "calico", "vpcCni": {}}, "NS903"),
    ],
)
def test_nowhere_but_on_eks(cni: dict[str, Any], code: str) -> None:
    result = compiled({"type": "kind"}, cni)
    assert result.plan is None and {c for c, _ in said(result)} == {code}


def test_a_chained_cilium_judges_no_requests() -> None:
    shop = [{"name": "shop", "defaultDeny": ["ingress", "egress"]}]
    intent = {"name": "in", "from": "outside", "to": "shop/web", "http": [{"method": "GET"}]}
    for settings, code in (({"vpcCni": {}}, "NS901"), ({"eni": {}}, "")):
        result = compiled(cluster(), {"provider": "cilium", **settings}, namespaces=shop, policies=[intent])
        assert ("NS901" in {c for c, _ in said(result)}) is bool(code)


def test_an_account_has_one_identity() -> None:
    policy = "arn:aws:iam::123456789012:policy/orders"
    given = {"namespace": "kube-system", "serviceAccount": "cilium-operator", "policies": [policy]}
    result = cilium({"podIdentities": [given]}, eni={})
    assert ("NS810", "cluster.podIdentities.0") in said(result) and result.plan is None
    twice = {**given, "namespace": "shop"}
    assert ("NS810", "cluster.podIdentities.1") in said(cilium({"podIdentities": [twice, twice]}, eni={}))
