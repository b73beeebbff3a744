"""Opening a flow with NetworkPolicies, on both sides, without ever closing another.

A NetworkPolicy that selects a pod isolates it. So a policy is written only for pods that something else isolates
already, and its selector matches these pods exactly.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Network

from netspec.ir.model import (
    NAME_LABEL,
    Direction,
    IntentPeer,
    IpBlock,
    Ir,
    NetworkPolicy,
    Peer,
    Place,
    PolicyPort,
    Rule,
    Service,
    ServicePort,
    Workload,
)
from netspec.ir.selectors import Requirement, Selector
from netspec.passes.endpoints import EVERY_PORT, behind, covers, given_addresses
from netspec.spec.types import network

EVERYWHERE = IPv4Network("0.0.0.0/0")
#: metadata.name of a NetworkPolicy is a DNS subdomain.
_NAME_LIMIT = 253


class Names:
    """Names for generated policies: the wish where it is free, else the wish and a digest of what was asked for."""

    def __init__(self, policies: Iterable[NetworkPolicy]) -> None:
        self._taken = {p.id for p in policies}

    def take(self, namespace: str, wish: str) -> str:
        name, attempt = wish[:_NAME_LIMIT], 0
        while f"{namespace}/{name}" in self._taken:
            digest = hashlib.sha256(f"{namespace}/{wish}/{attempt}".encode()).hexdigest()[:8]
            name, attempt = f"{wish[: _NAME_LIMIT - 9]}-{digest}", attempt + 1
        self._taken.add(f"{namespace}/{name}")
        return name


@dataclass(frozen=True, slots=True)
class Leg:
    """A part of one side of an opening: pods (`workloads`, or all of namespace `whole`) or addresses (`blocks`);
    none of these is everyone. `ports` are the pods' own; empty is every port."""

    workloads: tuple[Workload, ...] = ()
    whole: str | None = None
    block: IpBlock | None = None
    ports: tuple[PolicyPort, ...] = ()

    @property
    def is_everyone(self) -> bool:
        return not self.workloads and self.whole is None and self.block is None


@dataclass(frozen=True, slots=True)
class Opening:
    """What is to be opened, and what it is called."""

    name: str
    origin: str
    source: IntentPeer
    destination: IntentPeer
    ports: tuple[PolicyPort, ...]
    place: Place


class Opener:
    """Writes the policies of openings over an IR whose `policies` are all that isolates."""

    def __init__(self, ir: Ir) -> None:
        self._ir = ir
        self.names = Names(ir.policies)
        self._selectors: dict[str, Selector] = {}
        self._isolating: dict[tuple[str, Direction], list[Selector]] = defaultdict(list)
        for policy in ir.policies:
            for direction in policy.types:
                self._isolating[policy.namespace, direction].append(policy.pods)

    def policies(self, opening: Opening) -> list[NetworkPolicy]:
        """The policies of one opening: none on a side that nothing isolates."""
        sources = self.legs(opening.source)
        destinations = self.called(opening.destination, opening.ports)
        if not sources or not destinations:
            return []
        out: list[NetworkPolicy] = []
        own = self._own_address(opening)
        for _, namespace, pods, suffix in self.subjects(sources, "Egress"):
            rules = tuple(
                Rule(
                    self.peers([d], namespace),
                    of_rule((*d.ports, *(p for p in own if p not in d.ports))),
                    opening.place,
                )
                for d in destinations
            )
            out.append(self.policy(opening, namespace, suffix, pods, "Egress", rules))
        for leg, namespace, pods, suffix in self.subjects(destinations, "Ingress"):
            rule = Rule(self.peers(sources, namespace), of_rule(leg.ports), opening.place)
            out.append(self.policy(opening, namespace, suffix, pods, "Ingress", (rule,)))
        return out

    def policy(
        self,
        opening: Opening,
        namespace: str,
        suffix: str,
        pods: Selector,
        direction: Direction,
        rules: tuple[Rule, ...],
    ) -> NetworkPolicy:
        return NetworkPolicy(
            namespace=namespace,
            name=self.names.take(namespace, f"{opening.name}-{direction.lower()}{suffix}"),
            pods=pods,
            types=(direction,),
            ingress=rules if direction == "Ingress" else (),
            egress=rules if direction == "Egress" else (),
            origin=opening.origin,
            place=opening.place,
        )

    def legs(self, peer: IntentPeer) -> list[Leg]:
        """The pods or addresses of a peer, at every port."""
        match peer.kind:
            case "workload":
                workload = self._ir.workloads_by_id.get(peer.name)
                return [Leg((workload,))] if workload is not None else []
            case "service":
                service = self._ir.services_by_id.get(peer.name)
                if service is None:
                    return []
                given = (network(f"{a}/{a.max_prefixlen}") for a in given_addresses(self._ir, service))
                return [*(Leg((w,)) for w in behind(self._ir, service)), *(Leg(block=IpBlock(cidr)) for cidr in given)]
            case "namespace":
                return [Leg(self._ir.workloads_in.get(peer.name, ()), peer.name)]
            case "cidr":
                return [Leg(block=IpBlock(network(peer.name)))]
            case "outside":
                inside = self._ir.network.pod_cidrs + self._ir.network.service_cidrs
                return [Leg(block=IpBlock(EVERYWHERE, inside))]
            case "anywhere":
                return [Leg()]
            case _:  # what no NetworkPolicy can say
                return []

    def called(self, peer: IntentPeer, ports: tuple[PolicyPort, ...]) -> list[Leg]:
        """The legs of a destination at the ports that are meant: those given, else those declared. Where none is
        declared every port is meant, and no leg is left where the pods have none of those that are."""
        legs = self.legs(peer)
        wanted: Sequence[object] = ports
        found = [(leg, ports) for leg in legs]
        if peer.kind == "workload":
            found = [(leg, _own_ports(leg.workloads[0], ports)) for leg in legs]
        elif peer.kind == "service" and legs:
            service = self._ir.services_by_id[peer.name]
            wanted = service.ports
            found = [(leg, _targets(service, leg, ports)) for leg in legs]
        elif not ports:
            found = [part for leg in legs for part in _at_their_own_ports(leg)]
        return [replace(leg, ports=own) for leg, own in found if own or not wanted]

    def _own_address(self, opening: Opening) -> tuple[PolicyPort, ...]:
        """The ports of a Service itself, where egress is judged before its address becomes a pod's."""
        dialect, service = self._ir.traits.dialect, self._ir.services_by_id.get(opening.destination.name)
        if opening.destination.kind != "service" or service is None or service.headless:
            return ()
        if dialect is None or not dialect.early_egress:
            return ()
        wanted = (p for p in service.ports if not opening.ports or _is_wanted(p, opening.ports))
        return tuple(PolicyPort(p.protocol, p.port) for p in wanted)

    def subjects(self, legs: list[Leg], direction: Direction) -> list[tuple[Leg, str, Selector, str]]:
        """The pods to write policies for: (leg, namespace, selector, suffix that tells their policies apart)."""
        found: list[tuple[Leg, str, Selector, str]] = []
        for leg in legs:
            if leg.whole is not None and any(s.is_empty for s in self._isolating[leg.whole, direction]):
                found.append((leg, leg.whole, Selector(), ""))
                continue
            for workload in leg.workloads:
                if any(s.matches(workload.labels) for s in self._isolating[workload.namespace, direction]):
                    found.append((leg, workload.namespace, self.selector(workload), f"-{workload.name}"))
        return found if len(found) > 1 else [(leg, namespace, pods, "") for leg, namespace, pods, _ in found]

    def peers(self, legs: list[Leg], namespace: str) -> tuple[Peer, ...]:
        """The legs as a rule's peers, in a policy of `namespace`; () is everyone."""
        if any(leg.is_everyone for leg in legs):
            return ()
        peers: list[Peer] = []
        for leg in legs:
            if leg.block is not None:
                peers.append(Peer(ip_block=leg.block))
            elif leg.whole is not None:
                peers.append(Peer(namespaces=Selector.of({NAME_LABEL: leg.whole})))
            else:
                peers += [self._pods(w, namespace) for w in leg.workloads]
        return tuple(dict.fromkeys(peers))

    def _pods(self, workload: Workload, namespace: str) -> Peer:
        if workload.namespace == namespace:
            return Peer(self.selector(workload))
        return Peer(self.selector(workload), Selector.of({NAME_LABEL: workload.namespace}))

    def selector(self, workload: Workload) -> Selector:
        """Selects this workload and no other of its namespace: one whose labels include this one's is shut out by a
        label that only it has. (Two workloads with the same labels are an error before this, NS204.)"""
        if workload.id not in self._selectors:
            self._selectors[workload.id] = self._distinct(workload)
        return self._selectors[workload.id]

    def _distinct(self, workload: Workload) -> Selector:
        excluded: dict[str, None] = {}
        for other in self._ir.workloads_in[workload.namespace]:
            if other.id != workload.id and workload.labels.items() <= other.labels.items():
                extra = sorted(other.labels.keys() - workload.labels.keys())
                if extra and not any(key in excluded for key in extra):
                    excluded[extra[0]] = None
        labels = Selector.of(workload.labels).match_labels
        return Selector(labels, tuple(Requirement(key, "DoesNotExist") for key in excluded))


def _at_their_own_ports(leg: Leg) -> list[tuple[Leg, tuple[PolicyPort, ...]]]:
    """Each of its workloads at the ports that it declares, in one leg if these are the same. Where no workload
    declares one every port is meant; where some do, one that does not is not called."""
    declared = {_declared(w) for w in leg.workloads}
    if len(declared) > 1:
        return [(Leg((w,)), _declared(w)) for w in leg.workloads if w.ports]
    return [(leg, declared.pop() if declared else ())]


def of_rule(ports: tuple[PolicyPort, ...]) -> tuple[PolicyPort, ...]:
    """As a rule has them, where none is every port."""
    return () if ports == EVERY_PORT else ports


def _declared(workload: Workload) -> tuple[PolicyPort, ...]:
    return tuple(PolicyPort(p.protocol, p.port) for p in workload.ports)


def _own_ports(workload: Workload, ports: tuple[PolicyPort, ...]) -> tuple[PolicyPort, ...]:
    """The ports as numbers, without the names that the workload lacks; without any those that it declares."""
    numbers: list[PolicyPort] = []
    for port in ports:
        if isinstance(port.port, str):
            number = workload.port_named(port.port, port.protocol)
            numbers += [] if number is None else [PolicyPort(port.protocol, number)]
        else:
            numbers.append(port)
    return tuple(dict.fromkeys(numbers)) if ports else _declared(workload)


def _targets(service: Service, leg: Leg, wanted: tuple[PolicyPort, ...]) -> tuple[PolicyPort, ...]:
    """The ports of a workload, or of an address, behind those of a Service that are wanted; behind all of them where
    none are named."""
    found: dict[PolicyPort, None] = {}
    for port in service.ports:
        if leg.workloads:
            number = port.number_on(leg.workloads[0])
        else:
            number = port.target_port if isinstance(port.target_port, int) else None
        if number is not None and (not wanted or _is_wanted(port, wanted)):
            found[PolicyPort(port.protocol, number)] = None
    return tuple(found)


def _is_wanted(port: ServicePort, wanted: tuple[PolicyPort, ...]) -> bool:
    return any(covers(w, port.port, port.name, port.protocol) for w in wanted)
