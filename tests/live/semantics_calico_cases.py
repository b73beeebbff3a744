"""Pods and policies of Calico's own kinds that exercise what docs/semantics.md says of their order and their rules.

A case is one pod with policies of its own: specs of NetworkPolicies of projectcalico.org, without selector; beside them
those of Kubernetes, where their place among the others decides.
"""

from typing import Any

from semantics_cases import HTTP, NODE_HTTP, NODE_UDP, UDP, Json, pod

PREFIX = "netspec-calico"
A, B = f"{PREFIX}-a", f"{PREFIX}-b"
NAMESPACES: dict[str, dict[str, str]] = {A: {"team": "a"}, B: {"team": "b"}}
#: Name -> (namespace, labels). The pods that carry no policy of their own.
BASE: dict[str, tuple[str, dict[str, str]]] = {
    "front": (A, {"app": "x", "tier": "front"}),
    "plain": (A, {"app": "y"}),
    "back": (B, {"app": "x", "tier": "back"}),
    "guest": (B, {"app": "z"}),
}
X, TEAM_B = {"selector": "app == 'x'"}, {"namespaceSelector": "team == 'b'"}
ALLOW, DENY, PASS, LOG = ({"action": action} for action in ("Allow", "Deny", "Pass", "Log"))


def from_(action: Json, source: Json, **more: Any) -> Json:
    return action | {"source": source} | more


def at(*ports: int | str, protocol: str = "TCP", field: str = "ports") -> Json:
    return {"protocol": protocol, "destination": {field: list(ports)}}


def ingress(*rules: Json, **more: Any) -> Json:
    return {"types": ["Ingress"], "ingress": list(rules)} | more


def egress(*rules: Json, **more: Any) -> Json:
    return {"types": ["Egress"], "egress": list(rules)} | more


def cases(pod_cidr: str, outside: str) -> dict[str, list[Json]]:
    """Case -> the specs of its policies."""
    return {
        "no-rules": [ingress()],
        "everyone": [ingress(ALLOW)],
        "own-namespace": [ingress(from_(ALLOW, X))],
        "other-namespace": [ingress(from_(ALLOW, X | TEAM_B))],
        "expression": [ingress(from_(ALLOW, {"selector": "!(app == 'y' || tier == 'front') && has(app)"} | TEAM_B))],
        "first-decides": [ingress(from_(DENY, X), ALLOW)],
        "log-does-not": [ingress(LOG, from_(DENY, X), ALLOW)],
        "order": [ingress(ALLOW, order=20), ingress(from_(DENY, X), order=10)],
        "no-order-is-last": [ingress(ALLOW), ingress(from_(DENY, TEAM_B), order=5000)],
        "by-name": [ingress(from_(DENY, X), order=7), ingress(ALLOW, order=7)],
        "port": [ingress(ALLOW | at(HTTP))],
        "port-range": [ingress(ALLOW | at(f"{HTTP}:{HTTP + 3}"))],
        "port-named": [ingress(ALLOW | at("http"))],
        "not-port": [ingress(ALLOW | at(HTTP, field="notPorts"))],
        "udp": [ingress(ALLOW | at(UDP, protocol="UDP"))],
        "icmp": [ingress(ALLOW | {"protocol": "ICMP"})],
        "nets-pods": [ingress(from_(ALLOW, {"nets": [pod_cidr]}))],
        "nets-but-pods": [ingress(from_(ALLOW, {"nets": ["0.0.0.0/0"], "notNets": [pod_cidr]}))],
        "not-selected": [ingress(ALLOW, selector="case == 'not-selected' && app == 'x'")],
        "to-nobody": [egress()],
        "to-namespace": [egress(ALLOW | {"destination": TEAM_B})],
        "to-port": [egress(ALLOW | at(HTTP))],
        "to-outside": [egress(ALLOW | {"destination": {"nets": [f"{outside}/32"]}})],
        "to-all-but-x": [egress(DENY | {"destination": X | {"namespaceSelector": "all()"}}, ALLOW)],
    }


def beside_cases() -> dict[str, tuple[Json, list[Json]]]:
    """Case -> the spec of a NetworkPolicy of Kubernetes without podSelector, and of those of Calico."""
    opened: Json = {"ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "x"}}}]}]}
    return {
        "denied-before": (opened, [ingress(from_(DENY, X), order=999)]),
        "allowed-before": (opened, [ingress(from_(ALLOW, TEAM_B), order=10)]),
        "denied-behind": (opened, [ingress(from_(DENY, X), ALLOW, order=1001)]),
        "passed-before": (opened, [ingress(PASS, order=10)]),
        "closed-and-behind": ({"policyTypes": ["Ingress"]}, [ingress(from_(DENY, X), ALLOW, order=2000)]),
    }


def objects(image: str, pod_cidr: str, outside: str, mark: str) -> list[Json]:
    """Everything that is applied, namespaces first. `mark`: a label by which they are removed."""
    out: list[Json] = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": n, "labels": {**labels, mark: "true"}}}
        for n, labels in NAMESPACES.items()
    ]
    out += [pod(name, namespace, labels, image, HTTP) for name, (namespace, labels) in BASE.items()]
    out.append(pod("node", B, {"app": "node"}, image, NODE_HTTP, NODE_UDP, host_network=True))
    beside = beside_cases()
    for case, specs in {**cases(pod_cidr, outside), **{case: own for case, (_, own) in beside.items()}}.items():
        out.append(pod(case, A, {"case": case}, image, HTTP))
        out += [_policy(f"{case}-{number}", case, spec) for number, spec in enumerate(specs)]
    for case, (spec, _) in beside.items():
        body = {"podSelector": {"matchLabels": {"case": case}}} | spec
        meta = {"name": case, "namespace": A}
        out.append({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": meta, "spec": body})
    # Global: the pods of every namespace, by the namespace's labels.
    out.append(pod("global", B, {"case": "global"}, image, HTTP))
    spec = ingress(from_(ALLOW, X), selector="case == 'global'", namespaceSelector="team == 'b'", order=1)
    meta = {"name": f"default.{PREFIX}", "labels": {mark: "true"}}
    out.append(_made("GlobalNetworkPolicy", meta, spec))
    return out


def _policy(name: str, case: str, spec: Json) -> Json:
    meta = {"name": f"default.{name}", "namespace": A}
    return _made("NetworkPolicy", meta, {"selector": f"case == '{case}'"} | spec)


def _made(kind: str, meta: Json, spec: Json) -> Json:
    body = {"tier": "default"} | spec
    return {"apiVersion": "crd.projectcalico.org/v1", "kind": kind, "metadata": meta, "spec": body}
