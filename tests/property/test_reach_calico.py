"""Policies of Calico, mixed with NetworkPolicies, mean what its documentation says of order, tier and profile.

Random policies go both ways: through netspec's reader and engine, and through `decide` below, which asks one flow
after the other, rule by rule in Calico's order, and knows nothing of tiers before and behind NetworkPolicies.
"""

import json
import os
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from ipaddress import ip_address, ip_network
from itertools import product
from typing import Any, NamedTuple

import pytest

from netspec.analysis.engine import Reachability
from netspec.analysis.evaluate import evaluate
from netspec.analysis.explain import Explainer
from netspec.analysis.verdict import AddressEnd, Answer, End, PodEnd
from netspec.backends.cni.dialects import DIALECTS
from netspec.ir.model import Inventory, Protocol
from netspec.manifests.read import read_texts

#: How many; more with NETSPEC_REACH_EXAMPLES.
CLUSTERS = int(os.environ.get("NETSPEC_REACH_EXAMPLES", "60"))
NAMESPACES = {"one": {"team": "a"}, "two": {"team": "b"}}
#: Name -> order, and what happens to what no rule matches.
TIERS = {"first": (100, "Deny"), "second": (2000, "Pass")}
PORTS: tuple[tuple[str, Protocol, int], ...] = (("http", "TCP", 80), ("dns", "UDP", 53), ("alt", "TCP", 8080))


class Host(NamedTuple):
    """A pod, or (no namespace) an address outside."""

    name: str
    namespace: str
    labels: dict[str, str]
    address: str

    @property
    def end(self) -> End:
        return PodEnd(f"{self.namespace}/{self.name}") if self.namespace else AddressEnd(ip_address(self.address))


PODS = [
    Host(f"p{n}", namespace, labels, f"10.244.0.{n}")
    for n, (namespace, labels) in enumerate(
        [
            *(("one", {"app": "a"}), ("one", {"app": "b", "tier": "x"}), ("one", {})),
            *(("two", {"app": "a", "tier": "y"}), ("two", {"app": "c"})),
        ],
        1,
    )
]
HOSTS = [*PODS, Host("out", "", {}, "192.0.2.7"), Host("far", "", {}, "203.0.113.9")]

#: Selectors, each with what it says of a pod.
SELECTORS = {
    "": lambda h: True,
    "all()": lambda h: True,
    "app == 'a'": lambda h: h.labels.get("app") == "a",
    "app != 'a'": lambda h: h.labels.get("app") != "a",
    "app in {'a', 'c'} && !has(tier)": lambda h: h.labels.get("app") in ("a", "c") and "tier" not in h.labels,
    "!(app == 'a' || has(tier))": lambda h: not (h.labels.get("app") == "a" or "tier" in h.labels),
    "app == 'c' || tier not in {'x'}": lambda h: h.labels.get("app") == "c" or h.labels.get("tier") != "x",
    "projectcalico.org/namespace == 'two'": lambda h: h.namespace == "two",
    "pcns.team != 'b'": lambda h: NAMESPACES[h.namespace]["team"] != "b",
    "!all()": lambda h: False,
}
NAMESPACE_SELECTORS = {
    "team == 'a'": lambda n: NAMESPACES[n]["team"] == "a",
    "projectcalico.org/name in {'one', 'two'}": lambda n: True,
    "!has(team)": lambda n: False,
    "global()": lambda n: False,
}
NETS = ("0.0.0.0/0", "192.0.2.0/24", "10.244.0.0/16", "203.0.113.9/32")
PORT_LISTS: tuple[list[int | str], ...] = ([80], ["50:90"], [53, 8080], ["http"], [1])


def entity(draw: random.Random, with_ports: bool) -> dict[str, Any]:
    found: dict[str, Any] = {}
    kind = draw.randrange(4)
    if kind == 0:
        found["nets"] = draw.sample(NETS, draw.randint(1, 2))
        if draw.random() < 0.5:
            found["notNets"] = ["192.0.2.0/25"]
    elif kind == 1:
        found["selector"] = draw.choice([s for s in SELECTORS if s])
        if draw.random() < 0.5:
            found["namespaceSelector"] = draw.choice(list(NAMESPACE_SELECTORS))
    elif kind == 2:
        found["namespaceSelector"] = draw.choice(list(NAMESPACE_SELECTORS))
    if with_ports:
        found["ports"] = draw.choice(PORT_LISTS)
        if draw.random() < 0.3:
            found = {k: v for k, v in found.items() if k != "ports"} | {"notPorts": [80, "8000:9000"]}
    return found


def rule(draw: random.Random, direction: str) -> dict[str, Any]:
    found: dict[str, Any] = {"action": draw.choice(["Allow", "Allow", "Deny", "Deny", "Pass", "Log"])}
    protocol = draw.choice([None, "TCP", "UDP", 6])
    if protocol is not None:
        found["protocol"] = protocol
    elif draw.random() < 0.2:
        found["notProtocol"] = "TCP"
    with_ports = protocol is not None and draw.random() < 0.6
    if direction == "egress":
        found["destination"] = entity(draw, with_ports)
        return found
    found["source"] = entity(draw, False)
    if with_ports:
        found["destination"] = {k: v for k, v in entity(draw, True).items() if k in ("ports", "notPorts")}
    return found


def policy(draw: random.Random, number: int) -> dict[str, Any]:
    spec: dict[str, Any] = {"selector": draw.choice(list(SELECTORS))}
    if draw.random() < 0.8:
        spec["order"] = draw.choice([1, 10, 10, 999.5, 1001, 2000])
    spec["types"] = draw.sample(["Ingress", "Egress"], draw.randint(1, 2))
    for kind in spec["types"]:
        spec[kind.lower()] = [rule(draw, kind.lower()) for _ in range(draw.randint(0, 3))]
    tier = draw.choice(["default", "default", *TIERS])
    if tier != "default" or draw.random() < 0.5:
        spec["tier"] = tier
    name = f"{tier}.{draw.choice('abcd')}{number}"
    if draw.random() < 0.4:
        if draw.random() < 0.5:
            spec["namespaceSelector"] = draw.choice(list(NAMESPACE_SELECTORS))
        metadata = {"name": name}
        return {"apiVersion": "projectcalico.org/v3", "kind": "GlobalNetworkPolicy", "metadata": metadata, "spec": spec}
    metadata = {"name": name, "namespace": draw.choice(list(NAMESPACES))}
    return {"apiVersion": "crd.projectcalico.org/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}


def kubernetes_policy(draw: random.Random, number: int) -> dict[str, Any]:
    peers: list[dict[str, Any]] = [
        {"podSelector": {"matchLabels": {"app": draw.choice("ab")}}},
        {"namespaceSelector": {}},
    ]
    spec: dict[str, Any] = {"podSelector": draw.choice([{}, {"matchLabels": {"app": "a"}}]), "policyTypes": []}
    for kind, side in (("Ingress", "from"), ("Egress", "to")):
        if draw.random() < 0.6:
            spec["policyTypes"].append(kind)
            spec[kind.lower()] = [{side: [draw.choice(peers)]} for _ in range(draw.randint(0, 1))]
    if not spec["policyTypes"]:
        spec["policyTypes"] = ["Ingress"]
    metadata = {"name": f"k{number}", "namespace": draw.choice(list(NAMESPACES))}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}


# What Calico does with one flow


def selects(spec: dict[str, Any], namespace: str, host: Host) -> bool:
    """Whether a policy, or one end of a rule, describes a pod by its selectors."""
    by_namespace = spec.get("namespaceSelector")
    if not host.namespace or (namespace and not by_namespace and host.namespace != namespace):
        return False
    if by_namespace and not NAMESPACE_SELECTORS[by_namespace](host.namespace):
        return False
    return bool(SELECTORS[spec.get("selector", "")](host))


def end_matches(found: dict[str, Any], namespace: str, host: Host) -> bool:
    if ("selector" in found or "namespaceSelector" in found) and not selects(found, namespace, host):
        return False
    if "nets" in found and not any(ip_address(host.address) in ip_network(n) for n in found["nets"]):
        return False
    return not any(ip_address(host.address) in ip_network(n) for n in found.get("notNets", ()))


def port_in(ports: list[int | str], name: str, number: int, protocol: str) -> bool:
    for port in ports:
        if isinstance(port, str) and ":" in port:
            low, high = map(int, port.split(":"))
            if low <= number <= high:
                return True
        elif port == number or (port == name and (name, protocol, number) in PORTS):
            return True
    return False


def rule_matches(
    found: dict[str, Any], direction: str, namespace: str, peer: Host, to: Host, port: tuple[str, str, int]
) -> bool:
    name, protocol, number = port
    if "protocol" in found and found["protocol"] not in (protocol, {"TCP": 6, "UDP": 17}[protocol]):
        return False
    if found.get("notProtocol") == protocol:
        return False
    side = "source" if direction == "ingress" else "destination"
    if not end_matches(found.get(side, {}), namespace, peer):
        return False
    called = found.get("destination", {})
    known = name if to.namespace else ""
    if "ports" in called and not port_in(called["ports"], known, number, protocol):
        return False
    return not port_in(called.get("notPorts", []), known, number, protocol)


def kubernetes_matches(found: dict[str, Any], direction: str, namespace: str, peer: Host) -> bool:
    peers = found["from" if direction == "ingress" else "to"]
    return any(
        bool(peer.namespace)
        and (
            "namespaceSelector" in p
            or (peer.namespace == namespace and p["podSelector"]["matchLabels"].items() <= peer.labels.items())
        )
        for p in peers
    )


def in_order(objects: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    def key(thing: dict[str, Any]) -> tuple[bool, float, str]:
        is_kubernetes = thing["apiVersion"].startswith("networking")
        order = 1000 if is_kubernetes else thing["spec"].get("order")
        name = ("knp.default." if is_kubernetes else "") + thing["metadata"]["name"]
        namespace = thing["metadata"].get("namespace")
        return order is None, order or 0, f"{namespace}/{name}" if namespace else name

    yield from sorted(objects, key=key)


def allowed_on(objects: list[dict[str, Any]], direction: str, pod: Host, peer: Host, to: Host, port: Any) -> bool:
    """One side: tier by tier; behind the last a pod's profile allows."""
    for tier in (*sorted(TIERS, key=lambda name: TIERS[name][0]), "default"):
        own = [o for o in objects if o["spec"].get("tier", "default") == tier]
        found = said_by_tier(own, direction, pod, peer, to, port)
        if found in ("Allow", "Deny"):
            return found == "Allow"
        if found == "unmatched" and TIERS.get(tier, (0, "Deny"))[1] == "Deny":
            return False
    return True


def said_by_tier(objects: list[dict[str, Any]], direction: str, pod: Host, peer: Host, to: Host, port: Any) -> str:
    """The action of the first rule that matches; "unmatched" where a policy selects the pod, "" where none does."""
    isolated = False
    for thing in in_order(objects):
        spec, namespace = thing["spec"], thing["metadata"].get("namespace", "")
        if thing["apiVersion"].startswith("networking"):
            wanted = spec["podSelector"].get("matchLabels", {})
            if pod.namespace != namespace or not wanted.items() <= pod.labels.items():
                continue
            if direction.capitalize() not in spec["policyTypes"]:
                continue
            isolated = True
            if any(kubernetes_matches(r, direction, namespace, peer) for r in spec.get(direction, [])):
                return "Allow"
            continue
        if direction.capitalize() not in spec["types"] or not selects(spec, namespace, pod):
            continue
        isolated = True
        for each in spec.get(direction, []):
            if each["action"] != "Log" and rule_matches(each, direction, namespace, peer, to, port):
                return str(each["action"])
    return "unmatched" if isolated else ""


def decide(objects: list[dict[str, Any]], source: Host, to: Host, port: Any) -> bool:
    out = not source.namespace or allowed_on(objects, "egress", source, to, to, port)
    return out and (not to.namespace or allowed_on(objects, "ingress", to, source, to, port))


# Both


def read(objects: list[dict[str, Any]]) -> Inventory:
    spaces = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": n, "labels": labels}}
        for n, labels in NAMESPACES.items()
    ]
    ports = [{"name": name, "protocol": protocol, "containerPort": number} for name, protocol, number in PORTS]
    pods = [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": p.name, "namespace": p.namespace, "labels": p.labels},
            "spec": {"containers": [{"name": "c", "ports": ports}]},
            "status": {"podIPs": [{"ip": p.address}]},
        }
        for p in PODS
    ]
    tiers = [
        {
            "apiVersion": "projectcalico.org/v3",
            "kind": "Tier",
            "metadata": {"name": name},
            "spec": {"order": order, "defaultAction": action},
        }
        for name, (order, action) in TIERS.items()
    ]
    items = [*spaces, *pods, *objects, *tiers]
    reading = read_texts([("x.json", json.dumps({"kind": "List", "apiVersion": "v1", "items": items}))])
    assert [d.render() for d in reading.diagnostics] == []
    return replace(reading.inventory, dialect=DIALECTS["calico"])


def allowed(inventory: Inventory) -> Callable[[Host, Host, Protocol, int], bool]:
    """Of all pods at once."""
    reach = Reachability(inventory)
    ids = [w.id for w in reach.workloads]
    ports = {(ids[i], c.destination): c for i in range(len(ids)) for c in reach.connections(i)}

    def is_allowed(source: Host, to: Host, protocol: Protocol, number: int) -> bool:
        found = ports.get((f"{source.namespace}/{source.name}", ids.index(f"{to.namespace}/{to.name}")))
        assert found is None or not reach.ports.holds(found.undefined, protocol, number)
        return found is not None and reach.ports.holds(found.allow, protocol, number)

    return is_allowed


@pytest.mark.parametrize("seed", range(CLUSTERS))
def test_the_first_rule_in_calicos_order_decides(seed: int) -> None:
    draw = random.Random(seed)
    objects = [policy(draw, n) for n in range(draw.randint(1, 5))]
    objects += [kubernetes_policy(draw, n) for n in range(draw.randint(0, 2))]
    inventory = read(objects)
    is_allowed, explainer = allowed(inventory), Explainer(inventory)
    for source, to in product(HOSTS, HOSTS):
        if source is to or not (source.namespace or to.namespace):
            continue
        name, protocol, number = draw.choice(PORTS)
        wanted = decide(objects, source, to, (name, protocol, number))
        answer = Answer.ALLOW if wanted else Answer.DENY
        assert evaluate(inventory, source.end, to.end, number, protocol).answer is answer
        if source.namespace and to.namespace:
            assert is_allowed(source, to, protocol, number) is wanted
            explained = explainer.explain(source.end, to.end, number, protocol)
            assert explained.answer(number, protocol) == answer.value
