"""Calico's own policies, from YAML: selectors, ports, what is left open, and what is refused. What their order means is
held by tests/property/test_reach_calico.py."""

from dataclasses import replace
from ipaddress import ip_address

import pytest

from netspec.analysis.evaluate import evaluate
from netspec.analysis.explain import Explainer
from netspec.analysis.verdict import AddressEnd, Answer, End, PodEnd
from netspec.backends.cni.dialects import DIALECTS
from netspec.diagnostics import Severity
from netspec.manifests.calico_selectors import alternatives
from netspec.manifests.fields import Bad, Missing
from netspec.manifests.read import Reading, read_texts

CLUSTER = """\
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {team: shop}}
---
apiVersion: v1
kind: Namespace
metadata: {name: ops, labels: {team: ops}}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: main, ports: [{name: http, containerPort: 8080}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: db, namespace: shop, labels: {app: db}}
spec: {containers: [{name: main, ports: [{name: sql, containerPort: 5432}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: agent, namespace: ops, labels: {app: agent}}
spec: {containers: [{name: main}]}
---
apiVersion: v1
kind: Pod
metadata: {name: node, namespace: ops, labels: {app: web}}
spec: {hostNetwork: true, containers: [{name: main}]}
"""
WEB, DB, AGENT, NODE = PodEnd("shop/web"), PodEnd("shop/db"), PodEnd("ops/agent"), PodEnd("ops/node")
OUT = AddressEnd(ip_address("192.0.2.7"))
A, D, U = Answer.ALLOW, Answer.DENY, Answer.UNDEFINED
GLOBAL = "apiVersion: projectcalico.org/v3\nkind: GlobalNetworkPolicy\nmetadata: {name: p}\n"
OWN = "apiVersion: crd.projectcalico.org/v1\nkind: NetworkPolicy\nmetadata: {name: default.p, namespace: shop}\n"
IN_ORDER = "{ingress: [{action: Log}, {action: Deny, source: {nets: [192.0.2.0/24]}}, {action: Allow}]}"
REQUESTS = "{ingress: [{action: Allow, http: {methods: [GET]}, protocol: TCP, destination: {ports: [80]}}]}"


def reading(header: str, spec: str, more: str = "") -> Reading:
    return read_texts([("cluster.yaml", f"{CLUSTER}---\n{header}spec: {spec}\n{more}")])


def answer(found: Reading, source: End, to: End, port: int = 5432) -> Answer:
    inventory = replace(found.inventory, dialect=DIALECTS["calico"])
    verdict = evaluate(inventory, source, to, port, "TCP").answer
    assert Explainer(inventory).explain(source, to, port, "TCP").answer(port, "TCP") == verdict.value
    return verdict


@pytest.mark.parametrize(
    ("header", "spec", "source", "to", "wanted"),
    [
        # It isolates what it selects, in its own directions.
        (OWN, "{selector: app == 'db'}", WEB, DB, D),
        (OWN, "{selector: app == 'db'}", DB, WEB, A),
        (OWN, "{selector: app == 'db', types: [Egress]}", WEB, DB, A),
        (OWN, "{selector: app == 'db', types: [Egress]}", DB, WEB, D),
        (OWN, "{}", AGENT, WEB, D),
        (OWN, "{}", WEB, AGENT, A),
        # Selectors without namespaces are about its own; a global one's about all.
        (OWN, "{ingress: [{action: Allow, source: {selector: all()}}]}", WEB, DB, A),
        (OWN, "{ingress: [{action: Allow, source: {selector: all()}}]}", AGENT, DB, D),
        (GLOBAL, "{ingress: [{action: Allow, source: {selector: all()}}]}", AGENT, DB, A),
        (GLOBAL, "{ingress: [{action: Allow, source: {selector: all()}}]}", OUT, DB, D),
        (OWN, "{ingress: [{action: Allow, source: {namespaceSelector: team == 'ops'}}]}", AGENT, DB, A),
        (OWN, "{ingress: [{action: Allow, source: {namespaceSelector: team == 'ops'}}]}", WEB, DB, D),
        (GLOBAL, "{namespaceSelector: projectcalico.org/name == 'ops'}", AGENT, WEB, A),
        (GLOBAL, "{namespaceSelector: projectcalico.org/name == 'shop'}", AGENT, WEB, D),
        # A host-network pod is its node: no selector describes it, and no policy isolates it.
        (GLOBAL, "{ingress: [{action: Allow, source: {selector: app == 'web'}}]}", WEB, DB, A),
        (GLOBAL, "{types: [Ingress, Egress]}", OUT, NODE, A),
        # The first that matches decides; Log does not.
        (OWN, IN_ORDER, OUT, DB, D),
        (OWN, IN_ORDER, WEB, DB, A),
        (OWN, "{ingress: [{action: Pass}, {action: Deny}]}", OUT, DB, A),
        # Ports: of protocols, names, ranges, all but some.
        (OWN, "{ingress: [{action: Allow, protocol: TCP, destination: {ports: [sql]}}]}", WEB, DB, A),
        (OWN, "{ingress: [{action: Allow, protocol: 6, destination: {ports: ['5000:6000']}}]}", WEB, DB, A),
        (OWN, "{ingress: [{action: Allow, protocol: UDP, destination: {ports: [5432]}}]}", WEB, DB, D),
        (OWN, "{ingress: [{action: Allow, protocol: TCP, destination: {notPorts: [5432]}}]}", WEB, DB, D),
        (OWN, "{ingress: [{action: Allow, protocol: ICMP}]}", WEB, DB, D),
        # What is not in the input leaves its rule open, and no other.
        (OWN, "{ingress: [{action: Allow, source: {serviceAccounts: {names: [a]}}}]}", WEB, DB, U),
        (OWN, "{ingress: [{action: Allow, source: {selector: app starts with 'w'}}]}", WEB, DB, U),
        (OWN, "{ingress: [{action: Allow, protocol: TCP, source: {ports: [1]}}]}", WEB, DB, U),
        (OWN, "{ingress: [{action: Deny}, {action: Allow, source: {serviceAccounts: {names: [a]}}}]}", WEB, DB, D),
        (OWN, "{egress: [{action: Allow, destination: {services: {name: db}}}]}", WEB, DB, U),
        (OWN, "{serviceAccountSelector: has(a), ingress: [{action: Deny}]}", WEB, DB, U),
        # Its proxy decides requests, and nothing else.
        (OWN, "{ingress: [{action: Allow, http: {methods: [GET]}}]}", WEB, DB, U),
        (OWN, REQUESTS, WEB, DB, D),
    ],
)  # fmt: skip
def test_truth_table(header: str, spec: str, source: End, to: End, wanted: Answer) -> None:
    found = reading(header, spec)
    assert [d for d in found.diagnostics if d.severity is Severity.ERROR] == []
    assert bool(found.diagnostics) or wanted is not U or "http" in spec
    assert answer(found, source, to) is wanted


def test_network_policies_stand_at_1000() -> None:
    allow = (
        "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: np, namespace: shop}\n"
        "spec: {podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {}}]}]}\n"
    )
    rules = "ingress: [{action: Deny, source: {selector: app == 'web'}}, {action: Allow}]"
    before = reading(OWN, f"{{order: 999, selector: app == 'db', {rules}}}", allow)
    assert [answer(before, end, DB) for end in (WEB, AGENT)] == [D, A]
    behind = reading(OWN, f"{{order: 1001, selector: app == 'db', {rules}}}", allow)
    assert [answer(behind, end, DB) for end in (WEB, AGENT)] == [A, A]
    passed = reading(OWN, "{order: 1, selector: app == 'db', ingress: [{action: Pass}]}", allow)
    assert answer(passed, AGENT, DB) is A


@pytest.mark.parametrize(
    ("header", "spec", "said"),
    [
        (OWN, "{tier: security}", "spec.tier is a tier that is not known (security) [NM004]"),
        (OWN, "{order: 1000}", "spec.order is that of NetworkPolicies"),
        (GLOBAL, "{doNotTrack: true}", "spec.doNotTrack is about hosts, which are not analysed [NM004]"),
        (OWN, "{order: first}", "spec.order is not a number [NM002]"),
        (OWN, "{selector: app = 'db'}", "spec.selector is not a selector: \"= 'db'\" [NM002]"),
        (OWN, "{selector: app == db}", "spec.selector is not a selector: 'db' is not expected [NM002]"),
        (OWN, "{selector: (app == 'db'}", "spec.selector is not a whole selector [NM002]"),
        (OWN, "{selektor: all()}", "spec.selektor is an unknown field"),
        (OWN, "{namespaceSelector: all()}", "spec.namespaceSelector is for global policies [NM002]"),
        (OWN, "{types: [ingress]}", "spec.types[0] is neither Ingress nor Egress [NM002]"),
        (OWN, "{types: [Egress], ingress: [{action: Allow}]}", "spec.types has no Ingress, for which there are rules"),
        (OWN, "{ingress: [{action: allow}]}", "spec.ingress[0].action is not one of Allow, Deny, Pass, Log [NM002]"),
        (OWN, "{ingress: [{action: Allow, destination: {ports: [1]}}]}", "must have a protocol: TCP, UDP or SCTP"),
        (
            OWN,
            "{ingress: [{action: Allow, protocol: TCP, destination: {ports: ['9:1']}}]}",
            "spec.ingress[0].destination.ports[0] ends before it begins [NM002]",
        ),
    ],
)
def test_what_calico_does_not_take_and_what_is_not_analysed(header: str, spec: str, said: str) -> None:
    found = reading(header, spec)
    (message,) = [d.render() for d in found.diagnostics]
    assert said in message and message.startswith("cluster.yaml:")
    assert found.inventory.tiers == ()


def test_copies_of_network_policies_are_none_of_their_own() -> None:
    copy = "apiVersion: projectcalico.org/v3\nkind: NetworkPolicy\nmetadata: {name: knp.default.np, namespace: shop}\n"
    found = reading(copy, "{order: 1000, selector: projectcalico.org/orchestrator == 'k8s'}")
    assert found.diagnostics == () and found.inventory.tiers == ()


def test_a_cluster_with_such_policies_runs_calico() -> None:
    assert reading(OWN, "{}").cni == "calico"


LABELS = [
    ({"app": "web", "tier": "a"}, {"kubernetes.io/metadata.name": "shop", "team": "x"}),
    ({"app": "db"}, {"kubernetes.io/metadata.name": "ops"}),
    ({}, {"kubernetes.io/metadata.name": "shop", "team": "y"}),
]


@pytest.mark.parametrize(
    ("text", "matched"),
    [
        ("", [0, 1, 2]),
        ("all()", [0, 1, 2]),
        ("global()", []),
        ("!global()", [0, 1, 2]),
        ("app == 'web'", [0]),
        ('app != "web"', [1, 2]),
        ("app in {'web', 'db'}", [0, 1]),
        ("app not in {'web'}", [1, 2]),
        ("app in {}", []),
        ("has(app) && !has(tier)", [1]),
        ("has( tier )||app == 'db'", [0, 1]),
        ("!(app == 'web' && has(tier))", [1, 2]),
        ("!(!has(app) || tier == 'a')", [1]),
        ("app == 'web' || app == 'db' && tier == 'a'", [0]),
        ("projectcalico.org/namespace == 'shop'", [0, 2]),
        ("pcns.team != 'x'", [1, 2]),
        ("pcns.projectcalico.org/name in {'ops'}", [1]),
        ("projectcalico.org/orchestrator == 'k8s'", [0, 1, 2]),
        ("projectcalico.org/orchestrator != 'k8s'", []),
        ("app == 'web' && app == 'db'", []),
    ],
)
def test_selectors(text: str, matched: list[int]) -> None:
    peers = alternatives(text, (), "pods")
    found = [
        i
        for i, (pods, namespaces) in enumerate(LABELS)
        if any(p.pods and p.namespaces and p.pods.matches(pods) and p.namespaces.matches(namespaces) for p in peers)
    ]
    assert found == matched


@pytest.mark.parametrize(
    "text", ["app ==", "&& app", "app == 'a' app", "has()", "all(x)", "app in {'a' 'b'}", "in", ")"]
)
def test_what_is_not_a_selector(text: str) -> None:
    with pytest.raises(Bad, match=r"is not a (whole )?selector"):
        alternatives(text, (), "pods")


def test_a_selector_with_very_many_alternatives_is_left_open() -> None:
    with pytest.raises(Missing, match="more than 64 alternatives"):
        alternatives(" && ".join(f"(a == '{i}' || b == '{i}')" for i in range(7)), (), "pods")
