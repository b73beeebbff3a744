"""The question list: what is asked, and what is predicted."""

from dataclasses import replace
from ipaddress import IPv4Network

from verify_support import API, COREDNS, GUARD, KUBE_DNS, WEB, WEB_SERVICE, ir, workload

from netspec.backends.cni.calico import Calico
from netspec.backends.cni.calico.settings import CalicoSettings
from netspec.backends.dns.coredns import CoreDns
from netspec.ir.model import ContainerPort, IpBlock, NetworkPolicy, Peer, PolicyPort, Rule, Service, ServicePort
from netspec.ir.selectors import Selector
from netspec.probes import DnsProbe, FactProbe, FlowProbe, Outcome
from netspec.probing import derive_probes


def flows(an_ir, via):
    return {p.id: p for p in derive_probes(an_ir) if isinstance(p, FlowProbe) and p.via == via}


def test_every_pair_and_declared_port_is_asked_with_the_predicted_answer():
    seen = {(p.source, p.destination, p.port, p.protocol): p.expect for p in flows(ir(), "pod").values()}
    assert seen == {
        ("shop/api", "shop/web", 8080, "TCP"): Outcome.CONNECTED,
        ("shop/web", "shop/api", 9000, "TCP"): Outcome.CONNECTED,
        ("shop/web", "shop/api", 9001, "UDP"): Outcome.CONNECTED,
        ("shop/api", "kube-system/coredns", 53, "TCP"): Outcome.CONNECTED,
        ("shop/api", "kube-system/coredns", 53, "UDP"): Outcome.CONNECTED,
        ("shop/web", "kube-system/coredns", 53, "TCP"): Outcome.CONNECTED,
        ("shop/web", "kube-system/coredns", 53, "UDP"): Outcome.CONNECTED,
    }


def test_a_denial_names_the_policies_behind_it():
    closed = replace(GUARD, ingress=())
    probe = flows(ir(policies=(closed,)), "pod")["flow:pod:shop/api->shop/web:8080/TCP"]
    assert (probe.expect, probe.deciding) == (Outcome.TIMED_OUT, ("shop/guard",))
    assert "no ingress rule of shop/guard" in probe.reason


def test_ids_are_unique_and_the_order_does_not_depend_on_the_specs():
    forwards = derive_probes(ir())
    backwards = derive_probes(ir(workloads=(COREDNS, API, WEB), services=(KUBE_DNS, WEB_SERVICE)))
    assert forwards == backwards
    assert len({p.id for p in forwards}) == len(forwards)


def test_two_pods_of_a_workload_are_a_pair_one_is_not():
    several = ir(workloads=(replace(WEB, replicas=2), API, COREDNS))
    assert "flow:pod:shop/web->shop/web:8080/TCP" in flows(several, "pod")
    assert "flow:pod:shop/web->shop/web:8080/TCP" not in flows(ir(), "pod")


def test_a_workload_without_pods_takes_no_part():
    probes = derive_probes(ir(workloads=(replace(WEB, replicas=0), API, COREDNS)))
    assert not [p for p in probes if isinstance(p, FlowProbe) and "shop/web" in (p.source, *p.backends)]


def test_a_foreign_udp_server_is_only_looked_at():
    foreign = workload("syslog", ContainerPort(514, "UDP"), stand_in=False)
    probe = flows(ir(workloads=(WEB, foreign, COREDNS)), "pod")["flow:pod:shop/web->shop/syslog:514/UDP"]
    assert probe.expect is None
    assert "need not answer" in probe.reason


def test_a_service_is_asked_of_every_allowed_source_and_a_few_denied_ones():
    others = tuple(workload(f"w{i}", ContainerPort(1)) for i in range(5))
    asked = [
        p
        for p in flows(ir(workloads=(WEB, API, COREDNS, *others)), "cluster-ip").values()
        if p.destination == "shop/web"
    ]
    assert [p.source for p in asked if p.expect is Outcome.CONNECTED] == ["shop/api"]
    assert len([p for p in asked if p.expect is Outcome.TIMED_OUT]) == 2
    assert {p.backends for p in asked} == {("shop/web",)}


def test_no_pod_asks_a_service_that_it_backs_itself():
    assert not [p for p in flows(ir(), "cluster-ip").values() if p.source == "shop/web" and p.destination == "shop/web"]


def test_a_headless_service_is_dialled_by_name_at_the_pods_own_port():
    headless = replace(WEB_SERVICE, headless=True)
    (probe,) = flows(ir(services=(headless, KUBE_DNS)), "name").values()
    assert (probe.source, probe.port) == ("shop/api", 8080)


def test_endpoints_with_different_answers_leave_the_answer_open():
    both = replace(WEB_SERVICE, selector=Selector.of({"tier": "x"}), ports=(ServicePort(80, 8080),))
    one, two = (replace(workload(n, ContainerPort(8080)), labels={"app": n, "tier": "x"}) for n in ("web", "open"))
    guard = replace(GUARD, ingress=())
    spec = ir(workloads=(one, two, API, COREDNS), services=(both, KUBE_DNS), policies=(guard,))
    probe = next(p for p in flows(spec, "cluster-ip").values() if p.destination == "shop/web")
    assert probe.expect is None


# Node ports

NODE_PORT = replace(WEB_SERVICE, type="NodePort", ports=(ServicePort(80, "http", node_port=30080),))


def from_outside(*excluded: str) -> NetworkPolicy:
    block = IpBlock(IPv4Network("0.0.0.0/0"), tuple(map(IPv4Network, excluded)))
    return replace(GUARD, ingress=(Rule((Peer(ip_block=block),), (PolicyPort("TCP", 8080),)),))


def node_ports(policy, **service):
    spec = ir(policies=(policy,), services=(replace(NODE_PORT, **service), KUBE_DNS))
    return {p.nodes: p.expect for p in flows(spec, "node-port").values()}


def test_a_node_port_open_to_all_addresses_answers_on_every_node():
    assert node_ports(from_outside()) == {"every": Outcome.CONNECTED}


def test_elsewhere_policy_sees_the_nodes_tunnel_address():
    assert node_ports(from_outside("10.244.0.0/16")) == {
        "with-endpoint": Outcome.CONNECTED,
        "without-endpoint": Outcome.TIMED_OUT,
    }


def test_with_several_pods_the_endpoint_and_so_the_answer_is_chance():
    policy = from_outside("10.244.0.0/16")
    spec = ir(policies=(policy,), services=(NODE_PORT,), workloads=(replace(WEB, replicas=2), API, COREDNS))
    (probe,) = flows(spec, "node-port").values()
    assert probe.expect is None


def test_traffic_policy_local_drops_on_nodes_without_endpoint():
    assert node_ports(from_outside("10.244.0.0/16"), external_traffic_policy="Local") == {
        "with-endpoint": Outcome.CONNECTED,
        "without-endpoint": Outcome.TIMED_OUT,
    }


# The outside host


def test_the_outside_host_is_asked_for_on_both_protocols():
    seen = {(p.source, p.port, p.protocol): p.expect for p in flows(ir(), "outside").values()}
    assert seen[("shop/web", 8080, "TCP")] is Outcome.CONNECTED
    assert seen[("shop/api", 8081, "UDP")] is Outcome.CONNECTED


def test_a_policy_that_splits_the_container_network_leaves_the_outside_host_open():
    block = Peer(ip_block=IpBlock(IPv4Network("172.30.0.0/24")))
    split = NetworkPolicy("shop", "split", Selector(), ("Egress",), egress=(Rule((block,)),))
    assert {p.expect for p in flows(ir(policies=(split,)), "outside").values()} == {None}


# Lookups and facts


def test_every_record_is_looked_up_and_every_workload_that_may_looks_up():
    external = Service("shop", "alias", "ExternalName", external_name="db.example.com.")
    headless = replace(WEB_SERVICE, name="pods", headless=True)
    probes = [
        p for p in derive_probes(ir(services=(WEB_SERVICE, external, headless, KUBE_DNS))) if isinstance(p, DnsProbe)
    ]
    expected = {(p.name.removesuffix(".shop.svc.cluster.local"), p.record): p.expect for p in probes}
    assert expected[("web", "A")] == ("service:shop/web",)
    assert expected[("pods", "A")] == ("pods:shop/web",)
    assert expected[("alias", "CNAME")] == ("cname:db.example.com",)
    assert expected[("_http._tcp.web", "SRV")] == ("srv:80:web.shop.svc.cluster.local",)
    assert expected[("_http._tcp.pods", "SRV")] == ("srv:8080:pods.shop.svc.cluster.local",)
    assert {p.source for p in probes} == {"shop/web", "shop/api"}


def test_a_workload_cut_off_from_dns_looks_nothing_up():
    cut = NetworkPolicy("shop", "cut", Selector.of({"app": "web"}), ("Egress",))
    assert {p.source for p in derive_probes(ir(policies=(cut,))) if isinstance(p, DnsProbe)} == {"shop/api"}


def test_facts_carry_the_specs_values():
    stubs = (("corp.example", ("10.0.0.54", "10.0.0.53")),)
    spec = ir(dns=replace(ir().dns, stub_domains=stubs), traits=replace(ir().traits, mtu=1400))
    settings = CalicoSettings.model_validate({"mtu": 1400, "blockSize": 24})
    of_backends = (*Calico().facts(spec, settings), *CoreDns().facts(spec, None))
    facts = {(p.fact, p.subject): p.expect for p in derive_probes(spec, of_backends) if isinstance(p, FactProbe)}
    assert facts[("resolv-conf", "shop/web")] == {
        "nameservers": ["10.96.0.10"],
        "search": ["shop.svc.cluster.local", "svc.cluster.local", "cluster.local"],
        "ndots": 2,
    }
    assert facts[("pod-mtu", "shop/web")] == 1400
    assert facts[("calico-pool", "calico")]["blockSize"] == 24
    assert facts[("stub-domains", "dns")] == {"corp.example": ["10.0.0.53", "10.0.0.54"]}
    assert facts[("dns-replicas", "kube-system/coredns")] == 2
    assert facts[("service-endpoints", "shop/web")] == [["http", "shop/web", 8080, "TCP"]]
    assert len(facts[("service-endpoints", "kube-system/kube-dns")]) == 2
    assert facts[("replicas", "shop/web")] == 1
    assert facts[("nodes", "cluster")] == 3
    assert ("replicas", "kube-system/coredns") not in facts
    assert facts[("service-spec", "shop/web")] == {
        "type": "ClusterIP",
        "headless": False,
        "selector": {"app": "web"},
        "ports": [["http", 80, "TCP", 0, "http"]],
        "externalTrafficPolicy": "",
        "externalIPs": [],
        "externalName": "",
        "publishNotReadyAddresses": False,
        "others": {},
    }
    assert facts[("namespace-labels", "shop")] == {}
    assert facts[("workload-spec", "shop/web")] == {
        "kind": "Deployment",
        "replicas": 1,
        "labels": {"app": "web", "k8s-app": None},
        "ports": [["http", 8080, "TCP"]],
        "hostNetwork": False,
        "hostPorts": [],
        "serviceName": "",
        "hostname": "",
        "subdomain": "",
    }
    assert facts[("pod-labels", "shop/web")] == {"app": "web", "k8s-app": None}
    assert ("undeclared", "shop") in facts
    assert ("undeclared", "kube-system") not in facts


def test_node_ports_are_asserted_as_far_as_the_spec_gives_them():
    ports = (ServicePort(80, "http", name="http", node_port=30080), ServicePort(81, "http", name="more"))
    services = (replace(WEB_SERVICE, type="NodePort", ports=ports, external_traffic_policy="Local"),)
    fact = next(
        p for p in derive_probes(ir(services=services)) if isinstance(p, FactProbe) and p.fact == "service-spec"
    )
    assert fact.expect["externalTrafficPolicy"] == "Local"
    assert fact.expect["ports"] == [["http", 80, "TCP", 30080, "http"], ["more", 81, "TCP", "any", "http"]]


def test_endpoints_are_asked_where_the_spec_says_who_is_behind():
    nobody = replace(WEB_SERVICE, name="nobody", selector=Selector.of({"app": "nobody"}))
    services = (
        nobody,
        replace(WEB_SERVICE, name="by-hand", selector=None),
        replace(WEB_SERVICE, name="early", publish_not_ready=True),
        Service("shop", "alias", "ExternalName", external_name="db.example.com."),
    )
    asked = [p for p in derive_probes(ir(services=services)) if isinstance(p, FactProbe) and "endpoints" in p.fact]
    assert [(p.subject, p.expect) for p in asked] == [("shop/nobody", [])]


def test_addresses_are_checked_on_every_allowed_tcp_flow_to_a_stand_in():
    probes = [p for p in derive_probes(ir()) if isinstance(p, FactProbe) and p.fact == "source-address-kept"]
    kept = {(p.subject, p.peer, p.port) for p in probes}
    assert kept == {("shop/api", "shop/web", 8080), ("shop/web", "shop/api", 9000)}


def test_ndots_is_not_asserted_of_pods_that_netspec_does_not_deploy():
    spec = ir(workloads=(replace(WEB, stand_in=False), API, COREDNS))
    fact = next(p for p in derive_probes(spec) if p.id == "fact:resolv-conf:shop/web")
    assert isinstance(fact, FactProbe)
    assert "ndots" not in fact.expect
