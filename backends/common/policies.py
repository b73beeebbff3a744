"""NetworkPolicies, field for field."""

from typing import Any

from netspec.backends.common.namespaces import namespace_id
from netspec.backends.objects import Manifest, manifest, node
from netspec.ir.model import Ir, NetworkPolicy, Peer, PolicyPort, Rule
from netspec.plan import ManifestNode

#: Says for the reader of the cluster what in the spec a policy came from.
ORIGIN = "netspec.dev/origin"


def policies(ir: Ir) -> tuple[ManifestNode, ...]:
    return tuple(node(policy_manifest(policy), *namespace_id(policy.namespace)) for policy in ir.policies)


def policy_manifest(policy: NetworkPolicy) -> Manifest:
    """networking.k8s.io/v1. policyTypes are written out, so that no defaulting is left to the reader."""
    spec: dict[str, Any] = {"podSelector": policy.pods.to_json(), "policyTypes": list(policy.types)}
    if "Ingress" in policy.types:
        spec["ingress"] = [_rule(rule, "from") for rule in policy.ingress]
    if "Egress" in policy.types:
        spec["egress"] = [_rule(rule, "to") for rule in policy.egress]
    return manifest(
        "networking.k8s.io/v1",
        "NetworkPolicy",
        policy.name,
        policy.namespace,
        annotations={ORIGIN: policy.origin},
        spec=spec,
    )


def _rule(rule: Rule, side: str) -> dict[str, Any]:
    out: dict[str, Any] = {}
    if rule.peers:
        out[side] = [_peer(peer) for peer in rule.peers]
    if rule.ports:
        out["ports"] = [_port(port) for port in rule.ports]
    return out


def _peer(peer: Peer) -> dict[str, Any]:
    out: dict[str, Any] = {}
    if peer.pods is not None:
        out["podSelector"] = peer.pods.to_json()
    if peer.namespaces is not None:
        out["namespaceSelector"] = peer.namespaces.to_json()
    if peer.ip_block is not None:
        out["ipBlock"] = {"cidr": str(peer.ip_block.cidr)}
        if peer.ip_block.excluded:
            out["ipBlock"]["except"] = [str(cidr) for cidr in peer.ip_block.excluded]
    return out


def _port(port: PolicyPort) -> dict[str, Any]:
    out: dict[str, Any] = {"protocol": port.protocol}
    if port.port is not None:
        out["port"] = port.port
    if port.end_port is not None:
        out["endPort"] = port.end_port
    return out
