"""One request through a spec's front door: listener, route, rule, what happens to it, Service, policies, pods."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from netspec.analysis.callees import backend_port, service_port
from netspec.analysis.doors import Door, Passing
from netspec.analysis.engine import Reachability
from netspec.analysis.evaluate import evaluate
from netspec.analysis.gateway_routes import Contested, Entry, Listening, Request, location, new_path
from netspec.analysis.routes import Rule, bare, chosen, rewritten, rules
from netspec.analysis.services import Endpoint, Endpoints
from netspec.analysis.verdict import PodEnd
from netspec.ir.gateways import HeaderChange, Match, RouteRule
from netspec.ir.http import Front, HttpRoute
from netspec.ir.model import Ir, Place, Service, ServicePort, Workload


class Step(NamedTuple):
    """`what` it comes to, `why`; `passes`: whether it goes on, None where that is left open."""

    at: str
    what: str
    why: str = ""
    passes: bool | None = True


class Walk(NamedTuple):
    """`answer`: what the client gets, for a reader; `served`: whether that is a pod's answer, or a redirect."""

    steps: tuple[Step, ...]
    answer: str
    served: bool


def walk(ir: Ir, port: int, secure: bool, request: Request) -> Walk:
    """Through a listener of the spec's Gateways where one has the port, else through the spec's `ingress`; where both
    have doors of their own, through the Gateways' where a route of theirs takes it, or none of the others does."""
    listening = Listening.of(ir)
    if not any(listener.port == port for _, listener in listening.listeners):
        return _ingress(ir, secure, request)
    own = len(ir.traits.fronts) > 1 and listening.chosen(port, secure, request) is None
    if own and chosen(rules(ir.http), request.host, request.path) is not None:
        return _ingress(ir, secure, request)
    return _gateway(ir, listening, port, secure, request)


# Gateways


def _gateway(ir: Ir, listening: Listening, port: int, secure: bool, request: Request) -> Walk:
    where = listening.listener(port, secure, request.host)
    if where is None:
        protocol = "HTTPS" if secure else "HTTP"
        said = f"no {protocol} listener at {port} is for {request.host}"
        return Walk((Step("listener", said, passes=False),), "nothing: no listener", False)
    gateway, listener = where
    steps = [Step("listener", f"{gateway.id}/{listener.name}", f"the most specific for {request.host} at {port}")]
    taken = listening.at(gateway, listener, request)
    if taken is None:
        return Walk((*steps, Step("route", "none takes it", passes=False)), "404", False)
    if isinstance(taken, Contested):
        named = [f"{e.route.kind} {e.route.id} rule {e.number + 1}" for e in taken.entries]
        named += ["none"] if taken.or_nobody else []
        why = "the API leaves open which: by age of the routes, or by whether a wider host is asked"
        return Walk((*steps, Step("route", " or ".join(named), why, None)), "left open", False)
    steps += _route(taken)
    rule = taken.rule
    if rule.redirect is not None:
        to = location(taken, request)
        return Walk((*steps, Step("filter", f"redirect to {to}")), f"{rule.redirect.status} to {to}", True)
    steps += _filters(taken, request)
    backends = [(backend_port(ir, taken.route, b), b.weight) for b in rule.backends if b.weight]
    return _served(ir, ir.traits.gates, steps, backends)


def _route(entry: Entry) -> Iterator[Step]:
    host = f"host {entry.own}" if entry.own else "it names no host"
    yield Step("route", f"{entry.route.kind} {entry.route.id}", host)
    yield Step("rule", f"rule {entry.number + 1}", _said(entry.match))


def _said(match: Match) -> str:
    """
    >>> _said(Match("/api", method="GET", headers=(("x-v", "2"),)))
    'prefix /api, GET, x-v: 2'
    """
    out = [f"{'exactly' if match.exact else 'prefix'} {match.bare or '/'}"]
    out += [match.method] if match.method else []
    out += [f"{name}: {value}" for name, value in match.headers]
    out += [f"?{name}={value}" for name, value in match.query]
    return ", ".join(out)


def _filters(entry: Entry, request: Request) -> Iterator[Step]:
    rule: RouteRule = entry.rule
    if rule.cors is not None:
        yield Step("filter", f"CORS for {', '.join(rule.cors.origins)}", "preflight requests are answered here")
    for name, change in (("request", rule.request_headers), ("answer", rule.response_headers)):
        if change is not None:
            yield Step("filter", f"headers of the {name}: {_changed(change)}")
    for mirror in rule.mirrors:
        yield Step("filter", f"a copy to Service {mirror.namespace}/{mirror.service}:{mirror.port}")
    if rule.rewrite is not None:
        path = new_path(entry.match, rule.rewrite.path, request.path) if rule.rewrite.path is not None else request.path
        yield Step("filter", f"rewritten to {rule.rewrite.hostname or request.host}{path}")
    if rule.request_timeout:
        yield Step("filter", f"504 after {rule.request_timeout}")


def _changed(change: HeaderChange) -> str:
    said = [f"{name} set" for name, _ in change.set] + [f"{name} added" for name, _ in change.add]
    return ", ".join([*said, *(f"{name} removed" for name in change.remove)])


# ingress


def _ingress(ir: Ir, secure: bool, request: Request) -> Walk:
    rule = chosen(rules(ir.http), request.host, request.path)
    if rule is None:
        return Walk((Step("route", "none takes it", passes=False),), "404", False)
    route = rule.route
    kind = "exactly" if rule.path.exact else "pattern" if rule.path.regex else "prefix"
    where = f"{kind} {bare(rule.path) or '/'}"
    steps = [Step("route", f"ingress {route.id}", f"host {rule.host}" if rule.host else "it is for any host")]
    steps.append(Step("rule", where))
    if route.redirect_to_https and not secure:
        to = f"https://{request.host}{request.path}"
        return Walk((*steps, Step("filter", f"redirect to {to}")), f"a redirect to {to}", True)
    if secure and route.tls is None:
        return Walk((*steps, Step("filter", "it does not serve HTTPS", passes=False)), "no HTTPS", False)
    steps += _options(rule, request)
    backends = [(service_port(ir, route, b), b.weight) for b in rule.path.backends if b.weight]
    return _served(ir, ir.traits.front, steps, backends)


def _options(rule: Rule, request: Request) -> Iterator[Step]:
    route: HttpRoute = rule.route
    if route.allow_from:
        yield Step("filter", f"only for {', '.join(map(str, route.allow_from))}", "others get 403", None)
    if route.basic_auth is not None:
        yield Step("filter", "a name and password", "without them 401", None)
    if route.external_auth is not None:
        yield Step("filter", f"asked of Service {route.namespace}/{route.external_auth.backend.service}", "", None)
    if route.oidc is not None:
        yield Step("filter", f"a login at {route.oidc.issuer}", "who has none is sent there", None)
    if route.rate_limit is not None:
        limit = route.rate_limit
        yield Step("filter", f"{limit.requests} a {limit.per} for each client", "more get 429")
    if route.max_body_size is not None:
        yield Step("filter", f"a body of {route.max_body_size} bytes at most", "a larger one gets 413")
    if route.rewrite is not None:
        yield Step("filter", f"rewritten to {rewritten(rule, request.path)}")


# Behind both


def _served(
    ir: Ir, front: Front | None, steps: list[Step], backends: list[tuple[tuple[Service, ServicePort] | None, int]]
) -> Walk:
    """`backends`: Service ports with their weights. Without pods of its own the proxy is outside the cluster."""
    endpoints, calls = Endpoints(ir.inventory), _from_pods(ir, front) if front else _from_afar(ir)
    total = sum(weight for _, weight in backends)
    reached, cut, is_open = [], False, False
    for found, weight in backends:
        if found is None:
            continue
        service, port = found
        share = f"{weight} of {total} requests" if len(backends) > 1 else ""
        steps.append(Step("Service", f"{service.id}:{port.port}", share))
        for endpoint in endpoints.of_port(service, port):
            if endpoint.workload is None:
                continue
            passes, caller = calls(endpoint, endpoint.workload)
            cut, is_open = cut or passes is False, is_open or passes is None
            why = f"{_SAID[passes]} from {caller}"
            steps.append(Step("pods", f"{endpoint.workload.id}:{endpoint.number}", why, passes))
            reached += [endpoint.workload.id] if passes and endpoint.workload.replicas else []
    if not reached:
        answer = "left open" if is_open and not cut else "an error of the proxy (503 or 504)"
        return Walk(tuple(steps), answer, False)
    return Walk(tuple(steps), f"what {' or '.join(dict.fromkeys(reached))} says", not cut)


_SAID = {True: "allow", False: "deny", None: "left open"}
#: Whether policies let a proxy through to an endpoint and its pods, and what the proxy is.
_Calls = Callable[[Endpoint, Workload], tuple[bool | None, str]]


def _from_pods(ir: Ir, front: Front) -> _Calls:
    def calls(endpoint: Endpoint, _: Workload) -> tuple[bool | None, str]:
        start = PodEnd(front.workload.id)
        verdict = evaluate(ir.inventory, start, endpoint.end, endpoint.number, endpoint.protocol)
        return {"allow": True, "deny": False}.get(verdict.expected or ""), front.workload.id

    return calls


def _from_afar(ir: Ir) -> _Calls:
    networks, passing = ir.inventory.proxy_networks, Passing(Reachability(ir.inventory))

    def calls(endpoint: Endpoint, workload: Workload) -> tuple[bool | None, str]:
        door = Door("routes", "", Place(), workload, endpoint.number, endpoint.protocol)
        return passing(door) if networks else None, ", ".join(map(str, networks)) or "outside the cluster"

    return calls
