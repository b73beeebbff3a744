"""What routes may not say, for neither the Gateway API nor Envoy Gateway can say it, or would mean something else."""

import re
from collections.abc import Iterator

from netspec.analysis.gateway_routes import Entry
from netspec.analysis.routes import bare
from netspec.backends.edge.envoy_gateway.install import secured
from netspec.backends.edge.envoy_gateway.routes import grpc_method
from netspec.backends.edge.ingresses import stays_with_host, traced
from netspec.backends.edge.precedence import departures
from netspec.diagnostics import Report
from netspec.ir.http import Headers, HttpRoute
from netspec.ir.model import Ir

#: Of a route: hosts, rules, headers set or removed. Of a Gateway: HTTPS listeners (all but the one for plain HTTP).
_MOST, _LISTENERS = 16, 63
_METHODS = frozenset(["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "*"])
_ORIGIN = re.compile(r"\*\Z|[A-Za-z][A-Za-z0-9+.-]+://[A-Za-z0-9*.-]+(:[0-9]{1,5})?\Z")
_PATH = re.compile(r"(?:[-A-Za-z0-9/._~:@+,=]|%[0-9a-fA-F]{2})+\Z")
_SERVICE = re.compile(r"\.?[A-Za-z_][A-Za-z_0-9]*(\.[A-Za-z_][A-Za-z_0-9]*)*\Z")
_METHOD = re.compile(r"[A-Za-z_][A-Za-z_0-9]*\Z")
#: (the option of the route, what is wrong with it, what to do)
_Finding = tuple[str, str, str]


def check(ir: Ir, report: Report) -> None:
    """NS872, NS970."""
    for route in ir.http:
        for option, message, hint in _said(route):
            report.error("NS970", (*route.place.path, option), message, hint)
        if route.tracing is None and not route.passthrough and traced(ir) is not None:
            message = "Envoy Gateway traces the requests of all routes, and this one says nothing of it"
            report.error("NS970", route.place.path, message, "give it the tracing of the others")
    hint = "give both rules a method, or neither, or serve them on ports of their own"
    for path, message, instead in departures(ir, "Envoy Gateway", hint, _first):
        report.error("NS970", path, message, instead)
    _kinds(ir, report)
    _certificates(ir, report)
    stays_with_host(ir, "Envoy", report)


def _first(one: Entry, other: Entry) -> bool:
    """Of two rules for one host and path it takes a method for one header more; where that makes them equal, the order
    of the rules counts, and between routes their age (Envoy Gateway 1.9, internal/gatewayapi/sort.go). Hosts are told
    apart before."""
    if one.host != other.host or one.rank[:2] != other.rank[:2] or one.route.kind != "HTTPRoute":
        return True
    mine, theirs = ((bool(e.match.method) + len(e.match.headers), len(e.match.query)) for e in (one, other))
    return mine > theirs or (mine == theirs and one.route is other.route and one.number < other.number)


def _said(route: HttpRoute) -> Iterator[_Finding]:
    for option, number in (
        ("hosts", len(route.hosts)),
        ("paths", len(route.paths)),
        *((name, max(len(h.set), len(h.remove))) for name, h in _headers(route)),
    ):
        if number > _MOST:
            yield option, f"a route of the Gateway API has at most {_MOST} of these, not {number}", "make two routes"
    written = [p.path for p in route.paths if not p.regex]
    paths = [p for p in written if not _PATH.match(p) or "%2f" in p.lower()]
    rewritten = [p for p in ((route.rewrite.path, route.rewrite.prefix) if route.rewrite else ()) if p]
    if bad := [*paths, *(p for p in rewritten if not _PATH.match(p))]:
        yield "paths", f"{bad[0]!r} is not a path of the Gateway API", "a % begins an encoded byte, and not %2F"
    if any(name.lower() == "host" for _, h in _headers(route) for name in (*dict(h.set), *h.remove)):
        yield "requestHeaders", "the header Host is not a header that Envoy Gateway changes", "remove it"
    if route.basic_auth is not None and route.basic_auth.realm is not None:
        yield "basicAuth", "Envoy Gateway has no realm", "remove realm"
    yield from _login(route)
    yield from _cors(route)
    yield from _grpc(route)


def _login(route: HttpRoute) -> Iterator[_Finding]:
    if (oidc := route.oidc) is None:
        return
    if not any(not p.exact and not bare(p) for p in route.paths):
        yield "oidc", "people come back from their login to /oauth2/callback, which no path takes", "add a path /"
    if oidc.token and _is_address(oidc.token):
        message = f"{oidc.token!r} is an address, and Envoy Gateway takes a provider's name alone"
        yield "oidc", message, "tokenEndpoint: https://NAME/..."
    if oidc.provider is not None and None in (oidc.authorization, oidc.token):
        message = "Envoy Gateway reads the issuer's document at the issuer's name, and not at the Service"
        yield "oidc", message, "give authorizationEndpoint and tokenEndpoint"


def _is_address(url: str) -> bool:
    """The pattern of an address lets no IPv6 in."""
    host = url.removeprefix("https://").partition("/")[0].partition(":")[0]
    return re.fullmatch(r"[0-9]+(\.[0-9]+){3}", host) is not None


def _headers(route: HttpRoute) -> tuple[tuple[str, Headers], ...]:
    return (("requestHeaders", route.request_headers), ("responseHeaders", route.response_headers))


def _cors(route: HttpRoute) -> Iterator[_Finding]:
    if (cors := route.cors) is None:
        return
    if unknown := [m for m in cors.methods if m not in _METHODS]:
        yield (
            "cors",
            f"{unknown[0]!r} is not a method of the Gateway API's CORS",
            f"one of {', '.join(sorted(_METHODS))}",
        )
    if unknown := [o for o in cors.origins if not _ORIGIN.match(o)]:
        yield "cors", f"{unknown[0]!r} is not an origin", "https://app.example.com, or *"
    if not cors.max_age:
        yield "cors", "the Gateway API's CORS has a maxAge of a second or more", "maxAge: 1"


def _grpc(route: HttpRoute) -> Iterator[_Finding]:
    if not route.grpc:
        return
    for option, given in (("cors", route.cors), ("rewrite", route.rewrite), ("sticky", route.sticky)):
        if given:
            yield option, "a GRPCRoute has no such filter", "remove it, or protocol: grpc"
    for path in route.paths:
        method = grpc_method(path)
        if path.regex:
            yield "paths", "a GRPCRoute's paths are services and methods", "Prefix /package.Service, or Exact"
            continue
        whole = _SERVICE.match(method.get("service", "")) and _METHOD.match(method.get("method", ""))
        a_service = _SERVICE.match(method.get("service", "")) and "method" not in method
        if not (whole if path.exact else a_service or not method):
            message = f"{path.path!r} ({'Exact' if path.exact else 'Prefix'}) is not a service or method of gRPC"
            yield "paths", message, "Prefix / or /package.Service, or Exact /package.Service/Method"


def _kinds(ir: Ir, report: Report) -> None:
    """A host has HTTPRoutes or GRPCRoutes: the API refuses one of them where both meet on a listener."""
    first: dict[str, HttpRoute] = {}
    for route in ir.http:
        for host in route.hosts or ("",):
            other = first.setdefault(host, route)
            if other.grpc != route.grpc:
                message = f"{host or 'any host'} is of {other.id}: HTTP and gRPC have hosts of their own"
                report.error("NS970", (*route.place.path, "hosts"), message, "give it another host")


def _certificates(ir: Ir, report: Report) -> None:
    """A listener has one certificate for its host."""
    found = secured(ir)
    for host, routes in found.items():
        first = routes[0]
        for route in routes[1:]:
            if (route.namespace, route.tls) != (first.namespace, first.tls):
                message = (
                    f"{host or 'any host'} has the certificate {first.namespace}/{first.tls} by {first.id} already"
                )
                report.error("NS970", (*route.place.path, "tls"), message, "give the host one certificate")
    for route in (r for r in ir.http if r.passthrough):
        found |= {host: [route] for host in route.hosts}
    if len(found) > _LISTENERS:
        last = list(found.values())[_LISTENERS][0]
        message = f"a Gateway has at most {_LISTENERS} HTTPS listeners, one for each host, not {len(found)}"
        report.error("NS970", (*last.place.path, "hosts"), message, "serve some of them without tls")
