"""Requests through the Gateways of a spec: from the outside host to each listener, what it answers and which pods do.

Of each match of each rule the request that it is for, one below its prefix and one beside its path, and the same
without a header, without the query and by another method: the matcher says who takes each. Streams are asked as HTTP,
which stand-ins speak, or as their UDP server is.
"""

from collections.abc import Iterable, Iterator

from netspec.analysis.callees import PLAIN, Speech, backend_port, spoken
from netspec.analysis.gateway_routes import Contested, Entry, Listening, Request, location, new_path
from netspec.analysis.services import Endpoints
from netspec.ir.gateways import Gateway, GatewayBackend, GatewayRoute, Listener, Match
from netspec.ir.model import Ir
from netspec.probes import CERTIFICATE, OUTSIDE, FactProbe, FlowProbe, HttpAsk, Outcome
from netspec.probing.flows import leads_in
from netspec.probing.http import DOES, NOBODY, TELLS

#: Methods of which a stand-in's answer has its body.
_ASKED = frozenset(("GET", "POST", "PUT", "DELETE", "PATCH"))


def gateway_answers(ir: Ir) -> Iterator[FactProbe | FlowProbe]:
    """Each question once."""
    listening = Listening.of(ir)
    for gateway, listener in listening.listeners:
        if not leads_in(ir, ir.traits.gates, listener.port, "UDP" if listener.protocol == "UDP" else "TCP"):
            continue
        if listener.protocol in ("HTTP", "HTTPS"):
            yield from _requests(ir, listening, gateway, listener)
        elif listener.protocol in ("TCP", "UDP"):
            yield from _streams(ir, listening, gateway, listener)


# Requests


def _requests(ir: Ir, listening: Listening, gateway: Gateway, listener: Listener) -> Iterator[FactProbe]:
    secure = listener.protocol == "HTTPS"
    entries = [e for e in listening.entries if (e.gateway.id, e.listener.name) == (gateway.id, listener.name)]
    if secure:
        yield from _certificate(ir, listener, entries)
    asked = dict.fromkeys(request for entry in entries for request in _of_entry(entry))
    for host, path, method, headers, query in asked:
        request = Request(host, path, method, dict(headers), dict(query))
        taken = listening.chosen(listener.port, secure, request)
        if isinstance(taken, Contested) or (expect := _answer(ir, taken, request)) is None:
            continue
        text = "&".join(f"{name}={value}" for name, value in query)
        target = f"{path}?{text}" if text else path
        ask = HttpAsk(method, host, target, route=taken.route.id if taken else "", tls=secure, headers=headers)
        said = "".join(f":{name}={value}" for name, value in headers)
        yield gateway_fact(
            ir, "http-answer", listener, ask, expect, f"{gateway.id}/{listener.name}:{method}:{host}{target}{said}"
        )


def gateway_fact(ir: Ir, fact: str, listener: Listener, ask: HttpAsk, expect: object, about: str) -> FactProbe:
    assert ir.traits.gates is not None
    return FactProbe(
        f"fact:{fact}:{about}", fact, OUTSIDE, expect, ir.traits.gates.service.id, listener.port, request=ask
    )


#: host, path, method, headers, query
_Key = tuple[str, str, str, tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]]


def host_of(host: str) -> str:
    """A name that a host of a listener or route takes."""
    return f"netspec{host[1:]}" if host.startswith("*.") else host or NOBODY


def _of_entry(entry: Entry) -> Iterator[_Key]:
    match, host = entry.match, host_of(entry.host)
    method = match.method or "GET"
    if method not in _ASKED or entry.route.kind != "HTTPRoute":
        return
    for path in _paths(match):
        yield host, path, method, match.headers, match.query
    first = match.bare or "/"
    if not match.exact:
        first = f"{match.bare}{TELLS}"
    for left_out in match.headers:
        yield host, first, method, tuple(h for h in match.headers if h != left_out), match.query
    if match.query:
        yield host, first, method, match.headers, ()
    if match.method:
        yield host, first, "GET" if method != "GET" else "POST", match.headers, match.query


def _paths(match: Match) -> Iterator[str]:
    yield match.bare or "/"
    if not match.exact:
        yield f"{match.bare}{TELLS}"
    if match.bare:
        yield f"{match.bare}x"


def _answer(ir: Ir, entry: Entry | None, request: Request) -> dict[str, object] | None:
    """None: what comes is not known, or is better not asked for."""
    if entry is None:
        return {"status": 404}
    if entry.route.kind != "HTTPRoute":
        return None
    rule = entry.rule
    if rule.redirect is not None:
        # What becomes of a query the API does not say.
        return None if request.query else {"status": rule.redirect.status, "location": location(entry, request)}
    path = request.path
    if rule.rewrite is not None and rule.rewrite.path is not None:
        path = new_path(entry.match, rule.rewrite.path, path)
    behind = stand_ins(ir, entry.route, [b for b in rule.backends if b.weight])
    if path in DOES or not behind:
        return None
    out: dict[str, object] = {"status": 200, **({"from": behind} if path == TELLS else {})}
    if rule.response_headers is not None and rule.response_headers.set:
        out["headers"] = dict(rule.response_headers.set)
    return out


def stand_ins(
    ir: Ir, route: GatewayRoute, backends: Iterable[GatewayBackend], wanted: frozenset[Speech] = PLAIN
) -> list[str]:
    """The stand-ins that may answer, by id; none where something else may, or what does speaks something else."""
    endpoints, speech, out = Endpoints(ir.inventory), spoken(ir), set()
    for backend in backends:
        named = backend_port(ir, route, backend)
        ends = [(e.workload, e.number) for e in endpoints.of_port(*named)] if named else []
        live = {
            w.id
            for w, number in ends
            if w is not None and w.stand_in and w.ready and w.replicas
            if speech.get((w.id, number), "http") in wanted
        }
        if not live or live != {w.id if w is not None else None for w, _ in ends}:
            return []
        out |= live
    return sorted(out)


def _certificate(ir: Ir, listener: Listener, entries: list[Entry]) -> Iterator[FactProbe]:
    """Of a listener with one certificate, for the first host that it has."""
    named = [host for host in (listener.hostname, *(e.host for e in entries)) if host]
    if len(listener.certificates) == 1 and named:
        namespace, name = listener.certificates[0]
        host = host_of(named[0])
        expect = {"from": f"Secret {namespace}/{name}", "problem": ""}
        yield gateway_fact(
            ir, CERTIFICATE, listener, HttpAsk("GET", host, "/", tls=True), expect, f"{listener.port}:{host}"
        )


# Streams


def _streams(ir: Ir, listening: Listening, gateway: Gateway, listener: Listener) -> Iterator[FactProbe | FlowProbe]:
    assert ir.traits.gates is not None
    service = ir.traits.gates.service.id
    for route, taken in listening.taken:
        if not any((g.id, x.name) == (gateway.id, listener.name) for g, x in taken):
            continue
        behind = stand_ins(ir, route, route.rules[0].backends)
        if not behind:
            continue
        if listener.protocol == "TCP":
            ask = HttpAsk("GET", NOBODY, TELLS, route=route.id)
            expect: dict[str, object] = {"status": 200, "from": behind}
            yield gateway_fact(
                ir, "http-answer", listener, ask, expect, f"{gateway.id}/{listener.name}:{listener.port}"
            )
            continue
        yield FlowProbe(
            f"flow:gateway:{OUTSIDE}->{gateway.id}/{listener.name}:{listener.port}/UDP",
            OUTSIDE,
            service,
            "load-balancer" if ir.traits.gates.service.type == "LoadBalancer" else "node-port",
            listener.port,
            "UDP",
            Outcome.CONNECTED,
            backends=tuple(behind),
        )
