"""What Cilium's backend lowers the IR to, and what its chart makes of that."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest
import yaml

from netspec.backends.cni.cilium import Cilium
from netspec.backends.cni.cilium.settings import CiliumSettings
from netspec.backends.cni.cilium.values import config, values
from netspec.catalogue import CILIUM
from netspec.diagnostics import Report
from netspec.ir.model import ContainerPort, Dns, Ir, Network, ProxyMode, Workload
from netspec.ir.policies import NetworkPolicy, PolicyPort, Rule
from netspec.ir.selectors import Selector
from netspec.plan import CNI_READY, ReadyNode, Ref, ResourceNode
from netspec.target import Address, Needs, ObjectRead, Traits

NETWORK = Network((IPv4Network("10.244.0.0/16"),), (IPv4Network("10.96.0.0/16"),))
TRAITS = Traits(nodes=3, api_server=Address("shop-dev-control-plane", 6443))
IR = Ir("shop", "dev", NETWORK, Dns(address="10.96.0.10"), TRAITS, {"cluster": "kind", "cni": "cilium"})


def ir(mode: ProxyMode = "iptables", **traits: Any) -> Ir:
    return replace(IR, network=replace(NETWORK, proxy_mode=mode), traits=replace(TRAITS, **traits))


def settings(**given: Any) -> CiliumSettings:
    return CiliumSettings.model_validate(given)


NATIVE = {"routing": "native", "nativeRoutingCIDR": "10.244.0.0/16"}
#: Settings -> kube-proxy's mode: each of them at least once with another value than its own.
WAYS: list[tuple[dict[str, Any], ProxyMode]] = [
    ({}, "iptables"),
    ({"tunnel": "geneve", "encryption": "ipsec", "hubble": True, "hubbleRelay": True, "mtu": 1300}, "nftables"),
    ({**NATIVE, "ipam": "cluster-pool", "gatewayAPI": True, "l7Proxy": True}, "none"),
    ({**NATIVE, "directNodeRoutes": False, "encryption": "wireguard", "l7Proxy": False}, "iptables"),
    ({"hostFirewall": True, "bandwidthManager": True, "hubble": True}, "none"),
    ({"eni": {"prefixDelegation": True, "podSubnetsOnly": True, "releaseExcess": True}}, "none"),
    ({"vpcCni": {}, "encryption": "wireguard"}, "iptables"),
]


def test_every_setting_is_among_what_the_chart_is_asked() -> None:
    given = {key for way, _ in WAYS for key in way}
    aliases = {field.alias or name for name, field in CiliumSettings.model_fields.items()}
    assert given == aliases - {"managed"}  # then there is no release


@pytest.fixture(scope="module")
def chart() -> Iterator[tuple[Path, Path]]:
    """helm, and the real chart as the module ships it."""
    from airgap import build
    from airgap.errors import AirgapError

    try:
        helm, charts = build.bin_dir("helm") / "helm", build.path_of("cilium-images") / "charts"
    except AirgapError as error:
        pytest.skip(f"not run: {error.message}")
    yield helm, charts / f"cilium-{CILIUM.airgap}"


def rendered(chart: tuple[Path, Path], given: dict[str, Any], folder: Path, *more: Path) -> str:
    (folder / "values.json").write_text(json.dumps(given))
    helm, folder_of_chart = chart
    words = [helm, "template", "cilium", folder_of_chart, "--namespace=kube-system"]
    words += [f"--values={file}" for file in (folder / "values.json", *more)]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def images(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("image"), str):
            yield value["image"].partition("@")[0]
        for inner in value.values():
            yield from images(inner)
    for inner in value if isinstance(value, list) else ():
        yield from images(inner)


@pytest.mark.parametrize(("given", "mode"), WAYS, ids=lambda v: "-".join(v) if isinstance(v, dict) else v)
def test_the_chart_makes_what_the_facts_expect(
    chart: tuple[Path, Path], tmp_path: Path, given: dict[str, Any], mode: ProxyMode
) -> None:
    """The chart's own checks pass, its ConfigMap says what the facts read, its images are those that the plan names,
    and it is the same each time: another rendering would be a change to Pulumi."""
    chosen, found_ir = settings(**given), ir(mode, outputs={"privateSubnets": {"eu-west-1a": "subnet-1"}})
    text = rendered(chart, values(found_ir, chosen), tmp_path)
    assert rendered(chart, values(found_ir, chosen), tmp_path) == text
    objects = [item for item in yaml.safe_load_all(text) if item]
    (found,) = [o["data"] for o in objects if o["kind"] == "ConfigMap" and o["metadata"]["name"] == "cilium-config"]
    wanted = config(found_ir, chosen)
    assert {key: found.get(key) for key in wanted} == wanted
    assert set(images(objects)) == set(Cilium().images(found_ir, chosen))


def test_a_node_s_port_that_leads_to_a_pod_is_portmap_s_beside_kube_proxy_and_cilium_s_in_its_place(
    chart: tuple[Path, Path], tmp_path: Path
) -> None:
    web = Workload("shop", "web", (("app", "web"),), (ContainerPort(8080, host_port=8080),))
    on_host = replace(web, host_network=True)
    beside = replace(ir(), workloads=(web,))
    assert "cni" not in values(replace(ir("none"), workloads=(web,)), settings())
    assert "cni" not in values(replace(ir(), workloads=(on_host,)), settings())
    objects = [item for item in yaml.safe_load_all(rendered(chart, values(beside, settings()), tmp_path)) if item]
    (found,) = [o["data"] for o in objects if o["kind"] == "ConfigMap" and o["metadata"]["name"] == "cilium-config"]
    wanted = config(beside, settings())
    assert wanted["cni-chaining-mode"] == "portmap" and {key: found.get(key) for key in wanted} == wanted


def test_what_is_laid_over_the_values_here_leaves_only_images_that_are_built(
    chart: tuple[Path, Path], tmp_path: Path
) -> None:
    from airgap.recipes import EXTRAS

    text = rendered(chart, values(ir(), settings()), tmp_path, chart[1].parent / "cilium.values.yaml")
    objects = [item for item in yaml.safe_load_all(text) if item]
    used = set(images(objects))
    assert used and used <= EXTRAS["cilium-images"]
    (agents,) = [o for o in objects if o["kind"] == "DaemonSet"]
    pod = agents["spec"]["template"]["spec"]
    added = [c["securityContext"].get("capabilities", {}).get("add") for c in pod["containers"] + pod["initContainers"]]
    assert not any(added), "every container has what the machine can give, no list of what it must have"


@pytest.mark.parametrize(
    ("given", "overhead", "forwarded"),
    [
        ({}, 50, "tunnel"),
        ({"tunnel": "geneve", "encryption": "wireguard"}, 145, "tunnel"),
        ({"encryption": "ipsec"}, 127, "tunnel"),
        (NATIVE, 0, "node"),
        ({**NATIVE, "encryption": "wireguard"}, 95, "node"),
    ],
)
def test_what_a_packet_between_nodes_gets_longer(given: dict[str, Any], overhead: int, forwarded: str) -> None:
    """pkg/mtu/mtu.go. The agent takes it off the pods' routes, and leaves their interfaces as they are."""
    traits = Cilium().traits(IR, settings(**given), TRAITS)
    assert (traits.overhead, traits.on_route, traits.forwarded) == (overhead, overhead, forwarded)
    assert traits.dialect is not None and not traits.dialect.blocks_match_pods
    assert values(IR, settings(**given, mtu=1400))["MTU"] == 1400 + overhead


@pytest.mark.parametrize(("mode", "replaced"), [("iptables", False), ("nftables", False), ("none", True)])
def test_kube_proxy_is_kept_or_replaced_as_the_spec_says(mode: ProxyMode, replaced: bool) -> None:
    needs = Cilium().needs(ir(mode), settings(), Needs())
    found = values(ir(mode), settings())
    assert needs.kube_proxy is not replaced
    assert found["kubeProxyReplacement"] == ("true" if replaced else "false")
    assert found.get("k8sServiceHost") == ("shop-dev-control-plane" if replaced else None)


def test_who_gives_out_addresses_cannot_be_changed_and_the_pool_is_always_the_spec_s() -> None:
    own, control_plane = settings(ipam="cluster-pool"), settings()
    assert Cilium().needs(IR, own, Needs()).immutable != Cilium().needs(IR, control_plane, Needs()).immutable
    assert [Cilium().needs(IR, chosen, Needs()).node_cidrs for chosen in (own, control_plane)] == [False, True]
    assert values(ir(node_shares=False), control_plane)["ipam"]["mode"] == "cluster-pool"
    assert values(IR, own)["ipam"]["operator"]["clusterPoolIPv4PodCIDRList"] == ["10.244.0.0/16"]


def test_settings_that_need_something_of_the_kernel_say_so() -> None:
    def options(given_ir: Ir = IR, **given: Any) -> list[str]:
        return [wanted.option for wanted in Cilium().needs(given_ir, settings(**given), Needs()).kernel]

    assert options() == ["CONFIG_VXLAN"]
    alone = replace(IR, network=replace(IR.network, proxy_mode="none"))
    assert options(alone) == ["CONFIG_VXLAN", "CONFIG_CGROUP_BPF"]
    assert options(**NATIVE, bandwidthManager=True) == ["CONFIG_NET_SCH_FQ"]
    assert options(tunnel="geneve", encryption="wireguard") == ["CONFIG_GENEVE", "CONFIG_WIREGUARD"]


def test_sctp_is_switched_on_where_a_policy_speaks_of_it() -> None:
    rule = Rule(ports=(PolicyPort("SCTP", 9999),))
    policy = NetworkPolicy("shop", "sctp", Selector(), types=("Ingress",), ingress=(rule,))
    assert "sctp" not in values(IR, settings())
    assert values(replace(IR, policies=(policy,)), settings())["sctp"] == {"enabled": True}
    assert config(replace(IR, policies=(policy,)), settings())["enable-sctp"] == "true"


@pytest.mark.parametrize(
    ("found", "given", "code", "path"),
    [
        (ir("none", api_server=None), {}, "NS946", ("network", "proxy", "mode")),
        (ir(node_shares=False), {"ipam": "kubernetes"}, "NS942", ("stacks", "dev", "cni", "ipam")),
    ],
)
def test_what_a_cluster_must_have_for_it(found: Ir, given: dict[str, Any], code: str, path: tuple[str, ...]) -> None:
    report = Report()
    Cilium().check(found, settings(**given), Needs(), report)
    (said,) = report.sorted()
    assert (said.code, said.path) == (code, path) and said.hint


def test_the_release_is_on_the_cluster_and_the_barrier_waits_for_it() -> None:
    release, ready = Cilium().lower(IR, settings(), Needs())
    assert isinstance(release, ResourceNode) and release.cluster == Ref("cluster", "kubeconfig")
    assert release.properties["version"] == CILIUM.official and release.properties["skipAwait"]
    assert isinstance(ready, ReadyNode) and ready.id == CNI_READY and release.id in ready.depends_on
    assert {c.resource: c.at_least for c in ready.conditions}["nodes"] == 3


def test_every_value_that_the_spec_decides_is_a_fact() -> None:
    facts = {fact.name: fact for fact in Cilium().facts(IR, settings(tunnel="geneve"))}
    assert facts["encapsulation"].expect == "geneve"
    read = facts["cilium-config"].read
    assert isinstance(read, ObjectRead) and read.name == "cilium-config"
    assert {name for name, _ in read.fields} == facts["cilium-config"].expect.keys()
