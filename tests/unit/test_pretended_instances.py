"""Nodes of kind that pretend to be EC2 instances: what an instance says of itself, and the plan that makes them."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address, IPv4Network
from threading import Thread
from typing import Any

import pytest
from eks_support import before, plan_of
from spec_support import document

from netspec.backends.clusters.kind.instance import Instance, answer, instance, server, size
from netspec.backends.instances import instances
from netspec.backends.registry import REGISTRY
from netspec.compiler import CompileResult, compile_spec
from netspec.plan import ManifestNode, ResourceNode
from netspec.probes import FactProbe
from netspec.spec.load import loads

MAC = "02:42:0a:f0:00:02"
NODES, PODS = IPv4Network("10.240.0.0/28"), IPv4Network("10.244.0.0/16")


def made(node: str = "10.240.0.2", kind: str = "m5.large", blocks: bool = False) -> Instance:
    known = instances()[kind]
    environment = {
        "NODE_IP": node,
        "SUBNET": "10.240.0.0/13",
        "NODES": str(NODES),
        "PODS": str(PODS),
        "INSTANCE_TYPE": kind,
        "INTERFACES": str(known.interfaces),
        "ADDRESSES": str(known.addresses),
        "BLOCKS": str(blocks).lower(),
    }
    return instance(environment, MAC)


# An instance


@pytest.mark.parametrize("kind", ["t3.small", "m5.large", "m5.xlarge", "m7g.medium", "c6in.32xlarge"])
def test_a_node_has_addresses_for_as_many_pods_as_amazon_publishes_for_its_type(kind: str) -> None:
    found = made(kind=kind)
    pods = [address for interface in found.interfaces for address in interface.for_pods]
    assert len(pods) + 2 == instances()[kind].published
    assert len(set(pods)) == len(pods) and all(address in PODS for address in pods)


def test_blocks_are_sixteen_addresses_that_begin_where_a_block_may() -> None:
    found = made(blocks=True)
    assert [len(interface.blocks) for interface in found.interfaces] == [9, 9, 9]
    pods = [address for interface in found.interfaces for address in interface.for_pods]
    assert len(set(pods)) == 3 * 9 * 16 and all(address in PODS for address in pods)
    assert not {i.addresses[0] for i in found.interfaces} & set(pods)


@pytest.mark.parametrize("blocks", [False, True])
def test_no_two_nodes_have_an_address_in_common(blocks: bool) -> None:
    seen: set[IPv4Address] = set()
    for node in NODES:
        found = made(str(node), blocks=blocks)
        own = {address for i in found.interfaces for address in (*i.addresses, *i.for_pods)}
        assert len(own) == 3 * 10 if not blocks else 3 + 3 * 9 * 16
        assert not own & seen
        seen |= own
    assert len({i.mac for node in NODES for i in made(str(node)).interfaces[1:]}) == 2 * NODES.num_addresses


def test_the_first_interface_is_the_nodes_own() -> None:
    first = made("10.240.0.3").interfaces[0]
    assert (first.name, first.mac, str(first.addresses[0])) == ("eth0", MAC, "10.240.0.3")


def test_a_node_outside_its_range_or_without_a_share_is_refused() -> None:
    with pytest.raises(ValueError, match="for the node"):
        made("10.240.0.16")
    assert size(15, 50, False) * NODES.num_addresses < PODS.num_addresses < size(15, 50, True) * NODES.num_addresses
    with pytest.raises(ValueError, match=r"11776 addresses left"):
        made("10.240.0.15", "m5.24xlarge", blocks=True)


# Its metadata, as ipamd asks for it


@pytest.fixture
def service() -> Iterator[str]:
    with server(made(), 0) as running:
        thread = Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_address[1]}/latest"
        running.shutdown()
        thread.join()


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as said:
        return str(said.read().decode())


def test_the_service_lists_and_answers_and_knows_no_more(service: str) -> None:
    token = urllib.request.Request(f"{service}/api/token", method="PUT")
    with urllib.request.urlopen(token, timeout=5) as said:
        assert said.headers["X-Aws-Ec2-Metadata-Token-Ttl-Seconds"] == "21600" and said.read()
    macs = get(f"{service}/meta-data/network/interfaces/macs/").split()
    assert macs[0] == f"{MAC}/" and len(macs) == 3
    fields = get(f"{service}/meta-data/network/interfaces/macs/{macs[1]}").split()
    assert {"device-number", "interface-id", "local-ipv4s", "subnet-id"} <= set(fields)
    assert len(get(f"{service}/meta-data/network/interfaces/macs/{macs[1]}local-ipv4s").split()) == 10
    document = json.loads(get(f"{service}/dynamic/instance-identity/document"))
    assert document["region"] == get(f"{service}/meta-data/placement/region")
    with pytest.raises(urllib.error.HTTPError, match="404"):
        get(f"{service}/meta-data/network/interfaces/macs/{macs[1]}ipv4-prefix")


def test_only_an_instance_with_blocks_lists_them() -> None:
    path = f"/latest/meta-data/network/interfaces/macs/{MAC}"
    assert "ipv4-prefix" not in (answer(made(), path) or "")
    assert (answer(made(blocks=True), f"{path}/ipv4-prefix") or "").split()[0] == "10.244.3.144/28"


# The plan


def compiled(cni: Mapping[str, Any], network: str = "10.240.0.0/13", **cluster: Any) -> CompileResult:
    spec = document("")
    given = {"type": "kind", "networkCIDR": network, "vpc": {}, **cluster}
    spec["stacks"] = {"dev": {"cluster": given, "cni": dict(cni)}}
    return compile_spec(loads(json.dumps(spec)), "dev", REGISTRY)


CALICO = {"provider": "calico", "vpcCni": {"subnetDiscovery": False}}
VPC_CNI = {"provider": "vpc-cni", "networkPolicy": "off", "subnetDiscovery": False}


def manifests(result: CompileResult) -> dict[str, Any]:
    return {node.id: node.manifest for node in plan_of(result).nodes if isinstance(node, ManifestNode)}


def env_of(daemon: Mapping[str, Any]) -> dict[str, str]:
    (container,) = daemon["spec"]["template"]["spec"]["containers"]
    return {entry["name"]: entry.get("value", "") for entry in container["env"]}


def test_nodes_answer_as_instances_before_the_cni_asks_and_the_cni_is_there_before_pods_are() -> None:
    needs = before(plan_of(compiled(CALICO)))
    assert "ec2-instances" in needs["addon:vpc-cni"]
    assert {"daemonset:kube-system/ec2-instance", "cluster"} <= needs["ec2-instances"]


def test_the_container_network_is_parted_between_nodes_and_pods() -> None:
    plan = plan_of(compiled(CALICO))
    (cluster,) = [node for node in plan.nodes if isinstance(node, ResourceNode)]
    given = cluster.properties
    assert (given["networkCidr"], given["networkRange"]) == ("10.240.0.0/13", "10.240.0.0/28")
    assert given["config"]["networking"]["podSubnet"] == "10.244.0.0/14"
    told = env_of(manifests(compiled(CALICO))["daemonset:kube-system/ec2-instance"])
    assert (told["SUBNET"], told["NODES"], told["PODS"]) == ("10.240.0.0/13", "10.240.0.0/28", "10.244.0.0/14")


def test_the_kubelet_takes_as_many_pods_as_on_such_an_instance_and_no_node_has_a_range_of_its_own() -> None:
    patches = compiled(CALICO, workers=1)
    (cluster,) = [node for node in plan_of(patches).nodes if isinstance(node, ResourceNode)]
    text = "\n".join(cluster.properties["config"]["kubeadmConfigPatches"])
    assert "maxPods: 29" in text and "allocate-node-cidrs: 'false'" in text and "node-cidr-mask-size" not in text
    with_blocks = compiled({**VPC_CNI, "prefixDelegation": True})
    (cluster,) = [node for node in plan_of(with_blocks).nodes if isinstance(node, ResourceNode)]
    assert "maxPods: 110" in "\n".join(cluster.properties["config"]["kubeadmConfigPatches"])
    assert env_of(manifests(with_blocks)["daemonset:kube-system/ec2-instance"])["BLOCKS"] == "true"


def test_the_add_on_s_agent_has_the_stacks_settings_and_asks_the_node_itself() -> None:
    found = env_of(manifests(compiled({**VPC_CNI, "maxEni": 2, "externalSnat": True}))["addon:vpc-cni"])
    assert found["MAX_ENI"] == "2" and found["AWS_VPC_K8S_CNI_EXTERNALSNAT"] == "true"
    assert found["ENABLE_IMDS_ONLY_MODE"] == "true" and found["ENABLE_SUBNET_DISCOVERY"] == "false"
    assert found["AWS_EC2_METADATA_SERVICE_ENDPOINT"] == "http://127.0.0.1:1338"
    assert "NETWORK_POLICY_ENFORCING_MODE" not in found, "the plugin would wait for an agent that is not there"
    assert env_of(manifests(compiled(CALICO))["addon:vpc-cni"])["ANNOTATE_POD_IP"] == "true"


def test_with_blocks_the_agent_has_the_warm_target_without_which_it_does_not_start() -> None:
    """amazon-vpc-cni-k8s, cmd/aws-vpc-cni/main.go, validateEnvVars: one of the three, above 0."""
    found = env_of(manifests(compiled({**VPC_CNI, "prefixDelegation": True}))["addon:vpc-cni"])
    targets = ("WARM_PREFIX_TARGET", "WARM_IP_TARGET", "MINIMUM_IP_TARGET")
    assert any(int(found.get(name, 0)) > 0 for name in targets)


def test_fewer_interfaces_for_the_cni_are_fewer_attached() -> None:
    told = env_of(manifests(compiled({**VPC_CNI, "maxEni": 2}))["daemonset:kube-system/ec2-instance"])
    assert told["INTERFACES"] == "2"


@pytest.mark.parametrize(("settings", "held"), [({}, "27"), ({"maxEni": 2}, "18"), ({"prefixDelegation": True}, "432")])
def test_verification_asks_every_agent_whether_it_holds_what_capacity_counts(
    settings: dict[str, Any], held: str
) -> None:
    for cni in ({**VPC_CNI, **settings}, {**CALICO, "vpcCni": {**CALICO["vpcCni"], **settings}}):
        asked = [p for p in compiled(cni).probes if isinstance(p, FactProbe) and p.fact == "cni-addresses"]
        assert [probe.expect for probe in asked] == [held]


def test_plain_kind_has_no_vpc_cni() -> None:
    result = compiled(VPC_CNI, vpc=None)
    assert "NS903" in {found.code for found in result.diagnostics}
