"""Load balancers: what is asked through them, what is predicted, and what a running cluster must show."""

from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest
import yaml

from netspec.backends.edge.metallb.objects import usable
from netspec.backends.registry import REGISTRY
from netspec.compiler import CompileResult, compile_spec
from netspec.ir.model import IPNetwork, Ir
from netspec.ir.ranges import largest_without
from netspec.plan import ManifestNode, ResourceNode
from netspec.probes import HEALTH_CHECK, KEPT, REPLACED, FactProbe, FlowProbe, Outcome
from netspec.probing import derive_probes
from netspec.probing.balanced import load_balancers
from netspec.spec.load import loads
from netspec.target import Balancing
from netspec.verify.judge import Judge
from netspec.verify.model import Dial, Status
from netspec.verify.resolve import Asker, Resolver, Unresolved
from netspec.verify.script import Reply
from netspec.verify.sites import Outside
from netspec.verify.state import parse_state

WEB = "flow:load-balancer:outside->shop/web:80/TCP"
LOCAL = "flow:load-balancer:outside->shop/local:80/TCP"


def _spec(pool: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    service = {"namespace": "shop", "type": "LoadBalancer", "selector": {"app": "web"}, "ports": [{"port": 80}]}
    stack = {"cluster": {"type": "kind"}, "cni": {"provider": "calico"}}
    return {
        "apiVersion": "netspec.dev/v1alpha1",
        "kind": "NetworkSpec",
        "metadata": {"name": "t"},
        "namespaces": [{"name": "shop", "defaultDeny": ["ingress"]}],
        "workloads": [
            {"name": "web", "namespace": "shop", "labels": {"app": "web"}, "ports": [{"port": 80}], "standIn": True}
        ],
        "services": [service | {"name": "web"}, service | {"name": "local", "externalTrafficPolicy": "Local"}],
        "stacks": {"dev": {**stack, "loadBalancer": {"provider": "metallb", **(pool or {})}}},
        **changes,
    }


def _compiled(data: dict[str, Any]) -> CompileResult:
    result = compile_spec(loads(yaml.safe_dump(data), "t.yaml"), "dev", REGISTRY)
    assert result.plan is not None, [d.render() for d in result.diagnostics]
    return result


def _ir(data: dict[str, Any]) -> Ir:
    ir = _compiled(data).ir
    assert ir is not None
    return ir


def _asked(ir: Ir) -> dict[str, FlowProbe | FactProbe]:
    return {p.id: p for p in load_balancers(ir)}


def _opened(cidr: str) -> list[dict[str, Any]]:
    return [{"name": "in", "from": {"cidr": cidr}, "to": {"workload": "shop/web"}, "ports": ["80/TCP"]}]


def test_the_outside_host_asks_every_port_of_every_balanced_service() -> None:
    asked = _asked(_ir(_spec()))
    assert {id_: p.expect for id_, p in asked.items()} == dict.fromkeys((WEB, LOCAL), Outcome.TIMED_OUT)


def test_local_shows_policies_the_client_and_cluster_may_show_the_node() -> None:
    """The pods' range is where Calico's tunnel ends are: what another node passes on has such an address."""
    asked = _asked(_ir(_spec(policies=_opened("172.30.0.0/16"))))
    assert (asked[LOCAL].expect, asked[WEB].expect) == (Outcome.CONNECTED, None)
    both = _asked(_ir(_spec(namespaces=[{"name": "shop"}])))
    assert (both[LOCAL].expect, both[WEB].expect) == (Outcome.CONNECTED, Outcome.CONNECTED)


def test_the_client_s_address_is_kept_by_local_alone() -> None:
    asked = _asked(_ir(_spec(namespaces=[{"name": "shop"}])))
    facts = {p.peer: p.expect for p in asked.values() if isinstance(p, FactProbe)}
    assert facts == {"shop/web": REPLACED, "shop/local": KEPT}


def test_a_balancer_that_hides_the_client_shows_policies_another_address() -> None:
    ir = _ir(_spec(policies=_opened("172.30.0.0/16")))
    assert ir.traits.balancing is not None
    hidden = replace(ir, traits=replace(ir.traits, balancing=ir.traits.balancing._replace(keeps_client=False)))
    assert _asked(hidden)[LOCAL].expect is Outcome.TIMED_OUT
    unaware = replace(ir, traits=replace(ir.traits, balancing=ir.traits.balancing._replace(follows_pods=False)))
    assert _asked(unaware)[LOCAL].expect is None


@pytest.mark.parametrize(
    ("ranges", "expect"),
    [
        ([], Outcome.CONNECTED),
        (["172.16.0.0/12"], Outcome.CONNECTED),
        (["172.30.0.0/24"], None),
        (["192.0.2.0/24"], Outcome.TIMED_OUT),
        (["192.0.2.0/24", "172.30.0.0/16"], Outcome.CONNECTED),
    ],
)
def test_source_ranges_decide_before_policies(ranges: list[str], expect: Outcome | None) -> None:
    ir = _ir(_spec(namespaces=[{"name": "shop"}]))
    admitted = tuple(map(ip_network, ranges))
    services = tuple(replace(s, source_ranges=admitted if not s.system else ()) for s in ir.services)
    assert _asked(replace(ir, services=services))[WEB].expect is expect


@pytest.mark.parametrize("balancing", [None, Balancing("x", answered=False)])
def test_nothing_is_asked_where_nobody_knows_who_reaches_the_address(balancing: Balancing | None) -> None:
    ir = _ir(_spec())
    assert _asked(replace(ir, traits=replace(ir.traits, balancing=balancing))) == {}


def test_without_pods_nothing_is_asked() -> None:
    spec = _spec()
    spec["workloads"][0]["replicas"] = 0
    assert _asked(_ir(spec)) == {}


def test_every_balanced_service_must_have_an_address_of_the_pool() -> None:
    facts = {
        p.subject: p.expect for p in derive_probes(_ir(_spec())) if getattr(p, "fact", "") == "load-balancer-address"
    }
    assert facts == {"shop/web": ["172.30.255.0/24"], "shop/local": ["172.30.255.0/24"]}


def test_a_service_of_another_balancer_s_class_has_no_address_and_nobody_reaches_it() -> None:
    spec = _spec(namespaces=[{"name": "shop"}])
    spec["services"][0]["loadBalancerClass"] = "example.com/other"
    ir = _ir(spec)
    probes = derive_probes(ir)
    facts = {p.subject: p.expect for p in probes if getattr(p, "fact", "") == "load-balancer-address"}
    assert facts == {"shop/web": [], "shop/local": ["172.30.255.0/24"]}
    assert WEB not in _asked(ir) and LOCAL in _asked(ir)
    state = parse_state([_service("web"), _service("local", "172.30.255.1")])
    probe = FactProbe("f", "load-balancer-address", "shop/web", [])
    assert Judge(ir, state, {}).state_fact(probe).status is Status.PASS
    assert Judge(ir, state, {}).state_fact(replace(probe, subject="shop/local")).status is Status.WRONG


def test_without_node_ports_none_is_asked() -> None:
    spec = _spec(namespaces=[{"name": "shop"}])
    spec["services"][0]["allocateLoadBalancerNodePorts"] = False
    on_nodes = {p.destination for p in derive_probes(_ir(spec)) if getattr(p, "via", "") == "node-port"}
    assert on_nodes == {"shop/local"}
    spec["services"][0]["ports"] = [{"port": 80, "nodePort": 30001}]
    on_nodes = {p.destination for p in derive_probes(_ir(spec)) if getattr(p, "via", "") == "node-port"}
    assert on_nodes == {"shop/local", "shop/web"}, "a port of one's own choice is there all the same"


# The container network


def _network_range(data: dict[str, Any]) -> Any:
    plan = _compiled(data).plan
    assert plan is not None
    (cluster,) = [n for n in plan.nodes if isinstance(n, ResourceNode)]
    return cluster.properties.get("networkRange")


def test_the_engine_gives_out_no_address_of_the_pool() -> None:
    assert _network_range(_spec()) == "172.30.0.0/17"
    assert _network_range(_spec({"addresses": ["172.30.0.0/24"]})) == "172.30.128.0/17"
    without = _spec()
    without["services"] = []
    del without["stacks"]["dev"]["loadBalancer"]
    assert _network_range(without) is None


@pytest.mark.parametrize("network", ["10.9.0.0/16", "10.9.0.0/22", "10.9.0.0/23", "10.9.0.128/26", "10.9.0.0/27"])
def test_a_default_pool_is_the_last_part_and_leaves_the_nodes_the_larger(network: str) -> None:
    spec = _spec()
    spec["stacks"]["dev"]["cluster"]["networkCIDR"] = network
    ir = _ir(spec)
    assert ir.traits.balancing is not None
    (pool,) = [found.network for found in ir.traits.balancing.addresses]
    whole = ip_network(network)
    assert pool.broadcast_address == whole.broadcast_address and pool.subnet_of(whole)  # type: ignore[arg-type]
    given = ip_network(_network_range(spec))
    assert given.prefixlen == whole.prefixlen + 1 and not given.overlaps(pool)


@pytest.mark.parametrize("taken", [["10.0.0.0/26"], ["10.0.0.64/26", "10.0.0.192/27"], ["10.0.0.77/32"], []])
def test_the_largest_part_without_others(taken: list[str]) -> None:
    """Against a plain search over every part of every size."""
    whole: IPNetwork = ip_network("10.0.0.0/24")
    others = [ip_network(t) for t in taken]
    parts = [p for mask in range(24, 33) for p in whole.subnets(new_prefix=mask)]
    assert largest_without(whole, others) == next(p for p in parts if not any(p.overlaps(o) for o in others))
    assert largest_without(whole, [whole]) is None


@pytest.mark.parametrize("pool", ["172.30.255.0/24", "10.0.0.0/20", "10.0.0.64/26", "10.0.0.192/26", "10.0.0.0/30"])
def test_addresses_that_metallb_gives(pool: str) -> None:
    network = ip_network(pool)
    assert usable(network) == sum(int(a) % 256 not in (0, 255) for a in network)


def test_a_pool_leaves_out_the_ends_of_the_nodes_network() -> None:
    plan = _compiled(_spec()).plan
    assert plan is not None
    (pool,) = [n.manifest for n in plan.nodes if isinstance(n, ManifestNode) and n.manifest["kind"] == "IPAddressPool"]
    assert pool["spec"]["addresses"] == ["172.30.255.0-172.30.255.254"]


# On the cluster


def _service(name: str, *addresses: str) -> dict[str, Any]:
    spec = {"type": "LoadBalancer", "clusterIP": "10.96.0.9", "ports": [{"port": 80, "nodePort": 30001}]}
    status = {"loadBalancer": {"ingress": [{"ip": a} for a in addresses]}} if addresses else {"loadBalancer": {}}
    return {"kind": "Service", "metadata": {"namespace": "shop", "name": name}, "spec": spec, "status": status}


def _pod() -> dict[str, Any]:
    status = {"podIP": "10.244.1.2", "conditions": [{"type": "Ready", "status": "True"}]}
    labels = {"netspec.dev/workload": "web"}
    metadata = {"namespace": "shop", "name": "web-1", "labels": labels}
    return {"kind": "Pod", "metadata": metadata, "spec": {"nodeName": "w"}, "status": status}


def test_what_is_dialled_is_the_address_that_was_given() -> None:
    ir = _ir(_spec(namespaces=[{"name": "shop"}]))
    state = parse_state([_service("web", "172.30.255.1"), _service("local"), _pod()])
    resolver = Resolver(ir, state, Outside("out", None, ("172.30.0.5",)))  # type: ignore[arg-type]
    (asker,) = resolver.askers("outside")
    assert asker.address == "172.30.0.5"
    asked = _asked(ir)
    dialled = [
        t.question.target
        for id_ in (WEB, "fact:client-address:outside->shop/web:80")
        for t in resolver.targets(asked[id_], asker)
    ]
    assert dialled == ["172.30.255.1:80", "http://172.30.255.1:80/clientip"]
    with pytest.raises(Unresolved, match="no address of a load balancer"):
        resolver.targets(asked[LOCAL], asker)


@pytest.mark.parametrize(
    ("addresses", "status"),
    [
        (("172.30.255.1",), Status.PASS),
        ((), Status.WRONG),
        (("172.30.4.1",), Status.WRONG),
        (("a.example",), Status.WRONG),
    ],
)
def test_an_address_of_the_pool(addresses: tuple[str, ...], status: Status) -> None:
    ir = _ir(_spec())
    judge = Judge(ir, parse_state([_service("web", *addresses)]), {})
    probe = FactProbe("f", "load-balancer-address", "shop/web", ["172.30.255.0/24"])
    assert judge.state_fact(probe).status is status


@pytest.mark.parametrize(
    ("seen", "expect", "status"),
    [
        ("172.30.0.5", KEPT, Status.PASS),
        ("172.30.0.3", KEPT, Status.WRONG),
        ("10.244.3.0", REPLACED, Status.PASS),
        ("172.30.0.5", REPLACED, Status.WRONG),
    ],
)
def test_whose_address_the_pods_see(seen: str, expect: str, status: Status) -> None:
    judge = Judge(_ir(_spec()), parse_state([]), {})
    asker = Asker("out", None, "", "172.30.0.5")
    probe = FactProbe("f", "client-address", "outside", expect, "shop/web", 80)
    dial = Dial("172.30.255.1", Outcome.CONNECTED, None, 0.0, 0.1, "", "out")
    replies = [Reply(0, "client-address", 0.0, 0.1, 0, f"{seen}:40000")]
    assert judge.pod_fact(probe, asker, replies, (dial,), 1).status is status


def _node(name: str, address: str) -> dict[str, Any]:
    conditions = [{"type": "Ready", "status": "True"}]
    status = {"addresses": [{"type": "InternalIP", "address": address}], "conditions": conditions}
    return {"kind": "Node", "metadata": {"name": name}, "spec": {}, "status": status}


def _checked_cluster() -> list[dict[str, Any]]:
    """Two nodes, a pod on the first, and a Service that balancers ask about."""
    local = _service("local", "172.30.255.1")
    local["spec"] |= {"externalTrafficPolicy": "Local", "healthCheckNodePort": 30023}
    labels = {"kubernetes.io/service-name": "local"}
    behind = {
        "kind": "EndpointSlice",
        "metadata": {"namespace": "shop", "name": "local-1", "labels": labels},
        "ports": [{"port": 80, "protocol": "TCP"}],
        "endpoints": [{"addresses": ["10.244.1.2"], "targetRef": {"kind": "Pod", "name": "web-1"}}],
    }
    return [_node("w", "172.30.0.3"), _node("x", "172.30.0.4"), local, behind, _pod()]


@pytest.mark.parametrize(
    ("said", "status", "detail"),
    [
        ((200, 503), Status.PASS, ""),
        ((200, 200), Status.WRONG, "node x without endpoint answers 200"),
        ((503, 503), Status.WRONG, "node w with endpoint answers 503"),
        ((200, 0), Status.CHECK_FAILED, "no answer over HTTP from node x: "),
    ],
)
def test_each_node_tells_balancers_whether_it_has_a_pod(said: tuple[int, int], status: Status, detail: str) -> None:
    ir, state = _ir(_spec()), parse_state(_checked_cluster())
    (probe,) = [p for p in derive_probes(ir) if isinstance(p, FactProbe) and p.fact == HEALTH_CHECK]
    assert probe.peer == "shop/local"
    resolver = Resolver(ir, state, Outside("out", None, ("172.30.0.5",)))  # type: ignore[arg-type]
    (asker,) = resolver.askers("outside")
    targets = [t.question.target for t in resolver.targets(probe, asker)]
    assert targets == ["http://172.30.0.3:30023/", "http://172.30.0.4:30023/"]
    dials = tuple(Dial(t, Outcome.CONNECTED, None, 0.0, 0.1, "", "out") for t in targets)
    words = {200: "{", 503: "wget: server returned error: HTTP/1.1 503 Service Unavailable", 0: ""}
    replies = [Reply(i, "client-address", 0.0, 0.1, int(code != 200), words[code]) for i, code in enumerate(said)]
    seen = Judge(ir, state, {}).pod_fact(probe, asker, replies, dials, 1)
    assert (seen.status, seen.detail) == (status, detail)
