"""Where a CNI does not do what Kubernetes says: NetworkPolicies as it takes them (docs/semantics.md, Dialects)."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace

from netspec.ir.model import Inventory, NetworkPolicy, Peer, PolicyPort, Protocol, Rule
from netspec.ir.selectors import Requirement, Selector
from netspec.target import Dialect

_Names = Mapping[tuple[str, Protocol], set[int]]
_recent: list[tuple[Inventory, Inventory]] = []


def as_taken(inventory: Inventory) -> Inventory:
    """The inventory itself where the CNI is not known, or departs from nothing here. What was taken stays as it is."""
    dialect = inventory.dialect
    if dialect is None or not dialect.departs or not inventory.policies:
        return inventory
    if not _recent or _recent[0][0] is not inventory:
        policies = tuple(_taken(p, dialect, _names(inventory)) for p in inventory.policies)
        taken = inventory if policies == inventory.policies else replace(inventory, policies=policies)
        _recent[:] = [(inventory, taken)]
    return _recent[0][1]


def _names(inventory: Inventory) -> _Names:
    """Port name -> the numbers that it has on pods of addresses of their own."""
    found: dict[tuple[str, Protocol], set[int]] = {}
    for workload in inventory.workloads:
        for port in workload.ports if not workload.host_network else ():
            if port.name is not None:
                found.setdefault((port.name, port.protocol), set()).add(port.port)
    return found


def _taken(policy: NetworkPolicy, dialect: Dialect, names: _Names) -> NetworkPolicy:
    types = policy.types
    if dialect.rules_isolate:
        given = {"Ingress": policy.ingress, "Egress": policy.egress}
        types = tuple(d for d in ("Ingress", "Egress") if d in policy.types or given[d])
    seen = _seer(dialect.unseen_labels)
    ingress = tuple(_rule(r, seen, None) for r in policy.ingress)
    egress = tuple(_rule(r, seen, names if dialect.egress_names_are_one else None) for r in policy.egress)
    return replace(policy, pods=seen(policy.pods), types=types, ingress=ingress, egress=egress)


def _seer(unseen: str) -> Callable[[Selector], Selector]:
    """Selectors of pods over the labels that the CNI sees: of the others none is there."""
    pattern = re.compile(unseen) if unseen else None

    def seen(selector: Selector) -> Selector:
        if pattern is None:
            return selector
        wanted = [Requirement(key, "In", (value,)) for key, value in selector.match_labels]
        lost = [r for r in (*wanted, *selector.expressions) if pattern.match(r.key)]
        if any(r.operator in ("In", "Exists") for r in lost):
            return Selector((), (Requirement(lost[0].key, "In", ()),))  # nobody
        return Selector(selector.match_labels, tuple(e for e in selector.expressions if e not in lost))

    return seen


def _rule(rule: Rule, seen: Callable[[Selector], Selector], names: _Names | None) -> Rule:
    peers = tuple(p if p.pods is None else _peer(p, seen(p.pods)) for p in rule.peers)
    ports = rule.ports if names is None else tuple(_port(p, names) for p in rule.ports)
    return rule if (peers, ports) == (rule.peers, rule.ports) else replace(rule, peers=peers, ports=ports)


def _peer(peer: Peer, pods: Selector) -> Peer:
    return peer if pods == peer.pods else replace(peer, pods=pods)


def _port(port: PolicyPort, names: _Names) -> PolicyPort:
    """The one number of a name; one of several stays a name, which no pod has."""
    if not isinstance(port.port, str):
        return port
    numbers = names.get((port.port, port.protocol), set())
    if len(numbers) > 1:
        return replace(port, port=f"{port.port} (several numbers)")
    return replace(port, port=min(numbers)) if numbers else port
