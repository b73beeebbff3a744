"""Flows that should not be open, or cannot work."""

from collections.abc import Iterator

from netspec.analysis.bits import from_members, to_members
from netspec.analysis.lint.context import DIRECTIONS, DNS_NAMESPACE, SYSTEM, Context, Finding, is_dns
from netspec.analysis.sides import CompiledRule
from netspec.analysis.spaces import DNS_PORT
from netspec.analysis.unknown import unknown_reach
from netspec.ir.model import Direction, Place


def reachable_from_everywhere(context: Context) -> Iterator[Finding]:
    """NL006: on some port from every pod that may exist and from every address. What the system brings (kube-*) is
    left out: DNS is there for everyone."""
    for number, workload in context.workloads():
        if workload.namespace.startswith(SYSTEM):
            continue
        key = context.reach.ingress_keys[number]
        ports = unknown_reach(context.reach, key).every
        for mask, peers in context.reach.ingress[number].lower.items():
            if peers & context.sides.externals:
                ports &= mask
        if ports:
            why = "a rule lets everyone in" if key.policies else "no NetworkPolicy isolates it"
            if context.sides.is_node(key):
                why = "it is on the host network, where policies do not see it"
            yield Finding("NL006", workload.id, f"every pod and every address reaches it: {why}", workload.place)


def asymmetric(context: Context) -> Iterator[Finding]:
    """NL007: a rule that names pods which, on their side, let none of its flows pass."""
    for i, policy in enumerate(context.inventory.policies):
        for direction in policy.types:
            subjects = context.subjects.get((i, direction), 0)
            others = context.reach.ingress if direction == "Egress" else context.reach.egress
            for index, rule in enumerate(context.sides.rules(policy, direction)):
                closed = []
                for number in to_members(rule.selected & ~subjects) if subjects else ():
                    ports = rule.ports | _named(context, rule, direction, number, subjects)
                    open_to = 0
                    for have, peers in others[number].upper[-1].items():
                        open_to |= peers if have & ports else 0
                    if not subjects & open_to:
                        closed.append(number)
                names = context.names(from_members(closed))
                if names:
                    side = "ingress" if direction == "Egress" else "egress"
                    message = f"{direction.lower()}[{index}] allows flows that the {side} of {names} denies"
                    yield Finding("NL007", policy.id, message, policy.rules(direction)[index].place)


def _named(context: Context, rule: CompiledRule, direction: Direction, peer: int, subjects: int) -> int:
    """The numbers of the rule's named ports on the destination."""
    ports = 0
    for destination in [peer] if direction == "Egress" else to_members(subjects):
        for name in rule.names:
            number = context.reach.pods.ports[destination].get(name)
            ports |= context.reach.ports.mask(name[1], number, number) if number is not None else 0
    return ports


def no_default_deny(context: Context) -> Iterator[Finding]:
    """NL008: of namespaces with pods; the system's own (kube-*) are left out."""
    places = {n.name: n.place for n in context.inventory.namespaces}
    denied = {(p.namespace, d) for p in context.inventory.policies if p.pods.is_empty for d in p.types}
    for namespace in sorted({w.namespace for _, w in context.workloads()}):
        for direction in DIRECTIONS:
            if not namespace.startswith(SYSTEM) and (namespace, direction) not in denied:
                message = f"no policy isolates every pod for {direction.lower()}: a new pod is open"
                yield Finding("NL008", namespace, message, places.get(namespace, Place()))


def cut_off_from_dns(context: Context) -> Iterator[Finding]:
    """NL009: of pods whose egress is isolated."""
    reach = context.reach
    servers = from_members(reach.class_of(i) for i, w in enumerate(reach.workloads) if is_dns(w))
    dns = reach.ports.mask("UDP", DNS_PORT, DNS_PORT)
    for number, workload in context.workloads():
        if not reach.egress_keys[number].policies or is_dns(workload):
            continue
        if not any(where & servers and (allow | undefined) & dns for allow, undefined, where in reach.row(number)):
            message = f"it cannot reach DNS ({DNS_NAMESPACE}, {DNS_PORT}/UDP): names do not resolve"
            yield Finding("NL009", workload.id, message, workload.place)
