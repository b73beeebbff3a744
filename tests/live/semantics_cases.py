"""Pods and policies that between them exercise every rule of NetworkPolicy v1 (docs/semantics.md).

A case is one pod with policies of its own. Ingress cases are dialled from all pods, egress cases dial all pods.
"""

from typing import Any

Json = dict[str, Any]

PREFIX = "netspec-semantics"
A, B, C = (f"{PREFIX}-{letter}" for letter in "abc")
#: Namespace -> its labels; all carry MARK, by which they are removed.
MARK = "netspec.dev/semantics"
NAMESPACES: dict[str, dict[str, str]] = {A: {"team": "a"}, B: {"team": "b"}, C: {}}
#: The ports that are dialled: both served, and one that only some pods serve (a refusal has passed the policies too).
HTTP, OTHER, UDP = 8080, 8090, 8081
NODE_HTTP, NODE_UDP = 18080, 18081

#: Name -> (namespace, labels, HTTP port). The pods that carry no policy of their own.
BASE: dict[str, tuple[str, dict[str, str], int]] = {
    "front": (A, {"app": "x", "tier": "front"}, HTTP),
    "plain": (A, {"app": "y"}, HTTP),
    "back": (B, {"app": "x", "tier": "back"}, HTTP),
    "other-port": (B, {"app": "y", "tier": "front"}, OTHER),
    "guest": (C, {"app": "x"}, HTTP),
}

X = {"podSelector": {"matchLabels": {"app": "x"}}}
TEAM_B = {"namespaceSelector": {"matchLabels": {"team": "b"}}}


def tier(operator: str, *values: str) -> dict[str, Any]:
    requirement: dict[str, Any] = {"key": "tier", "operator": operator}
    return {"podSelector": {"matchExpressions": [requirement | ({"values": list(values)} if values else {})]}}


def peers(*found: dict[str, Any]) -> dict[str, Any]:
    return {"ingress": [{"from": list(found)}]}


def ports(*found: dict[str, Any]) -> dict[str, Any]:
    return {"ingress": [{"ports": list(found)}]}


def block(cidr: str, *excepted: str) -> dict[str, Any]:
    return {"ipBlock": {"cidr": cidr, "except": list(excepted)} if excepted else {"cidr": cidr}}


def ingress_cases(pod_cidr: str) -> dict[str, list[dict[str, Any]]]:
    """Case -> the specs of its policies, without podSelector."""
    name = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": C}}}
    return {
        "open": [],
        "no-rules": [{}],
        "ingress-null": [{"ingress": None}],
        "empty-rule": [{"ingress": [{}]}],
        "from-empty": [{"ingress": [{"from": []}]}],
        "own-namespace": [peers(X)],
        "every-pod-here": [peers({"podSelector": {}})],
        "namespaces": [peers(TEAM_B)],
        "every-namespace": [peers({"namespaceSelector": {}})],
        "name-label": [peers(name)],
        "and": [peers(TEAM_B | X)],
        "or": [peers(TEAM_B, {"podSelector": {"matchLabels": {"app": "y"}}})],
        "namespace-not-in": [
            peers({"namespaceSelector": {"matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["a"]}]}})
        ],
        "in": [peers(tier("In", "front", "middle"))],
        "not-in": [peers(tier("NotIn", "front"))],
        "exists": [peers(tier("Exists"))],
        "does-not-exist": [peers(tier("DoesNotExist"))],
        "union": [peers(X), ports({"port": UDP, "protocol": "UDP"})],
        "egress-alone": [{"policyTypes": ["Egress"]}],
        "types-without-rules": [{"policyTypes": ["Ingress"], "egress": [{}]}],
        "port": [ports({"port": HTTP})],
        "port-and-peer": [{"ingress": [{"from": [X], "ports": [{"port": HTTP}]}]}],
        "port-udp": [ports({"port": UDP, "protocol": "UDP"})],
        "port-absent": [ports({"protocol": "UDP"})],
        "port-entry-empty": [ports({})],
        "sctp-alone": [ports({"protocol": "SCTP"})],
        "end-port": [ports({"port": HTTP, "endPort": HTTP + 5})],
        "named-port": [ports({"port": "http"})],
        "named-port-udp": [ports({"port": "dns", "protocol": "UDP"})],
        "named-port-absent": [ports({"port": "grpc"})],
        "block-elsewhere": [peers(block("203.0.113.0/24"))],
        "block-pods": [peers(block(pod_cidr))],
        "block-all": [peers(block("0.0.0.0/0"))],
        "block-but-pods": [peers(block("0.0.0.0/0", pod_cidr))],
    }


def egress_cases(pod_cidr: str, outside: str) -> dict[str, list[dict[str, Any]]]:
    def to(*found: dict[str, Any], **more: Any) -> dict[str, Any]:
        return {"policyTypes": ["Egress"], "egress": [{"to": list(found), **more}]}

    return {
        "out-no-rules": [{"policyTypes": ["Egress"]}],
        "out-empty-rule": [{"policyTypes": ["Egress"], "egress": [{}]}],
        "out-own-namespace": [to(X)],
        "out-namespaces": [to(TEAM_B)],
        "out-and": [to(TEAM_B | X)],
        "out-not-in": [to({"namespaceSelector": {}} | tier("NotIn", "front"))],
        "out-port": [to({"namespaceSelector": {}}, ports=[{"port": HTTP}])],
        "out-named-port": [to({"namespaceSelector": {}}, ports=[{"port": "http"}])],
        "out-udp": [to(ports=[{"protocol": "UDP"}])],
        "out-outside": [to(block(f"{outside}/32"))],
        "out-but-outside": [to(block("0.0.0.0/0", f"{outside}/32", pod_cidr))],
        "out-both-directions": [to(TEAM_B) | {"policyTypes": ["Ingress", "Egress"], "ingress": [{"from": [X]}]}],
    }


def objects(image: str, pod_cidr: str, outside: str) -> list[dict[str, Any]]:
    """Everything that is applied, namespaces first."""
    out: list[dict[str, Any]] = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": n, "labels": {**labels, MARK: "true"}}}
        for n, labels in NAMESPACES.items()
    ]
    for name, (namespace, labels, port) in BASE.items():
        out.append(pod(name, namespace, labels, image, port))
    out.append(pod("node", B, {"app": "node"}, image, NODE_HTTP, NODE_UDP, host_network=True))
    cases = {**ingress_cases(pod_cidr), **egress_cases(pod_cidr, outside)}
    for case, specs in cases.items():
        out.append(pod(case, A, {"case": case}, image, HTTP))
        for number, spec in enumerate(specs):
            selector = {"podSelector": {"matchLabels": {"case": case}}}
            out.append(
                {
                    "apiVersion": "networking.k8s.io/v1",
                    "kind": "NetworkPolicy",
                    "metadata": {"name": f"{case}-{number}", "namespace": A},
                    "spec": selector | spec,
                }
            )
    # A whole namespace closed by the empty selector.
    out.append(
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": "closed", "namespace": C},
            "spec": {"podSelector": {}},
        }
    )
    return out


def pod(
    name: str,
    namespace: str,
    labels: dict[str, str],
    image: str,
    http: int,
    udp: int = UDP,
    host_network: bool = False,
) -> dict[str, Any]:
    container = {
        "name": "agnhost",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["/agnhost"],
        "args": ["netexec", f"--http-port={http}", f"--udp-port={udp}"],
        "ports": [
            {"name": "http", "containerPort": http},
            {"name": "dns", "containerPort": udp, "protocol": "UDP"},
        ],
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": http}, "periodSeconds": 1},
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {
            "containers": [container],
            "hostNetwork": host_network,
            "terminationGracePeriodSeconds": 0,
            "enableServiceLinks": False,
            "tolerations": [{"operator": "Exists"}],
        },
    }
