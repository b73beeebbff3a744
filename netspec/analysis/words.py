"""Words for what policies say, for a reader."""

from dataclasses import replace

from netspec.ir.model import Entity, Peer, PolicyPort, Stage, TierPolicy
from netspec.ir.selectors import Labels, Selector


def selector_text(selector: Selector) -> str:
    """
    >>> selector_text(Selector.of({"app": "web"}))
    '{app=web}'
    """
    parts = [f"{k}={v}" for k, v in selector.match_labels]
    for e in selector.expressions:
        parts.append(f"{e.key} {e.operator}{f' ({chr(44).join(e.values)})' if e.values else ''}")
    return f"{{{', '.join(parts)}}}"


def labels_text(labels: Labels) -> str:
    return ", ".join(f"{k}={v}" for k, v in sorted(labels.items())) or "no labels"


def port_text(port: PolicyPort) -> str:
    """
    >>> port_text(PolicyPort("TCP", 80, 90)), port_text(PolicyPort("UDP"))
    ('80-90/TCP', 'any/UDP')
    """
    if port.unread:
        return "a port that could not be read"
    number = "any" if port.port is None else port.port if port.end_port is None else f"{port.port}-{port.end_port}"
    return f"{number}/{port.protocol}" + (f" at L4, where L7 decides ({port.l7})" if port.l7 else "")


_UNREAD = {
    "nodes": "a node, whose address is not known",
    "api-server": "the API server, whose address is not known",
    "names": "a domain name, whose addresses are not known",
    "anything": "a peer that could not be read",
}


_ENTITIES: dict[Entity, str] = {
    "all": "anyone",
    "cluster": "what is in the cluster",
    "world": "an address outside the cluster",
    "nodes": "a node",
    "proxy": "the proxy of the cluster's ingress",
}
_STAGES: dict[Stage, str] = {
    "deny": "denied before anything is allowed",
    "allow": "adds to what NetworkPolicies allow",
    "default": "denies what no rule allows",
    "ordered": "asked in its order, before NetworkPolicies",
}


def stage_text(policy: TierPolicy) -> str:
    """When a policy's rules are asked."""
    return _STAGES[policy.stage] if policy.stage else f"{policy.tier} tier, priority {policy.priority}"


def peer_text(peer: Peer, home: str | None) -> str:
    """
    >>> peer_text(Peer(pods=Selector()), "shop")
    'pods {} of namespace shop'
    """
    if peer.unsure:
        base, asked = peer_text(replace(peer, unsure=False), home), peer.because or "more"
        return f"{base} with {asked}, which is not known" if peer.describes_pods else f"{asked}, which is not known"
    if peer.unread:
        return peer.because or _UNREAD[peer.unread]
    if peer.entity is not None:
        return _ENTITIES[peer.entity]
    if peer.ip_block is not None:
        excluded = ", ".join(map(str, peer.ip_block.excluded))
        return f"ipBlock {peer.ip_block.cidr}{f' except {excluded}' if excluded else ''}"
    pods = "every pod" if peer.pods is None else f"pods {selector_text(peer.pods)}"
    if peer.namespaces is None:
        return f"{pods} of namespace {home}"
    if peer.namespaces.is_empty:
        return f"{pods} of every namespace"
    return f"{pods} of namespaces {selector_text(peer.namespaces)}"
