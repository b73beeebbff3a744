"""Requests through the Gateways of a spec that take more than an answer: calls of gRPC, HTTPS that the pods
end themselves, answers that come late, copies, CORS (netspec.probing.exchanges is the same for HTTP routes)."""

import re
from collections.abc import Iterator

from netspec.analysis.callees import own_certificate
from netspec.analysis.gateway_routes import Entry, Listening, Request, new_path
from netspec.ir.gateways import Gateway, GatewayRoute, Listener
from netspec.ir.model import Ir
from netspec.probes import (
    CERTIFICATE,
    COPIES,
    GRPC,
    TIMES,
    FactProbe,
    HttpAsk,
)
from netspec.probing.exchanges import COPIED, LONGEST, NO_METHOD, SHELL, calls, method_below, preflights
from netspec.probing.flows import leads_in
from netspec.probing.gateways import gateway_fact, host_of, stand_ins
from netspec.probing.http import ECHO, TELLS

#: A whole number of seconds (gateway-api, Duration).
_SECONDS = re.compile(r"([0-9]+)s\Z")


def gateway_exchanges(ir: Ir) -> Iterator[FactProbe]:
    """Each question once."""
    listening = Listening.of(ir)
    for gateway, listener in listening.listeners:
        if leads_in(ir, ir.traits.gates, listener.port, "UDP" if listener.protocol == "UDP" else "TCP"):
            yield from _of_listener(ir, listening, gateway, listener)


def _of_listener(ir: Ir, listening: Listening, gateway: Gateway, listener: Listener) -> Iterator[FactProbe]:
    if listener.protocol == "TLS" and listener.mode == "Passthrough":
        yield from _passed_on(ir, listening, gateway, listener)
    entries = [e for e in listening.entries if (e.gateway.id, e.listener.name) == (gateway.id, listener.name)]
    done: set[tuple[str, int]] = set()
    for entry in entries if listener.protocol in ("HTTP", "HTTPS") else ():
        if (entry.route.id, entry.number) in done:
            continue
        asked = list(_of_entry(ir, listening, entry))
        if asked:
            done.add((entry.route.id, entry.number))
        yield from asked


def _of_entry(ir: Ir, listening: Listening, entry: Entry) -> Iterator[FactProbe]:
    if entry.route.kind == "GRPCRoute":
        yield from _grpc(ir, listening, entry)
    elif entry.rule.redirect is None:
        yield from _times(ir, listening, entry)
        yield from _copies(ir, listening, entry)
        yield from _cors(ir, listening, entry)


def _fact(ir: Ir, fact: str, entry: Entry, ask: HttpAsk, expect: object, more: str = "") -> FactProbe:
    about = f"{entry.gateway.id}/{entry.listener.name}:{ask.host}{ask.path}{more}"
    return gateway_fact(ir, fact, entry.listener, ask._replace(route=entry.route.id), expect, about)


def _ask(listening: Listening, entry: Entry, path: str, method: str) -> HttpAsk | None:
    """A request for the path that the entry surely takes."""
    match, secure = entry.match, entry.listener.protocol == "HTTPS"
    request = Request(host_of(entry.host), path, match.method or method, dict(match.headers), dict(match.query))
    if match.query or listening.chosen(entry.listener.port, secure, request) != entry:
        return None
    return HttpAsk(request.method, request.host, path, tls=secure, headers=match.headers)


def _leading_to(listening: Listening, entry: Entry, wanted: str) -> HttpAsk | None:
    """A request that a pod sees as `wanted`."""
    match, rewrite = entry.match, entry.rule.rewrite
    for path in (match.bare,) if match.exact else (match.bare, f"{match.bare}{wanted}"):
        seen = new_path(match, rewrite.path, path) if rewrite is not None and rewrite.path is not None else path
        if path and seen == wanted and match.method in ("", "GET"):
            return _ask(listening, entry, path, "GET")
    return None


def _grpc(ir: Ir, listening: Listening, entry: Entry) -> Iterator[FactProbe]:
    """A method of the match; and one that no rule has, if there is such."""
    pods = stand_ins(ir, entry.route, [b for b in entry.rule.backends if b.weight], frozenset({"grpc"}))
    ask = _ask(listening, entry, method_below(entry.match.bare), "POST")
    if ask is not None and pods:
        other = Request(ask.host, NO_METHOD, "POST", dict(ask.headers), {})
        alone = listening.chosen(entry.listener.port, ask.tls, other) is None
        yield _fact(ir, GRPC, entry, ask, calls(pods, alone))


def _times(ir: Ir, listening: Listening, entry: Entry) -> Iterator[FactProbe]:
    given = [_SECONDS.match(text) for text in (entry.rule.request_timeout, entry.rule.backend_timeout)]
    limits = [int(found[1]) for found in given if found and int(found[1])]
    pods = stand_ins(ir, entry.route, [b for b in entry.rule.backends if b.weight])
    ask = _leading_to(listening, entry, SHELL)
    if limits and min(limits) <= LONGEST and pods and ask is not None:
        expect = {"seconds": min(limits), "in time": 200, "too late": 504, "pods asked": 1, "of": pods}
        yield _fact(ir, TIMES, entry, ask, expect)


def _copies(ir: Ir, listening: Listening, entry: Entry) -> Iterator[FactProbe]:
    pods = stand_ins(ir, entry.route, [b for b in entry.rule.backends if b.weight])
    to = stand_ins(ir, entry.route, entry.rule.mirrors)
    ask = _leading_to(listening, entry, ECHO)
    if pods and to and not set(pods) & set(to) and ask is not None:
        of_each = COPIED * len(entry.rule.mirrors)
        yield _fact(ir, COPIES, entry, ask, {"answers": COPIED, "copies": of_each, "to": to})


def _cors(ir: Ir, listening: Listening, entry: Entry) -> Iterator[FactProbe]:
    ask = _ask(listening, entry, entry.match.bare or "/", "OPTIONS")
    if ask is None or ask.method != "OPTIONS":
        return
    for origin, headers, expect in preflights(entry.rule.cors):
        asked = ask._replace(headers=(*ask.headers, *headers))
        yield _fact(ir, "http-answer", entry, asked, expect, f":OPTIONS:{origin}")


def _passed_on(ir: Ir, listening: Listening, gateway: Gateway, listener: Listener) -> Iterator[FactProbe]:
    for route, host in _passing(listening, gateway, listener):
        pods = stand_ins(ir, route, route.rules[0].backends, frozenset({"tls"}))
        if not pods:
            continue
        ask = HttpAsk("GET", host, TELLS, route=route.id, tls=True)
        about = f"{gateway.id}/{listener.name}:{host}"
        yield gateway_fact(ir, "http-answer", listener, ask, {"status": 200, "from": pods}, about)
        if len(pods) == 1:
            namespace, _, name = pods[0].partition("/")
            expect = {"from": f"Secret {namespace}/{own_certificate(name)}", "problem": ""}
            yield gateway_fact(ir, CERTIFICATE, listener, ask._replace(path="/"), expect, about)


def _passing(listening: Listening, gateway: Gateway, listener: Listener) -> Iterator[tuple[GatewayRoute, str]]:
    """Routes with a name that they have for themselves."""
    here = [
        (route, name)
        for route, taken in listening.taken
        if route.kind == "TLSRoute" and any((g.id, x.name) == (gateway.id, listener.name) for g, x in taken)
        for name in route.hostnames
    ]
    for route, name in here:
        if sum(other == name for _, other in here) == 1 and not name.startswith("*."):
            yield route, name
