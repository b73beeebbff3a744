"""Native policies that intents, `defaultDeny` and `allowDNS` say exactly.

A policy is translated whole or stays as it is. It may go if
- a policy that selects every pod closes the namespace in its directions (that becomes `defaultDeny`): an intent closes
  nothing;
- each of its rules is a few intents between workloads, namespaces and ranges, at the ports that it names;
- the other side of each intent, which an intent opens too, lets all of that through already.
Then the policies that are generated allow the same pods the same, side by side; `convert` proves it on the result.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import IPv4Network

from netspec.analysis.engine import Reachability
from netspec.importing.namespaces import is_declarable
from netspec.ir.dns import KUBE_DNS
from netspec.ir.model import (
    Direction,
    IntentPeer,
    Ir,
    NetworkPolicy,
    Peer,
    PolicyPort,
    Rule,
    Workload,
)
from netspec.passes.allow_dns import PORTS as DNS_PORTS
from netspec.passes.endpoints import EVERY_PORT, covers
from netspec.passes.openings import EVERYWHERE

#: Intents of one policy, at most: a rule for a crowd is better read as a rule.
MOST = 10
_ALL_OF_DNS = frozenset(DNS_PORTS)
_OTHER: dict[Direction, Direction] = {"Ingress": "Egress", "Egress": "Ingress"}


class Stays(Exception):
    """Why a policy stays native."""


@dataclass(frozen=True, slots=True)
class Intent:
    """A candidate; `derived` is the direction of the rule that it comes from."""

    source: IntentPeer
    destination: IntentPeer
    ports: tuple[PolicyPort, ...]
    derived: Direction


@dataclass(slots=True)
class Translation:
    """What one policy becomes: directions of `defaultDeny`, `allowDNS`, intents."""

    policy: NetworkPolicy
    deny: tuple[Direction, ...] = ()
    allow_dns: bool = False
    intents: list[Intent] = field(default_factory=list)


class Translator:
    """Over the IR of a spec whose policies are all native."""

    def __init__(self, ir: Ir) -> None:
        self._ir = ir
        self._closed = {(p.namespace, d) for p in ir.policies if p.pods.is_empty for d in p.types}
        self._declared = {n.name for n in ir.namespaces if is_declarable(n.name)}
        self._namespaces = {n.name: n for n in ir.namespaces}

    def translate(self, policy: NetworkPolicy) -> Translation:
        """Raises Stays."""
        subjects = self._subjects(policy)
        for direction in policy.types:
            if (policy.namespace, direction) not in self._closed:
                raise Stays(f"it alone closes its pods' {direction.lower()}, and an intent closes nothing")
        found: dict[Intent, None] = {}
        for direction in policy.types:
            for rule in policy.rules(direction):
                for intent in self._of_rule(policy, rule, direction, subjects):
                    found[intent] = None
        if len(found) > MOST:
            raise Stays(f"it would be more than {MOST} intents")
        for intent in found:
            self._check_other_side(intent)
        out = Translation(policy, policy.types if policy.pods.is_empty else ())
        for intent in found:
            if self._is_dns(policy, intent):
                out.allow_dns = True
            else:
                out.intents.append(intent)
        return out

    def _subjects(self, policy: NetworkPolicy) -> list[IntentPeer]:
        if policy.pods.is_empty:
            if policy.namespace not in self._declared:
                raise Stays(f"a spec has no entry for namespace {policy.namespace}")
            return [IntentPeer("namespace", policy.namespace)]
        return self._workloads(Peer(pods=policy.pods), policy.namespace, "its podSelector selects no workload")

    def _workloads(self, peer: Peer, home: str, otherwise: str) -> list[IntentPeer]:
        selector = peer.namespaces
        names = [home] if selector is None else [n.name for n in self._ir.namespaces if selector.matches(n.labels)]
        if peer.pods is None or peer.pods.is_empty:
            found = [IntentPeer("namespace", name) for name in sorted(names)]
        else:
            matches = peer.pods.matches
            workloads = [w for n in sorted(names) for w in self._ir.workloads_in.get(n, ()) if matches(w.labels)]
            found = [IntentPeer("workload", w.id) for w in workloads]
        if not found:
            raise Stays(otherwise)
        return found

    # Rules

    def _of_rule(
        self, policy: NetworkPolicy, rule: Rule, direction: Direction, subjects: list[IntentPeer]
    ) -> Iterable[Intent]:
        peers = [p for peer in rule.peers for p in self._peers(peer, policy.namespace)] or [IntentPeer("anywhere")]
        if len(peers) * len(subjects) > MOST * MOST:
            raise Stays(f"it would be more than {MOST} intents")
        for subject in subjects:
            for peer in dict.fromkeys(peers):
                source, destination = (peer, subject) if direction == "Ingress" else (subject, peer)
                ports = self._ports(rule, destination)
                if ports:
                    yield Intent(source, destination, ports, direction)
        self._check_names(rule, subjects if direction == "Ingress" else peers)

    def _peers(self, peer: Peer, home: str) -> list[IntentPeer]:
        block = peer.ip_block
        if block is None:
            return self._workloads(peer, home, "a peer of it selects no workload")
        if not isinstance(block.cidr, IPv4Network):
            raise Stays("a range of IPv6 is not the peer of an intent")
        if not block.excluded:
            return [IntentPeer("cidr", str(block.cidr))]
        network = self._ir.network
        if block.cidr == EVERYWHERE and set(block.excluded) == {*network.pod_cidrs, *network.service_cidrs}:
            return [IntentPeer("outside")]
        raise Stays("a range with exceptions is not the peer of an intent")

    def _ports(self, rule: Rule, destination: IntentPeer) -> tuple[PolicyPort, ...]:
        """The rule's ports as the intent's; empty where the destination has none of those that are named."""
        if not rule.ports:
            return EVERY_PORT
        if set(EVERY_PORT) <= set(rule.ports):
            return EVERY_PORT
        out: dict[PolicyPort, None] = {}
        for port in rule.ports:
            if port.port is None:
                port = PolicyPort(port.protocol, 1, 65535)
            declared = [(p.port, p.name, p.protocol) for w in self._pods(destination) for p in w.ports]
            if isinstance(port.port, str):
                if any(covers(port, *p) for p in declared):
                    out[port] = None
            elif destination.kind == "workload" and declared and not any(covers(port, *p) for p in declared):
                raise Stays(f"{destination.name} declares no port {_text(port)}")
            else:
                out[port] = None
        return tuple(out)

    def _check_names(self, rule: Rule, destinations: list[IntentPeer]) -> None:
        for port in rule.ports:
            pods = [w for d in destinations for w in self._pods(d)]
            if isinstance(port.port, str) and all(w.port_named(port.port, port.protocol) is None for w in pods):
                raise Stays(f"no workload that it is about has a port named {port.port}")

    def _pods(self, peer: IntentPeer) -> list[Workload]:
        if peer.kind == "workload":
            return [self._ir.workloads_by_id[peer.name]]
        return list(self._ir.workloads_in.get(peer.name, ())) if peer.kind == "namespace" else []

    # The other side

    @cached_property
    def _reach(self) -> Reachability:
        return Reachability(self._ir.inventory)

    @cached_property
    def _classes(self) -> Mapping[str, int]:
        return {w.id: self._reach.pods.class_of[i] for i, w in enumerate(self._ir.inventory.workloads)}

    def _check_other_side(self, intent: Intent) -> None:
        """The side that the rule is not of: an intent opens it, so it must be open."""
        sources, destinations = self._pods(intent.source), self._pods(intent.destination)
        wanted: dict[tuple[int, int, int], Workload] = {}
        for destination in destinations:
            mask, called = self._mask(intent.ports, destination), self._classes[destination.id]
            for source in sources:
                subject = source if intent.derived == "Ingress" else destination
                wanted[self._classes[source.id], called, mask] = subject
        direction = _OTHER[intent.derived]
        sides = self._reach.egress if direction == "Egress" else self._reach.ingress
        for (source_class, called, mask), subject in wanted.items():
            own, peer = (source_class, called) if direction == "Egress" else (called, source_class)
            passing = next((ports for ports, members in sides[own].lower.items() if members >> peer & 1), 0)
            if mask & ~passing:
                raise Stays(f"the {direction.lower()} of {subject.id} does not let all of it through")

    def _mask(self, ports: tuple[PolicyPort, ...], destination: Workload) -> int:
        space, mask = self._reach.ports, 0
        for port in ports:
            number = destination.port_named(port.port, port.protocol) if isinstance(port.port, str) else port.port
            if port.port is None:
                mask |= space.mask(port.protocol)
            elif number is not None:
                mask |= space.mask(port.protocol, number, port.end_port or number)
        return mask

    def _is_dns(self, policy: NetworkPolicy, intent: Intent) -> bool:
        """What allowDNS says: every pod of the namespace, CoreDNS and no other, both protocols."""
        if intent.source != IntentPeer("namespace", policy.namespace) or frozenset(intent.ports) != _ALL_OF_DNS:
            return False
        if policy.namespace not in self._declared:
            return False
        alone = [w.id for w in self._ir.workloads_in[KUBE_DNS.namespace]] == [KUBE_DNS.workload_id]
        return intent.destination == IntentPeer("workload", KUBE_DNS.workload_id) or (
            alone and intent.destination == IntentPeer("namespace", KUBE_DNS.namespace)
        )


def _text(port: PolicyPort) -> str:
    return f"{port.port}{f'-{port.end_port}' if port.end_port else ''}/{port.protocol}"


def port_text(port: PolicyPort) -> str:
    """As a spec writes it.

    >>> port_text(PolicyPort("UDP", 53)), port_text(PolicyPort("TCP", 1, 9))
    ('53/UDP', '1-9/TCP')
    """
    return _text(port)
