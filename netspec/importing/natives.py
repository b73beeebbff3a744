"""NetworkPolicies in the native shape, field for field, and the labels of namespaces that a spec cannot declare."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from netspec.importing.model import Draft, Item, Locate, where_text
from netspec.importing.namespaces import is_declarable
from netspec.importing.words import dns_label
from netspec.ir.model import NAME_LABEL, Inventory, Namespace, NetworkPolicy, Peer, PolicyPort, Rule
from netspec.ir.selectors import Requirement, Selector


def add_policies(draft: Draft, inventory: Inventory, locate: Locate) -> None:
    """Fills the draft's networkPolicies, all of them native."""
    taken: dict[str, set[str]] = defaultdict(set)
    for policy in sorted(inventory.policies, key=lambda p: _is_generated(p.name)):  # others keep theirs
        where = locate(policy.place)
        name = (
            policy.name
            if not _is_generated(policy.name)
            else dns_label(policy.name.partition("#")[0], taken[policy.namespace])
        )
        taken[policy.namespace].add(name)
        data = {"name": name, "namespace": policy.namespace, "spec": policy_spec(policy)}
        item = Item(data, f"NetworkPolicy {policy.id}", where, comment=where_text(where))
        draft.sections["networkPolicies"].append(item)
    draft.sections["networkPolicies"].sort(key=lambda i: (str(i.data["namespace"]), str(i.data["name"])))


def _is_generated(name: str) -> bool:
    """A name that the API server was to make up: the reader's stands for it."""
    return "#" in name or name.endswith("-")


def policy_spec(policy: NetworkPolicy) -> dict[str, Any]:
    """networking.k8s.io/v1 NetworkPolicySpec, with policyTypes given always."""
    spec: dict[str, Any] = {"podSelector": policy.pods.to_json(), "policyTypes": list(policy.types)}
    for direction, side, rules in (("ingress", "from", policy.ingress), ("egress", "to", policy.egress)):
        if rules:
            spec[direction] = [_rule(rule, side) for rule in rules]
    return spec


def _rule(rule: Rule, side: str) -> dict[str, Any]:
    data: dict[str, Any] = {side: [_peer(p) for p in rule.peers]} if rule.peers else {}
    return data | ({"ports": [_port(p) for p in rule.ports]} if rule.ports else {})


def _peer(peer: Peer) -> dict[str, Any]:
    if peer.ip_block is not None:
        block: dict[str, Any] = {"cidr": str(peer.ip_block.cidr)}
        if peer.ip_block.excluded:
            block["except"] = [str(c) for c in peer.ip_block.excluded]
        return {"ipBlock": block}
    data: dict[str, Any] = {}
    if peer.namespaces is not None:
        data["namespaceSelector"] = peer.namespaces.to_json()
    if peer.pods is not None:
        data["podSelector"] = peer.pods.to_json()
    return data


def _port(port: PolicyPort) -> dict[str, Any]:
    data: dict[str, Any] = {} if port.port is None else {"port": port.port}
    if port.end_port is not None:
        data["endPort"] = port.end_port
    return data | ({"protocol": port.protocol} if port.protocol != "TCP" or not data else {})


def without_unread(draft: Draft, inventory: Inventory, locate: Locate) -> Inventory:
    """The inventory without the peers and ports of rules that could not be read, and what of a rule that leaves."""

    def kept(rule: Rule) -> Rule | None:
        peers = tuple(p for p in rule.peers if not p.unread)
        ports = tuple(p for p in rule.ports if not p.unread)
        is_gone = (rule.peers and not peers) or (rule.ports and not ports)  # none at all would be all
        return None if is_gone else replace(rule, peers=peers, ports=ports)

    policies = []
    for policy in inventory.policies:
        ingress, egress = (tuple(k for r in rules if (k := kept(r))) for rules in (policy.ingress, policy.egress))
        if (ingress, egress) != (policy.ingress, policy.egress):
            why = "the spec is without what could not be read of it"
            draft.lost(f"NetworkPolicy {policy.id}", why, locate(policy.place))
            policy = replace(policy, ingress=ingress, egress=egress)
        policies.append(policy)
    return replace(inventory, policies=tuple(policies))


def by_name(draft: Draft, inventory: Inventory, namespaces: Sequence[Namespace], locate: Locate) -> Inventory:
    """The inventory with every namespaceSelector that hangs on a label of kube-system, which a spec cannot declare, in
    words of the namespaces' names."""
    hidden = {n.name for n in namespaces if not is_declarable(n.name) and len(n.labels) > 1}
    if not hidden:
        return inventory
    seen = [n if n.name not in hidden else replace(n, labels={NAME_LABEL: n.name}) for n in namespaces]

    def renamed(peer: Peer) -> Peer:
        selector = peer.namespaces
        if selector is None:
            return peer
        names = tuple(sorted(n.name for n in namespaces if selector.matches(n.labels)))
        if names == tuple(sorted(n.name for n in seen if selector.matches(n.labels))):
            return peer
        wanted = Requirement(NAME_LABEL, "In", names) if names else Requirement(NAME_LABEL, "DoesNotExist")
        return replace(peer, namespaces=Selector((), (wanted,)))

    policies = []
    for policy in inventory.policies:
        changed = replace(policy, ingress=_mapped(policy.ingress, renamed), egress=_mapped(policy.egress, renamed))
        if changed != policy:
            why = "a spec cannot declare the labels of kube-system: it selects namespaces by name in the spec"
            draft.changed(f"NetworkPolicy {policy.id}", why, locate(policy.place))
        policies.append(changed)
    return replace(inventory, policies=tuple(policies))


def _mapped(rules: tuple[Rule, ...], change: Any) -> tuple[Rule, ...]:
    return tuple(replace(rule, peers=tuple(change(p) for p in rule.peers)) for rule in rules)
