"""NodeLocal DNSCache: its objects, the way to it under default deny, what is predicted and what must be so on nodes."""

import subprocess
from pathlib import Path

import pytest
from spec_support import compiled

from netspec.backends.cni.cilium import redirect
from netspec.backends.cni.cilium.settings import CiliumSettings
from netspec.backends.cni.cilium.values import config, values
from netspec.backends.common.nodelocal import corefile, node_local, node_local_facts
from netspec.ir.model import Ir
from netspec.plan import CNI_READY
from netspec.probes import FlowProbe, Outcome
from netspec.probing import derive_probes
from netspec.probing.lookup import Lookups
from netspec.probing.services import reaches_dns
from netspec.target import NodeRead

WORKLOADS = """
workloads:
  - {name: web, namespace: shop, labels: {app: web}, ports: [{name: http, port: 8080}], standIn: true}
"""


def spec(dns: str = "{nodeLocal: {}}", namespace: str = "") -> Ir:
    return compiled(f"dns: {dns}\nnamespaces: [{{name: shop, {namespace}}}]\nservices: []\n{WORKLOADS}")


def test_there_is_none_unless_it_is_given_and_enabled() -> None:
    assert node_local(spec("{}")) == () == node_local(spec("{nodeLocal: {enabled: false}}"))
    assert node_local_facts(spec("{}")) == ()
    kinds = [n.manifest["kind"] for n in node_local(spec())]
    assert kinds == ["ServiceAccount", "Service", "Service", "ConfigMap", "DaemonSet"]


def test_the_pods_come_after_the_service_that_they_are_told_of() -> None:
    nodes = {n.manifest["kind"]: n for n in node_local(spec())}
    assert "service:kube-system/kube-dns-upstream" in nodes["DaemonSet"].depends_on


def test_the_program_is_given_both_addresses() -> None:
    daemon_set = {n.manifest["kind"]: n.manifest for n in node_local(spec("{nodeLocal: {address: 169.254.25.10}}"))}[
        "DaemonSet"
    ]
    (container,) = daemon_set["spec"]["template"]["spec"]["containers"]
    assert container["args"][:2] == ["-localip", "169.254.25.10,10.96.0.10"]
    assert container["livenessProbe"]["httpGet"]["host"] == "169.254.25.10"


@pytest.mark.parametrize(
    ("dns", "to"),
    [
        ("{nodeLocal: {}}", "__PILLAR__UPSTREAM__SERVERS__"),
        ("{nodeLocal: {}, stubDomains: {corp.example: [10.0.0.53]}}", "__PILLAR__CLUSTER__DNS__"),
        ("{nodeLocal: {}, hosts: {a.example: [10.0.0.5]}}", "__PILLAR__CLUSTER__DNS__"),
        ("{nodeLocal: {}, upstreams: [192.0.2.53]}", "__PILLAR__CLUSTER__DNS__"),
    ],
)
def test_what_the_servers_know_is_not_lost_on_the_way(dns: str, to: str) -> None:
    root = corefile(spec(dns)).rpartition("\n.:53 {")[2]
    assert f"    forward . {to}" in root and "bind 169.254.20.10 10.96.0.10" in root


CLOSED = "defaultDeny: [egress]"


def test_a_closed_pod_needs_the_way_to_both_addresses_and_allow_dns_opens_it() -> None:
    an_ir = spec(namespace=f"{CLOSED}, allowDNS: true")
    blocks = {str(peer.ip_block.cidr) for p in an_ir.policies for r in p.egress for peer in r.peers if peer.ip_block}
    assert blocks == {"169.254.20.10/32", "10.96.0.10/32"}
    opened = [p for p in an_ir.policies if p.name != "default-deny"]
    assert all({port.port for r in p.egress for port in r.ports} == {53} for p in opened)
    assert reaches_dns(an_ir, an_ir.workloads_by_id["shop/web"])
    closed = spec(namespace=CLOSED)
    assert not reaches_dns(closed, closed.workloads_by_id["shop/web"])


def test_a_way_to_the_servers_alone_is_not_enough() -> None:
    """Under NodeLocal's rules lookups go to no pod."""
    way = "policies: [{name: dns, from: shop/web, to: {workload: kube-system/coredns}, ports: [53/UDP, 53/TCP]}]\n"
    text = f"namespaces: [{{name: shop, {CLOSED}}}]\nservices: []\n{way}{WORKLOADS}"
    plain, cached = compiled(f"dns: {{}}\n{text}"), compiled(f"dns: {{nodeLocal: {{}}}}\n{text}")
    assert reaches_dns(plain, plain.workloads_by_id["shop/web"])
    assert not reaches_dns(cached, cached.workloads_by_id["shop/web"])


def asked(an_ir: Ir) -> dict[int, Outcome | None]:
    probes = (p for p in derive_probes(an_ir) if isinstance(p, FlowProbe) and p.via == "cluster-ip")
    return {p.port: p.expect for p in probes if p.destination == "kube-system/kube-dns" and p.protocol == "TCP"}


def test_a_lookup_that_policy_denies_is_left_open_and_other_ports_are_not() -> None:
    assert asked(spec()) == {53: Outcome.CONNECTED, 9153: Outcome.CONNECTED}
    assert asked(spec(namespace=CLOSED)) == {53: None, 9153: Outcome.TIMED_OUT}
    assert asked(spec("{}", namespace=CLOSED)) == {53: Outcome.TIMED_OUT, 9153: Outcome.TIMED_OUT}


def test_names_outside_go_to_the_node_s_resolvers() -> None:
    an_ir = spec()
    (query,) = Lookups(an_ir).plan(an_ir.workloads_by_id["shop/web"], "www.example.com.").queries
    assert query.server == "the node's resolvers"


def test_the_command_that_nodes_are_asked_for_their_addresses_with(tmp_path: Path) -> None:
    """On a link of that name in a network namespace of our own."""
    (fact,) = (f for f in node_local_facts(spec()) if f.subject == "nodes")
    assert isinstance(fact.read, NodeRead)
    script = (
        "ip link add nodelocaldns type bridge && ip link set nodelocaldns up && "
        "ip addr add 169.254.20.10/32 dev nodelocaldns && ip addr add 10.96.0.10/32 dev nodelocaldns && "
        f'printf "%s\\n" "0=$({fact.read.command})"'
    )
    done = subprocess.run(["unshare", "--net", "sh", "-c", script], capture_output=True, text=True, timeout=60)
    if done.returncode and ("unshare" in done.stderr or "not permitted" in done.stderr):
        pytest.skip("no network namespace of our own")
    assert done.stdout == f"0={fact.expect}\n", done.stderr


# Where the CNI redirects lookups


def redirected(namespace: str = "", proxy: str = "iptables") -> Ir:
    stacks = "stacks: {dev: {cluster: {type: kind, workers: 2}, cni: {provider: cilium}}}\n"
    network = f"network: {{podCIDRs: [10.244.0.0/16], serviceCIDRs: [10.96.0.0/16], proxy: {{mode: {proxy}}}}}\n"
    spaces = f"namespaces: [{{name: shop, {namespace}}}]\nservices: []\n"
    return compiled(f"dns: {{nodeLocal: {{}}}}\n{network}{spaces}{WORKLOADS}{stacks}")


@pytest.mark.parametrize("proxy", ["iptables", "nftables", "none"])
def test_a_cache_that_lookups_are_redirected_to_is_a_pod_like_any_other(proxy: str) -> None:
    an_ir = redirected(proxy=proxy)
    made = {n.manifest["kind"]: n for n in node_local(an_ir)}
    pod = made["DaemonSet"].manifest["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert "hostNetwork" not in pod and "securityContext" not in container
    assert container["args"][-3:] == ["-skipteardown=true", "-setupinterface=false", "-setupiptables=false"]
    assert [v["name"] for v in pod["volumes"]] == ["kube-dns-config", "config-volume"]
    assert not any("hostPort" in port for port in container["ports"])
    assert "bind 0.0.0.0" in corefile(an_ir) and "    health\n" in corefile(an_ir)
    assert CNI_READY in made["DaemonSet"].depends_on
    assert [f.name for f in node_local_facts(an_ir)] == ["node-local-dns", "node-local-dns-settings"]


def test_cilium_redirects_what_goes_to_the_dns_service() -> None:
    an_ir, settings = redirected(), CiliumSettings()
    (policy,) = redirect.objects(an_ir)
    spec = policy.manifest["spec"]
    assert spec["redirectFrontend"] == {"serviceMatcher": {"serviceName": "kube-dns", "namespace": "kube-system"}}
    assert spec["redirectBackend"]["localEndpointSelector"] == {"matchLabels": {"k8s-app": "node-local-dns"}}
    assert values(an_ir, settings)["localRedirectPolicies"] == {"enabled": True}
    assert config(an_ir, settings)["enable-local-redirect-policy"] == "true"
    (fact,) = redirect.facts(an_ir)
    assert fact.expect == {"spec": spec}
    without = spec_without_cache()
    assert not redirect.objects(without) and "localRedirectPolicies" not in values(without, settings)


def spec_without_cache() -> Ir:
    return compiled("stacks: {dev: {cluster: {type: kind}, cni: {provider: cilium}}}\n")


def test_policy_sees_a_redirected_lookup_as_a_flow_to_the_cache() -> None:
    an_ir = redirected(f"{CLOSED}, allowDNS: true")
    web = an_ir.workloads_by_id["shop/web"]
    assert reaches_dns(an_ir, web)
    assert not any(peer.ip_block for p in an_ir.policies for r in p.egress for peer in r.peers)
    assert asked(an_ir)[53] is Outcome.CONNECTED
    closed = redirected(CLOSED)
    assert not reaches_dns(closed, closed.workloads_by_id["shop/web"])
    assert asked(closed)[53] is Outcome.TIMED_OUT
