"""An intent opens what it names, nothing else, and never closes a flow: over random small clusters."""

from ipaddress import ip_address
from itertools import product
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from spec_support import compiled

from netspec.analysis.evaluate import evaluate
from netspec.analysis.verdict import AddressEnd, End, PodEnd
from netspec.ir.model import Ir

NAMESPACES = ("a", "b")
#: Some label sets include others: a selector of the smaller must not take in the larger.
LABELS: tuple[dict[str, str], ...] = (
    {"app": "x"},
    {"app": "x", "track": "canary"},
    {"app": "x", "track": "canary", "zone": "1"},
    {"app": "y"},
    {"app": "y", "zone": "1"},
)
PORTS = ({"name": "http", "port": 80}, {"name": "dns", "port": 53, "protocol": "UDP"})
ADDRESSES = tuple(AddressEnd(ip_address(a)) for a in ("192.0.2.1", "198.51.100.1"))
ASKED: tuple[tuple[int, Any], ...] = ((80, "TCP"), (53, "UDP"), (81, "TCP"))

SELECTORS = st.sampled_from([{}, {"matchLabels": {"app": "x"}}, {"matchLabels": {"zone": "1"}}])
DIRECTIONS = st.lists(st.sampled_from(["Ingress", "Egress"]), min_size=1, max_size=2, unique=True)
RULES = st.lists(st.sampled_from([{}, {"ports": [{"port": 80}]}]), max_size=1)


@st.composite
def clusters(draw: st.DrawFn) -> dict[str, Any]:
    pods = [
        {"name": f"w{i}", "namespace": namespace, "labels": labels, "ports": list(PORTS[: draw(st.integers(0, 2))])}
        for namespace in NAMESPACES
        for i, labels in enumerate(draw(st.lists(st.sampled_from(LABELS), min_size=1, max_size=3, unique_by=str)))
    ]
    natives = [
        {
            "name": f"n{i}",
            "namespace": draw(st.sampled_from(NAMESPACES)),
            "spec": {
                "podSelector": draw(SELECTORS),
                "policyTypes": draw(DIRECTIONS),
                "ingress": draw(RULES),
                "egress": draw(RULES),
            },
        }
        for i in range(draw(st.integers(0, 2)))
    ]
    return {
        "apiVersion": "netspec.dev/v1alpha1",
        "kind": "NetworkSpec",
        "metadata": {"name": "sample"},
        "namespaces": [
            {
                "name": name,
                "defaultDeny": draw(st.lists(st.sampled_from(["ingress", "egress"]), max_size=2, unique=True)),
                "allowDNS": draw(st.booleans()),
            }
            for name in NAMESPACES
        ],
        "workloads": pods,
        "services": [
            {"name": f"s-{n}", "namespace": n, "selector": {"app": "x"}, "clusterIP": "None"} for n in NAMESPACES
        ],
        "networkPolicies": natives,
        "policies": [],
        "stacks": {"dev": {"cluster": {"type": "kind"}, "cni": {"provider": "calico"}}},
    }


@st.composite
def intents(draw: st.DrawFn, cluster: dict[str, Any], name: str) -> dict[str, Any]:
    pods: list[Any] = [f"{w['namespace']}/{w['name']}" for w in cluster["workloads"]]
    groups = [{kind: value} for n in NAMESPACES for kind, value in (("namespace", n), ("service", f"{n}/s-{n}"))]
    ours = st.sampled_from([*pods, *groups])
    anyone = st.sampled_from([*pods, *groups, "outside", "anywhere", {"cidr": "192.0.2.0/24"}])
    ends = draw(st.tuples(ours, anyone) | st.tuples(anyone, ours))
    return {"name": name, "from": ends[0], "to": ends[1]} | draw(st.sampled_from([{}, {"ports": ["all"]}]))


def flows(ir: Ir) -> set[tuple[End, End, int, str]]:
    """Every flow that passes, of all ends and the ports asked."""
    pods = [PodEnd(w.id) for w in ir.workloads]
    found: set[tuple[End, End, int, str]] = set()
    pairs = [*product(pods, pods), *product(ADDRESSES, pods), *product(pods, ADDRESSES)]
    for (source, destination), (port, protocol) in product(pairs, ASKED):
        if evaluate(ir.inventory, source, destination, port, protocol).expected == "allow":
            found.add((source, destination, port, protocol))
    return found


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_adding_an_intent_never_closes_a_flow(data: st.DataObject) -> None:
    cluster = data.draw(clusters())
    cluster["policies"] = [data.draw(intents(cluster, f"p{i}")) for i in range(data.draw(st.integers(0, 2)))]
    before = flows(compiled(cluster))
    cluster["policies"].append(data.draw(intents(cluster, "added")))
    after = flows(compiled(cluster))
    assert before <= after, sorted(map(str, before - after))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_an_intent_between_workloads_opens_its_flows_and_no_other(data: st.DataObject) -> None:
    cluster = data.draw(clusters())
    source, destination = (data.draw(st.sampled_from(cluster["workloads"])) for _ in range(2))
    before = flows(compiled(cluster))
    names = [f"{w['namespace']}/{w['name']}" for w in (source, destination)]
    cluster["policies"] = [{"name": "added", "from": names[0], "to": names[1]}]
    after = flows(compiled(cluster))
    declared = {(p["port"], p.get("protocol", "TCP")) for p in destination["ports"]} or set(ASKED)
    named = {(PodEnd(names[0]), PodEnd(names[1]), port, protocol) for port, protocol in declared}
    assert named <= after
    assert after - before <= named, sorted(map(str, after - before - named))


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_allow_dns_opens_dns_and_nothing_else(data: st.DataObject) -> None:
    cluster = data.draw(clusters())
    for namespace in cluster["namespaces"]:
        namespace["allowDNS"] = False
    before = flows(compiled(cluster))
    cluster["namespaces"][0]["allowDNS"] = True
    opened = flows(compiled(cluster)) - before
    assert {(d, port, protocol) for _, d, port, protocol in opened} <= {(PodEnd("kube-system/coredns"), 53, "UDP")}
    assert before <= flows(compiled(cluster))
