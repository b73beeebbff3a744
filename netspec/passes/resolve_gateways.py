"""Gateways and their routes of the file as IR, every default filled in."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from netspec.analysis.attachment import GROUP
from netspec.ir import gateways as ir
from netspec.ir.http import Cors
from netspec.passes.context import Context
from netspec.passes.resolve_selectors import resolved_selector
from netspec.spec import gateway_filters as filters
from netspec.spec import gateways as spec
from netspec.spec.v1alpha1 import NetworkSpec


def gateway(given: spec.Gateway, context: Context, index: int) -> ir.Gateway:
    path = context.loaded.path("gateways", index)
    listeners = (_listener(given, x, context, (*path, "listeners", i)) for i, x in enumerate(given.listeners))
    return ir.Gateway(given.namespace, given.name, tuple(listeners), context.place(path))


def _listener(
    gateway: spec.Gateway, given: spec.Listener, context: Context, path: tuple[str | int, ...]
) -> ir.Listener:
    allowed, tls = given.allowed_routes, given.tls
    selector = allowed.namespaces.selector
    certificates = tls.certificate_refs if tls is not None else []
    return ir.Listener(
        given.name,
        given.port,
        given.protocol,
        (tls.mode if tls is not None else "Terminate") if given.protocol in ("HTTPS", "TLS") else "",
        given.hostname or "",
        tuple((GROUP, kind.kind) for kind in allowed.kinds) or None,
        allowed.namespaces.from_,
        None if selector is None else resolved_selector(selector),
        tuple((c.namespace or gateway.namespace, c.name) for c in certificates),
        frozenset((c.namespace or gateway.namespace, c.name) for c in certificates if c.stand_in),
        context.place(path),
    )


def gateway_routes(file: NetworkSpec, context: Context) -> Iterator[ir.GatewayRoute]:
    """Of every kind, in the order of the file."""
    for i, http in enumerate(file.http_routes):
        rules = tuple(_http_rule(http.namespace, r) for r in http.rules)
        yield _route("HTTPRoute", http, rules, http.hostnames, context, ("httpRoutes", i))
    for i, grpc in enumerate(file.grpc_routes):
        rules = tuple(_grpc_rule(grpc.namespace, r) for r in grpc.rules)
        yield _route("GRPCRoute", grpc, rules, grpc.hostnames, context, ("grpcRoutes", i))
    for i, tls in enumerate(file.tls_routes):
        yield _route("TLSRoute", tls, _streams(tls), tls.hostnames, context, ("tlsRoutes", i))
    for i, tcp in enumerate(file.tcp_routes):
        yield _route("TCPRoute", tcp, _streams(tcp), [], context, ("tcpRoutes", i))
    for i, udp in enumerate(file.udp_routes):
        yield _route("UDPRoute", udp, _streams(udp), [], context, ("udpRoutes", i))


_Given = spec.HttpRoute | spec.GrpcRoute | spec.TlsRoute | spec.TcpRoute | spec.UdpRoute


def _route(
    kind: ir.RouteKind,
    given: _Given,
    rules: tuple[ir.RouteRule, ...],
    hostnames: Sequence[str],
    context: Context,
    at: tuple[str, int],
) -> ir.GatewayRoute:
    parents = tuple(
        ir.Parent(GROUP, "Gateway", p.namespace or given.namespace, p.name, p.section_name or "", p.port or 0)
        for p in given.parent_refs
    )
    place = context.place(context.loaded.path(*at))
    return ir.GatewayRoute(kind, given.namespace, given.name, parents, rules, tuple(hostnames), place)


def _streams(given: spec.TlsRoute | spec.TcpRoute | spec.UdpRoute) -> tuple[ir.RouteRule, ...]:
    return tuple(ir.RouteRule(_backends(given.namespace, rule.backend_refs)) for rule in given.rules)


def _backends(home: str, given: Sequence[spec.RouteBackendRef]) -> tuple[ir.GatewayBackend, ...]:
    return tuple(ir.GatewayBackend(b.namespace or home, b.name, b.port, b.weight) for b in given)


def _headers(given: Sequence[spec.HeaderMatch]) -> tuple[tuple[str, str], ...]:
    """Of headers whose names differ in case alone the first counts (HTTPHeaderMatch)."""
    found: dict[str, str] = {}
    for header in given:
        found.setdefault(header.name.lower(), header.value)
    return tuple(sorted(found.items()))


def _http_rule(home: str, given: spec.HttpRule) -> ir.RouteRule:
    timeouts = given.timeouts or spec.RouteTimeouts()
    rule = ir.RouteRule(
        _backends(home, given.backend_refs),
        tuple(_http_match(m) for m in given.matches),
        request_timeout=timeouts.request or "",
        backend_timeout=timeouts.backend_request or "",
    )
    for one in given.filters:
        rule = _filtered(rule, home, one)
        if (redirect := one.request_redirect) is not None:
            to = (redirect.scheme or "", redirect.hostname or "", _path(redirect.path), redirect.port or 0)
            rule = replace(rule, redirect=ir.Redirect(*to, redirect.status_code))
        if (rewrite := one.url_rewrite) is not None:
            rule = replace(rule, rewrite=ir.UrlRewrite(rewrite.hostname or "", _path(rewrite.path)))
        if (cors := one.cors) is not None:
            rule = replace(rule, cors=_cors(cors))
    return rule


def _filtered(rule: ir.RouteRule, home: str, one: filters.HttpFilter | filters.GrpcFilter) -> ir.RouteRule:
    """With a filter that calls of gRPC may have too."""
    if one.request_header_modifier is not None:
        rule = replace(rule, request_headers=_change(one.request_header_modifier))
    if one.response_header_modifier is not None:
        rule = replace(rule, response_headers=_change(one.response_header_modifier))
    if one.request_mirror is not None:
        to = one.request_mirror.backend_ref
        copies = ir.GatewayBackend(to.namespace or home, to.name, to.port)
        rule = replace(rule, mirrors=(*rule.mirrors, copies))
    return rule


def _http_match(given: spec.HttpMatch) -> ir.Match:
    query: dict[str, str] = {}
    for parameter in given.query_params:
        query.setdefault(parameter.name, parameter.value)
    return ir.Match(
        given.path.value,
        given.path.type == "Exact",
        given.method or "",
        _headers(given.headers),
        tuple(sorted(query.items())),
    )


def _grpc_rule(home: str, given: spec.GrpcRule) -> ir.RouteRule:
    rule = ir.RouteRule(_backends(home, given.backend_refs), tuple(_grpc_match(m) for m in given.matches))
    for one in given.filters:
        rule = _filtered(rule, home, one)
    return rule


def _grpc_match(given: spec.GrpcMatch) -> ir.Match:
    """A call is a POST to /service/method (gRPC over HTTP/2)."""
    called = given.method
    if called is None:
        return ir.Match(headers=_headers(given.headers))
    path = f"/{called.service}" + (f"/{called.method}" if called.method else "")
    return ir.Match(path, called.method is not None, headers=_headers(given.headers))


def _cors(given: filters.CorsFilter) -> Cors:
    return Cors(
        tuple(given.allow_origins),
        tuple(given.allow_methods),
        tuple(given.allow_headers),
        tuple(given.expose_headers),
        given.allow_credentials,
        given.max_age,
    )


def _path(given: filters.PathModifier | None) -> ir.NewPath | None:
    if given is None:
        return None
    whole = given.replace_full_path
    return ir.NewPath(whole or given.replace_prefix_match or "/", whole is not None)


def _change(given: filters.HeaderFilter) -> ir.HeaderChange:
    pairs = [tuple((h.name, h.value) for h in listed) for listed in (given.set, given.add)]
    return ir.HeaderChange(pairs[0], pairs[1], tuple(given.remove))
