"""Causes of recorded runs: evidence first, then what the failures have in common and the successes have not."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from verify_support import API, COREDNS, KUBE_DNS, STATE, WEB, ir, pod

from netspec.ir.model import ContainerPort, Ir, Namespace, NetworkPolicy, Service, ServicePort, Workload
from netspec.ir.selectors import Selector
from netspec.probes import DnsProbe, FactProbe, FlowProbe, Outcome, PacketProbe, Probe
from netspec.probing import derive_probes
from netspec.target import NodeRead
from netspec.verify.about import About
from netspec.verify.causes import Causes
from netspec.verify.declared import observe
from netspec.verify.drift import Drift
from netspec.verify.evidence import Evidence, causes_of_canary
from netspec.verify.findings import Finding
from netspec.verify.model import Canary, CanaryCheck, Cause, Dial, Observation, Status
from netspec.verify.state import Endpoint, LiveService, Node, Pod, State, pods_by_workload
from netspec.verify.undeclared import Thing, Undeclared

#: Six workloads on two nodes, each with a Service, all open but for one that is closed to everyone.
NAMES = ("a", "b", "c", "d", "e", "f")


def one(name: str) -> Workload:
    return Workload("shop", name, {"app": name}, (ContainerPort(8080, "TCP", "http"),), stand_in=True)


def service(name: str) -> Service:
    return Service("shop", name, selector=Selector.of({"app": name}), ports=(ServicePort(80, 8080, name="http"),))


CLOSED = NetworkPolicy("shop", "closed", Selector.of({"app": "f"}), ("Ingress",))
SPEC = ir(
    namespaces=(Namespace("shop", {"team": "shop"}), Namespace("kube-system", {}, system=True)),
    workloads=(*map(one, NAMES), COREDNS),
    services=(*map(service, NAMES), KUBE_DNS),
    policies=(CLOSED,),
)
PODS = tuple(pod(name, i, "w1" if i < 3 else "w2") for i, name in enumerate(NAMES))
DNS_PODS = tuple(
    Pod("kube-system", f"coredns-{i}", f"w{i}", f"10.244.9.{i}", {"k8s-app": "kube-dns"}, True) for i in (1, 2)
)
PROXIES = tuple(
    Pod("kube-system", f"kube-proxy-{n}", n, "172.30.0.3", {"k8s-app": "kube-proxy"}, True, host_network=True)
    for n in ("w1", "w2")
)
CLUSTER = replace(
    STATE,
    pods=(*PODS, *DNS_PODS, *PROXIES),
    services={f"shop/{n}": LiveService(f"10.96.1.{i}", {(80, "TCP"): 0}) for i, n in enumerate(NAMES)},
)
PROBES = derive_probes(SPEC)
BY_ID = {p.id: p for p in CLUSTER.pods}
Odd = Callable[[Probe], Outcome | None]


def observed(probe: Probe, odd: Odd, state: State = CLUSTER) -> Observation:
    """As predicted, or with the outcome that `odd` gives."""
    seen = odd(probe)
    if isinstance(probe, FlowProbe):
        asker = next((p for p in state.pods if p.name.rpartition("-")[0] == probe.source.partition("/")[2]), None)
        target = next((p for p in state.pods if p.name.rpartition("-")[0] == probe.destination.partition("/")[2]), None)
        outcome = seen or probe.expect or Outcome.CONNECTED
        same = asker.node == target.node if asker and target and probe.via == "pod" else None
        address = target.address if target and probe.via == "pod" else "10.96.1.1"
        by = asker.id if asker else ""
        status = Status.WRONG if seen else Status.PASS
        return Observation(probe, status, outcome, "", by, (Dial(f"{address}:{probe.port}", outcome, same, source=by),))
    if isinstance(probe, DnsProbe):
        by = f"{probe.source}-{NAMES.index(probe.source.partition('/')[2])}"
        return Observation(probe, Status.WRONG if seen else Status.PASS, ["192.0.2.1"] if seen else [], "", by)
    if isinstance(probe, PacketProbe):
        return Observation(probe, Status.WRONG if seen else Status.PASS, seen or probe.expect)
    return Observation(probe, Status.WRONG if seen else Status.PASS, "x" if seen else probe.expect)


def causes(odd: Odd, findings: tuple[Finding, ...] = (), state: State = CLUSTER, stated: Ir | None = None) -> Any:
    grouping = Causes(About(SPEC, state, stated), findings)
    return grouping.of([observed(p, odd, state) for p in PROBES])


def is_flow(probe: Probe, *vias: str) -> bool:
    return isinstance(probe, FlowProbe) and (not vias or probe.via in vias)


def lost(when: Callable[[FlowProbe], bool]) -> Odd:
    """Flows that must connect and time out."""

    def odd(probe: Probe) -> Outcome | None:
        must = isinstance(probe, FlowProbe) and probe.expect is Outcome.CONNECTED
        return Outcome.TIMED_OUT if must and when(probe) else None  # type: ignore[arg-type]

    return odd


def node_of(end: str) -> str:
    return next((p.node for p in CLUSTER.pods if p.name.rpartition("-")[0] == end.partition("/")[2]), "")


def test_a_green_run_has_none() -> None:
    assert causes(lambda _: None) == ()


def test_one_pod() -> None:
    (cause,) = causes(lost(lambda p: "shop/b" in (p.source, p.destination) and p.via == "pod"))
    assert cause.what == "pod shop/b-1 on node w1 is not connected as the spec says"
    assert cause.command == "netspec exec --stack dev -- kubectl delete pod b-1 --namespace shop"
    assert cause.flows == len(cause.probes) > 5


def test_a_node_that_does_not_forward_to_services() -> None:
    (cause,) = causes(lost(lambda p: p.via == "cluster-ip" and node_of(p.source) == "w2"))
    assert cause.what == "node w2 does not forward to Services"
    assert cause.command.endswith("kubectl delete pod kube-proxy-w2 --namespace kube-system")


def test_a_node_that_loses_what_crosses() -> None:
    def crosses(p: FlowProbe) -> bool:
        return p.via == "pod" and node_of(p.destination) != "" and node_of(p.source) != node_of(p.destination)

    state = replace(CLUSTER, pods=(*CLUSTER.pods, replace(PODS[0], name="a-9", node="w3", address="10.244.77.2")))
    (cause,) = causes(lost(crosses), state=state)
    assert cause.what.startswith("node w")
    assert cause.what.endswith("loses what its pods exchange with other nodes")


def test_an_open_door() -> None:
    def odd(p: Probe) -> Outcome | None:
        return Outcome.CONNECTED if isinstance(p, FlowProbe) and p.expect is Outcome.TIMED_OUT else None

    (cause,) = causes(odd)
    assert ("f" in cause.what and "open" in cause.what) or "is reached by" in cause.what
    assert cause.flows == sum(isinstance(p, FlowProbe) and p.expect is Outcome.TIMED_OUT for p in PROBES)


def test_a_wrong_name() -> None:
    name = "b.shop.svc.cluster.local"
    (cause,) = causes(lambda p: Outcome.UNRESOLVED if isinstance(p, DnsProbe) and p.name == name else None)
    assert cause.flows == 0
    assert "192.0.2.1" in cause.what or name in cause.what


def test_packets_lost_at_one_node() -> None:
    probe = next(p for p in PROBES if isinstance(p, PacketProbe) and (p.via, p.protocol) == ("pod", "UDP"))
    other = next(p for p in PROBES if isinstance(p, PacketProbe) and (p.via, p.protocol) == ("pod", "TCP"))
    pairs = [("w1", "w2"), ("w2", "w1"), ("w1", "cp"), ("cp", "w1"), ("w2", "cp"), ("cp", "w2")]
    dials = tuple(
        Dial(
            "10.0.0.1:1",
            Outcome.TIMED_OUT if "w2" in pair else Outcome.CONNECTED,
            False,
            source=pair[0],
            target=pair[1],
        )
        for pair in pairs
    )
    seen = [Observation(p, Status.WRONG, Outcome.TIMED_OUT, "lost", "", dials) for p in (probe, other)]
    (cause,) = Causes(About(SPEC, CLUSTER)).of(seen)
    assert cause.what == "node w2 loses packets of full size on the way from or to other nodes"
    assert cause.probes == (probe.id, other.id)


def test_two_faults_at_once_are_two_causes() -> None:
    def odd(p: Probe) -> Outcome | None:
        of_b = lost(lambda f: f.via == "pod" and "shop/b" in (f.source, f.destination))
        forwarding = lost(lambda f: f.via == "cluster-ip" and node_of(f.source) == "w2")
        return of_b(p) or forwarding(p)

    found = causes(odd)
    assert {c.what for c in found} == {
        "pod shop/b-1 on node w1 is not connected as the spec says",
        "node w2 does not forward to Services",
    }
    ids = [id_ for c in found for id_ in c.probes]
    assert len(ids) == len(set(ids)) == sum(odd(p) is not None for p in PROBES)


# Evidence


def test_a_finding_explains_what_depends_on_it_and_nothing_else() -> None:
    label = Finding("pod shop/b-1 is not labelled", "delete it", frozenset({"pod:shop/b-1"}))
    idle = Finding(
        "Service shop/c is not the spec's", "up", frozenset({"service:shop/c", "probe:fact:service-spec:shop/c"})
    )
    odd = lost(lambda p: "shop/b" in (p.source, p.destination) or (p.via == "outside" and p.source == "shop/e"))
    first, *others = causes(odd, (idle, label))
    assert first.what == label.what
    assert all("shop/b" in id_ for id_ in first.probes)
    assert {c.what for c in others}.isdisjoint({idle.what})
    assert any("shop/e" in c.what for c in others)


def test_policies_explain_the_flows_that_they_are_predicted_to_change() -> None:
    """With the cluster's policies the evaluator predicts what was seen of d, not of b."""
    shut = NetworkPolicy("shop", "shut", Selector.of({"app": "d"}), ("Ingress",))
    stated = replace(SPEC, policies=(CLOSED, shut))
    finding = Finding("policy shop/shut is not in the spec", "delete it", frozenset({"policy:shop/shut"}))
    odd = lost(lambda p: p.destination == "shop/d" or (p.destination == "shop/b" and p.source == "shop/a"))
    found = causes(odd, (finding,), stated=stated)
    assert found[0].what == finding.what
    assert all("->shop/d:" in id_ for id_ in found[0].probes)
    assert all("->shop/b:" in id_ for c in found[1:] for id_ in c.probes)


def test_two_findings_of_one_fact_are_both_causes() -> None:
    tags = frozenset({"probe:fact:policies:cluster"})
    pair = (Finding("policy one is missing", "up", tags), Finding("policy two is missing", "up", tags))
    found = causes(lambda p: Outcome.TIMED_OUT if p.id == "fact:policies:cluster" else None, pair)
    assert [(c.what, len(c.probes)) for c in found] == [("policy one is missing", 1), ("policy two is missing", 0)]


def test_facts_that_nothing_explains_are_grouped_by_what_they_are_of() -> None:
    (cause,) = causes(lambda p: Outcome.TIMED_OUT if isinstance(p, FactProbe) and p.fact == "resolv-conf" else None)
    assert cause.what == "resolv-conf of shop/a, shop/b, shop/c and 3 more is not as the spec has it"
    assert cause.command == "netspec up --stack dev"


def test_checks_that_could_not_tell_are_grouped_by_why() -> None:
    seen = [
        Observation(p, Status.CHECK_FAILED, Outcome.CHECK_FAILED, "no ready pod of shop/a")
        for p in PROBES
        if isinstance(p, FlowProbe) and "shop/a" in (p.source, p.destination)
    ]
    (cause,) = Causes(About(SPEC, CLUSTER)).of(seen)
    assert (cause.what, cause.flows) == ("no ready pod of shop/a", len(seen))


def evidence(state: State = CLUSTER, drift: Drift | None = None, *things: Thing) -> Evidence:
    facts = {
        p.id: observe(p, state, pods_by_workload(state.pods, SPEC.inventory.workloads))
        for p in PROBES
        if isinstance(p, FactProbe) and p.fact in ("pod-labels", "namespace-labels")
    }
    return Evidence(SPEC, state, drift or Drift(), Undeclared(things), facts)


GOOD = replace(CLUSTER, namespaces={"shop": {"team": "shop", "other": "x"}, "kube-system": {}})


def test_a_cluster_as_the_spec_has_it_gives_no_evidence() -> None:
    assert evidence(GOOD).findings() == ()


@pytest.mark.parametrize(
    ("state", "what", "tag"),
    [
        (
            replace(GOOD, pods=(replace(PODS[0], labels={"netspec.dev/workload": "a", "app": "z"}), *GOOD.pods[1:])),
            "pod shop/a-0 is not labelled as shop/a: app is 'z', the spec says 'a'",
            "pod:shop/a-0",
        ),
        (
            replace(GOOD, namespaces={"shop": {}}),
            "namespace shop is not labelled as the spec says: team is missing, the spec says 'shop'",
            "stated",
        ),
        (replace(GOOD, nodes=(Node("w1", "172.30.0.3", True, ready=False),)), "node w1 is not ready", "node:w1"),
        (
            replace(GOOD, pods=(*PODS, *DNS_PODS, replace(PROXIES[0], ready=False))),
            "pod kube-system/kube-proxy-w1 on node w1 is not ready",
            "forwarding:w1",
        ),
        (
            replace(GOOD, pods=(*PODS[:-1], replace(PODS[-1], ready=False))),
            "pod shop/f-5 on node w2 is not ready, it is of shop/f",
            "workload:shop/f",
        ),
    ],
)
def test_what_is_not_as_it_must_be_is_evidence(state: State, what: str, tag: str) -> None:
    (finding,) = evidence(state).findings()
    assert finding.what == what
    assert tag in finding.tags
    assert finding.command.startswith(("netspec up --stack dev", "netspec exec --stack dev -- kubectl "))


def test_a_stranger_behind_a_service_is_evidence() -> None:
    probe = next(p for p in PROBES if p.id == "fact:service-endpoints:shop/a")
    assert isinstance(probe, FactProbe)
    behind = (Endpoint("http", "shop/a-0", 8080, "TCP"), Endpoint("http", "shop/x", 8080, "TCP"))
    state = replace(
        GOOD, endpoints={"shop/a": behind}, pods=(*GOOD.pods, Pod("shop", "x", "w1", "10.244.1.99", {}, True))
    )
    given = replace(evidence(state), facts={probe.id: Observation(probe, Status.WRONG, [])})
    (finding,) = given.findings()
    assert finding.what == "shop/x belongs to no workload of the spec, and is behind Service shop/a"
    assert finding.command.endswith("kubectl delete pod x --namespace shop")


# Inconclusive runs


def check(source: str, target: str, expect: Outcome, seen: Outcome) -> CanaryCheck:
    return CanaryCheck(
        "positive control" if expect is Outcome.CONNECTED else "denial", expect, seen, "", source, target
    )


def canary(broken: str, expect: Outcome, seen: Outcome) -> Canary:
    """Checks between all nodes; those with an end on `broken` saw something else."""
    nodes = ("w1", "w2", "w3")
    return Canary(
        tuple(check(a, b, expect, seen if broken in (a, b) else expect) for a in nodes for b in nodes if a != b)
    )


def test_an_inconclusive_run_names_the_node_and_the_control() -> None:
    given = evidence(GOOD)
    (cause,) = causes_of_canary(canary("w2", Outcome.CONNECTED, Outcome.TIMED_OUT), given, given.findings())
    assert cause.what == (
        "node w2 does not pass traffic: positive control from w1 to w2: an open port must be reached, and it was not "
        "(no answer), and 3 more"
    )
    assert "describe node w2" in cause.command


def test_evidence_of_that_node_comes_first() -> None:
    given = evidence(replace(GOOD, pods=(*PODS, *DNS_PODS, replace(PROXIES[1], ready=False))))
    first, second = causes_of_canary(canary("w2", Outcome.CONNECTED, Outcome.TIMED_OUT), given, given.findings())
    assert first.what == "pod kube-system/kube-proxy-w2 on node w2 is not ready"
    assert second.what.startswith("node w2 does not pass traffic")


def test_a_policy_for_the_cluster_explains_that_nothing_is_enforced() -> None:
    tags = frozenset({"cluster", "probe:fact:policies:cluster"})
    given = evidence(GOOD, Drift((Finding("GlobalNetworkPolicy x is not in the spec", "delete it", tags),)))
    void = Canary(
        (
            check("w1", "w2", Outcome.TIMED_OUT, Outcome.CONNECTED),
            check("w2", "w1", Outcome.TIMED_OUT, Outcome.CONNECTED),
        )
    )
    first, second = causes_of_canary(void, given, given.findings())
    assert first.what == "GlobalNetworkPolicy x is not in the spec"
    assert "does not enforce policy: denial from w1 to w2: policy must stop it, and it was reached" in second.what


def test_what_it_explains_is_counted() -> None:
    assert Cause("x", "y", ("a", "b", "c"), 2).extent == "explains 2 flows and 1 other probe"
    assert (WEB.id, API.id) == ("shop/web", "shop/api")


def test_a_canary_that_does_not_start_names_the_node() -> None:
    given = evidence(GOOD)
    (cause,) = causes_of_canary(Canary(problem="the pods on node w1 do not become ready", stuck=("w1",)), given, ())
    assert (cause.what, cause.command) == (
        "the pods on node w1 do not become ready",
        "netspec exec --stack dev -- kubectl describe node w1",
    )


def fact(name: str, expect: Any, seen: Any, read: Any, detail: str = "") -> Observation:
    probe = FactProbe(f"fact:{name}:x", name, "x", expect, read=read)
    return Observation(probe, Status.WRONG, seen, detail)


@pytest.mark.parametrize(
    ("seen", "whats"),
    [
        ({"w1": "1", "w2": "0"}, ["node w2 does not forward packets: net.ipv4.ip_forward is 0"]),
        ("0", [f"node {n} does not forward packets: net.ipv4.ip_forward is 0" for n in ("cp", "w1", "w2")]),
    ],
)
def test_the_nodes_that_do_not_forward_are_evidence(seen: Any, whats: list[str]) -> None:
    odd = fact("ip-forward", "1", seen, NodeRead("cat"))
    found = replace(evidence(GOOD), facts={odd.probe.id: odd}).findings()
    assert [f.what for f in found] == whats
    assert found[-1].tags >= {"node:w2", "forwarding:w2", f"probe:{odd.probe.id}"}
    assert found[-1].command.endswith("busybox sysctl -w net.ipv4.ip_forward=1")


def test_dns_settings_explain_wrong_names() -> None:
    odd = fact("dns-settings", {"Corefile": "a"}, {"Corefile": "b"}, None, "not in the spec: 'hosts {'")
    (finding,) = replace(evidence(GOOD), facts={odd.probe.id: odd}).findings()
    assert finding.what == "the DNS server is not set as the spec says: not in the spec: 'hosts {'"
    name = "b.shop.svc.cluster.local"
    (cause,) = causes(lambda p: Outcome.UNRESOLVED if isinstance(p, DnsProbe) and p.name == name else None, (finding,))
    assert cause.what == finding.what


def test_many_findings_are_ranked_in_little_time() -> None:
    """A namespace whose policies are all gone: a thousand findings of one fact, and one that explains the flows."""
    gone = [Finding(f"policy {n} is missing", "up", frozenset({"probe:fact:policies:cluster"})) for n in range(1000)]
    label = Finding("pod shop/b-1 is not labelled", "delete it", frozenset({"pod:shop/b-1"}))

    def odd(p: Probe) -> Outcome | None:
        flows = lost(lambda f: "shop/b" in (f.source, f.destination))
        return Outcome.TIMED_OUT if p.id == "fact:policies:cluster" else flows(p)

    started = time.process_time()
    found = causes(odd, (*gone, label))
    assert time.process_time() - started < 5
    assert (found[0].what, len(found)) == (label.what, 1001)
    assert sum(len(c.probes) for c in found[1:]) == 1


def test_one_fact_says_which_field_differs() -> None:
    probe = next(p for p in PROBES if p.id == "fact:resolv-conf:shop/a")
    assert isinstance(probe, FactProbe)
    seen = {**probe.expect, "search": [*probe.expect["search"], "example.com"], "ndots": 7, "other": 1}
    (cause,) = Causes(About(SPEC, CLUSTER)).of([Observation(probe, Status.WRONG, seen)])
    assert cause.what == "resolv-conf of shop/a is not as the spec has it: ndots is 7, the spec says 2"
