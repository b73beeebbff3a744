"""Requests through the front door: from the outside host to the proxy, what it answers and which pods do.

What a stand-in serves at a path decides what can be told: /hostname says which pod it is, /header what it was sent,
/echo says what it is told to, and most other paths get an answer that does not. No other path at which agnhost does
something is ever asked for (test/images/agnhost/netexec).
"""

import base64
from collections.abc import Iterator

from netspec.analysis.callees import PLAIN, Speech, service_port, spoken
from netspec.analysis.routes import Rule, chosen, rewritten, rules, sample
from netspec.analysis.services import Endpoints
from netspec.ir.http import HttpBackend, HttpRoute
from netspec.ir.model import Ir, Workload
from netspec.probes import OUTSIDE, REDIRECT, STAND_IN_PASSWORD, STAND_IN_TOKEN, STAND_IN_USER, FactProbe, HttpAsk
from netspec.probing.flows import admits_outside, leads_in

#: netexec's own paths.
TELLS, HEADER, ECHO = "/hostname", "/header", "/echo"
DOES = frozenset(
    f"/{name}"
    for name in [
        *("clientip", "dial", "echo", "exit", "header", "healthz", "hostName", "readyz", "redirect", "serverport"),
        *("shell", "shutdown", "upload"),
    ]
)
#: A host that no route has, unless one takes any.
NOBODY = "nobody.netspec.invalid"
#: A limit per client that a few requests may reach tells nothing; nor is a body sent that is larger.
BURST, _BODY = 20, 1 << 16


def http_answers(ir: Ir) -> Iterator[FactProbe]:
    """Every host and path of every route, one path below each prefix and one beside it, a host of nobody, and a body
    at its limit and one that is too large: over plain HTTP, and where a route has it over HTTPS; each once."""
    if not is_reached(ir):
        return
    found = list(rules(ir.http))
    for ask in dict.fromkeys(_asked(found)):
        rule = chosen(found, ask.host, ask.path)
        expect = _answer(ir, rule, ask)
        if expect is not None:
            yield answer(ir, ask, rule.route if rule else None, expect)


def answer(ir: Ir, ask: HttpAsk, route: HttpRoute | None, expect: dict[str, object], more: str = "") -> FactProbe:
    """`more`: what tells the question from others about the same path. `expect`: `status` (a number, REDIRECT or
    SUCCESS), `location`, `login` (one without what goes along), `from` (the workloads of which one answers), `headers`
    (name -> value, None for none), `text` (the whole body), `client` (that the body is the client's address), `allows`
    (the origin that asks)."""
    size = f":{ask.size}" if ask.size else ""
    return door_fact(ir, "http-answer", ask, route, expect, f"{ask.method}:{_url(ask)}{size}{more}")


def door_fact(ir: Ir, fact: str, ask: HttpAsk, route: HttpRoute | None, expect: object, about: str = "") -> FactProbe:
    """One question at the front door."""
    front = ir.traits.front
    assert front is not None
    port = front.port(front.https if ask.tls else front.http)
    ask = ask._replace(route=route.id if route else "")
    id_ = f"fact:{fact}:{about or _url(ask)}"
    return FactProbe(id_, fact, OUTSIDE, expect, front.service.id, port, request=ask)


def _url(ask: HttpAsk) -> str:
    return f"{'https://' if ask.tls else ''}{ask.host}{ask.path}"


def is_reached(ir: Ir) -> bool:
    """Whether the outside host surely gets to the proxy's pods, and there are routes."""
    front = ir.traits.front
    return bool(ir.http) and front is not None and leads_in(ir, front, front.port(front.http), "TCP")


def host_of(rule: Rule) -> str:
    """A host that the rule takes."""
    return f"netspec{rule.host[1:]}" if rule.host.startswith("*.") else rule.host or NOBODY


def _asked(found: list[Rule]) -> Iterator[HttpAsk]:
    for rule in found:
        yield from _of_rule(rule, False)
        if rule.route.tls is not None and rule.host:
            for ask in _of_rule(rule, True):
                # Of a path that no route with HTTPS takes, controllers differ.
                taken = chosen(found, ask.host, ask.path)
                if taken is not None and taken.route.tls is not None:
                    yield ask
    yield HttpAsk("GET", NOBODY, "/")


def _of_rule(rule: Rule, tls: bool) -> Iterator[HttpAsk]:
    host, path, limit = host_of(rule), sample(rule.path), rule.route.max_body_size
    yield HttpAsk("GET", host, path or "/", tls=tls)
    if not (rule.path.exact or rule.path.regex):
        yield HttpAsk("GET", host, path + TELLS, tls=tls)
    if path:
        yield HttpAsk("GET", host, f"{path}x", tls=tls)
    if limit is not None and limit < _BODY:
        yield HttpAsk("POST", host, path or "/", limit, tls=tls)
        yield HttpAsk("POST", host, path or "/", limit + 1, tls=tls)


def _answer(ir: Ir, rule: Rule | None, ask: HttpAsk) -> dict[str, object] | None:
    """None: what comes is not known, or is better not asked for."""
    if rule is None:
        return {"status": 404}
    route = rule.route
    if route.redirect_to_https and not ask.tls:
        return {"status": REDIRECT, "location": f"https://{ask.host}{ask.path}"}
    admitted = admits_outside(ir, route.allow_from)
    if admitted is not True:
        return {"status": 403} if admitted is False else None
    if route.grpc or (route.rate_limit and route.rate_limit.burst < BURST):
        return None
    if route.external_auth is not None and not authorizers(ir, route):
        return None
    if (oidc := route.oidc) is not None:
        # Which comes first, the login or the limit of a body, is the controller's.
        where = {} if oidc.authorization is None else {"login": oidc.authorization.partition("?")[0]}
        return None if ask.size else {"status": REDIRECT, **where}
    if route.basic_auth is not None or route.external_auth is not None:
        return {"status": 401}
    if route.max_body_size is not None and ask.size > route.max_body_size:
        return {"status": 413}
    path = rewritten(rule, ask.path)
    behind = behind_rule(ir, rule)
    if path in DOES or not behind:
        return None
    return {"status": 200, "from": behind} if path == TELLS else {"status": 200}


def way_in(ir: Ir, route: HttpRoute) -> tuple[tuple[str, str], ...] | None:
    """The headers with which a request of the outside host gets through to a pod; None where that is not known."""
    if admits_outside(ir, route.allow_from) is not True or route.oidc is not None:
        return None
    if route.external_auth is not None:
        return (bearer(STAND_IN_TOKEN),) if route.basic_auth is None and authorizers(ir, route) else None
    if route.basic_auth is None:
        return ()
    return (login(STAND_IN_PASSWORD),) if route.basic_auth.stand_in else None


def authorizers(ir: Ir, route: HttpRoute) -> list[str]:
    """The stand-ins that say who may; none where something else may."""
    asked = route.external_auth
    return [] if asked is None else behind(ir, route, [asked.backend], frozenset({"authorizer"}))


def login(password: str) -> tuple[str, str]:
    """The header of the stand-in's user (RFC 7617)."""
    return "Authorization", "Basic " + base64.b64encode(f"{STAND_IN_USER}:{password}".encode()).decode()


def bearer(token: str) -> tuple[str, str]:
    return "Authorization", f"Bearer {token}"


def leading_to(found: list[Rule], rule: Rule, wanted: str) -> HttpAsk | None:
    """A request that the rule takes and that a pod sees as `wanted`, one of netexec's own paths; None where the rule
    leads to no such path."""
    path, tls = sample(rule.path), rule.route.tls is not None
    for asked in (path,) if rule.path.exact or rule.path.regex else (path, path + wanted):
        if asked and rewritten(rule, asked) == wanted and chosen(found, host_of(rule), asked) == rule:
            return HttpAsk("GET", host_of(rule), asked, tls=tls) if rule.host or not tls else None
    return None


def behind_rule(ir: Ir, rule: Rule) -> list[str]:
    """The stand-ins that may answer, by id; none where something else may."""
    route = rule.route
    wanted: frozenset[Speech] = PLAIN
    if route.passthrough or route.grpc:
        wanted = frozenset({"tls"} if route.passthrough else {"grpc"})
    return behind(ir, route, [b for b in rule.path.backends if b.weight], wanted)


def behind(ir: Ir, route: HttpRoute, backends: list[HttpBackend], wanted: frozenset[Speech] = PLAIN) -> list[str]:
    """`wanted`: what they must speak."""
    endpoints, speech = Endpoints(ir.inventory), spoken(ir)
    out: list[Workload] = []
    for backend in backends:
        named = service_port(ir, route, backend)
        found = endpoints.of_port(*named) if named else ()
        pods = [(e.workload, e.number) for e in found if e.workload is not None]
        live = [
            workload
            for workload, number in pods
            if workload.stand_in and workload.ready and workload.replicas
            if speech.get((workload.id, number), "http") in wanted
        ]
        if not live or len(live) < len(found):
            return []
        out += live
    return sorted({w.id for w in out})
