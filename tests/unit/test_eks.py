"""The plan of an EKS cluster: its order both ways, its network, who may enter, its nodes and add-ons."""

import base64
import json
from ipaddress import ip_network
from typing import Any

import pytest
from eks_support import VXLAN, before, cluster, compiled, group, plan_of, resources

from netspec.plan import (
    CLUSTER,
    CNI_READY,
    NODES,
    UNBALANCED,
    Json,
    ManifestNode,
    ReadyNode,
    Ref,
    SweepNode,
    providers,
)

CUSTOM = {"provider": "vpc-cni", "customNetworking": True, "prefixDelegation": True}
POD_SUBNETS = {"vpc": {"podSubnets": True}}


def made(**settings: Any) -> dict[str, Any]:
    """Id -> properties."""
    return {name: node.properties for name, node in resources(plan_of(compiled(cluster(**settings)))).items()}


# Order: what comes before on the way up is still there on the way down


def test_the_cni_its_rights_and_kube_proxy_come_before_every_node() -> None:
    needs = before(plan_of(compiled(cluster(**POD_SUBNETS), CUSTOM)))
    rights = {"identity-vpc-cni", "role-pods-vpc-cni", "role-pods-vpc-cni-AmazonEKS_CNI_Policy"}
    first = {"addon:vpc-cni", "addon:kube-proxy", "addon:eks-pod-identity-agent", *rights}
    assert needs["node-group-general"] >= first
    assert needs["node-group-general"] >= {"eniconfig:eu-west-1a", "eniconfig:eu-west-1b"}
    assert needs["node-group-general"] >= {"role-node-AmazonEKSWorkerNodeMinimalPolicy", "route-private", "eks"}
    assert needs["addon:vpc-cni"] >= {*rights, "addon:eks-pod-identity-agent"}
    assert needs["eniconfig:eu-west-1a"] >= {"addon:vpc-cni", "subnet-pods-eu-west-1a"}


def test_dns_comes_after_nodes_and_kubernetes_after_who_may_enter() -> None:
    plan = plan_of(compiled())
    needs, entered = before(plan), providers(plan.nodes)[CLUSTER]
    assert entered == "access-netspec-policy" and "access-netspec" in needs[entered]
    assert {"node-group-general", NODES} <= needs["addon:coredns"]
    inside = [n for n in plan.nodes if isinstance(n, ManifestNode | ReadyNode)]
    assert len(inside) > 2 and all(entered in needs[n.id] for n in inside)
    assert NODES in needs[CNI_READY] and "addon:vpc-cni" in needs[CNI_READY]


def test_an_overlay_s_operator_comes_before_nodes_and_is_not_waited_for() -> None:
    plan = plan_of(compiled(cluster(), VXLAN))
    operator = "deployment:tigera-operator/tigera-operator"
    assert operator in before(plan)["node-group-general"]
    (node,) = [n for n in plan.nodes if n.id == operator]
    assert isinstance(node, ManifestNode) and not node.wait
    assert not {"addon:vpc-cni", "addon:eks-pod-identity-agent", "identity-vpc-cni"} & resources(plan).keys()


def test_what_others_left_goes_before_what_it_would_keep() -> None:
    """Load balancers while nodes and CNI are there; interfaces after all nodes, before the cluster and its network."""
    front = {"name": "front", "namespace": "shop", "type": "LoadBalancer", "selector": {"app": "web"}}
    plan = plan_of(compiled(services=[{**front, "ports": [{"port": 80}]}]))
    needs = before(plan)
    assert needs[UNBALANCED] >= {"node-group-general", "addon:vpc-cni", NODES, CNI_READY}
    assert UNBALANCED in needs["service:shop/front"]
    assert needs["left-interfaces"] >= {"eks", "subnet-private-eu-west-1a", "vpc"}
    assert all("left-interfaces" in needs[n] for n in ("addon:vpc-cni", "node-group-general", "identity-vpc-cni"))
    (sweep,) = [n for n in plan.nodes if isinstance(n, SweepNode) and n.id == "left-interfaces"]
    tags = [f["Name"] for left in sweep.leftovers for w in left.find if isinstance(w, Json) for f in w.value]
    assert tags.count("vpc-id") == tags.count("status") == 2
    assert {"tag:cluster.k8s.amazonaws.com/name", "tag:netspec.dev/cluster"} < set(tags)


@pytest.mark.parametrize("cni", [CUSTOM, VXLAN, {"provider": "cilium", "eni": {"podSubnetsOnly": True}}])
def test_whatever_a_cut_run_made_is_found(cni: dict[str, Any]) -> None:
    everything = {"podSubnets": True, "reservePrefixes": True, "endpoints": ["s3", "sts"], "flowLogs": 7}
    vpc = everything if cni is not VXLAN else {}
    plan = plan_of(compiled(cluster(vpc=vpc, logging=["api"], encryptionKey="own"), cni))
    found = {n.id: n for n in resources(plan).values() if n.provider}
    assert len(found) > 25 and [name for name, node in found.items() if node.lookup is None] == []
    for node in found.values():
        assert node.lookup is not None
        # What the id or the question is made of are inputs of the resource.
        text = " ".join((node.lookup.id, *node.lookup.words)).replace("{0}", "")
        given = {**node.properties, "name": "auto", "nodeGroupName": "auto"}
        assert text.format_map(given)
        if node.lookup.items == "ResourceTagMappingList":
            assert node.properties["tags"]["netspec.dev/node"] == node.id
    ailing = {n.id for n in found.values() if n.health}
    assert ailing == {"eks", *(n for n in found if n.startswith(("addon:", "node-group-")))}


# The network


@pytest.mark.parametrize("zones", [2, 3, 6])
def test_subnets_divide_the_ranges(zones: int) -> None:
    names = [f"eu-west-1{letter}" for letter in "abcdef"[:zones]]
    found = made(zones=names, **POD_SUBNETS)
    cidrs = {name: ip_network(p["cidrBlock"]) for name, p in found.items() if name.startswith("subnet-")}
    assert len(cidrs) == 3 * zones
    assert not any(a.overlaps(b) for a in cidrs.values() for b in cidrs.values() if a is not b)
    inside = {"private": "10.0.0.0/16", "public": "10.0.0.0/16", "pods": "10.244.0.0/16"}
    assert all(c.subnet_of(ip_network(inside[name.split("-")[1]])) for name, c in cidrs.items())
    assert found["vpc-pods"]["cidrBlock"] == "10.244.0.0/16"
    assert {found[f"subnet-public-{z}"]["tags"]["kubernetes.io/role/elb"] for z in names} == {"1"}
    assert {found[f"subnet-private-{z}"]["tags"]["kubernetes.io/role/internal-elb"] for z in names} == {"1"}


@pytest.mark.parametrize(("nat", "gateways"), [("single", 1), ("perZone", 2)])
def test_nat_gateways(nat: str, gateways: int) -> None:
    found = made(vpc={"nat": nat})
    assert sum(name.startswith("nat-eu") for name in found) == gateways
    routes = {n: p for n, p in found.items() if n.startswith("route-private") and "natGatewayId" in p}
    assert len({p["natGatewayId"] for p in routes.values()}) == gateways
    tables = {found[f"route-table-of-subnet-private-eu-west-1{z}"]["routeTableId"] for z in "ab"}
    assert len(tables) == gateways


def test_no_way_out_but_endpoints() -> None:
    endpoints = ["ec2", "ecr.api", "ecr.dkr", "eks", "eks-auth", "s3", "sts"]
    found = made(vpc={"nat": "none", "endpoints": endpoints})
    assert not any(name.startswith(("nat", "subnet-public", "internet", "route-private")) for name in found)
    assert found["endpoint-s3"]["vpcEndpointType"] == "Gateway"
    assert found["endpoint-s3"]["routeTableIds"] == [Ref("route-table-private", "id")]
    interface = found["endpoint-ecr-dkr"]
    assert interface["vpcEndpointType"] == "Interface" and interface["privateDnsEnabled"]
    assert [r["fromPort"] for r in found["security-group-endpoints"]["ingress"]] == [443]
    needs = before(plan_of(compiled(cluster(vpc={"nat": "none", "endpoints": endpoints}))))
    assert needs["node-group-general"] >= {"endpoint-s3", "endpoint-eks-auth"}


def test_a_vpc_that_exists() -> None:
    subnets = [
        {"zone": f"eu-west-1{z}", "role": "private", "cidr": f"10.9.{i}.0/24", "id": f"subnet-0000000{i}"}
        for i, z in enumerate("ab")
    ]
    found = made(vpc={"id": "vpc-01234567", "cidr": "10.9.0.0/16", "subnets": subnets})
    assert found["eks"]["vpcConfig"]["subnetIds"] == ["subnet-00000000", "subnet-00000001"]
    assert not any(name.startswith(("vpc", "subnet", "route-", "nat", "internet")) for name in found)


def test_prefixes_have_half_of_each_pod_subnet_to_themselves() -> None:
    found = made(vpc={"podSubnets": True, "reservePrefixes": True})
    reserved = found["reservation-subnet-pods-eu-west-1a"]
    assert (reserved["cidrBlock"], reserved["reservationType"]) == ("10.244.64.0/18", "prefix")


# The control plane


def test_the_control_plane_brings_nothing_and_lets_nobody_in_by_itself() -> None:
    found = made(logging=["audit", "api"], encryptionKey="own")
    eks = found["eks"]
    assert eks["bootstrapSelfManagedAddons"] is False
    access = {"authenticationMode": "API", "bootstrapClusterCreatorAdminPermissions": False}
    assert eks["accessConfig"] == access
    assert eks["kubernetesNetworkConfig"] == {"ipFamily": "ipv4", "serviceIpv4Cidr": "10.96.0.0/16"}
    assert eks["encryptionConfig"] == {"provider": {"keyArn": Ref("key", "arn")}, "resources": ["secrets"]}
    assert eks["enabledClusterLogTypes"] == ["api", "audit"]
    assert found["logs"]["name"] == "/aws/eks/shop-prod/cluster"


def test_entries_grant_what_is_said_and_the_last_administrator_stands_for_the_cluster() -> None:
    arn = "arn:aws:iam::123456789012:role/"
    view = {"principal": f"{arn}team", "policy": "AmazonEKSViewPolicy", "namespaces": ["shop"]}
    groups = {"principal": f"{arn}bots", "groups": ["deployers"]}
    plan = plan_of(compiled(cluster(access=[view, groups], admins=[f"{arn}one", f"{arn}two"])))
    found = resources(plan)
    assert found["access-team-policy"].properties["accessScope"] == {"type": "namespace", "namespaces": ["shop"]}
    assert found["access-bots"].properties["kubernetesGroups"] == ["deployers"] and "access-bots-policy" not in found
    last = found["access-two-policy"]
    assert last.provides == (CLUSTER,) and last.secrets == ("kubeconfig",)
    assert {"access-team-policy", "access-bots", "access-one-policy"} <= before(plan)["access-two-policy"]
    text = str(last.outputs["kubeconfig"])
    assert "get-token" in text and "${eks.endpoint}" in text and "token:" not in text


# Nodes


def test_a_node_keeps_its_credentials_to_itself() -> None:
    options = made()["launch-template-general"]["metadataOptions"]
    assert options == {"httpEndpoint": "enabled", "httpTokens": "required", "httpPutResponseHopLimit": 1}


@pytest.mark.parametrize(
    ("settings", "cni", "expected"),
    [
        ({}, {}, "maxPods: 29"),
        ({}, {"prefixDelegation": True}, "maxPods: 110"),
        ({"instanceTypes": ["m5.24xlarge"]}, {"prefixDelegation": True}, "maxPods: 250"),
        ({"instanceTypes": ["m5.large", "t3.small"]}, {}, "maxPods: 11"),
        ({"maxPods": 40}, {"prefixDelegation": True}, "maxPods: 40"),
        ({"amiType": "BOTTLEROCKET_x86_64"}, {}, "max-pods = 29"),
    ],
)
def test_max_pods_is_written_where_it_holds(settings: dict[str, Any], cni: dict[str, Any], expected: str) -> None:
    plan = plan_of(compiled(cluster(nodeGroups=group(**settings)), {"provider": "vpc-cni", **cni}))
    text = base64.b64decode(resources(plan)["launch-template-general"].properties["userData"]).decode()
    assert expected in text


def test_an_overlay_s_pods_are_bounded_by_the_spec() -> None:
    plan = plan_of(compiled(cluster(), VXLAN, network={"maxPods": 200}))
    text = base64.b64decode(resources(plan)["launch-template-general"].properties["userData"]).decode()
    assert "maxPods: 200" in text
    assert "userData" not in resources(plan_of(compiled(cluster(), VXLAN)))["launch-template-general"].properties


def test_groups() -> None:
    taints = [{"key": "gpu", "value": "yes", "effect": "NoExecute"}]
    plan = plan_of(compiled(cluster(nodeGroups=group(desired=3, taints=taints, labels={"team": "shop"}))))
    nodes = resources(plan)
    properties = nodes["node-group-general"].properties
    assert properties["scalingConfig"] == {"minSize": 2, "maxSize": 4, "desiredSize": 3}
    assert properties["taints"] == [{"key": "gpu", "effect": "NO_EXECUTE", "value": "yes"}]
    assert properties["labels"] == {"netspec.dev/group": "general", "team": "shop"}
    assert nodes["node-group-general"].ignores == () and "nodeGroupName" not in properties
    free = resources(plan_of(compiled()))["node-group-general"]
    assert free.ignores == ("scalingConfig.desiredSize",)
    # Pods of DNS run on tainted nodes where there are no others.
    settings = json.loads(str(nodes["addon:coredns"].properties["configurationValues"]))
    assert {"operator": "Equal", "key": "gpu", "value": "yes", "effect": "NoExecute"} in settings["tolerations"]


# Add-ons


def test_dns_and_proxy_settings_reach_their_add_ons() -> None:
    dns = {"coredns": {"replicas": 4, "cacheSeconds": 7}, "stubDomains": {"corp.example": ["10.1.0.53"]}}
    plan = plan_of(compiled(dns=dns, network={"proxy": {"mode": "nftables"}}))
    found = resources(plan)
    settings = json.loads(str(found["addon:coredns"].properties["configurationValues"]))
    assert settings["replicaCount"] == 4 and "cache 7 {" in settings["corefile"]
    assert "corp.example:53 {" in settings["corefile"] and "forward . 10.1.0.53" in settings["corefile"]
    assert json.loads(str(found["addon:kube-proxy"].properties["configurationValues"])) == {"mode": "nftables"}
    versions = {n.removeprefix("addon:"): r.properties["addonVersion"] for n, r in found.items() if "addon:" in n}
    assert versions == cluster()["addons"]
    assert {r.properties["resolveConflictsOnCreate"] for n, r in found.items() if "addon:" in n} == {"OVERWRITE"}


def test_dns_is_kept_apart_and_within_its_budget() -> None:
    plan = plan_of(compiled(dns={"coredns": {"maxUnavailable": 1, "spread": "required"}}))
    settings = json.loads(str(resources(plan)["addon:coredns"].properties["configurationValues"]))
    assert settings["podDisruptionBudget"] == {"enabled": True, "maxUnavailable": 1}
    (spread,) = settings["topologySpreadConstraints"]
    assert (spread["whenUnsatisfiable"], spread["topologyKey"]) == ("DoNotSchedule", "kubernetes.io/hostname")
    assert spread["labelSelector"] == {"matchLabels": {"k8s-app": "kube-dns"}}


def test_rights_of_pods() -> None:
    policy = "arn:aws:iam::123456789012:policy/orders"
    given = [{"namespace": "shop", "serviceAccount": "web", "policies": [policy]}]
    found = made(podIdentities=given)
    assert found["identity-shop-web"]["roleArn"] == Ref("role-pods-shop-web", "arn")
    assert found["role-pods-shop-web-orders"]["policyArn"] == policy
    trust = json.loads(str(found["role-pods-shop-web"]["assumeRolePolicy"]))["Statement"][0]
    assert trust["Principal"] == {"Service": "pods.eks.amazonaws.com"}
    assert trust["Action"] == ["sts:AssumeRole", "sts:TagSession"]


def test_a_partition_of_its_own_has_its_own_names() -> None:
    found = made(
        region="cn-north-1",
        zones=["cn-north-1a", "cn-north-1b"],
        admins=["arn:aws-cn:iam::123456789012:role/netspec"],
    )
    assert found["role-cluster-AmazonEKSClusterPolicy"]["policyArn"].startswith("arn:aws-cn:iam::aws:policy/")
    assert found["access-netspec-policy"]["policyArn"].startswith("arn:aws-cn:eks::aws:")
