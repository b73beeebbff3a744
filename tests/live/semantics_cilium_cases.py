"""Pods and policies of Cilium's own kinds that exercise what docs/semantics.md says of them.

A case is one pod with policies of its own: rules of a CiliumNetworkPolicy, beside NetworkPolicies where they add up.
"""

from typing import Any

from semantics_cases import HTTP, NODE_HTTP, NODE_UDP, UDP, Json, pod, tier

PREFIX = "netspec-cilium"
A, B = f"{PREFIX}-a", f"{PREFIX}-b"
NAMESPACES: dict[str, dict[str, str]] = {A: {"team": "a"}, B: {"team": "b"}}
#: Name -> (namespace, labels). The pods that carry no policy of their own.
BASE: dict[str, tuple[str, dict[str, str]]] = {
    "front": (A, {"app": "x", "tier": "front"}),
    "plain": (A, {"app": "y"}),
    "back": (B, {"app": "x", "tier": "back"}),
    "guest": (B, {"app": "z"}),
}
#: A Service that policies name, and what has the outside host's address by name.
SERVICE, DOOR, SHUT = "behind", "door", "shut"
#: A port name that no other pod of the cluster has: for egress a name is one number of all of them.
NAMED = "cnp-http"
#: Cases whose deny rules are for nodes too. Cilium lets a pod's own node in always, but for deny rules (seen; the entry
#: of pkg/policy/mapstate.go is one that allows): the kubelet would never find them ready. They are asked from within.
SHUT_TO_NODES = ("deny-cluster", "deny-port")

_SPACE = "k8s:io.kubernetes.pod.namespace"


def labels(key: str, value: str) -> Json:
    return {"matchLabels": {key: value}}


X = labels("app", "x")


def from_(*found: Json, **more: Any) -> Json:
    return {"fromEndpoints": list(found), **more}


def ports(*found: int | str, protocol: str = "TCP", **more: Any) -> list[Json]:
    return [{"ports": [{"port": str(port), "protocol": protocol, **more} for port in found]}]


def ingress_cases(pod_cidr: str) -> dict[str, Json]:
    """Case -> its rules."""
    everyone = {"fromEntities": ["all"]}
    names: dict[str, Json] = {
        f"entity-{name}": {"ingress": [{"fromEntities": [name]}]}
        for name in ("all", "cluster", "world", "host", "remote-node", "kube-apiserver", "none")
    }
    return names | {
        "nodes": {"ingress": [{"fromEntities": ["host", "remote-node"]}]},
        "nobody": {"ingress": [{}]},
        "everyone": {"ingress": [everyone]},
        "deny-wins": {"ingress": [everyone], "ingressDeny": [from_(X)]},
        "deny-alone": {"ingressDeny": [from_(X)]},
        "deny-else-open": {"enableDefaultDeny": {"ingress": False}, "ingressDeny": [from_(X)]},
        "deny-port": {"ingress": [everyone], "ingressDeny": [{**everyone, "toPorts": ports(HTTP)}]},
        "deny-cluster": {"ingress": [everyone], "ingressDeny": [{"fromEntities": ["cluster"]}]},
        "deny-block": {"ingress": [everyone], "ingressDeny": [{"fromCIDR": ["0.0.0.0/0"]}]},
        "own-namespace": {"ingress": [from_({})]},
        "own-namespace-x": {"ingress": [from_(X)]},
        "other-namespace": {"ingress": [from_(labels(_SPACE, B))]},
        "namespace-labels": {"ingress": [from_(labels("io.cilium.k8s.namespace.labels.team", "b"))]},
        "every-namespace": {"ingress": [from_({"matchExpressions": [{"key": _SPACE, "operator": "Exists"}]})]},
        "source-prefix": {"ingress": [from_(labels("k8s:app", "x"), labels("container:app", "y"))]},
        "not-in": {"ingress": [from_(tier("NotIn", "front")["podSelector"])]},
        "block-pods": {"ingress": [{"fromCIDR": [pod_cidr]}]},
        "block-all": {"ingress": [{"fromCIDR": ["0.0.0.0/0"]}]},
        "port": {"ingress": [{"toPorts": ports(HTTP)}]},
        "port-zero": {"ingress": [{"toPorts": ports(0, protocol="UDP")}]},
        "port-any": {"ingress": [{"toPorts": ports(HTTP, UDP, protocol="ANY")}]},
        "port-end": {"ingress": [{"toPorts": ports(HTTP, endPort=HTTP + 15)}]},
        "port-named": {"ingress": [{"toPorts": ports(NAMED)}]},
        "port-rule-empty": {"ingress": [{"fromEntities": ["all"], "toPorts": [{"ports": []}]}]},
        "egress-alone": {"egress": [{"toEntities": ["all"]}]},
    }


def egress_cases(pod_cidr: str, outside: str) -> dict[str, Json]:
    anywhere = {"toEntities": ["all"]}
    names: dict[str, Json] = {
        f"to-{name}": {"egress": [{"toEntities": [name]}]}
        for name in ("all", "cluster", "world", "host", "remote-node", "kube-apiserver")
    }
    return names | {
        "to-nobody": {"egress": [{}]},
        "to-own-namespace": {"egress": [{"toEndpoints": [{}]}]},
        "to-other-namespace": {"egress": [{"toEndpoints": [{"matchLabels": {_SPACE: B, "app": "x"}}]}]},
        "to-block-outside": {"egress": [{"toCIDR": [f"{outside}/32"]}]},
        "to-block-all": {"egress": [{"toCIDR": ["0.0.0.0/0"]}]},
        "to-block-but-outside": {"egress": [{"toCIDRSet": [{"cidr": "0.0.0.0/0", "except": [f"{outside}/32"]}]}]},
        "to-block-pods": {"egress": [{"toCIDR": [pod_cidr]}]},
        "to-service": {"egress": [{"toServices": [{"k8sService": {"serviceName": SERVICE, "namespace": B}}]}]},
        "to-port": {"egress": [{"toPorts": ports(HTTP)}]},
        "to-port-named": {"egress": [{"toEndpoints": [{}], "toPorts": ports(NAMED)}]},
        "to-all-but-world": {"egress": [anywhere], "egressDeny": [{"toEntities": ["world"]}]},
        "to-all-but-x": {"egress": [anywhere], "egressDeny": [{"toEndpoints": [X], "toPorts": ports(HTTP)}]},
        "to-all-but-block": {"egress": [anywhere], "egressDeny": [{"toCIDR": [f"{outside}/32"]}]},
        "to-icmp": {"egress": [{**anywhere, "icmps": [{"fields": [{"type": 8, "family": "IPv4"}]}]}]},
    }


def beside_cases() -> dict[str, tuple[Json, Json]]:
    """Case -> the spec of a NetworkPolicy without podSelector, and rules: they add up, and what denies wins."""
    closed: Json = {"policyTypes": ["Ingress"]}
    return {
        "closed-and-opened": (closed, {"enableDefaultDeny": {"ingress": False}, "ingress": [from_(X)]}),
        "opened-and-denied": ({"ingress": [{}]}, {"ingressDeny": [from_(X)]}),
        "both-open-some": ({"ingress": [{"from": [{"podSelector": labels("app", "y")}]}]}, {"ingress": [from_(X)]}),
    }


def named_case(domain: str) -> Json:
    """The way to the outside host by one of its two names, which alone may be looked up."""
    name = f"{DOOR}.{A}.svc.{domain}"
    servers = {"matchLabels": {_SPACE: "kube-system", "k8s:k8s-app": "kube-dns"}}
    lookups = [{"ports": [{"port": "53", "protocol": "ANY"}], "rules": {"dns": [{"matchName": name}]}}]
    return {
        "egress": [
            {"toEndpoints": [servers], "toPorts": lookups},
            {"toFQDNs": [{"matchName": name}], "toPorts": ports(HTTP)},
        ]
    }


def objects(image: str, pod_cidr: str, outside: str, domain: str, mark: str) -> list[Json]:
    """Everything that is applied, namespaces first. `mark`: a label by which they are removed."""
    out: list[Json] = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": n, "labels": {**labels, mark: "true"}}}
        for n, labels in NAMESPACES.items()
    ]
    out += [_pod(name, namespace, labels, image) for name, (namespace, labels) in BASE.items()]
    out.append(pod("node", B, {"app": "node"}, image, NODE_HTTP, NODE_UDP, host_network=True))
    out.append(_service(SERVICE, B, {"selector": {"app": "x"}, "ports": [{"port": 80, "targetPort": HTTP}]}))
    cases = {**ingress_cases(pod_cidr), **egress_cases(pod_cidr, outside), "named": named_case(domain)}
    for case, rules in cases.items():
        out += [_pod(case, A, {"case": case}, image), _policy(case, rules)]
    for case, (spec, rules) in beside_cases().items():
        beside = _made("networking.k8s.io/v1", "NetworkPolicy", {"podSelector": labels("case", case)} | spec)
        out.append(beside | {"metadata": {"name": case, "namespace": A}})
        out += [_pod(case, A, {"case": case}, image), _policy(case, rules)]
    # Clusterwide: the pods of every namespace, by the namespace's labels.
    out.append(_pod("clusterwide", B, {"case": "clusterwide"}, image))
    subject = {"matchLabels": {"case": "clusterwide", "io.cilium.k8s.namespace.labels.team": "b"}}
    whole = _made(
        "cilium.io/v2", "CiliumClusterwideNetworkPolicy", {"endpointSelector": subject, "ingress": [from_(X)]}
    )
    out.append(whole | {"metadata": {"name": PREFIX, "labels": {mark: "true"}}})
    return out


def names(outside: str) -> list[Json]:
    """Two names of the outside host: headless Services whose only endpoint is its address."""
    out: list[Json] = []
    for name in (DOOR, SHUT):
        out.append(_service(name, A, {"clusterIP": "None", "ports": [{"name": "http", "port": HTTP}]}))
        out.append(
            {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {"name": name, "namespace": A, "labels": {"kubernetes.io/service-name": name}},
                "addressType": "IPv4",
                "endpoints": [{"addresses": [outside]}],
                "ports": [{"name": "http", "port": HTTP}],
            }
        )
    return out


def _pod(name: str, namespace: str, labels: dict[str, str], image: str) -> Json:
    made = pod(name, namespace, labels, image, HTTP)
    container = made["spec"]["containers"][0]
    container["ports"][0]["name"] = NAMED
    if name in SHUT_TO_NODES:
        asked = ["/agnhost", "connect", f"127.0.0.1:{HTTP}", "--timeout=1s"]
        container["readinessProbe"] = {"exec": {"command": asked}, "periodSeconds": 5, "timeoutSeconds": 5}
    return made


def _service(name: str, namespace: str, spec: Json) -> Json:
    return _made("v1", "Service", spec) | {"metadata": {"name": name, "namespace": namespace}}


def _policy(case: str, rules: Json) -> Json:
    made = _made("cilium.io/v2", "CiliumNetworkPolicy", {"endpointSelector": labels("case", case), **rules})
    return made | {"metadata": {"name": case, "namespace": A}}


def _made(version: str, kind: str, spec: Json) -> Json:
    return {"apiVersion": version, "kind": kind, "spec": spec}
