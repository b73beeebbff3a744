"""What no NetworkPolicy can say, as CiliumNetworkPolicies (cilium.io/v2; pkg/policy/api of 1.19).

A rule has one kind of peer, so one of ours may be several. No policy isolates anything: `enableDefaultDeny` is false.
"""

from collections.abc import Iterator
from typing import Any

from netspec.backends.objects import Manifest, manifest, node
from netspec.ir.model import NAME_LABEL, Direction, Grant, GrantRule, HttpRequest, Peer, PolicyPort
from netspec.ir.selectors import Selector
from netspec.plan import CNI_READY, ManifestNode

#: Says for the reader of the cluster what in the spec a policy came from.
_ORIGIN = "netspec.dev/origin"
_NAMESPACE = "k8s:io.kubernetes.pod.namespace"
_NAMESPACE_LABELS = "k8s:io.cilium.k8s.namespace.labels."
_SIDES: dict[Direction, str] = {"Ingress": "from", "Egress": "to"}
#: Lookups go through the agent, which so learns what a name stands for; any name may be looked up.
_EVERY_NAME = [{"matchPattern": "*"}]


def policies(grants: tuple[Grant, ...]) -> tuple[ManifestNode, ...]:
    return tuple(node(policy_manifest(grant), CNI_READY) for grant in grants)


def policy_manifest(grant: Grant) -> Manifest:
    spec: dict[str, Any] = {
        "endpointSelector": _selector(grant.pods, "k8s:"),
        "enableDefaultDeny": {"ingress": False, "egress": False},
        grant.direction.lower(): [rule for each in grant.rules for rule in _rules(each, _SIDES[grant.direction])],
    }
    return manifest(
        "cilium.io/v2",
        "CiliumNetworkPolicy",
        grant.name,
        grant.namespace,
        annotations={_ORIGIN: grant.origin},
        spec=spec,
    )


def _rules(rule: GrantRule, side: str) -> Iterator[dict[str, Any]]:
    ports = _ports(rule)
    for field, peers in _peers(rule, side):
        yield {field: peers} | ({"toPorts": [ports]} if ports else {})


def _peers(rule: GrantRule, side: str) -> Iterator[tuple[str, list[Any]]]:
    """By kind, each with its field."""
    if rule.name:
        field = "matchPattern" if "*" in rule.name else "matchName"
        yield "toFQDNs", [{field: rule.name}]
        return
    if rule.entity is not None:
        yield f"{side}Entities", [rule.entity]
        return
    if not rule.peers:
        yield f"{side}Entities", ["all"]
        return
    everyone = [p for p in rule.peers if p.entity == "all"]
    if everyone:
        yield f"{side}Entities", ["all"]
        return
    pods = [_endpoint(p) for p in rule.peers if p.ip_block is None]
    if pods:
        yield f"{side}Endpoints", pods
    blocks = [_block(p) for p in rule.peers if p.ip_block is not None]
    if blocks:
        yield f"{side}CIDRSet", blocks


def _endpoint(peer: Peer) -> dict[str, Any]:
    found = _selector(peer.pods or Selector(), "k8s:")
    for key, value in (peer.namespaces or Selector()).match_labels:
        name = _NAMESPACE if key == NAME_LABEL else f"{_NAMESPACE_LABELS}{key}"
        found.setdefault("matchLabels", {})[name] = value
    return found


def _block(peer: Peer) -> dict[str, Any]:
    assert peer.ip_block is not None
    excluded = [str(cidr) for cidr in peer.ip_block.excluded]
    return {"cidr": str(peer.ip_block.cidr)} | ({"except": excluded} if excluded else {})


def _selector(selector: Selector, source: str) -> dict[str, Any]:
    """`source`: of the labels; a pod's own are Kubernetes'."""
    out: dict[str, Any] = {}
    if selector.match_labels:
        out["matchLabels"] = {f"{source}{key}": value for key, value in selector.match_labels}
    if selector.expressions:
        out["matchExpressions"] = [
            {"key": f"{source}{e.key}", "operator": e.operator} | ({"values": list(e.values)} if e.values else {})
            for e in selector.expressions
        ]
    return out


def _ports(rule: GrantRule) -> dict[str, Any]:
    if not rule.ports:
        return {}
    out: dict[str, Any] = {"ports": [_port(port) for port in rule.ports]}
    if rule.requests:
        out["rules"] = {"http": [_request(r) for r in rule.requests]}
    elif rule.lookups:
        out["rules"] = {"dns": _EVERY_NAME}
    return out


def _port(port: PolicyPort) -> dict[str, Any]:
    """Port 0 is every port of the protocol."""
    out: dict[str, Any] = {"port": str(port.port or 0), "protocol": port.protocol}
    return out | ({"endPort": port.end_port} if port.end_port is not None else {})


def _request(request: HttpRequest) -> dict[str, Any]:
    out: dict[str, Any] = {}
    if request.method is not None:
        out["method"] = request.method
    if request.path is not None:
        out["path"] = request.path
    if request.headers:
        out["headerMatches"] = [{"name": name, "value": value} for name, value in request.headers]
    return out
