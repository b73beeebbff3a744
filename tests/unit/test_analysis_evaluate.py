"""The truth table of NetworkPolicy v1, one row a rule of the API reference; docs/semantics.md cites each by its id."""

from ipaddress import ip_address, ip_network

import pytest

from netspec.analysis.evaluate import evaluate
from netspec.analysis.verdict import AddressEnd, Answer, End, PodEnd
from netspec.backends.cni.dialects import DIALECTS
from netspec.diagnostics import Problem
from netspec.ir.model import (
    NAME_LABEL,
    ContainerPort,
    Direction,
    Inventory,
    IpBlock,
    Namespace,
    NetworkPolicy,
    Peer,
    PolicyPort,
    Protocol,
    Rule,
    Workload,
)
from netspec.ir.selectors import Requirement, Selector

WEB = Workload("shop", "web", {"app": "web", "tier": "front"}, (ContainerPort(8080, "TCP", "http"),))
API = Workload(
    "shop", "api", {"app": "api"}, (ContainerPort(9090, "TCP", "http"), ContainerPort(9053, "UDP", "http")), replicas=2
)
OPS = Workload("ops", "agent", {"app": "web"})
NODE = Workload("ops", "node-agent", {"app": "node"}, host_network=True)
NAMESPACES = (
    Namespace("shop", {NAME_LABEL: "shop", "team": "shop"}),
    Namespace("ops", {NAME_LABEL: "ops", "team": "ops"}),
)
ALL = Selector()
APP_API = Selector.of({"app": "api"})
APP_WEB = Selector.of({"app": "web"})


def inventory(*policies: NetworkPolicy, cni: str | None = None) -> Inventory:
    return Inventory(
        NAMESPACES, (WEB, API, OPS, NODE), (), policies, (ip_network("10.244.0.0/16"),), DIALECTS.get(cni or "")
    )


def policy(
    *ingress: Rule, egress: tuple[Rule, ...] = (), types: tuple[Direction, ...] = ("Ingress",), pods: Selector = APP_API
) -> NetworkPolicy:
    return NetworkPolicy("shop", "p", pods, types, ingress, egress)


def from_peers(*peers: Peer) -> NetworkPolicy:
    return policy(Rule(peers=peers))


def to_ports(*ports: PolicyPort) -> NetworkPolicy:
    return policy(Rule(ports=ports))


def block(cidr: str, *excluded: str) -> Peer:
    return Peer(ip_block=IpBlock(ip_network(cidr), tuple(ip_network(e) for e in excluded)))


def expression(operator: str, *values: str) -> Peer:
    return from_expression(Requirement("tier", operator, values))  # type: ignore[arg-type]


def from_expression(requirement: Requirement) -> Peer:
    return Peer(pods=Selector(expressions=(requirement,)))


def pod(workload: Workload) -> End:
    return PodEnd(workload.id)


def address(text: str) -> End:
    return AddressEnd(ip_address(text))


A, D, U = Answer.ALLOW, Answer.DENY, Answer.UNDEFINED

TRUTH_TABLE: list[tuple[str, tuple[NetworkPolicy, ...], End, End, int, Protocol, Answer]] = [
    ("not-isolated", (), pod(WEB), pod(API), 9090, "TCP", A),
    ("isolated-no-rules", (policy(),), pod(WEB), pod(API), 9090, "TCP", D),
    ("isolated-other-pod", (policy(),), pod(API), pod(WEB), 8080, "TCP", A),
    ("isolated-other-namespace", (policy(pods=ALL),), pod(WEB), pod(OPS), 80, "TCP", A),
    ("empty-pod-selector", (policy(pods=ALL),), pod(OPS), pod(WEB), 8080, "TCP", D),
    ("from-empty", (policy(Rule()),), pod(OPS), pod(API), 1, "UDP", A),
    ("from-empty-external", (policy(Rule()),), address("192.0.2.1"), pod(API), 1, "UDP", A),
    ("pods-own-namespace", (from_peers(Peer(pods=APP_WEB)),), pod(WEB), pod(API), 1, "TCP", A),
    ("pods-not-elsewhere", (from_peers(Peer(pods=APP_WEB)),), pod(OPS), pod(API), 1, "TCP", D),
    (
        "namespaces-all-pods",
        (from_peers(Peer(namespaces=Selector.of({"team": "ops"}))),),
        pod(OPS),
        pod(API),
        1,
        "TCP",
        A,
    ),
    (
        "namespaces-not-own",
        (from_peers(Peer(namespaces=Selector.of({"team": "ops"}))),),
        pod(WEB),
        pod(API),
        1,
        "TCP",
        D,
    ),
    ("namespaces-empty", (from_peers(Peer(namespaces=ALL)),), pod(OPS), pod(API), 1, "TCP", A),
    ("selectors-not-external", (from_peers(Peer(namespaces=ALL)),), address("192.0.2.1"), pod(API), 1, "TCP", D),
    ("and", (from_peers(Peer(APP_API, Selector.of({"team": "ops"}))),), pod(OPS), pod(API), 1, "TCP", D),
    (
        "or",
        (from_peers(Peer(APP_API), Peer(namespaces=Selector.of({"team": "ops"}))),),
        pod(OPS),
        pod(API),
        1,
        "TCP",
        A,
    ),
    ("name-label", (from_peers(Peer(namespaces=Selector.of({NAME_LABEL: "ops"}))),), pod(OPS), pod(API), 1, "TCP", A),
    ("in", (from_peers(expression("In", "front", "back")),), pod(WEB), pod(API), 1, "TCP", A),
    ("in-missing-key", (from_peers(expression("In", "front")),), pod(API), pod(API), 1, "TCP", D),
    ("not-in", (from_peers(expression("NotIn", "front")),), pod(WEB), pod(API), 1, "TCP", D),
    ("not-in-missing-key", (from_peers(expression("NotIn", "front")),), pod(API), pod(API), 1, "TCP", A),
    ("exists", (from_peers(expression("Exists")),), pod(WEB), pod(API), 1, "TCP", A),
    ("does-not-exist", (from_peers(expression("DoesNotExist")),), pod(WEB), pod(API), 1, "TCP", D),
    ("does-not-exist-missing-key", (from_peers(expression("DoesNotExist")),), pod(API), pod(API), 1, "TCP", A),
    ("union", (policy(), from_peers(Peer(pods=APP_WEB))), pod(WEB), pod(API), 1, "TCP", A),
    ("egress-denied", (policy(types=("Egress",), pods=APP_WEB),), pod(WEB), pod(API), 1, "TCP", D),
    ("egress-leaves-ingress", (policy(types=("Egress",), pods=APP_API),), pod(WEB), pod(API), 1, "TCP", A),
    (
        "both-sides",
        (policy(types=("Egress",), pods=APP_WEB, egress=(Rule(),)), policy()),
        pod(WEB),
        pod(API),
        1,
        "TCP",
        D,
    ),
    (
        "rules-of-undeclared-type",
        (policy(egress=(Rule(peers=(Peer(pods=APP_WEB),)),), pods=APP_WEB),),
        pod(WEB),
        pod(API),
        1,
        "TCP",
        A,
    ),
    ("ports-empty", (policy(Rule(peers=(Peer(pods=APP_WEB),))),), pod(WEB), pod(API), 9, "SCTP", A),
    ("port", (to_ports(PolicyPort("TCP", 80)),), pod(WEB), pod(API), 80, "TCP", A),
    ("port-other", (to_ports(PolicyPort("TCP", 80)),), pod(WEB), pod(API), 81, "TCP", D),
    ("port-other-protocol", (to_ports(PolicyPort("TCP", 80)),), pod(WEB), pod(API), 80, "UDP", D),
    ("port-absent", (to_ports(PolicyPort("UDP")),), pod(WEB), pod(API), 65535, "UDP", A),
    ("sctp-isolates-tcp", (to_ports(PolicyPort("SCTP")),), pod(WEB), pod(API), 80, "TCP", D),
    ("end-port", (to_ports(PolicyPort("TCP", 80, 90)),), pod(WEB), pod(API), 90, "TCP", A),
    ("end-port-above", (to_ports(PolicyPort("TCP", 80, 90)),), pod(WEB), pod(API), 91, "TCP", D),
    ("named-port", (to_ports(PolicyPort("TCP", "http")),), pod(WEB), pod(API), 9090, "TCP", A),
    ("named-port-per-protocol", (to_ports(PolicyPort("UDP", "http")),), pod(WEB), pod(API), 9053, "UDP", A),
    ("named-port-protocol-kept", (to_ports(PolicyPort("UDP", "http")),), pod(WEB), pod(API), 9090, "UDP", D),
    ("named-port-absent", (to_ports(PolicyPort("TCP", "grpc")),), pod(WEB), pod(API), 9090, "TCP", D),
    (
        "named-port-of-destination",
        (policy(types=("Egress",), pods=APP_WEB, egress=(Rule(ports=(PolicyPort("TCP", "http"),)),)),),
        pod(WEB),
        pod(API),
        9090,
        "TCP",
        A,
    ),
    ("block", (from_peers(block("192.0.2.0/24")),), address("192.0.2.9"), pod(API), 1, "TCP", A),
    ("block-outside", (from_peers(block("192.0.2.0/24")),), address("192.0.3.9"), pod(API), 1, "TCP", D),
    ("block-except", (from_peers(block("192.0.2.0/24", "192.0.2.8/29")),), address("192.0.2.9"), pod(API), 1, "TCP", D),
    ("block-ipv6", (from_peers(block("2001:db8::/32")),), address("2001:db8::1"), pod(API), 1, "TCP", A),
    ("block-other-family", (from_peers(block("0.0.0.0/0")),), address("2001:db8::1"), pod(API), 1, "TCP", D),
    ("block-pod", (from_peers(block("10.244.0.0/16")),), pod(WEB), pod(API), 1, "TCP", U),
    ("block-not-pod", (from_peers(block("192.0.2.0/24")),), pod(WEB), pod(API), 1, "TCP", D),
    ("block-pod-excepted", (from_peers(block("0.0.0.0/0", "10.244.0.0/16")),), pod(WEB), pod(API), 1, "TCP", D),
    ("block-pod-allowed-anyway", (from_peers(block("0.0.0.0/0"), Peer(ALL)),), pod(WEB), pod(API), 1, "TCP", A),
    ("self", (policy(types=("Ingress", "Egress"), pods=ALL),), pod(WEB), pod(WEB), 1, "TCP", A),
    ("self-other-replica", (policy(types=("Ingress", "Egress"), pods=ALL),), pod(API), pod(API), 1, "TCP", D),
    ("host-network-open", (), pod(NODE), pod(API), 1, "TCP", A),
    ("host-network-source", (policy(),), pod(NODE), pod(API), 1, "TCP", U),
    ("host-network-any-peer", (policy(Rule()),), pod(NODE), pod(API), 1, "TCP", A),
    (
        "host-network-selected",
        (NetworkPolicy("ops", "p", ALL, ("Ingress",)),),
        pod(WEB),
        pod(NODE),
        1,
        "TCP",
        U,
    ),
]


@pytest.mark.parametrize("row", TRUTH_TABLE, ids=[row[0] for row in TRUTH_TABLE])
def test_truth_table(
    row: tuple[str, tuple[NetworkPolicy, ...], End, End, int, Protocol, Answer],
) -> None:
    _, policies, source, destination, port, protocol, answer = row
    assert evaluate(inventory(*policies), source, destination, port, protocol).answer is answer


def test_the_deciding_rules_are_named() -> None:
    verdict = evaluate(inventory(policy(Rule(ports=(PolicyPort("TCP", 1),)), Rule())), pod(WEB), pod(API), 80, "TCP")
    assert [str(r) for r in verdict.ingress.matching] == ["shop/p ingress[1]"]
    assert verdict.deciding == ("shop/p",)
    assert verdict.expected == "allow"


def test_a_denial_names_the_isolating_policies_of_the_closed_side() -> None:
    open_egress = NetworkPolicy("shop", "out", APP_WEB, ("Egress",), (), (Rule(),))
    verdict = evaluate(inventory(open_egress, policy()), pod(WEB), pod(API), 80, "TCP")
    assert verdict.deciding == ("shop/p",)
    assert verdict.expected == "deny"


@pytest.mark.parametrize(("cni", "expected"), [("calico", "allow"), ("cilium", "deny")])
def test_a_known_cni_closes_what_kubernetes_leaves_open(cni: str, expected: str) -> None:
    verdict = evaluate(inventory(from_peers(block("10.244.0.0/16")), cni=cni), pod(WEB), pod(API), 1, "TCP")
    assert verdict.answer is Answer.DIALECT
    assert verdict.expected == expected


@pytest.mark.parametrize(
    ("cni", "excluded", "answer", "expected"),
    [
        ("calico", (), Answer.DIALECT, "allow"),
        ("calico", ("10.244.0.0/16",), Answer.UNDEFINED, None),  # VXLAN sends from the node's tunnel address
        ("calico", ("192.0.2.0/24",), Answer.UNDEFINED, None),
        ("cilium", (), Answer.UNDEFINED, None),  # its own node reaches the pod, another one does not
        (None, (), Answer.UNDEFINED, None),
    ],
)
def test_a_node_that_calls_a_pod_may_come_from_the_pod_range(
    cni: str | None, excluded: tuple[str, ...], answer: Answer, expected: str | None
) -> None:
    around = inventory(from_peers(block("0.0.0.0/0", *excluded)), cni=cni)
    verdict = evaluate(around, pod(NODE), pod(API), 1, "TCP")
    assert (verdict.answer, verdict.expected) == (answer, expected)


def test_a_node_that_is_called_has_no_address_of_the_pod_range() -> None:
    out = policy(types=("Egress",), egress=(Rule((block("0.0.0.0/0", "10.244.0.0/16"),)),))
    verdict = evaluate(inventory(out, cni="calico"), pod(API), pod(NODE), 1, "TCP")
    assert (verdict.answer, verdict.expected) == (Answer.DIALECT, "allow")


def test_a_block_over_part_of_the_pod_range_stays_open_when_the_cni_is_known() -> None:
    verdict = evaluate(inventory(from_peers(block("10.244.1.0/24")), cni="calico"), pod(WEB), pod(API), 1, "TCP")
    assert verdict.answer is Answer.UNDEFINED
    assert verdict.expected is None


def test_a_namespace_that_nothing_declares_has_its_name_label() -> None:
    stray = Workload("stray", "job", {})
    base = inventory(from_peers(Peer(namespaces=Selector.of({NAME_LABEL: "stray"}))))
    undeclared = Inventory(base.namespaces, (*base.workloads, stray), (), base.policies, base.pod_cidrs)
    assert evaluate(undeclared, PodEnd("stray/job"), pod(API), 1, "TCP").answer is Answer.ALLOW


def test_unknown_ends_are_problems() -> None:
    with pytest.raises(Problem, match="no workload shop/nobody"):
        evaluate(inventory(), PodEnd("shop/nobody"), pod(API), 1, "TCP")
    with pytest.raises(ValueError, match="a pod at one end"):
        evaluate(inventory(), address("192.0.2.1"), address("192.0.2.2"), 1, "TCP")
