"""Observed against expected, and the readers of what tools print."""

from dataclasses import replace

import pytest
from verify_support import STATE, ir, pod

from netspec.probes import DnsProbe, FactProbe, FlowProbe, Outcome
from netspec.verify.judge import Judge, parse_resolv_conf
from netspec.verify.lookups import parse_lookup
from netspec.verify.model import Dial, Status
from netspec.verify.resolve import Asker
from netspec.verify.script import Reply
from netspec.verify.state import Endpoint, LiveService

BUSYBOX_SRV = "Server:  10.96.0.10|Address: 10.96.0.10:53||_h._tcp.web.shop service = 0 100 80 web.shop.svc|"
BIND_A = (
    "Server:  10.96.0.10|Address: 10.96.0.10#53||Name: web.shop|Address: 10.1.2.4|Name: web.shop|Address: 10.1.2.3|"
)


def judge(**state: object) -> Judge:
    return Judge(ir(), replace(STATE, **state), {"w1": 1500, "w2": 1500})  # type: ignore[arg-type]


def flow(expect: Outcome | None) -> FlowProbe:
    return FlowProbe("f", "shop/api", "shop/web", "pod", 8080, "TCP", expect)


@pytest.mark.parametrize(
    ("expect", "outcomes", "control", "status", "seen"),
    [
        (Outcome.CONNECTED, ["connected"], "c", Status.PASS, "connected"),
        (Outcome.CONNECTED, ["connected", "timed-out"], "c", Status.WRONG, "timed-out"),
        (Outcome.CONNECTED, ["timed-out"], "", Status.WRONG, "timed-out"),
        (Outcome.CONNECTED, ["check-failed"], "c", Status.CHECK_FAILED, "check-failed"),
        (Outcome.TIMED_OUT, ["timed-out"], "c", Status.PASS, "timed-out"),
        (Outcome.TIMED_OUT, ["timed-out"], "", Status.CHECK_FAILED, "check-failed"),
        (Outcome.TIMED_OUT, ["refused"], "c", Status.WRONG, "refused"),
        (Outcome.TIMED_OUT, ["unresolved"], "c", Status.WRONG, "unresolved"),
        (Outcome.TIMED_OUT, ["connected"], "c", Status.WRONG, "connected"),
        (None, ["timed-out"], "c", Status.SEEN, "timed-out"),
        (Outcome.TIMED_OUT, ["check-failed", "connected"], "c", Status.WRONG, "connected"),
        (Outcome.TIMED_OUT, ["timed-out", "check-failed"], "c", Status.CHECK_FAILED, "check-failed"),
        (None, ["timed-out"], "", Status.SEEN, "timed-out"),
        (None, ["check-failed"], "c", Status.SEEN, "check-failed"),
        (None, ["connected"], "", Status.SEEN, "connected"),
    ],
)
def test_a_denial_is_a_time_out_with_a_control(
    expect: Outcome | None, outcomes: list[str], control: str, status: Status, seen: str
) -> None:
    dials = tuple(Dial(f"10.0.0.{i}:80", Outcome(o)) for i, o in enumerate(outcomes))
    got = judge().flow(flow(expect), "shop/api-2", dials, control, "c: timed-out", 1)
    assert (got.status, got.observed.value) == (status, seen)


def test_what_is_not_predicted_is_never_a_failure() -> None:
    assert judge().failed(flow(None), "why").status is Status.SEEN
    assert judge().failed(flow(Outcome.CONNECTED), "why").status is Status.CHECK_FAILED


@pytest.mark.parametrize(
    ("record", "output", "expected"),
    [
        ("SRV", BUSYBOX_SRV, ["80 web.shop.svc"]),
        ("A", BIND_A, ["10.1.2.3", "10.1.2.4"]),
        ("A", "Server: 10.96.0.10|Address 1: 10.96.0.10 dns||Name: web|Address 1: 10.1.2.3 web|", ["10.1.2.3"]),
        ("CNAME", "a.shop.svc canonical name = db.example.com.|", ["db.example.com"]),
        ("A", "** server can't find web.shop.svc.cluster.local: NXDOMAIN|", []),
        ("A", ";; connection timed out; no servers could be reached|", []),
    ],
)
def test_lookups_are_read_in_busyboxs_and_binds_words(record: str, output: str, expected: list[str]) -> None:
    assert parse_lookup(output, record) == expected


@pytest.mark.parametrize(
    ("expect", "record", "output", "status"),
    [
        (("service:shop/web",), "A", "Name: web|Address: 10.96.1.1|", Status.PASS),
        (("service:shop/web",), "A", "Name: web|Address: 10.96.1.2|", Status.WRONG),
        (("service:shop/gone",), "A", "** server can't find it: NXDOMAIN|", Status.CHECK_FAILED),
        (("service:shop/web",), "A", ";; connection timed out; no servers could be reached|", Status.CHECK_FAILED),
        (("service:shop/web",), "A", "sh: busybox: not found|", Status.CHECK_FAILED),
        (("service:shop/web",), "A", "", Status.CHECK_FAILED),
        (("pods:shop/web",), "A", "Name: web|Address: 10.244.1.2|", Status.PASS),
        (("pods:shop/web",), "A", "** server can't find it: NXDOMAIN|", Status.WRONG),
        (("cname:db.example.com",), "CNAME", "alias canonical name = db.example.com|", Status.PASS),
        (("srv:80:web.shop.svc",), "SRV", BUSYBOX_SRV, Status.PASS),
        (("srv:81:web.shop.svc",), "SRV", BUSYBOX_SRV, Status.WRONG),
        (("srv:80:web.shop.svc",), "SRV", "x service = 0 50 80 10-1-2-3.web.shop.svc|", Status.PASS),
    ],
)
def test_lookups_are_compared_with_the_clusters_addresses(
    expect: tuple[str, ...], record: str, output: str, status: Status
) -> None:
    probe = DnsProbe("d", "shop/api", "web", record, expect)  # type: ignore[arg-type]
    assert judge().lookup(probe, "shop/api-2", output, 1).status is status


def test_a_lookup_of_pods_that_are_not_there_proves_nothing() -> None:
    only_web = judge(pods=(pod("web", 1),))
    both = DnsProbe("d", "shop/api", "web.shop.svc.cluster.local", "A", ("pods:shop/api", "pods:shop/web"))
    assert only_web.lookup(both, "shop/api-2", "Name: web|Address: 10.244.1.2|", 1).status is Status.PASS
    gone = replace(both, expect=("pods:shop/api",))
    seen = only_web.lookup(gone, "shop/api-2", "** server can't find it: NXDOMAIN|", 1)
    assert (seen.status, seen.detail) == (Status.CHECK_FAILED, "no ready pod of shop/api")


RESOLV = (
    "search shop.svc.cluster.local svc.cluster.local cluster.local lan|nameserver 10.96.0.10|options ndots:2 edns0|"
)


def pod_fact(fact: str, expect: object, output: str, status: int = 0, peer: str = "") -> Status:
    probe = FactProbe("p", fact, "shop/web", expect, peer)  # type: ignore[arg-type]
    asker = Asker("shop/web-1", pod("web", 1), "main")
    return judge().pod_fact(probe, asker, [Reply(0, "file", 0, 0, status, output)], (), 1).status


def test_resolv_conf_may_go_on_with_the_nodes_own_domains() -> None:
    expect = {
        "nameservers": ["10.96.0.10"],
        "search": ["shop.svc.cluster.local", "svc.cluster.local", "cluster.local"],
        "ndots": 2,
    }
    assert pod_fact("resolv-conf", expect, RESOLV) is Status.PASS
    assert pod_fact("resolv-conf", expect, RESOLV.replace("ndots:2", "ndots:5")) is Status.WRONG
    assert pod_fact("resolv-conf", expect | {"nameservers": ["10.96.0.11"]}, RESOLV) is Status.WRONG
    assert pod_fact("resolv-conf", expect, "no such file", status=1) is Status.CHECK_FAILED


def test_the_mtu_leaves_room_for_vxlan_unless_the_spec_says_otherwise() -> None:
    assert pod_fact("pod-mtu", "interface - 50", "1450|") is Status.PASS
    assert pod_fact("pod-mtu", "interface - 50", "1500|") is Status.WRONG
    assert pod_fact("pod-mtu", 1400, "1400|") is Status.PASS


def test_an_address_that_was_rewritten_on_the_way_is_wrong() -> None:
    assert pod_fact("source-address-kept", "", "10.244.1.2:40000", peer="shop/api") is Status.PASS
    assert pod_fact("source-address-kept", "", "172.30.0.3:40000", peer="shop/api") is Status.WRONG


def state_fact(fact: str, subject: str, expect: object, **state: object) -> Status:
    return judge(**state).state_fact(FactProbe("s", fact, subject, expect)).status  # type: ignore[arg-type]


def test_addresses_and_numbers_are_compared() -> None:
    assert state_fact("pod-ips-in-pod-cidrs", "shop/web", ["10.244.0.0/16"]) is Status.PASS
    assert state_fact("pod-ips-in-pod-cidrs", "shop/web", ["10.0.0.0/16"]) is Status.WRONG
    assert state_fact("pod-ips-in-pod-cidrs", "shop/web", ["10.244.0.0/16"], pods=()) is Status.CHECK_FAILED
    assert state_fact("service-ip-in-service-cidrs", "shop/web", ["10.96.0.0/16"]) is Status.PASS
    assert state_fact("service-ip-in-service-cidrs", "shop/none", ["10.96.0.0/16"]) is Status.CHECK_FAILED
    assert state_fact("replicas", "shop/web", 1) is Status.PASS
    assert state_fact("replicas", "shop/web", 2) is Status.WRONG
    assert state_fact("replicas", "shop/web", 0) is Status.WRONG
    assert state_fact("nodes", "cluster", 3) is Status.PASS
    assert state_fact("nodes", "cluster", 3, nodes=(replace(STATE.nodes[0], ready=False), *STATE.nodes[1:])) is (
        Status.WRONG
    )


WEB_BEHIND = Endpoint("http", "shop/web-1", 8080, "TCP")


@pytest.mark.parametrize(
    ("endpoints", "status"),
    [
        ((WEB_BEHIND,), Status.PASS),
        ((), Status.WRONG),
        ((WEB_BEHIND, replace(WEB_BEHIND, pod="shop/api-2")), Status.WRONG),
        ((WEB_BEHIND, replace(WEB_BEHIND, pod="203.0.113.7")), Status.WRONG),
        ((replace(WEB_BEHIND, number=8081),), Status.WRONG),
        ((replace(WEB_BEHIND, name="admin"),), Status.WRONG),
        ((replace(WEB_BEHIND, protocol="UDP"),), Status.WRONG),
    ],
)
def test_a_service_leads_to_its_own_pods_alone(endpoints: tuple[Endpoint, ...], status: Status) -> None:
    wanted = [["http", "shop/web", 8080, "TCP"]]
    assert state_fact("service-endpoints", "shop/web", wanted, endpoints={"shop/web": endpoints}) is status


def test_a_service_with_nobody_behind_it_leads_nowhere() -> None:
    assert state_fact("service-endpoints", "shop/web", [], endpoints={}) is Status.PASS
    assert state_fact("service-endpoints", "shop/web", [], endpoints={"shop/web": (WEB_BEHIND,)}) is Status.WRONG


ON_NODES = LiveService(
    "10.96.1.1",
    {(80, "TCP"): 30080},
    {(80, "TCP"): "http"},
    "NodePort",
    "Cluster",
    selector={"app": "web"},
    targets={(80, "TCP"): "http"},
)
SPEC_OF_IT = {
    "type": "NodePort",
    "headless": False,
    "selector": {"app": "web"},
    "ports": [["http", 80, "TCP", 30080, "http"]],
    "externalTrafficPolicy": "Cluster",
    "externalIPs": [],
    "externalName": "",
    "publishNotReadyAddresses": False,
    "others": {},
}


@pytest.mark.parametrize(
    ("service", "status"),
    [
        (ON_NODES, Status.PASS),
        (replace(ON_NODES, ports={(80, "TCP"): 31999}), Status.WRONG),
        (replace(ON_NODES, type="LoadBalancer"), Status.WRONG),
        (replace(ON_NODES, external_traffic_policy="Local"), Status.WRONG),
        (replace(ON_NODES, external_ips=("192.0.2.1",)), Status.WRONG),
        (replace(ON_NODES, names={(80, "TCP"): "web"}), Status.WRONG),
        (replace(ON_NODES, ports={(80, "TCP"): 30080, (22, "TCP"): 30022}), Status.WRONG),
        (replace(ON_NODES, cluster_ip="None"), Status.WRONG),
        (replace(ON_NODES, selector={"app": "api"}), Status.WRONG),
        (replace(ON_NODES, targets={(80, "TCP"): 8080}), Status.WRONG),
        (replace(ON_NODES, publish_not_ready=True), Status.WRONG),
        (replace(ON_NODES, others={"internalTrafficPolicy": "Local"}), Status.WRONG),
    ],
)
def test_a_service_is_open_as_the_spec_says_and_no_further(service: LiveService, status: Status) -> None:
    assert state_fact("service-spec", "shop/web", SPEC_OF_IT, services={"shop/web": service}) is status


def test_a_node_port_of_the_api_servers_choice_is_any_but_none() -> None:
    wanted = SPEC_OF_IT | {"ports": [["http", 80, "TCP", "any", "http"]]}
    assert state_fact("service-spec", "shop/web", wanted, services={"shop/web": ON_NODES}) is Status.PASS
    none = replace(ON_NODES, ports={(80, "TCP"): 0})
    assert state_fact("service-spec", "shop/web", wanted, services={"shop/web": none}) is Status.WRONG
    assert state_fact("service-spec", "shop/web", wanted, services={}) is Status.WRONG


def test_every_replica_is_behind_its_service() -> None:
    pods = (*STATE.pods, pod("web", 3))
    wanted = [["http", "shop/web", 8080, "TCP"]]
    probe = FactProbe("s", "service-endpoints", "shop/web", wanted)
    seen = judge(pods=pods, endpoints={"shop/web": (WEB_BEHIND,)}).state_fact(probe)
    assert (seen.status, seen.detail) == (Status.WRONG, "not behind it: shop/web-3")
    assert judge(pods=()).state_fact(probe).status is Status.CHECK_FAILED


def test_resolv_conf_without_options_has_the_resolvers_own_ndots() -> None:
    assert parse_resolv_conf("nameserver 10.0.0.1\n")["ndots"] == 1
