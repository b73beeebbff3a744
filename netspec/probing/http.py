"""Requests through the front door: from the outside host to the proxy, what it answers and which pods do.

What a stand-in serves at a path decides what can be told: /hostname says which pod it is, and most other paths get an
answer that does not. A path at which agnhost does something is never asked for.
"""

from collections.abc import Iterator

from netspec.analysis.evaluate import evaluate
from netspec.analysis.routes import Rule, bare, chosen, rewritten, rules
from netspec.analysis.services import Endpoints
from netspec.analysis.verdict import AddressEnd, PodEnd
from netspec.ir.http import HttpRoute
from netspec.ir.model import Ir, Workload
from netspec.passes.http import service_port
from netspec.probes import OUTSIDE, REDIRECT, FactProbe, HttpAsk
from netspec.probing.flows import admits_outside, callers

#: netexec's own paths (test/images/agnhost/netexec).
_TELLS = "/hostname"
_DOES = frozenset(
    f"/{name}"
    for name in [
        "clientip",
        "dial",
        "echo",
        "exit",
        "header",
        "healthz",
        "hostName",
        "redirect",
        "shell",
        "shutdown",
        "upload",
    ]
)
#: A host that no route has, unless one takes any.
_NOBODY = "nobody.netspec.invalid"
#: A limit per client that a few requests may reach tells nothing; nor is a body sent that is larger.
_BURST, _BODY = 20, 1 << 16


def http_answers(ir: Ir) -> Iterator[FactProbe]:
    """Every host and path of every route, one path below each prefix and one beside it, a host of nobody, and a body
    that is too large; each once."""
    front = ir.traits.front
    if front is None or not ir.http or not _is_reached(ir):
        return
    found = list(rules(ir.http))
    for ask in dict.fromkeys(_asked(found)):
        rule = chosen(found, ask.host, ask.path)
        expect = _answer(ir, rule, ask)
        if expect is not None:
            name = f"fact:http-answer:{ask.method}:{ask.host}{ask.path}"
            ask = ask._replace(route=rule.route.id if rule else "")
            yield FactProbe(name, "http-answer", OUTSIDE, expect, front.service.id, front.port(front.http), request=ask)


def _is_reached(ir: Ir) -> bool:
    """Whether the outside host surely gets to the proxy's pods."""
    front, balancing = ir.traits.front, ir.traits.balancing
    if front is None or not ir.traits.outside or front.service.type == "ClusterIP":
        return False
    if front.service.type == "LoadBalancer" and (balancing is None or not balancing.answered):
        return False
    number = front.workload.port_named(front.http, "TCP")
    ends = [AddressEnd(address) for address in callers(ir)]
    target = PodEnd(front.workload.id)
    return number is not None and all(
        evaluate(ir.inventory, end, target, number, "TCP").expected == "allow" for end in ends
    )


def _asked(found: list[Rule]) -> Iterator[HttpAsk]:
    for rule in found:
        host = f"netspec{rule.host[1:]}" if rule.host.startswith("*.") else rule.host or _NOBODY
        path = bare(rule.path)
        yield HttpAsk("GET", host, path or "/")
        if not rule.path.exact:
            yield HttpAsk("GET", host, path + _TELLS)
        if path:
            yield HttpAsk("GET", host, f"{path}x")
        if rule.route.max_body_size is not None and rule.route.max_body_size < _BODY:
            yield HttpAsk("POST", host, path or "/", rule.route.max_body_size + 1)
    yield HttpAsk("GET", _NOBODY, "/")


def _answer(ir: Ir, rule: Rule | None, ask: HttpAsk) -> dict[str, object] | None:
    """None: what comes is not known, or is better not asked for."""
    if rule is None:
        return {"status": 404}
    route = rule.route
    if route.redirect_to_https:
        return {"status": REDIRECT, "location": f"https://{ask.host}{ask.path}"}
    admitted = admits_outside(ir, route.allow_from)
    if admitted is not True:
        return {"status": 403} if admitted is False else None
    if route.external_auth is not None or route.grpc or (route.rate_limit and route.rate_limit.burst < _BURST):
        return None
    if route.basic_auth is not None:
        return {"status": 401}
    if ask.size:
        return {"status": 413}
    path = rewritten(rule, ask.path)
    behind = _behind(ir, route, rule)
    if path in _DOES or not behind:
        return None
    return {"status": 200, "from": sorted({w.id for w in behind})} if path == _TELLS else {"status": 200}


def _behind(ir: Ir, route: HttpRoute, rule: Rule) -> list[Workload]:
    """The stand-ins that may answer; none where something else may."""
    endpoints, out = Endpoints(ir.inventory), []
    for backend in (b for b in rule.path.backends if b.weight):
        named = service_port(ir, route, backend)
        pods = [e.workload for e in endpoints.of_port(*named)] if named else []
        live = [w for w in pods if w is not None and w.stand_in and w.ready and w.replicas]
        if not live or len(live) < len(pods):
            return []
        out += live
    return out
