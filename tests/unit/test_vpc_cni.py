"""The VPC CNI: its arithmetic against AWS's own tables, its add-on's settings, what excludes what, what it means."""

import json
from typing import Any

import pytest
from eks_support import cluster, compiled, group, plan_of, resources, said

from netspec.analysis.evaluate import evaluate
from netspec.analysis.verdict import PodEnd
from netspec.backends.cni.vpc.arithmetic import Mode, Taken, Warm, pods, recommended, taken, usable
from netspec.backends.instances import instances

PODS = {"podSubnets": True}


def cni(**settings: Any) -> dict[str, Any]:
    return {"provider": "vpc-cni", **settings}


# Arithmetic


def test_pods_a_node_are_the_published_ones() -> None:
    """misc/eni-max-pods.txt of amazon-vpc-cni-k8s v1.23.2, all of it."""
    known = instances().values()
    assert len(known) > 1300
    assert [i.type for i in known if pods(i.interfaces, i.addresses, Mode()) != i.published] == []


#: type: published, recommended, custom networking, prefixes, capped, custom networking with prefixes, branches
ROWS = {
    "t3.small": (11, 11, 8, 146, 110, 98, 0),
    "t3.medium": (17, 17, 12, 242, 110, 162, 0),
    "t3.large": (35, 35, 24, 530, 110, 354, 0),
    "m5.large": (29, 29, 20, 434, 110, 290, 9),
    "m5.xlarge": (58, 58, 44, 898, 110, 674, 18),
    "m5.4xlarge": (234, 110, 205, 3714, 110, 3250, 54),
    "m5.8xlarge": (234, 234, 205, 3714, 250, 3250, 54),
    "m5.24xlarge": (737, 250, 688, 11762, 250, 10978, 107),
    "m7g.medium": (8, 8, 5, 98, 98, 50, 4),
    "t2.medium": (17, 17, 12, 0, 17, 0, 0),
    "p4d.24xlarge": (737, 250, 688, 11762, 250, 10978, 62),
    "c6in.32xlarge": (394, 250, 345, 6274, 250, 5490, 106),
}


@pytest.mark.parametrize("name", ROWS)
def test_rows_of_the_calculator(name: str) -> None:
    i = instances()[name]
    published, most, custom, prefixes, capped, both, branches = ROWS[name]
    assert pods(i.interfaces, i.addresses, Mode()) == published
    assert recommended(published, i.vcpus) == most
    assert pods(i.interfaces, i.addresses, Mode(custom=True)) == custom
    assert i.branches == branches and i.prefixes == bool(prefixes)
    if i.prefixes:
        assert pods(i.interfaces, i.addresses, Mode(prefixes=True)) == prefixes
        assert recommended(prefixes, i.vcpus) == capped
        assert pods(i.interfaces, i.addresses, Mode(prefixes=True, custom=True)) == both


#: Rows of docs/eni-and-ip-target.md, prefix-and-ip-target.md: pods, E, I, targets, prefixes; ENIs, addresses or blocks
TAKEN: list[tuple[int, int, int, Warm, bool, tuple[int, int]]] = [
    (0, 3, 4, Warm(), False, (1, 4)),
    (5, 3, 4, Warm(interfaces=1), False, (3, 12)),
    (9, 3, 4, Warm(), False, (3, 12)),
    (5, 3, 4, Warm(addresses=1, minimum=1), False, (2, 6 + 2)),
    (0, 3, 4, Warm(addresses=2, minimum=5), False, (2, 5 + 2)),
    (5, 3, 4, Warm(addresses=2, minimum=5), False, (3, 7 + 3)),
    (0, 15, 50, Warm(), False, (1, 50)),
    (3, 15, 50, Warm(), False, (2, 100)),
    (95, 15, 50, Warm(), False, (3, 150)),
    (0, 3, 4, Warm(), True, (1, 1)),
    (5, 3, 4, Warm(), True, (1, 2)),
    (16, 3, 4, Warm(prefixes=1), True, (1, 2)),
    (17, 3, 4, Warm(), True, (1, 3)),
    (58, 3, 4, Warm(), True, (2, 5)),
    (5, 3, 4, Warm(addresses=7, minimum=20), True, (1, 2)),
    (58, 3, 4, Warm(addresses=7, minimum=20), True, (2, 5)),
    (15, 15, 50, Warm(addresses=5, minimum=10), True, (1, 2)),
    (45, 15, 50, Warm(addresses=5, minimum=10), True, (1, 4)),
]


@pytest.mark.parametrize(("running", "interfaces", "addresses", "warm", "prefixes", "expected"), TAKEN)
def test_what_a_node_takes(
    running: int, interfaces: int, addresses: int, warm: Warm, prefixes: bool, expected: tuple[int, int]
) -> None:
    found = taken(running, interfaces, addresses, warm, prefixes)
    assert (found.interfaces, found.blocks if prefixes else found.addresses) == expected
    assert not prefixes or found.addresses == 16 * found.blocks + found.interfaces


def test_what_takes_an_interface() -> None:
    assert [usable(4, m) for m in (Mode(), Mode(custom=True), Mode(trunk=True), Mode(most=2), Mode(most=9))] == [
        4, 3, 3, 2, 4,
    ]  # fmt: skip
    assert usable(2, Mode(custom=True, trunk=True)) == 0
    assert taken(0, 1, 10, Warm(), False) == Taken(1, 10)


# Settings


def settings_of(vpc: dict[str, Any] | None = None, **settings: Any) -> dict[str, Any]:
    plan = plan_of(compiled(cluster(**({"vpc": vpc} if vpc else {})), cni(**settings)))
    return dict(json.loads(str(resources(plan)["addon:vpc-cni"].properties["configurationValues"])))


def test_what_the_agent_is_told() -> None:
    found = settings_of()
    assert found["enableNetworkPolicy"] == "true" and found["env"] == {
        "ENABLE_PREFIX_DELEGATION": "false",
        "AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG": "false",
        "ENABLE_SUBNET_DISCOVERY": "true",
        "AWS_VPC_K8S_CNI_EXTERNALSNAT": "false",
        "ENABLE_POD_ENI": "false",
        "NETWORK_POLICY_ENFORCING_MODE": "standard",
        "ANNOTATE_POD_IP": "true",
    }
    assert settings_of(networkPolicy="off")["enableNetworkPolicy"] == "false"
    prefixes = settings_of(prefixDelegation=True, warmIpTarget=5, minimumIpTarget=20, maxEni=2, externalSnat=True)
    more = {"WARM_IP_TARGET": "5", "MINIMUM_IP_TARGET": "20", "MAX_ENI": "2", "ENABLE_PREFIX_DELEGATION": "true"}
    assert more.items() <= prefixes["env"].items()


def test_custom_networking_and_security_groups() -> None:
    custom = settings_of(PODS, customNetworking=True)["env"]
    assert custom["ENI_CONFIG_LABEL_DEF"] == "topology.kubernetes.io/zone"
    assert custom["ENABLE_SUBNET_DISCOVERY"] == "false"
    strict = settings_of(securityGroupsForPods="strict", networkPolicy="off")
    assert strict["env"]["POD_SECURITY_GROUP_ENFORCING_MODE"] == "strict"
    assert strict["init"] == {"env": {"DISABLE_TCP_EARLY_DEMUX": "true"}}
    plan = plan_of(compiled(cluster(), cni(securityGroupsForPods="standard")))
    assert "role-cluster-AmazonEKSVPCResourceController" in resources(plan)


# What excludes what

POLICY = {"name": "p", "namespace": "shop", "spec": {"podSelector": {}, "ingress": [{"ports": [{"port": 80}]}]}}
MANY = {**POLICY, "spec": {"podSelector": {}, "ingress": [{"ports": [{"port": n} for n in range(1, 26)]}]}}
XEN = {"nodeGroups": group(instanceTypes=["t2.medium"])}


@pytest.mark.parametrize(
    ("settings", "of_cluster", "changes", "expected"),
    [
        ({"prefixDelegation": True}, XEN, {}, ("NS820", "cni.prefixDelegation")),
        ({"customNetworking": True}, {}, {}, ("NS821", "cni.customNetworking")),
        ({"customNetworking": True, "subnetDiscovery": True}, {"vpc": PODS}, {}, ("NS821", "cni.subnetDiscovery")),
        ({"subnetDiscovery": False}, {"vpc": PODS}, {}, ("NS821", "cluster.vpc")),
        ({}, {}, {"network": {"podCIDRs": ["10.244.0.0/16"]}}, ("NS821", "network.podCIDRs")),
        ({"customNetworking": True, "maxEni": 1}, {"vpc": PODS}, {}, ("NS822", "cni.maxEni")),
        ({"prefixDelegation": True, "warmEniTarget": 1}, {}, {}, ("NS823", "cni.warmEniTarget")),
        ({"warmPrefixTarget": 1}, {}, {}, ("NS823", "cni.warmPrefixTarget")),
        ({"warmEniTarget": 1, "warmIpTarget": 3}, {}, {}, ("NS823", "cni.warmEniTarget")),
        ({"minimumIpTarget": 10}, {}, {}, ("NS823", "cni.minimumIpTarget")),
        ({"prefixDelegation": True, "warmPrefixTarget": 0}, {}, {}, ("NS823", "cni.warmPrefixTarget")),
        (
            {"securityGroupsForPods": "standard"},
            {"nodeGroups": group(instanceTypes=["t3.large"])},
            {},
            ("NS824", "cni.securityGroupsForPods"),
        ),
        (
            {"securityGroupsForPods": "strict", "networkPolicy": "off"},
            {},
            {"network": {"proxy": {"mode": "ipvs"}}},
            ("NS824", "cni.securityGroupsForPods"),
        ),
        ({"securityGroupsForPods": "strict"}, {}, {}, ("NS824", "cni.securityGroupsForPods")),
        ({"networkPolicy": "strict"}, {}, {"networkPolicies": [POLICY]}, ("NS825", "cni.networkPolicy")),
        ({}, {}, {"networkPolicies": [MANY]}, ("NS826", "networkPolicies.0")),
        ({"networkPolicy": "off"}, {}, {"networkPolicies": [POLICY]}, ("NS901", "networkPolicies.0")),
        ({}, {}, {"network": {"maxPods": 60}}, ("NS814", "network.maxPods")),
        ({}, {"vpc": {"cidr": "10.0.0.0/24"}}, {}, ("NS815", "cluster.vpc.cidr")),
    ],
)
def test_exclusions(
    settings: dict[str, Any], of_cluster: dict[str, Any], changes: dict[str, Any], expected: tuple[str, str]
) -> None:
    result = compiled(cluster(**of_cluster), cni(**settings), **changes)
    assert expected in said(result) and result.plan is None
    assert {code for code, _ in said(result)} - {"NS131"} == {expected[0]}  # without addresses there is room for none
    assert all(d.hint and d.position for d in result.diagnostics)


def test_strict_is_content_with_a_policy_for_every_pod() -> None:
    own = {"podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}, "ingress": [{}], "egress": [{}]}
    dns = {"name": "dns", "namespace": "kube-system", "spec": {**own, "policyTypes": ["Ingress", "Egress"]}}
    found = said(compiled(cluster(), cni(networkPolicy="strict"), networkPolicies=[POLICY, dns]))
    assert [code for code, _ in found if code == "NS825"] == []


# What it means


def test_where_pods_are() -> None:
    nodes = ["10.0.0.0/18", "10.0.64.0/18"]

    def ranges(vpc: dict[str, Any], **settings: Any) -> list[str]:
        result = compiled(cluster(vpc=vpc), cni(**settings))
        assert result.ir is not None and result.plan is not None
        return [str(c) for c in result.ir.network.pod_cidrs]

    assert ranges({}) == nodes
    assert ranges(PODS) == ["10.244.0.0/16", *nodes]
    assert ranges(PODS, customNetworking=True) == ["10.244.0.0/16"]


def test_its_dialect_and_on_kind_it_is_an_error_that_says_why() -> None:
    block = {"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}
    policy = {**POLICY, "spec": {"podSelector": {}, "ingress": [block]}}
    result = compiled(networkPolicies=[policy])
    assert result.ir is not None and result.ir.traits.dialect is not None
    verdict = evaluate(result.ir.inventory, PodEnd("kube-system/coredns"), PodEnd("shop/web"), 80, "TCP")
    assert verdict.expected == "allow" and result.ir.traits.dialect.early_egress
    on_kind = compiled({"type": "kind"}, cni())
    (found,) = on_kind.diagnostics
    assert (found.code, on_kind.plan) == ("NS903", None)
    assert "vpc-cni is software of a cluster's provider, which kind does not have" in found.message
