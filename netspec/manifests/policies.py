"""NetworkPolicy v1 and the policy tiers (AdminNetworkPolicy, BaselineAdminNetworkPolicy, ClusterNetworkPolicy)."""

from collections.abc import Callable
from typing import Any, NamedTuple

from netspec.diagnostics import Path
from netspec.ir.model import (
    Action,
    Direction,
    IpBlock,
    IPNetwork,
    NetworkPolicy,
    Peer,
    Place,
    PolicyPort,
    Rule,
    Tier,
    TierPolicy,
    TierRule,
)
from netspec.ir.selectors import Selector
from netspec.manifests.fields import (
    Bad,
    Missing,
    Object,
    items,
    known,
    mapping,
    network,
    port,
    port_number,
    protocol,
    selector,
    text,
)

#: A path in the object -> the place to remember it by.
At = Callable[[Path], Place]
#: The addresses of the nodes that a selector matches; None: no Node object was read.
Nodes = Callable[[Selector], tuple[IPNetwork, ...] | None]
#: Takes what a rule has that cannot be used; the rule stands, as one that may match.
Complain = Callable[[Bad], None]

_SPEC = frozenset(("podSelector", "policyTypes", "ingress", "egress"))
_RULE: dict[Direction, tuple[frozenset[str], str]] = {
    "Ingress": (frozenset(("from", "ports")), "from"),
    "Egress": (frozenset(("to", "ports")), "to"),
}
_PEER = frozenset(("podSelector", "namespaceSelector", "ipBlock"))
_BLOCK = frozenset(("cidr", "except"))
_PORT = frozenset(("protocol", "port", "endPort"))


def network_policy(namespace: str, name: str, body: Object, at: At) -> NetworkPolicy:
    """networking.k8s.io/v1 NetworkPolicy. Raises Bad."""
    path: Path = ("spec",)
    spec = known(body.get("spec"), path, _SPEC)
    rules = {
        direction: tuple(
            _rule(r, (*path, direction.lower(), i), direction, at)
            for i, r in enumerate(items(spec.get(direction.lower()), (*path, direction.lower())))
        )
        for direction in _RULE
    }
    return NetworkPolicy(
        namespace,
        name,
        selector(spec.get("podSelector"), (*path, "podSelector")),
        _types(spec, path, bool(rules["Egress"])),
        rules["Ingress"],
        rules["Egress"],
        "manifests",
        at(()),
    )


def _types(spec: Object, path: Path, has_egress: bool) -> tuple[Direction, ...]:
    """policyTypes; where absent or empty Ingress always, and Egress if there is an egress rule."""
    given = items(spec.get("policyTypes"), (*path, "policyTypes"))
    for i, kind in enumerate(given):
        if kind not in ("Ingress", "Egress"):
            raise Bad((*path, "policyTypes", i), "is neither Ingress nor Egress")
    if not given:
        return ("Ingress", "Egress") if has_egress else ("Ingress",)
    return tuple(direction for direction in _RULE if direction in given)


def _rule(value: Any, path: Path, direction: Direction, at: At) -> Rule:
    fields, side = _RULE[direction]
    found = known(value, path, fields)
    peers = items(found.get(side), (*path, side))
    ports = items(found.get("ports"), (*path, "ports"))
    return Rule(
        tuple(_peer(p, (*path, side, i)) for i, p in enumerate(peers)),
        tuple(_port(p, (*path, "ports", i)) for i, p in enumerate(ports)),
        at(path),
    )


def _peer(value: Any, path: Path) -> Peer:
    found = known(value, path, _PEER)
    block, pods, namespaces = (found.get(f) for f in ("ipBlock", "podSelector", "namespaceSelector"))
    if block is not None:
        if pods is not None or namespaces is not None:
            raise Bad(path, "has an ipBlock and a selector; a peer is one or the other", "write two list items")
        return Peer(ip_block=_block(block, (*path, "ipBlock")))
    if pods is None and namespaces is None:
        raise Bad(path, "is an empty peer", "podSelector: {} is every pod; leave the list out for everyone")
    return Peer(
        None if pods is None else selector(pods, (*path, "podSelector")),
        None if namespaces is None else selector(namespaces, (*path, "namespaceSelector")),
    )


def _block(value: Any, path: Path) -> IpBlock:
    found = known(value, path, _BLOCK)
    cidr = network(found.get("cidr"), (*path, "cidr"))
    excluded = []
    for i, item in enumerate(items(found.get("except"), (*path, "except"))):
        inner = network(item, (*path, "except", i))
        inside = inner.version == cidr.version and inner.network_address in cidr
        mapped = inner.version == 4 and ":" in item  # Kubernetes counts the bits before an IPv4 address, too
        if not inside or inner.prefixlen + 96 * mapped <= cidr.prefixlen:
            raise Bad((*path, "except", i), f"is not strictly within {cidr}")
        excluded.append(inner)
    return IpBlock(cidr, tuple(excluded))


def _port(value: Any, path: Path) -> PolicyPort:
    found = known(value, path, _PORT)
    kind = protocol(found.get("protocol"), (*path, "protocol"))
    number, end = found.get("port"), found.get("endPort")
    if number is None:
        if end is not None:
            raise Bad((*path, "endPort"), "needs a port")
        return PolicyPort(kind)
    low = port(number, (*path, "port"))
    if end is None:
        return PolicyPort(kind, low)
    high = port_number(end, (*path, "endPort"))
    if isinstance(low, str) or high < low:
        raise Bad((*path, "endPort"), "must not be below port, which must be a number")
    return PolicyPort(kind, low, high)


# Tiers

_TIER_SPEC = frozenset(("tier", "priority", "subject", "ingress", "egress"))
_TIER_RULE: dict[Direction, tuple[frozenset[str], str]] = {
    "Ingress": (frozenset(("name", "action", "from", "ports", "protocols")), "from"),
    "Egress": (frozenset(("name", "action", "to", "ports", "protocols")), "to"),
}
_TIER_PEER = frozenset(("namespaces", "pods", "nodes", "networks", "domainNames"))
_NAMESPACED_POD = frozenset(("namespaceSelector", "podSelector"))
_ACTIONS: dict[str, dict[str, Action]] = {
    "ClusterNetworkPolicy": {"Accept": "Accept", "Deny": "Deny", "Pass": "Pass"},
    "AdminNetworkPolicy": {"Allow": "Accept", "Deny": "Deny", "Pass": "Pass"},
    "BaselineAdminNetworkPolicy": {"Allow": "Accept", "Deny": "Deny"},
}
_LOWEST = 1000


def tier_policy(kind: str, name: str, body: Object, at: At, nodes: Nodes, complain: Complain) -> TierPolicy:
    """A cluster-wide policy; `kind` is one of `_ACTIONS`. Raises Bad where its place among the others cannot be told.

    Its rules are asked in order: one that cannot be read, or only in part, keeps its place and may match whatever the
    rest of it leaves open, so that the rules before and after it mean what they say."""
    path: Path = ("spec",)
    spec = known(body.get("spec"), path, _TIER_SPEC)
    tier: Tier = "Baseline" if kind == "BaselineAdminNetworkPolicy" else "Admin"
    if kind == "ClusterNetworkPolicy":
        given = spec.get("tier")
        if given != "Admin" and given != "Baseline":
            raise Bad((*path, "tier"), "is neither Admin nor Baseline")
        tier = given
    elif kind == "BaselineAdminNetworkPolicy" and name != "default":
        raise Bad(("metadata", "name"), "must be default: a cluster has one BaselineAdminNetworkPolicy")
    priority = 0
    if kind != "BaselineAdminNetworkPolicy":
        priority = spec.get("priority", -1)
        if isinstance(priority, bool) or not isinstance(priority, int) or not 0 <= priority <= _LOWEST:
            raise Bad((*path, "priority"), f"is not a priority (0-{_LOWEST})")
    rules = {
        direction: tuple(
            _Rules(kind, direction, at, nodes, complain).read(r, (*path, direction.lower(), i))
            for i, r in enumerate(items(spec.get(direction.lower()), (*path, direction.lower())))
        )
        for direction in _TIER_RULE
    }
    try:
        (subject,) = _tier_peers(spec.get("subject"), (*path, "subject"), _PODS, nodes)
    except Bad as bad:
        complain(bad)
        subject = _ANYTHING
    return TierPolicy(kind, name, tier, priority, subject, rules["Ingress"], rules["Egress"], at(()))


_PODS = ("namespaces", "pods")
_ALLOWED: dict[Direction, tuple[str, ...]] = {"Ingress": _PODS, "Egress": (*_PODS, "nodes", "networks")}
_ANYTHING = Peer(unread="anything")
_MISSING: dict[str | int, Peer] = {"nodes": Peer(unread="nodes"), "domainNames": Peer(unread="names")}
_ANY_PORT = PolicyPort(unread=True)


class _Rules(NamedTuple):
    """Reads the rules of one direction of a policy."""

    kind: str
    direction: Direction
    at: At
    nodes: Nodes
    complain: Complain

    def read(self, value: Any, path: Path) -> TierRule:
        fields, side = _TIER_RULE[self.direction]
        try:
            found = known(value, path, fields)
        except Bad as bad:  # what it does not know may say anything of the rule
            self.complain(bad)
            found = value if isinstance(value, dict) else {}
            return TierRule(self._action(found, path), (_ANYTHING,), (), "", self.at(path))
        name = found.get("name")
        action, peers, ports = self._action(found, path), self._peers(found, path, side), self._ports(found, path)
        return TierRule(action, peers, ports, name if isinstance(name, str) else "", self.at(path))

    def _action(self, found: Object, path: Path) -> Action:
        known_actions = _ACTIONS[self.kind]
        given = found.get("action")
        action = known_actions.get(given) if isinstance(given, str) else None
        if action is None:
            self.complain(Bad((*path, "action"), f"is not one of {', '.join(known_actions)}"))
        return action or "Unread"

    def _peers(self, found: Object, path: Path, side: str) -> tuple[Peer, ...]:
        peers: list[Peer] = []
        at = (*path, side)
        try:
            wanted = items(found.get(side), at)
            if not wanted:
                raise Bad(at, "must name a peer")
        except Bad as bad:
            self.complain(bad)
            return (_ANYTHING,)
        for i, peer in enumerate(wanted):
            try:
                peers += _tier_peers(peer, (*at, i), _ALLOWED[self.direction], self.nodes)
            except Bad as bad:
                self.complain(bad)
                peers.append(_MISSING.get(bad.path[-1], _ANYTHING) if isinstance(bad, Missing) else _ANYTHING)
        return tuple(peers)

    def _ports(self, found: Object, path: Path) -> tuple[PolicyPort, ...]:
        is_cluster = self.kind == "ClusterNetworkPolicy"
        field = "protocols" if is_cluster else "ports"
        at = (*path, field)
        ports: list[PolicyPort] = []
        try:
            given = items(found.get(field), at)
        except Bad as bad:
            self.complain(bad)
            return (_ANY_PORT,)
        for i, entry in enumerate(given):
            try:
                ports += (_cluster_ports if is_cluster else _admin_ports)(entry, (*at, i))
            except Bad as bad:
                self.complain(bad)
                ports.append(_ANY_PORT)
        return tuple(ports)


def _tier_peers(value: Any, path: Path, allowed: tuple[str, ...], nodes: Nodes) -> list[Peer]:
    found = {k: v for k, v in known(value, path, _TIER_PEER).items() if v is not None}
    if len(found) != 1:
        raise Bad(path, f"must have exactly one of {', '.join(allowed)}")
    field, wanted = next(iter(found.items()))
    at = (*path, field)
    if field == "domainNames":
        hint = "what the rule decides for certain flows is left open; the other rules count"
        raise Missing(at, "are names, and which addresses they have is not in the manifests", hint)
    if field not in allowed:
        raise Bad(at, f"is not possible here; a peer has one of {', '.join(allowed)}")
    if field == "namespaces":
        return [Peer(namespaces=selector(wanted, at))]
    if field == "pods":
        both = known(wanted, at, _NAMESPACED_POD)
        return [
            Peer(
                selector(both.get("podSelector"), (*at, "podSelector")),
                selector(both.get("namespaceSelector"), (*at, "namespaceSelector")),
            )
        ]
    if field == "nodes":
        addresses = nodes(selector(wanted, at))
        if addresses is None:
            raise Missing(at, "are nodes whose addresses are not known", "add them: kubectl get nodes -o yaml")
        # No node matches: a block that holds nothing.
        return [Peer(ip_block=IpBlock(n)) for n in addresses] or [Peer(ip_block=_NOTHING)]
    return [Peer(ip_block=IpBlock(network(n, (*at, i)))) for i, n in enumerate(items(wanted, at))]


_EMPTY = network("0.0.0.0/32", ())
_NOTHING = IpBlock(_EMPTY, (_EMPTY,))


def _named(value: Any, path: Path) -> list[PolicyPort]:
    """A port name stands for whatever protocol the container declares under it."""
    name = port(text(value, path), path)
    return [PolicyPort("TCP", name), PolicyPort("UDP", name), PolicyPort("SCTP", name)]


def _admin_ports(value: Any, path: Path) -> list[PolicyPort]:
    found = {
        k: v
        for k, v in known(value, path, frozenset(("portNumber", "portRange", "namedPort"))).items()
        if v is not None
    }
    if len(found) != 1:
        raise Bad(path, "must have exactly one of portNumber, portRange and namedPort")
    if "namedPort" in found:
        return _named(found["namedPort"], (*path, "namedPort"))
    if "portNumber" in found:
        at = (*path, "portNumber")
        single = known(found["portNumber"], at, frozenset(("protocol", "port")))
        return [PolicyPort(protocol(single.get("protocol"), at), port_number(single.get("port"), (*at, "port")))]
    at = (*path, "portRange")
    several = known(found["portRange"], at, frozenset(("protocol", "start", "end")))
    return [PolicyPort(protocol(several.get("protocol"), at), *_range(several, at))]


def _cluster_ports(value: Any, path: Path) -> list[PolicyPort]:
    fields = frozenset(("tcp", "udp", "sctp", "destinationNamedPort"))
    found = {k: v for k, v in known(value, path, fields).items() if v is not None}
    if len(found) != 1:
        raise Bad(path, f"must have exactly one of {', '.join(sorted(fields))}")
    field, wanted = next(iter(found.items()))
    at = (*path, field)
    if field == "destinationNamedPort":
        return _named(wanted, at)
    kind = protocol(field.upper(), at)
    target = known(wanted, at, frozenset(("destinationPort",))).get("destinationPort")
    if target is None:
        return [PolicyPort(kind)]
    at = (*at, "destinationPort")
    either = known(target, at, frozenset(("number", "range")))
    if either.get("range") is not None:
        return [PolicyPort(kind, *_range(mapping(either["range"], (*at, "range")), (*at, "range")))]
    return [PolicyPort(kind, port_number(either.get("number"), (*at, "number")))]


def _range(found: Object, path: Path) -> tuple[int, int]:
    low = port_number(found.get("start"), (*path, "start"))
    high = port_number(found.get("end"), (*path, "end"))
    if high < low:
        raise Bad((*path, "end"), "is below start")
    return low, high
