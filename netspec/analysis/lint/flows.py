"""Flows that should not be open, or cannot work."""

from collections.abc import Iterator
from itertools import chain

from netspec.analysis.bits import from_members, to_members
from netspec.analysis.lint.context import DIRECTIONS, SYSTEM, Context, Finding
from netspec.analysis.rules import CompiledRule
from netspec.analysis.sides import SideKey
from netspec.analysis.unknown import is_every_pod, unknown_reach, walk_of_any
from netspec.ir.dns import DNS_PORT, NODE_LOCAL_ADDRESS
from netspec.ir.model import NAME_LABEL, Direction, Namespace, Peer
from netspec.ir.selectors import Selector


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
                    for have, peers in chain.from_iterable(family.items() for family in others[number].upper):
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
    found = {n.name: n for n in context.inventory.namespaces}
    for name in sorted({w.namespace for _, w in context.workloads()}):
        namespace = found.get(name, Namespace(name, {NAME_LABEL: name}))
        for direction in DIRECTIONS:
            if not name.startswith(SYSTEM) and _is_open(context, _key_of_every_pod(context, namespace, direction)):
                message = f"nothing denies {direction.lower()} by default: a new pod is open"
                yield Finding("NL008", name, message, namespace.place)


def _key_of_every_pod(context: Context, namespace: Namespace, direction: Direction) -> SideKey:
    """The side of a new pod, whatever its labels: of the policies that select all of the namespace."""
    policies = [
        i
        for i, policy in enumerate(context.inventory.policies)
        if policy.namespace == namespace.name and policy.pods.is_empty and direction in policy.types
    ]
    tiers = [
        i
        for i, tier in enumerate(context.inventory.tiers)
        if tier.rules(direction)
        and (tier.subject.pods is None or tier.subject.pods.is_empty)
        and tier.subject.namespaces is not None
        and _may_select(context, tier.subject.namespaces, namespace)
    ]
    return SideKey(direction, tuple(policies), tuple(tiers), (), False)


def _may_select(context: Context, wanted: Selector, namespace: Namespace) -> bool:
    """Of a namespace that was not given its name is all that tells."""
    is_given = any(n.name == namespace.name for n in context.inventory.namespaces)
    return (wanted if is_given else wanted.speaks_of(NAME_LABEL)).matches(namespace.labels)


def _is_open(context: Context, key: SideKey) -> bool:
    """Whether pods and addresses that rules describe as any other may use every port."""
    reach = context.reach
    return all(walk_of_any(reach, key, any_).allowed == reach.ports.full for any_ in (is_every_pod, _is_every_address))


def _is_every_address(peer: Peer) -> bool:
    return peer.ip_block is not None and peer.ip_block.cidr.prefixlen == 0


def cut_off_from_dns(context: Context) -> Iterator[Finding]:
    """NL009: of pods whose egress some policy restricts, and that reach none of the cluster's DNS: its pods, or the
    address of NodeLocal's where the input shows that there is one."""
    reach = context.reach
    servers: dict[int, int] = {}
    own = {s.workload.id: s for s in context.dns}
    for i, workload in enumerate(reach.workloads):
        if server := own.get(workload.id):
            port = reach.ports.mask("UDP", server.port, server.port)
            servers[port] = servers.get(port, 0) | 1 << reach.class_of(i)
    if context.has_node_local_dns:
        address, port = int(NODE_LOCAL_ADDRESS), reach.ports.mask("UDP", DNS_PORT, DNS_PORT)
        place = next(i for i, e in enumerate(reach.externals) if e.holds(NODE_LOCAL_ADDRESS.version, address))
        servers[port] = servers.get(port, 0) | 1 << reach.class_of(len(reach.workloads) + place)
    where = " or ".join(dict.fromkeys(f"{s.workload.namespace} {s.port}/UDP" for s in context.dns))
    for number, workload in context.workloads():
        key = reach.egress_keys[number]
        if not (key.policies or key.tiers) or workload.id in own:
            continue
        rows = reach.row(number)
        if not any(
            peers & classes and (allow | undefined) & port
            for allow, undefined, peers in rows
            for port, classes in servers.items()
        ):
            message = f"it cannot reach DNS ({where}): names do not resolve"
            yield Finding("NL009", workload.id, message, workload.place)
