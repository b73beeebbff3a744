"""Policies, rules and peers that say nothing, or nothing new."""

from collections.abc import Iterator

from netspec.analysis.bits import Partition, cover
from netspec.analysis.lint.context import DIRECTIONS, Context, Finding
from netspec.analysis.sides import SideKey
from netspec.analysis.words import peer_text, port_text, selector_text
from netspec.ir.model import Direction, NetworkPolicy, Peer, PolicyPort, Workload

_Rule = tuple[int, Direction, int]


def selects_nothing(context: Context) -> Iterator[Finding]:
    """NL001."""
    if not context.has_pods:
        return
    for i, policy in enumerate(context.inventory.policies):
        if not any((i, d) in context.subjects for d in policy.types):
            message = f"podSelector {selector_text(policy.pods)} matches no pod of namespace {policy.namespace}"
            yield Finding("NL001", policy.id, message, policy.place)
    for tier in {t.object: t for t in reversed(context.inventory.tiers)}.values():
        if not context.reach.pods.peer(tier.subject, None, True):
            message = f"its subject matches nothing: there are no {_pods(tier.subject, None)}"
            yield Finding("NL001", tier.id, message, tier.place)


def peers_match_nothing(context: Context) -> Iterator[Finding]:
    """NL002."""
    for policy, direction, index, rule, _ in context.rules():
        home = policy.namespace if isinstance(policy, NetworkPolicy) else None
        for peer in rule.peers if context.has_pods else ():
            if peer.describes_pods and not (context.may_match(peer, home)):
                message = f"{direction.lower()}[{index}]: there are no {_pods(peer, home)}"
                yield Finding("NL002", policy.id, message, rule.place)


def _pods(peer: Peer, home: str | None) -> str:
    """A peer that describes pods, without "every"."""
    return f"pods{text.removeprefix('every pod')}" if (text := peer_text(peer, home)).startswith("every pod") else text


def redundant_rules(context: Context) -> Iterator[Finding]:
    """NL003: a rule all of whose flows other rules allow to the same pods. Of two alike the later is named."""
    dropped: set[_Rule] = set()
    for i in reversed(range(len(context.inventory.policies))):
        for direction in DIRECTIONS:
            keys = context.keys_of.get((i, direction), [])
            for index in reversed(range(len(context.inventory.policies[i].rules(direction)))):
                if keys and all(_is_covered(context, key, (i, direction, index), dropped) for key in keys):
                    dropped.add((i, direction, index))
    for i, direction, index in sorted(dropped):
        policy = context.inventory.policies[i]
        message = f"{direction.lower()}[{index}] allows nothing that other rules for the same pods do not allow"
        yield Finding("NL003", policy.id, message, policy.rules(direction)[index].place)


def _is_covered(context: Context, key: SideKey, wanted: _Rule, dropped: set[_Rule]) -> bool:
    own: Partition = {}
    others: Partition = {}
    for i in key.policies:
        for index, rule in enumerate(context.sides.rules(context.inventory.policies[i], key.direction)):
            at = (i, key.direction, index)
            if at not in dropped:
                is_own = at == wanted
                target = own if is_own else others
                for ports, peers in context.sides.spread(rule, key, context.peers(rule, is_own), is_own):
                    target[ports] = target.get(ports, 0) | peers
    return bool(own) and not any(ports & ~have for ports, peers in own.items() for have in cover(others, peers))


def ports_that_no_pod_has(context: Context) -> Iterator[Finding]:
    """NL004, only where all the pods in question declare ports: a container may listen without saying so."""
    for i, policy in enumerate(context.inventory.policies):
        for direction in DIRECTIONS:
            subjects = context.subjects.get((i, direction), 0)
            compiled = context.sides.rules(policy, direction)
            for index, rule in enumerate(policy.rules(direction)):
                found = compiled[index]
                if direction == "Egress" and (found.anyone or found.blocks or found.unread):
                    continue
                where = subjects if direction == "Ingress" else found.selected | found.perhaps
                pods = [context.reach.workloads[p] for p in context.reach.peers_in(where)]
                if not pods or not all(w.ports for w in pods):
                    continue
                for port in rule.ports:
                    if not port.unread and port.port is not None and not any(_has_port(w, port) for w in pods):
                        names = context.names(where) or "the DNS pods"
                        message = f"{direction.lower()}[{index}]: {port_text(port)} is not a port of {names}"
                        yield Finding("NL004", policy.id, message, rule.place)


def _has_port(workload: Workload, wanted: PolicyPort) -> bool:
    if isinstance(wanted.port, str):
        return workload.port_named(wanted.port, wanted.protocol) is not None
    low = wanted.port or 1
    return any(p.protocol == wanted.protocol and low <= p.port <= (wanted.end_port or low) for p in workload.ports)


def changes_nothing(context: Context) -> Iterator[Finding]:
    """NL005: a policy without which every side would be the same, as it would without all that are named. A default
    deny is spared: it is for pods to come. Of two alike the later is named."""
    dropped: set[int] = set()
    for i, policy in reversed(list(enumerate(context.inventory.policies))):
        keys = [key for d in policy.types for key in context.keys_of.get((i, d), [])]
        spared = policy.pods.is_empty and any(not policy.rules(d) for d in policy.types)
        if keys and not spared and all(_same_without(context, key, dropped | {i}) for key in keys):
            dropped.add(i)
    for i in sorted(dropped):
        policy = context.inventory.policies[i]
        yield Finding("NL005", policy.id, "every flow would be the same without it", policy.place)


def _same_without(context: Context, key: SideKey, dropped: set[int]) -> bool:
    left = tuple(i for i in key.policies if i not in dropped)
    ports = key.ports if left or key.tiers else ()
    without = key._replace(policies=left, ports=ports, host=key.host and bool(left))
    return context.sides.side(key) == context.sides.side(without)
