"""Policies of Cilium, mixed with NetworkPolicies, mean what Cilium's own policy engine makes of them.

Random documents go both ways: through netspec's reader and engine, and as they are through pkg/policy of Cilium's
module (tests/oracle/cilium). NETSPEC_REACH_EXAMPLES says how many clusters are compared.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netspec.analysis.engine import Reachability
from netspec.analysis.l7 import at_l4
from netspec.backends.cni.dialects import DIALECTS
from netspec.ir.model import Protocol
from netspec.manifests.read import Reading, read_texts
from tests.oracle.cilium import Cilium, Flow, running

EXAMPLES = int(os.environ.get("NETSPEC_REACH_EXAMPLES", "60"))
NAMESPACES = {"one": {"team": "a"}, "two": {"team": "b"}}
KEYS, VALUES = ("app", "tier"), ("a", "b")
#: A label that the agent leaves out of identities (pkg/labelsfilter), which is not part of the policy engine.
UNSEEN = "topology.kubernetes.io/zone"
#: Addresses outside, and a node's.
OUTSIDE = ("192.0.2.7", "203.0.113.9")
NODE = "172.18.0.2"
PORTS = (1, 53, 80, 81, 90, 8080)
PROTOCOLS: tuple[Protocol, ...] = ("TCP", "UDP", "SCTP")
L7: tuple[dict[str, Any], ...] = ({"http": [{"method": "GET"}]}, {"dns": [{"matchName": "a.example"}]}, {})
_NODE_ID, _FIRST_POD, _FIRST_OUTSIDE = 6, 1001, (1 << 24) + 1

keys = st.sampled_from([f"{source}{key}" for source in ("", "k8s:", "any:", "container:") for key in KEYS])
values = st.sampled_from(VALUES)
namespace_keys = st.sampled_from(("k8s:io.kubernetes.pod.namespace", "io.kubernetes.pod.namespace"))


@st.composite
def expressions(draw: st.DrawFn) -> dict[str, Any]:
    operator = draw(st.sampled_from(("In", "NotIn", "Exists", "DoesNotExist")))
    key, of = draw(
        st.sampled_from(
            (
                ("app", VALUES),
                ("k8s:tier", VALUES),
                ("k8s:io.kubernetes.pod.namespace", tuple(NAMESPACES)),
                ("k8s:io.cilium.k8s.namespace.labels.team", VALUES),
                ("topology.kubernetes.io/zone", VALUES),
            )
        )
    )
    found: dict[str, Any] = {"key": key, "operator": operator}
    if operator in ("In", "NotIn"):
        found["values"] = draw(st.lists(st.sampled_from(of), min_size=1, max_size=2, unique=True))
    return found


@st.composite
def selectors(draw: st.DrawFn, reserved: bool = True) -> dict[str, Any]:
    if reserved and draw(st.integers(0, 7)) == 0:
        return {"matchLabels": {draw(st.sampled_from(("reserved:world", "reserved:none", "reserved:init"))): ""}}
    labels = draw(st.dictionaries(keys, values, max_size=1))
    if draw(st.integers(0, 3)) == 0:
        labels[draw(namespace_keys)] = draw(st.sampled_from(tuple(NAMESPACES)))
    if draw(st.integers(0, 3)) == 0:
        labels["k8s:io.cilium.k8s.namespace.labels.team"] = draw(values)
    more = draw(st.lists(expressions(), max_size=1))
    return {**({"matchLabels": labels} if labels else {}), **({"matchExpressions": more} if more else {})}


cidrs = st.sampled_from(("0.0.0.0/0", "192.0.2.0/24", "192.0.2.7/32", "203.0.113.0/24", "10.0.0.0/8", "172.16.0.0/12"))


@st.composite
def peers(draw: st.DrawFn, side: str) -> dict[str, Any]:
    field = draw(st.sampled_from(("", "Endpoints", "Endpoints", "CIDR", "CIDRSet", "Entities", "empty", "two")))
    if field == "":
        return {}
    if field == "empty":
        return {f"{side}{draw(st.sampled_from(('Endpoints', 'CIDR', 'Entities')))}": []}
    entities = st.sampled_from(("all", "world", "cluster", "none", "init", "health", "unmanaged"))
    read: dict[str, st.SearchStrategy[Any]] = {
        "Endpoints": st.lists(selectors(), min_size=1, max_size=2),
        "CIDR": st.lists(cidrs, min_size=1, max_size=2),
        "CIDRSet": st.just([{"cidr": "0.0.0.0/0", "except": ["192.0.2.0/24"]}]),
        "Entities": st.one_of(st.lists(entities, min_size=1, max_size=2), st.just(["host", "remote-node"])),
    }
    if field == "two":  # refused
        return {f"{side}CIDR": draw(read["CIDR"]), f"{side}Endpoints": draw(read["Endpoints"])}
    return {f"{side}{field}": draw(read[field])}


@st.composite
def port_rules(draw: st.DrawFn, denies: bool) -> dict[str, Any]:
    ports = []
    for _ in range(draw(st.integers(0, 2))):
        port: dict[str, Any] = {"port": draw(st.sampled_from(("80", "1", "0", "8080", "0120")))}
        if draw(st.booleans()):
            port["protocol"] = draw(st.sampled_from(("TCP", "UDP", "ANY", "SCTP", "ICMP")))
        if draw(st.integers(0, 2)) == 0:
            port["endPort"] = draw(st.sampled_from((90, 1, 65535)))
        ports.append(port)
    rule: dict[str, Any] = {"ports": ports} if ports else {}
    if not denies and draw(st.integers(0, 3)) == 0:
        rule["rules"] = draw(
            st.sampled_from(({"http": [{"method": "GET"}]}, {"dns": [{"matchName": "a.example"}]}, {}))
        )
    return rule


@st.composite
def rules(draw: st.DrawFn, direction: str, denies: bool) -> dict[str, Any]:
    rule = draw(peers("from" if direction == "ingress" else "to"))
    if draw(st.booleans()):
        rule["toPorts"] = draw(st.lists(port_rules(denies), max_size=2))
    elif draw(st.integers(0, 5)) == 0:
        rule["icmps"] = [{"fields": [{"type": 8, "family": "IPv4"}]}]
    return rule


@st.composite
def specs(draw: st.DrawFn) -> dict[str, Any]:
    spec: dict[str, Any] = {"endpointSelector": draw(selectors(reserved=False))}
    for direction in ("ingress", "egress"):
        for field, denies in ((direction, False), (f"{direction}Deny", True)):
            if draw(st.integers(0, 2)):
                spec[field] = draw(st.lists(rules(direction, denies), max_size=2))
    if draw(st.integers(0, 3)) == 0:
        spec["enableDefaultDeny"] = draw(st.dictionaries(st.sampled_from(("ingress", "egress")), st.booleans()))
    return spec


def _named(version: str, kind: str, name: str, namespace: str | None, body: dict[str, Any]) -> dict[str, Any]:
    where = {"namespace": namespace} if namespace else {}
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, **where}, **body}


@st.composite
def policies(draw: st.DrawFn, number: int) -> dict[str, Any]:
    name, namespace = f"p{number}", draw(st.sampled_from(tuple(NAMESPACES)))
    kind = draw(st.sampled_from(("NetworkPolicy", "CiliumNetworkPolicy", "CiliumClusterwideNetworkPolicy")))
    if kind == "NetworkPolicy":
        key = st.sampled_from((*KEYS, *KEYS, UNSEEN))
        selector = st.one_of(
            st.dictionaries(key, values, max_size=1).map(lambda found: {"matchLabels": found}),
            st.just({"matchExpressions": [{"key": UNSEEN, "operator": "DoesNotExist"}]}),
        )
        peer = st.one_of(
            selector.map(lambda s: {"podSelector": s}),
            st.just({"namespaceSelector": {}}),
            cidrs.map(lambda c: {"ipBlock": {"cidr": c}}),
        )
        ports = st.lists(st.sampled_from(({"port": 80}, {"protocol": "UDP"}, {"port": 80, "endPort": 90})), max_size=1)
        types = draw(st.sampled_from((["Ingress"], ["Egress"], ["Ingress", "Egress"])))
        spec: dict[str, Any] = {"podSelector": draw(selector), "policyTypes": types}
        for direction, side in (("Ingress", "from"), ("Egress", "to")):
            if direction in types or draw(st.integers(0, 3)) == 0:
                spec[direction.lower()] = [{side: draw(st.lists(peer, max_size=2)), "ports": draw(ports)}]
        return _named("networking.k8s.io/v1", kind, name, namespace, {"spec": spec})
    body = (
        {"spec": draw(specs())} if draw(st.booleans()) else {"specs": draw(st.lists(specs(), min_size=1, max_size=2))}
    )
    return _named("cilium.io/v2", kind, name, namespace if kind == "CiliumNetworkPolicy" else None, body)


pods = st.lists(
    st.tuples(
        st.sampled_from(tuple(NAMESPACES)), st.dictionaries(st.sampled_from((*KEYS, UNSEEN)), values, max_size=2)
    ),
    min_size=1,
    max_size=3,
)


@pytest.fixture(scope="module")
def cilium() -> Iterator[Cilium]:
    with running() as found:
        yield found


def _read(cluster: list[tuple[str, dict[str, str]]], documents: list[dict[str, Any]]) -> Reading:
    objects = [_named("v1", "Namespace", name, None, {}) for name in NAMESPACES]
    for found, labels in zip(objects, NAMESPACES.values(), strict=True):
        found["metadata"]["labels"] = labels
    for i, (namespace, labels) in enumerate(cluster):
        pod = _named("v1", "Pod", f"w{i}", namespace, {"spec": {"containers": [{"name": "c", "image": "i"}]}})
        pod["metadata"]["labels"] = labels
        objects.append(pod)
    node = _named("v1", "Node", "n", None, {"status": {"addresses": [{"type": "InternalIP", "address": NODE}]}})
    return read_texts(
        [("x.json", json.dumps({"apiVersion": "v1", "kind": "List", "items": [*objects, node, *documents]}))]
    )


def _at_l4(value: Any) -> Any:
    """Without L7 rules: the program has no proxy to lead flows to, and lets none of them pass."""
    if isinstance(value, dict):
        return {k: _at_l4(v) for k, v in value.items() if k != "rules"}
    return [_at_l4(v) for v in value] if isinstance(value, list) else value


def _identities(cluster: list[tuple[str, dict[str, str]]]) -> dict[int, list[str]]:
    found = {_NODE_ID: ["reserved:remote-node"]}
    for i, (namespace, labels) in enumerate(cluster):
        found[_FIRST_POD + i] = [
            *(f"k8s:{key}={value}" for key, value in labels.items() if key != UNSEEN),
            *(f"k8s:io.cilium.k8s.namespace.labels.{k}={v}" for k, v in NAMESPACES[namespace].items()),
            f"k8s:io.kubernetes.pod.namespace={namespace}",
            "k8s:io.cilium.k8s.policy.cluster=default",
            f"k8s:number={i}",
        ]
    for i, one in enumerate(OUTSIDE):
        found[_FIRST_OUTSIDE + i] = ["reserved:world", f"cidr:{one}/32"]
    return found


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(cluster=pods, documents=st.integers(1, 3).flatmap(lambda n: st.tuples(*(policies(i) for i in range(n)))))
def test_cilium_says_the_same(
    cilium: Cilium, cluster: list[tuple[str, dict[str, str]]], documents: tuple[dict[str, Any], ...]
) -> None:
    reading = _read(cluster, list(documents))
    inventory = replace(at_l4(reading.inventory), dialect=DIALECTS["cilium"])
    reach = Reachability(inventory)
    numbers = {w.id: i for i, w in enumerate(reach.workloads)}
    ends = {_FIRST_POD + i: numbers[f"{namespace}/w{i}"] for i, (namespace, _) in enumerate(cluster)}
    for number, one in {**{_FIRST_OUTSIDE + i: one for i, one in enumerate(OUTSIDE)}, _NODE_ID: NODE}.items():
        at = next(i for i, e in enumerate(reach.externals) if e.holds(4, int(ip_address(one))))
        ends[number] = len(reach.workloads) + at
    is_pod = {number: _FIRST_POD <= number < _FIRST_OUTSIDE for number in ends}
    flows = [
        Flow(a, b, port, protocol)
        for a in ends
        for b in ends
        if a != b and (is_pod[a] or is_pod[b])
        for port in PORTS
        for protocol in PROTOCOLS
    ]
    refused = cilium.judge(documents, _identities(cluster), []).refused
    taken = [_at_l4(d) for d, why in zip(documents, refused, strict=True) if not why]
    answer = cilium.judge(taken, _identities(cluster), flows)
    errors = [d.render() for d in reading.diagnostics if d.severity.value == "error"]
    for document, why in zip(documents, refused, strict=True):
        name = document["metadata"]["name"]
        assert bool(why) == any(f" {name}: " in e or f"/{name}: " in e for e in errors), (why, errors, document)
    rows = {a: {c.destination: c for c in reach.connections(ends[a])} for a in ends}
    for flow, (egress, ingress) in zip(flows, answer.flows, strict=True):
        found = rows[flow.source].get(ends[flow.destination])
        got = found is not None and reach.ports.holds(found.allow, flow.protocol, flow.port)
        assert found is None or not reach.ports.holds(found.undefined, flow.protocol, flow.port)
        want = (egress or not is_pod[flow.source]) and (ingress or not is_pod[flow.destination])
        assert got == want, f"{flow}: netspec {got}, Cilium egress {egress} ingress {ingress}"
