"""Intents that no NetworkPolicy can say: requests, DNS names, and peers without labels or addresses.

In a namespace that denies by default, of

  {name: web-to-api, from: {workload: shop/web}, to: {workload: shop/api}, ports: [8080], http: [{method: GET}]}
  {name: web-to-bank, from: {workload: shop/web}, to: {dns: bank.example.com}, ports: [443]}

come, besides a NetworkPolicy for the egress of web to api:

  web-to-api-ingress   api's ingress from web at 8080/TCP, for GET
  web-to-bank-egress   web's egress to what bank.example.com stands for at 443/TCP, and to CoreDNS to look it up

Requests are judged once: where what is called is isolated for ingress, else where the caller is for egress."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from netspec.ir.dns import KUBE_DNS
from netspec.ir.model import (
    Direction,
    Grant,
    GrantRule,
    IntentPeer,
    IntentPolicy,
    Ir,
    NetworkPolicy,
    Peer,
    PolicyPort,
    Rule,
)
from netspec.passes.context import Context
from netspec.passes.endpoints import EVERY_PORT
from netspec.passes.openings import Leg, Opener, Opening, of_rule

_DNS_PORTS = (PolicyPort("UDP", KUBE_DNS.port), PolicyPort("TCP", KUBE_DNS.port))
#: Their other side has no pods of the spec.
_PEERLESS = ("dns", "entity")
#: What is opened for, or to, one part of a side.
_Rules = Callable[[Leg], Sequence[GrantRule]]


def is_plain(intent: IntentPolicy) -> bool:
    """Whether NetworkPolicies say it."""
    return not intent.requests and not {intent.source.kind, intent.destination.kind} & set(_PEERLESS)


def grants(ir: Ir, context: Context) -> Ir:
    granter = _Granter(ir, context)
    for intent in ir.intents:
        if not is_plain(intent):
            granter.add(intent)
    return replace(ir, policies=ir.policies + tuple(granter.policies), grants=tuple(granter.grants))


class _Granter:
    """`policies`: NetworkPolicies for the sides that need no more."""

    def __init__(self, ir: Ir, context: Context) -> None:
        self._context = context
        self._opener = Opener(ir)
        self.policies: list[NetworkPolicy] = []
        self.grants: list[Grant] = []

    def add(self, intent: IntentPolicy) -> None:
        opener = self._opener
        origin = f"policies: {intent.name}"
        opening = Opening(intent.name, origin, intent.source, intent.destination, intent.ports, intent.place)
        sources, called = opener.legs(intent.source), opener.called(intent.destination, intent.ports)
        if intent.requests and not self._speaks_http(intent, called):
            return
        if intent.destination.kind in _PEERLESS:
            rules = [self._peerless(intent.destination, intent.ports, intent)]
            if intent.destination.kind == "dns":
                rules.append(_lookups(opener))
            closed = self._grant(opening, sources, "Egress", lambda _: rules)
        elif intent.source.kind in _PEERLESS:
            closed = self._grant(
                opening, called, "Ingress", lambda leg: [self._peerless(intent.source, leg.ports, intent)]
            )
        else:
            closed = self._between(opening, intent, sources, called)
        if intent.requests and not closed:
            message = "nothing isolates the pods of either side: every request passes, whatever is written here"
            hint = "give the namespace of what is called `defaultDeny: [ingress]`"
            self._context.report.error("NS419", (*intent.place.path, "http"), message, hint)

    def _speaks_http(self, intent: IntentPolicy, called: Sequence[Leg]) -> bool:
        ports = [leg.ports for leg in called] or [intent.ports]
        if all(found and found != EVERY_PORT and all(p.protocol == "TCP" for p in found) for found in ports):
            return True
        hint = "write the ports: ports: [8080/TCP]"
        self._context.report.error(
            "NS418", (*intent.place.path, "http"), "requests come to TCP ports of their own", hint
        )
        return False

    @staticmethod
    def _peerless(peer: IntentPeer, ports: tuple[PolicyPort, ...], intent: IntentPolicy) -> GrantRule:
        if peer.kind == "dns":
            return GrantRule(name=peer.name, ports=of_rule(ports), requests=intent.requests)
        return GrantRule(entity=peer.name, ports=of_rule(ports), requests=intent.requests)  # type: ignore[arg-type]

    def _between(self, opening: Opening, intent: IntentPolicy, sources: list[Leg], called: list[Leg]) -> bool:
        """Requests from pods or addresses to pods or addresses."""
        opener = self._opener
        judged = [leg for leg, *_ in opener.subjects(called, "Ingress")]

        def towards(leg: Leg) -> GrantRule:
            is_judged = leg in judged or any(w in j.workloads for j in judged for w in leg.workloads)
            return GrantRule(_known(opener, [leg]), ports=leg.ports, requests=() if is_judged else intent.requests)

        outgoing = [towards(leg) for leg in called]
        if all(not rule.requests for rule in outgoing):
            for _, namespace, pods, suffix in opener.subjects(sources, "Egress"):
                rules = tuple(Rule(opener.peers([leg], namespace), leg.ports, opening.place) for leg in called)
                self.policies.append(opener.policy(opening, namespace, suffix, pods, "Egress", rules))
            closed = False
        else:
            closed = self._grant(opening, sources, "Egress", lambda _: outgoing)
        peers = _known(opener, sources)
        into = self._grant(
            opening, called, "Ingress", lambda leg: [GrantRule(peers, ports=leg.ports, requests=intent.requests)]
        )
        return closed or into

    def _grant(self, opening: Opening, legs: list[Leg], direction: Direction, rules: _Rules) -> bool:
        """Whether anything isolates the pods of `legs`."""
        found = self._opener.subjects(legs, direction)
        for leg, namespace, pods, suffix in found:
            name = self._opener.names.take(namespace, f"{opening.name}-{direction.lower()}{suffix}")
            given = tuple(rules(leg))
            self.grants.append(Grant(namespace, name, pods, direction, given, opening.origin, opening.place))
        return bool(found)


def _known(opener: Opener, legs: Iterable[Leg]) -> tuple[Peer, ...]:
    """The legs as peers that name their namespaces; blocks are about what is outside."""
    return tuple(replace(p, outside=p.ip_block is not None) for p in opener.peers(list(legs), ""))


def _lookups(opener: Opener) -> GrantRule:
    (leg,) = opener.legs(IntentPeer("workload", KUBE_DNS.workload_id))
    return GrantRule(_known(opener, [leg]), ports=_DNS_PORTS, lookups=True)
