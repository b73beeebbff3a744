"""Rules of ordered policies that cannot be read: the rules before and after keep their meaning, and flows that such a
rule may decide are left open, unless all that it may decide comes to the same."""

from collections.abc import Sequence
from ipaddress import ip_address

import pytest

from netspec.analysis.engine import Reachability
from netspec.analysis.evaluate import evaluate
from netspec.analysis.explain import Explainer
from netspec.analysis.verdict import AddressEnd, Answer, End, PodEnd
from netspec.diagnostics import Severity
from netspec.manifests.read import Reading, read_texts

GROUP = "policy.networking.k8s.io"
PODS = """\
apiVersion: v1
kind: Namespace
metadata: {name: dev}
---
apiVersion: v1
kind: Namespace
metadata: {name: safe}
---
apiVersion: v1
kind: Pod
metadata: {name: a, namespace: dev}
spec: {containers: [{name: c}]}
---
apiVersion: v1
kind: Pod
metadata: {name: host, namespace: dev}
spec: {hostNetwork: true, containers: [{name: c}]}
---
apiVersion: v1
kind: Pod
metadata: {name: vault, namespace: safe}
spec: {containers: [{name: c}]}
"""
DENY_ALL = """\
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny, namespace: dev}
spec: {podSelector: {}, policyTypes: [Egress]}
"""
NODE = """\
---
apiVersion: v1
kind: Node
metadata: {name: n1}
status: {addresses: [{type: InternalIP, address: 192.0.2.7}]}
"""
NODE_WITHOUT_ADDRESS = "---\napiVersion: v1\nkind: Node\nmetadata: {name: n1}\n"
SUBJECT = "subject: {namespaces: {matchLabels: {kubernetes.io/metadata.name: dev}}}"
SAFE = "{namespaces: {matchLabels: {kubernetes.io/metadata.name: safe}}}"
ALL = "{namespaces: {}}"
NAMES = "{domainNames: ['*.example.com']}"
NODES = "{nodes: {}}"
NEW = "{serviceAccounts: {}}"
TCP_443 = "protocols: [{tcp: {destinationPort: {number: 443}}}]"
A_POD, HOST, VAULT = PodEnd("dev/a"), PodEnd("dev/host"), PodEnd("safe/vault")
OUTSIDE = AddressEnd(ip_address("198.51.100.1"))
A, D, U = Answer.ALLOW, Answer.DENY, Answer.UNDEFINED


def cnp(*egress: str, tier: str = "Admin", priority: int = 5, subject: str = SUBJECT, name: str = "guard") -> str:
    return (
        f"---\napiVersion: {GROUP}/v1alpha2\nkind: ClusterNetworkPolicy\nmetadata: {{name: {name}}}\n"
        f"spec: {{tier: {tier}, priority: {priority}, {subject}, egress: [{', '.join(egress)}]}}\n"
    )


def anp(*egress: str, kind: str = "AdminNetworkPolicy", name: str = "guard") -> str:
    priority = "priority: 5, " if kind == "AdminNetworkPolicy" else ""
    return (
        f"---\napiVersion: {GROUP}/v1alpha1\nkind: {kind}\nmetadata: {{name: {name}}}\n"
        f"spec: {{{priority}{SUBJECT}, egress: [{', '.join(egress)}]}}\n"
    )


def rule(action: str, to: str, ports: str = "") -> str:
    return f"{{action: {action}, to: [{to}]{', ' if ports else ''}{ports}}}"


def read(*objects: str) -> Reading:
    return read_texts([("in.yaml", PODS + "".join(objects))])


Row = tuple[str, Sequence[str], End, End, int, Answer]
DENY_SAFE = rule("Deny", SAFE)

TABLE: list[Row] = [
    # After a rule that may match, another port of it, and what it cannot change
    ("port-that-the-rule-has-not", [cnp(rule("Accept", NAMES, TCP_443), DENY_SAFE)], A_POD, VAULT, 22, D),
    ("may-be-accepted-before-it-is-denied", [cnp(rule("Accept", NAMES, TCP_443), DENY_SAFE)], A_POD, VAULT, 443, U),
    ("either-way-denied", [cnp(rule("Deny", NEW), DENY_SAFE)], A_POD, VAULT, 443, D),
    ("either-way-open", [cnp(rule("Accept", NEW))], A_POD, VAULT, 443, A),
    ("may-be-denied", [cnp(rule("Deny", NEW))], A_POD, VAULT, 443, U),
    # Rules before it
    ("rule-before-denies", [cnp(DENY_SAFE, rule("Accept", NEW))], A_POD, VAULT, 443, D),
    ("rule-before-accepts", [cnp(rule("Accept", SAFE), rule("Deny", NEW))], A_POD, VAULT, 443, A),
    # Pass: what follows, or the rest of the tier
    ("pass-may-lead-to-the-same", [cnp(rule("Pass", NEW), DENY_SAFE), DENY_ALL], A_POD, VAULT, 1, D),
    ("pass-may-lead-elsewhere", [cnp(rule("Pass", NEW), DENY_SAFE)], A_POD, VAULT, 1, U),
    ("pass-may-keep-from-accept", [cnp(rule("Pass", NEW), rule("Accept", SAFE)), DENY_ALL], A_POD, VAULT, 1, U),
    (
        "pass-of-one-policy-then-deny-of-the-next",
        [cnp(rule("Pass", NEW)), cnp(DENY_SAFE, priority=6, name="later")],
        A_POD,
        VAULT,
        1,
        U,
    ),
    # Ties
    (
        "tie-with-a-rule-that-may-match",
        [cnp(rule("Accept", NEW)), cnp(DENY_SAFE, name="other")],
        A_POD,
        VAULT,
        1,
        U,
    ),
    ("tie-that-agrees", [cnp(rule("Deny", NEW)), cnp(DENY_SAFE, name="other")], A_POD, VAULT, 1, D),
    # The Baseline tier
    ("baseline", [cnp(rule("Accept", NEW), DENY_SAFE, tier="Baseline")], A_POD, VAULT, 1, U),
    ("baseline-is-not-asked", [cnp(rule("Deny", NEW), tier="Baseline"), DENY_ALL], A_POD, VAULT, 1, D),
    # nodes without Node objects: addresses and host-network pods, never other pods
    ("nodes-are-no-pods", [cnp(rule("Deny", NODES))], A_POD, VAULT, 1, A),
    ("nodes-may-be-any-address", [cnp(rule("Deny", NODES))], A_POD, OUTSIDE, 1, U),
    ("nodes-keep-the-rules-after-them", [cnp(rule("Accept", NODES), DENY_SAFE)], A_POD, VAULT, 1, D),
    ("nodes-without-an-address", [cnp(rule("Deny", NODES)), NODE_WITHOUT_ADDRESS], A_POD, OUTSIDE, 1, U),
    ("nodes-that-are-given", [cnp(rule("Deny", NODES)), NODE], A_POD, OUTSIDE, 1, A),
    ("nodes-of-adminnetworkpolicy", [anp(rule("Allow", NODES), rule("Deny", SAFE))], A_POD, VAULT, 1, D),
    (
        "nodes-of-the-baseline",
        [anp(rule("Allow", NODES), rule("Deny", SAFE), kind="BaselineAdminNetworkPolicy", name="default")],
        A_POD,
        VAULT,
        1,
        D,
    ),
    # Other parts of a rule
    ("unknown-action-before-deny", [cnp(rule("Allow", SAFE), rule("Deny", ALL))], A_POD, VAULT, 1, U),
    ("unknown-action-is-first-for-its-peers-only", [cnp(rule("Allow", SAFE), rule("Deny", ALL))], A_POD, OUTSIDE, 1, A),
    ("unknown-action-after-deny", [cnp(DENY_SAFE, rule("Allow", SAFE))], A_POD, VAULT, 1, D),
    ("unreadable-port", [cnp(rule("Accept", SAFE, "protocols: [{icmp: {}}]"), DENY_SAFE)], A_POD, VAULT, 1, U),
    (
        "unreadable-port-beside-a-readable",
        [cnp(rule("Accept", SAFE, "protocols: [{icmp: {}}, {tcp: {destinationPort: {number: 22}}}]"), DENY_SAFE)],
        A_POD,
        VAULT,
        22,
        A,
    ),
    ("unknown-field-of-a-rule", [cnp(f"{{action: Deny, to: [{SAFE}], when: night}}")], A_POD, VAULT, 1, U),
    ("no-peers", [cnp("{action: Accept, to: []}", DENY_SAFE)], A_POD, VAULT, 1, U),
    ("peer-beside-a-readable", [cnp(rule("Deny", f"{SAFE}, {NEW}"))], A_POD, VAULT, 1, D),
    ("rule-that-is-no-mapping", [cnp("nonsense", DENY_SAFE)], A_POD, VAULT, 1, U),
    # The subject
    ("unreadable-subject", [cnp(rule("Deny", ALL), subject="subject: {nodes: {}}")], A_POD, VAULT, 1, U),
    ("unreadable-subject-never-host", [cnp(rule("Deny", ALL), subject="subject: {nodes: {}}")], HOST, VAULT, 1, A),
    ("unreadable-subject-that-accepts", [cnp(rule("Accept", ALL), subject="subject: {}")], A_POD, VAULT, 1, A),
]


@pytest.mark.parametrize("row", TABLE, ids=[row[0] for row in TABLE])
def test_truth_table(row: Row) -> None:
    _, objects, source, destination, port, answer = row
    inventory = read(*objects).inventory
    assert evaluate(inventory, source, destination, port, "TCP").answer is answer
    reach = Reachability(inventory)
    ends: list[End] = [PodEnd(w.id) for w in reach.workloads]
    place = ends.index(destination) if destination in ends else _external(reach, destination)
    found = {c.destination: c for c in reach.connections(ends.index(source))}.get(place)
    allow, undefined = (reach.ports.holds(m, "TCP", port) for m in (found.allow, found.undefined)) if found else (0, 0)
    assert (A if allow else U if undefined else D) is answer


def _external(reach: Reachability, end: End) -> int:
    assert isinstance(end, AddressEnd)
    address = end.address
    holders = [i for i, e in enumerate(reach.externals) if e.holds(address.version, int(address))]
    return len(reach.workloads) + holders[0]


def test_what_cannot_be_read_is_an_error_and_what_is_not_given_a_warning_said_once() -> None:
    reading = read(cnp(rule("Deny", NEW), rule("Accept", NODES), rule("Deny", NODES), rule("Accept", NAMES)))
    said = [(d.code, d.severity, d.message.partition(": ")[2]) for d in reading.diagnostics]
    assert said == [
        ("NM002", Severity.ERROR, "spec.egress[0].to[0].serviceAccounts is an unknown field"),
        ("NM006", Severity.WARNING, "spec.egress[1].to[0].nodes are nodes whose addresses are not known"),
        (
            "NM006",
            Severity.WARNING,
            "spec.egress[3].to[0].domainNames are names, and which addresses they have is not in the manifests",
        ),
    ]
    assert [d.hint for d in reading.diagnostics][1] == "add them: kubectl get nodes -o yaml"


def test_an_explanation_says_which_rule_may_decide() -> None:
    inventory = read(cnp(rule("Accept", NAMES, TCP_443), DENY_SAFE)).inventory
    found = Explainer(inventory).explain(A_POD, VAULT, 443, "TCP")
    assert found.answer(443, "TCP") == "undefined"
    assert [(s.rule, s.outcome) for s in found.steps if s.rule is not None] == [(0, "maybe"), (1, "denies")]
    assert "a domain name, whose addresses are not known" in found.steps[1].reason
    verdict = evaluate(inventory, A_POD, VAULT, 443, "TCP")
    assert verdict.note == "the input does not say whether ClusterNetworkPolicy/guard egress[0] matches"


@pytest.mark.parametrize("spec", ["priority: 2000, tier: Admin", "priority: 1, tier: Other"], ids=["priority", "tier"])
def test_a_policy_without_a_place_among_the_others_is_left_out(spec: str) -> None:
    text = (
        f"---\napiVersion: {GROUP}/v1alpha2\nkind: ClusterNetworkPolicy\nmetadata: {{name: t}}\n"
        f"spec: {{{spec}, {SUBJECT}, egress: [{DENY_SAFE}]}}\n"
    )
    reading = read(text)
    assert [d.code for d in reading.diagnostics] == ["NM002"]
    assert reading.inventory.tiers == ()
