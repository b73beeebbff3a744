"""The truth table of policy tiers: ClusterNetworkPolicy v1alpha2, AdminNetworkPolicy and its baseline v1alpha1."""

from ipaddress import ip_address, ip_network

import pytest

from netspec.analysis.evaluate import evaluate
from netspec.analysis.verdict import AddressEnd, Answer, End, PodEnd
from netspec.ir.model import (
    NAME_LABEL,
    Action,
    ContainerPort,
    Inventory,
    IpBlock,
    Namespace,
    NetworkPolicy,
    Peer,
    PolicyPort,
    Rule,
    Tier,
    TierPolicy,
    TierRule,
    Workload,
)
from netspec.ir.selectors import Selector

WEB = Workload("shop", "web", {"app": "web"})
DB = Workload("shop", "db", {"app": "db"}, (ContainerPort(5432, "TCP", "sql"),))
OPS = Workload("ops", "agent", {"app": "agent"})
NODE = Workload("ops", "node", {"app": "web"}, host_network=True)
ALL = Selector()
EVERY = Peer(namespaces=ALL)
SHOP = Peer(namespaces=Selector.of({NAME_LABEL: "shop"}))
WEB_PODS = Peer(Selector.of({"app": "web"}), ALL)
OUTSIDE = AddressEnd(ip_address("192.0.2.1"))
A, D, U = Answer.ALLOW, Answer.DENY, Answer.UNDEFINED


def network(cidr: str) -> Peer:
    return Peer(ip_block=IpBlock(ip_network(cidr)))


def rule(action: Action, *peers: Peer, ports: tuple[PolicyPort, ...] = ()) -> TierRule:
    return TierRule(action, peers, ports)


def tier(
    *ingress: TierRule,
    egress: tuple[TierRule, ...] = (),
    at: Tier = "Admin",
    priority: int = 10,
    subject: Peer = EVERY,
    name: str = "t",
) -> TierPolicy:
    return TierPolicy("ClusterNetworkPolicy", name, at, priority, subject, ingress, egress)


DENY_NP = NetworkPolicy("shop", "deny", ALL, ("Ingress", "Egress"))
ALLOW_NP = NetworkPolicy("shop", "allow", ALL, ("Ingress", "Egress"), (Rule(),), (Rule(),))

Row = tuple[str, tuple[TierPolicy, ...], tuple[NetworkPolicy, ...], End, End, int, Answer]

TRUTH_TABLE: list[Row] = [
    ("admin-deny", (tier(rule("Deny", EVERY)),), (ALLOW_NP,), PodEnd("shop/web"), PodEnd("shop/db"), 1, D),
    (
        "admin-accept-over-networkpolicy",
        (tier(rule("Accept", EVERY), egress=(rule("Accept", EVERY),)),),
        (DENY_NP,),
        PodEnd("shop/web"),
        PodEnd("shop/db"),
        1,
        A,
    ),
    (
        "admin-accept-is-one-side",
        (tier(rule("Accept", EVERY)),),
        (DENY_NP,),
        PodEnd("shop/web"),
        PodEnd("shop/db"),
        1,
        D,
    ),
    (
        "admin-pass-to-networkpolicy",
        (tier(rule("Pass", EVERY), rule("Accept", EVERY)),),
        (NetworkPolicy("shop", "in", ALL, ("Ingress",)),),
        PodEnd("shop/web"),
        PodEnd("shop/db"),
        1,
        D,
    ),
    (
        "admin-pass-to-baseline",
        (tier(rule("Pass", EVERY)), tier(rule("Deny", EVERY), at="Baseline", name="b")),
        (),
        PodEnd("shop/web"),
        PodEnd("shop/db"),
        1,
        D,
    ),
    (
        "rule-order",
        (tier(rule("Deny", WEB_PODS), rule("Accept", EVERY)),),
        (),
        PodEnd("shop/web"),
        PodEnd("shop/db"),
        1,
        D,
    ),
    (
        "priority-lower-first",
        (tier(rule("Deny", EVERY), priority=20), tier(rule("Accept", EVERY), priority=10, name="first")),
        (),
        PodEnd("shop/web"),
        PodEnd("shop/db"),
        1,
        A,
    ),
    (
        "priority-tie-undefined",
        (tier(rule("Deny", EVERY)), tier(rule("Accept", EVERY), name="other")),
        (),
        PodEnd("shop/web"),
        PodEnd("shop/db"),
        1,
        U,
    ),
    (
        "priority-tie-agreeing",
        (tier(rule("Deny", EVERY)), tier(rule("Deny", WEB_PODS), name="other")),
        (),
        PodEnd("shop/web"),
        PodEnd("shop/db"),
        1,
        D,
    ),
    (
        "priority-tie-same-outcome",
        (tier(rule("Pass", EVERY)), tier(rule("Accept", EVERY), name="other")),
        (),
        PodEnd("shop/web"),
        PodEnd("shop/db"),
        1,
        A,
    ),
    ("no-match-falls-through", (tier(rule("Deny", SHOP)),), (), PodEnd("ops/agent"), PodEnd("shop/db"), 1, A),
    ("baseline-deny", (tier(rule("Deny", EVERY), at="Baseline"),), (), PodEnd("shop/web"), PodEnd("shop/db"), 1, D),
    (
        "baseline-after-networkpolicy",
        (tier(rule("Deny", EVERY), at="Baseline"),),
        (ALLOW_NP,),
        PodEnd("shop/web"),
        PodEnd("shop/db"),
        1,
        A,
    ),
    (
        "networkpolicy-is-final",
        (tier(rule("Accept", EVERY), egress=(rule("Accept", EVERY),), at="Baseline"),),
        (DENY_NP,),
        PodEnd("shop/web"),
        PodEnd("shop/db"),
        1,
        D,
    ),
    (
        "baseline-pass-is-open",
        (tier(rule("Pass", EVERY), rule("Deny", EVERY), at="Baseline"),),
        (),
        PodEnd("shop/web"),
        PodEnd("shop/db"),
        1,
        A,
    ),
    (
        "subject-others",
        (tier(rule("Deny", EVERY), subject=WEB_PODS),),
        (),
        PodEnd("shop/web"),
        PodEnd("shop/db"),
        1,
        A,
    ),
    ("no-rules-no-effect", (tier(),), (), PodEnd("shop/web"), PodEnd("shop/db"), 1, A),
    (
        "port",
        (tier(rule("Deny", EVERY, ports=(PolicyPort("TCP", 80, 90),))),),
        (),
        PodEnd("shop/web"),
        PodEnd("shop/db"),
        85,
        D,
    ),
    (
        "port-other",
        (tier(rule("Deny", EVERY, ports=(PolicyPort("TCP", 80, 90),))),),
        (),
        PodEnd("shop/web"),
        PodEnd("shop/db"),
        91,
        A,
    ),
    (
        "named-port",
        (tier(rule("Deny", EVERY, ports=(PolicyPort("TCP", "sql"),))),),
        (),
        PodEnd("shop/web"),
        PodEnd("shop/db"),
        5432,
        D,
    ),
    (
        "ingress-never-external",
        (tier(rule("Deny", EVERY)),),
        (),
        OUTSIDE,
        PodEnd("shop/db"),
        1,
        A,
    ),
    (
        "networks-external",
        (tier(egress=(rule("Deny", network("192.0.2.0/24")),)),),
        (),
        PodEnd("shop/web"),
        OUTSIDE,
        1,
        D,
    ),
    (
        "networks-match-pods",
        (tier(egress=(rule("Deny", network("0.0.0.0/0")),)),),
        (),
        PodEnd("shop/web"),
        PodEnd("shop/db"),
        1,
        D,
    ),
    (
        "networks-part-of-the-pod-range",
        (tier(egress=(rule("Deny", network("10.244.1.0/24")),)),),
        (),
        PodEnd("shop/web"),
        PodEnd("shop/db"),
        1,
        U,
    ),
    (
        "networks-after-pods-pass",
        (tier(egress=(rule("Pass", EVERY), rule("Deny", network("0.0.0.0/0")))),),
        (),
        PodEnd("shop/web"),
        PodEnd("shop/db"),
        1,
        A,
    ),
    (
        "host-network-no-subject",
        (tier(rule("Deny", EVERY)),),
        (),
        PodEnd("shop/db"),
        PodEnd("ops/node"),
        1,
        A,
    ),
    (
        "host-network-no-peer",
        (tier(rule("Deny", EVERY)),),
        (),
        PodEnd("ops/node"),
        PodEnd("shop/db"),
        1,
        A,
    ),
]


def cluster(tiers: tuple[TierPolicy, ...], policies: tuple[NetworkPolicy, ...]) -> Inventory:
    namespaces = tuple(Namespace(n, {NAME_LABEL: n}) for n in ("shop", "ops"))
    return Inventory(namespaces, (WEB, DB, OPS, NODE), (), policies, (ip_network("10.244.0.0/16"),), None, tiers)


@pytest.mark.parametrize("row", TRUTH_TABLE, ids=[row[0] for row in TRUTH_TABLE])
def test_truth_table(row: Row) -> None:
    _, tiers, policies, source, destination, port, answer = row
    assert evaluate(cluster(tiers, policies), source, destination, port, "TCP").answer is answer


def test_the_tier_rule_that_decides_is_named() -> None:
    tiers = (tier(rule("Pass", SHOP), rule("Deny", EVERY), name="guard"),)
    verdict = evaluate(cluster(tiers, ()), PodEnd("ops/agent"), PodEnd("shop/db"), 1, "TCP")
    assert verdict.ingress.final is not None
    assert str(verdict.ingress.final.rule) == "ClusterNetworkPolicy/guard ingress[1]"
    assert verdict.deciding == ("ClusterNetworkPolicy/guard",)


def test_a_tie_is_explained() -> None:
    tiers = (tier(rule("Deny", EVERY)), tier(rule("Accept", EVERY), name="other"))
    verdict = evaluate(cluster(tiers, ()), PodEnd("shop/web"), PodEnd("shop/db"), 1, "TCP")
    assert "one tier and priority" in verdict.note
    assert verdict.expected is None
