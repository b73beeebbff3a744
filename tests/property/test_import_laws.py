"""An import says what the input says: the same pods reach the same pods and addresses at the same ports, by the oracle
that the engine is tested with; over random clusters made of what policies in the wild are made of."""

import random
from collections import Counter
from ipaddress import ip_address
from itertools import product
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reach_documents import SAMPLES, damaged_text
from reach_strategies import inventories
from unit.import_support import deployment, imported, meaning, namespace, of_reading, policy, reading

from netspec.analysis.diff import Diff, alike
from netspec.analysis.oracle import evaluate
from netspec.analysis.verdict import AddressEnd, End, PodEnd
from netspec.diagnostics import Report
from netspec.importing.write import flow, scalar, text
from netspec.ir.model import Inventory, Protocol
from netspec.manifests.read import Reading
from netspec.spec.source import parse

NAMESPACES = ("one", "two")
#: Labels of pods; some include others.
LABELS = ({"app": "a"}, {"app": "a", "tier": "front"}, {"app": "b"}, {"app": "b", "tier": "back"}, {"app": "c"})
PORTS = ([], [8080], [("http", 8080), 9090], [("http", 80)])
ADDRESSES = tuple(AddressEnd(ip_address(a)) for a in ("192.0.2.1", "192.0.2.200", "203.0.113.1", "10.0.0.1"))
ASKED: tuple[tuple[int, Protocol], ...] = (
    (80, "TCP"),
    (8080, "TCP"),
    (9090, "TCP"),
    (53, "UDP"),
    (53, "TCP"),
    (7, "SCTP"),
)

pod_selectors = st.sampled_from(
    [
        {},
        {"matchLabels": {"app": "a"}},
        {"matchLabels": {"app": "b"}},
        {"matchLabels": {"app": "a", "tier": "front"}},
        {"matchExpressions": [{"key": "app", "operator": "In", "values": ["a", "c"]}]},
        {"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]},
        {"matchLabels": {"app": "none"}},
    ]
)
namespace_selectors = st.sampled_from(
    [
        {},
        {"matchLabels": {"kubernetes.io/metadata.name": "two"}},
        {"matchLabels": {"team": "one"}},
        {"matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["one"]}]},
    ]
)
DNS = {
    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
    "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
}
peers = st.one_of(
    st.builds(lambda p: {"podSelector": p}, pod_selectors),
    st.builds(lambda n: {"namespaceSelector": n}, namespace_selectors),
    st.builds(lambda n, p: {"namespaceSelector": n, "podSelector": p}, namespace_selectors, pod_selectors),
    st.sampled_from(
        [
            DNS,
            {"ipBlock": {"cidr": "192.0.2.0/24"}},
            {"ipBlock": {"cidr": "0.0.0.0/0"}},
            {"ipBlock": {"cidr": "192.0.2.0/24", "except": ["192.0.2.128/25"]}},
            {"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.244.0.0/16", "10.96.0.0/16"]}},
        ]
    ),
)
ports = st.sampled_from(
    [
        [],
        [{"port": 8080}],
        [{"port": "http"}],
        [{"port": 8000, "endPort": 8100}],
        [{"protocol": "TCP"}],
        [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}],
        [{"port": 7, "protocol": "SCTP"}],
    ]
)


def rules(side: str) -> st.SearchStrategy[list[dict[str, Any]]]:
    one = st.builds(lambda p, q: {side: p, "ports": q}, st.lists(peers, max_size=2), ports)
    return st.lists(one, min_size=1, max_size=2)


@st.composite
def policies(draw: st.DrawFn, number: int) -> dict[str, Any]:
    fields: dict[str, Any] = {"podSelector": draw(pod_selectors)}
    types = draw(st.sampled_from([["Ingress"], ["Egress"], ["Ingress", "Egress"]]))
    if "Ingress" in types:
        fields["ingress"] = draw(rules("from"))
    if "Egress" in types:
        fields["egress"] = draw(rules("to"))
    return policy(f"p{number}", draw(st.sampled_from(NAMESPACES)), policyTypes=types, **fields)


@st.composite
def manifests(draw: st.DrawFn) -> list[dict[str, Any]]:
    found = [namespace("one", team="one"), namespace("two", team="two")]
    for name in NAMESPACES:
        chosen = draw(st.lists(st.sampled_from(LABELS), min_size=1, max_size=3, unique_by=str))
        found += [deployment(f"w{i}", name, draw(st.sampled_from(PORTS)), **own) for i, own in enumerate(chosen)]
        types = draw(st.sampled_from([["Ingress"], ["Egress"], ["Ingress", "Egress"], []]))
        found += [policy("deny", name, policyTypes=types)] if types else []
    return [*found, *(draw(policies(i)) for i in range(draw(st.integers(0, 4))))]


def answers(inventory: Inventory) -> dict[tuple[str, str, int, str], tuple[str, bool]]:
    pods = [PodEnd(w.id) for w in inventory.workloads]
    pairs: list[tuple[End, End]] = [*product(pods, pods), *product(ADDRESSES, pods), *product(pods, ADDRESSES)]
    out = {}
    for (source, destination), (port, protocol) in product(pairs, ASKED):
        if source != destination:
            verdict = evaluate(inventory, source, destination, port, protocol)
            out[str(source), str(destination), port, protocol] = str(verdict.expected), bool(verdict.expected)
    return out


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(manifests())
def test_a_spec_says_what_its_manifests_say(documents: list[dict[str, Any]]) -> None:
    given_inventory = reading(documents).inventory
    found = imported(documents)
    ir = meaning(found)
    assert not [r for r in found.draft.remarks if r.kind == "lost"]
    assert list(Diff(*alike(given_inventory, ir.inventory)).changes()) == []
    assert found.proof.shown == 0
    # And by the oracle, on the cluster that both are of: with CoreDNS, the pods' range and the CNI.
    whole, _ = alike(given_inventory, ir.inventory)
    assert answers(whole) == answers(ir.inventory)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(inventories(with_tiers=False))
def test_whatever_an_inventory_has_the_rest_is_as_it_was(inventory: Inventory) -> None:
    """IPv6, SCTP, the host network, pods without labels: what the spec has no word for leaves the rest alone."""
    found = of_reading(Reading(inventory, (), Counter(), 1, {}))
    meaning(found)
    assert found.proof.changes == ()


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(manifests(), st.randoms(use_true_random=False))
def test_the_order_of_the_objects_does_not_matter(documents: list[dict[str, Any]], dice: random.Random) -> None:
    shuffled = documents[:]
    dice.shuffle(shuffled)
    once, again = (_without_comments(text(imported(d).draft, [])) for d in (documents, shuffled))
    assert once == again


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**32))
def test_damaged_input_is_imported_as_far_as_it_can_be_read(seed: int) -> None:
    dice = random.Random(seed)
    found = imported(damaged_text(dice, SAMPLES))
    meaning(found)
    assert found.proof.changes == ()


def _without_comments(written: str) -> list[str]:
    return [line for line in written.splitlines() if not line.lstrip().startswith("#")]


TEXT = st.text(st.characters(codec="utf-8"), max_size=9)
values = st.recursive(
    st.text()
    | st.integers(0, 99999)
    | st.booleans()
    | st.sampled_from(["no", "1e3", "0x1f", "1.5", "~", "a: b", "2024-01-01"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(TEXT, values, min_size=1, max_size=3))
def test_what_is_written_is_read_back(data: dict[str, Any]) -> None:
    for written in (flow(data), "\n".join(f"{scalar(k)}: {flow(v)}" for k, v in data.items())):
        report = Report()
        source = parse(written.encode("utf-8", "surrogatepass"), "x", report)
        assert source.root is not None, report.sorted()
        assert source.root.data() == data
        assert yaml.safe_load(written) == data
