"""Checks HTTP routes: the Services they name, rules that say the same, and what their filters need to be true."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

from netspec.analysis.callees import backend_port, service_port
from netspec.analysis.evaluate import evaluate
from netspec.analysis.routes import Rule, bare, rules
from netspec.analysis.services import Endpoints
from netspec.analysis.verdict import PodEnd
from netspec.diagnostics import Path
from netspec.ir.http import Front, HttpBackend, HttpRoute
from netspec.ir.model import Ir, Service, ServicePort
from netspec.passes.context import Context
from netspec.passes.gateways import backend_places, service_with_pods
from netspec.spec.types import did_you_mean

#: Option -> what comes of it where policies keep the controller from its Service.
_CUT_OFF = {
    "errorPages": "errors would have no pages",
    "mirror": "no copy would arrive",
    "tracing": "nothing would be traced",
    "provider": "nobody could log in",
}


def http(ir: Ir, context: Context) -> Ir:
    """What names no Service is left out."""
    fronts = ir.traits.fronts
    if len({front.workload.namespace for front in fronts}) < len(fronts):
        message = f"{ir.providers['gateway']} and {ir.providers['ingress']} are one program in one namespace"
        context.report.error("NS846", ("stacks", ir.stack, "gateway"), message, "choose another of the two")
    kept = tuple(route for route in ir.http if _services(ir, route, context))
    _same(kept, context)
    _patterns(kept, context)
    _one_collector(kept, context)
    _passed(kept, context)
    for route in kept:
        _itself(route, context)
        _login(route, context)
        _client(ir, route, context)
    return replace(ir, http=kept)


def behind_policies(ir: Ir, context: Context) -> Ir:
    """Whether the policies let the controller's own pods through to the backends: the last of the checks, when all
    policies are there."""
    front, gates = ir.traits.front, ir.traits.gates
    if (ir.traits.far_front is not None and ir.http) or (ir.traits.far_gates is not None and ir.gateway_routes):
        _reached_from_afar(ir, context)
    endpoints = Endpoints(ir.inventory)
    for route in ir.http if front else ():
        for backend, where in _backends(route):
            _reached(ir, front, endpoints, service_port(ir, route, backend), where, context)
    for gateway_route in ir.gateway_routes if gates else ():
        for to, where in backend_places(gateway_route):
            if to.weight:
                _reached(ir, gates, endpoints, backend_port(ir, gateway_route, to), where, context)
    return ir


def _reached(
    ir: Ir,
    front: Front | None,
    endpoints: Endpoints,
    found: tuple[Service, ServicePort] | None,
    where: Path,
    context: Context,
) -> None:
    if front is None or found is None:
        return
    source = PodEnd(front.workload.id)
    for endpoint in endpoints.of_port(*found):
        if endpoint.workload is None:
            continue
        verdict = evaluate(ir.inventory, source, endpoint.end, endpoint.number, endpoint.protocol)
        if verdict.expected == "deny":
            at = f"{endpoint.number}/{endpoint.protocol}"
            said = f"policies keep {front.workload.id} from {endpoint.workload.id} at {at}"
            hint = f"- {{name: ..., from: {{workload: {front.workload.id}}}, to: {{workload: {endpoint.workload.id}}}}}"
            then = _CUT_OFF.get(str(where[-1]), "the route would answer 504")
            context.report.error("NS845", where, f"{said}: {then}", f"add to policies: {hint}")
            return


def _reached_from_afar(ir: Ir, context: Context) -> None:
    """As `_reached`, of a proxy outside: its addresses must all be let in."""
    from netspec.analysis.doors import Passing, doors  # for stacks that have such a proxy
    from netspec.analysis.engine import Reachability

    networks, reach = ir.inventory.proxy_networks, Reachability(ir.inventory)
    passes, sources = Passing(reach), ", ".join(map(str, networks))
    # They are not known, of a VPC that is not whole; or they are among the pods' own, and nobody knows which are whose.
    if not networks or not reach.externals_in(networks):
        return
    for door in doors(ir.inventory):
        if door.way == "routes" and not door.proxy and not (lets := passes(door)):
            who = f"{'some of ' * (lets is None)}{sources}, from where routes are served,"
            said = f"policies keep {who} from {door.workload.id} at {door.port}/TCP"
            hint = f"- {{name: ..., from: {{cidr: {networks[0]}}}, to: {{workload: {door.workload.id}}}}}"
            context.report.error(
                "NS845", door.place.path, f"{said}: the route would answer 504", f"add to policies: {hint}"
            )


def _backends(route: HttpRoute) -> Iterator[tuple[HttpBackend, Path]]:
    path = route.place.path
    for i, rule in enumerate(route.paths):
        yield from ((b, (*path, "paths", i, "backends", j)) for j, b in enumerate(rule.backends))
    yield from ((backend, (*path, *option.split("."))) for option, backend in route.others.items())


def _services(ir: Ir, route: HttpRoute, context: Context) -> bool:
    return False not in {_service(ir, route, backend, where, context) for backend, where in _backends(route)}


def _service(ir: Ir, route: HttpRoute, backend: HttpBackend, where: Path, context: Context) -> bool:
    named = f"{backend.namespace or route.namespace}/{backend.service}"
    service = service_with_pods(ir, named, (*where, "service"), context)
    if service is None:
        return False
    if service_port(ir, route, backend) is None:
        ports = [str(p.name or p.port) for p in service.ports if p.protocol == "TCP"]
        message = f"Service {service.id} has no TCP port {backend.port}"
        hint = did_you_mean(str(backend.port), ports) or f"it has: {', '.join(ports) or 'none'}"
        context.report.error("NS841", (*where, "port"), message, hint)
        return False
    return True


def _same(routes: tuple[HttpRoute, ...], context: Context) -> None:
    """Two rules for one host and path: which of them counts would be the controller's accident."""
    found: dict[tuple[str, str, bool], list[Rule]] = defaultdict(list)
    for rule in rules(routes):
        if not rule.path.regex:
            found[rule.host, bare(rule.path), rule.path.exact].append(rule)
    for (host, path, exact), same in found.items():
        for rule in same[1:]:
            what = f"{host or 'any host'}{path or '/'} ({'Exact' if exact else 'Prefix'})"
            message = f"{what} is a rule of {same[0].route.id} already"
            place = (*rule.route.place.path, "paths", rule.route.paths.index(rule.path))
            context.report.error("NS842", place, message, "keep one of them, or give it backends with weights")


def _patterns(routes: tuple[HttpRoute, ...], context: Context) -> None:
    """Of two patterns for one host the longer counts: of two as long, which may take one path, neither."""
    found: dict[tuple[str, int], Rule] = {}
    for rule in (r for r in rules(routes) if r.path.regex):
        other = found.setdefault((rule.host, len(rule.path.path)), rule)
        if other is not rule:
            message = f"{rule.path.path} is as long as {other.path.path} of {other.route.id}, of the same host"
            place = (*rule.route.place.path, "paths", rule.route.paths.index(rule.path))
            context.report.error("NS842", place, message, "of two patterns the longer counts: write one of them longer")


def _itself(route: HttpRoute, context: Context) -> None:
    path = route.place.path
    for i, rule in enumerate(route.paths):
        where = (*path, "paths", i, "backends")
        if not any(b.weight for b in rule.backends):
            context.report.error("NS843", where, "no backend has a weight: nobody answers", "give one a weight")
        if route.rewrite is not None and route.rewrite.prefix is not None and (rule.exact or rule.regex):
            message = f"{'a pattern' if rule.regex else 'an exact path'} has no prefix that could be rewritten"
            context.report.error("NS843", (*path, "rewrite"), message, "rewrite: {path: ...}, or type Prefix")
        if route.sticky and len(rule.backends) > 1:
            message = "a client stays with a pod of one Service; this path has several"
            context.report.error("NS843", (*path, "sticky"), message, "remove sticky, or keep one backend")
    if route.redirect_to_https and route.tls is None and not route.passthrough:
        message = "plain HTTP is sent to HTTPS, which the route does not serve"
        context.report.error("NS843", (*path, "redirectToHTTPS"), message, "add tls: {}")
    if route.cors is not None and route.cors.credentials and "*" in route.cors.origins:
        message = "browsers send no cookies to what any origin may use"
        context.report.error("NS843", (*path, "cors"), message, "name the origins")
    if route.grpc and route.max_body_size is not None:
        message = "a limit of the body reads the whole of it first: streams of gRPC would wait for their end"
        context.report.error("NS843", (*path, "maxBodySize"), message, "remove it, or make a route of its own")
    if route.grpc and route.web_socket:
        message = "gRPC and WebSockets are different protocols"
        context.report.error("NS843", (*path, "webSocket"), message, "make a route for each")


def _passed(routes: tuple[HttpRoute, ...], context: Context) -> None:
    """What is not read can be told by the name that the client asks for alone (SNI), and changed in nothing."""
    for route in (r for r in routes if r.passthrough):
        where = (*route.place.path, "tls")
        plain = HttpRoute(
            route.namespace, route.name, route.hosts, route.paths, passthrough=True, redirect_to_https=True
        )
        rule = route.paths[0]
        if not route.redirect_to_https:
            message = "plain HTTP of hosts whose HTTPS is passed on has no answer but to HTTPS"
            context.report.error("NS843", where, message, "add redirectToHTTPS: true")
        elif route != plain:
            context.report.error("NS843", where, "what is passed on unread has no other options", "remove them")
        if len(route.paths) > 1 or rule.exact or bare(rule) or len(rule.backends) > 1:
            context.report.error(
                "NS843", where, "what is passed on unread has no paths", "one path /, with one backend"
            )
        if not route.hosts or any(host.startswith("*.") for host in route.hosts):
            message = "HTTPS is passed on by the name that the client asks for"
            context.report.error("NS843", where, message, "add hosts without a wildcard")
        for other in routes:
            if other is not route and (both := sorted(set(other.hosts) & set(route.hosts))):
                message = f"{other.id} has {both[0]} too, whose HTTPS is passed on unread"
                context.report.error("NS843", where, message, "give it another host")


def _login(route: HttpRoute, context: Context) -> None:
    """People log in by a browser that keeps cookies of HTTPS, at one place."""
    where = (*route.place.path, "oidc")
    if route.oidc is None:
        return
    if not route.redirect_to_https:
        message = "a session is kept in cookies of HTTPS, and the route answers plain HTTP too"
        context.report.error("NS843", where, message, "add tls and redirectToHTTPS: true")
    if other := next(
        (name for name, given in (("basicAuth", route.basic_auth), ("externalAuth", route.external_auth)) if given),
        None,
    ):
        context.report.error("NS843", where, f"{other} asks for another login", "keep one of them")
    if route.grpc:
        context.report.error("NS843", where, "clients of gRPC follow no redirect to a login", "remove oidc")


def _one_collector(routes: tuple[HttpRoute, ...], context: Context) -> None:
    """A controller has one collector, and one share of the requests that begin a trace."""
    first: HttpRoute | None = None
    for route in routes:
        if route.tracing is None:
            continue
        first = first or route
        if first.tracing is not None and _traced(first) != _traced(route):
            message = f"a controller has one collector, and {first.id} names another, or another percent"
            context.report.error("NS847", (*route.place.path, "tracing"), message, "say the same in all routes")


def _traced(route: HttpRoute) -> tuple[object, ...]:
    assert route.tracing is not None
    collector = route.tracing.collector
    return (collector.namespace or route.namespace, collector.service, collector.port, route.tracing.percent)


def _client(ir: Ir, route: HttpRoute, context: Context) -> None:
    """An allow-list and a limit per client see whom the proxy sees: with externalTrafficPolicy Cluster a node."""
    front = ir.traits.front
    asked = [("allowFrom", bool(route.allow_from)), ("rateLimit", route.rate_limit is not None)]
    given = [name for name, is_given in asked if is_given]
    if front is None or not given or front.service.type == "ClusterIP":
        return
    balancing = ir.traits.balancing
    hidden = front.service.type == "LoadBalancer" and balancing is not None and not balancing.keeps_client
    if front.service.external_traffic_policy == "Local" and not hidden:
        return
    by = f"{balancing.by} does not pass it on" if hidden and balancing else "externalTrafficPolicy Cluster replaces it"
    message = f"{front.service.id} does not see the client's address: {by}"
    hint = "externalTrafficPolicy: Local for the stack's controller" if not hidden else "another load balancer"
    for name in given:
        context.report.error("NS844", (*route.place.path, name), message, hint)
