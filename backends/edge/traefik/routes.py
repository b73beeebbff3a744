"""A route as Traefik's own objects: one IngressRoute an entry point, one Middleware an option.

Source: Traefik 3.7, reference of the Kubernetes CRDs and of the HTTP middlewares.
"""

import re
from collections.abc import Iterator
from typing import Any

from netspec.analysis.routes import Rule, bare, rules
from netspec.backends.edge.ingresses import host_name, port_number, traced
from netspec.backends.objects import Manifest, manifest
from netspec.ir.http import Headers, HttpBackend, HttpPath, HttpRoute
from netspec.ir.model import Ir

API = "traefik.io/v1alpha1"
TIMEOUTS = "timeouts"
#: Of a route whose HTTPS is not read.
PASSED = "IngressRouteTCP"
_PERIODS = {"second": "1s", "minute": "1m", "hour": "1h"}
#: The part that answers nothing: what comes before it does.
_NOTHING = {"kind": "TraefikService", "name": "noop@internal"}


def objects(ir: Ir, route: HttpRoute) -> tuple[Manifest, ...]:
    """The Middlewares, then what uses them."""
    if route.passthrough:
        return _passed(ir, route)
    chain = list(_middlewares(ir, route))
    out = [_object("Middleware", route, option, {kind: spec}) for option, kind, spec in chain]
    out += _copies(route)
    if route.timeouts.first_byte is not None:
        times = {"responseHeaderTimeout": f"{route.timeouts.first_byte}s"}
        out.append(_object("ServersTransport", route, TIMEOUTS, {"forwardingTimeouts": times}))
    names = [f"{route.name}.{option}" for option, _, _ in chain]
    trace = None if traced(ir) is None else route.tracing is not None
    rows = _routes(route, names, _services(route), trace)
    served = _entry(route, "web" if route.tls is None else "websecure", rows)
    if route.tls is not None:
        served["spec"]["tls"] = {"secretName": route.tls} if route.tls else {}
    if route.tls is None:
        return (*out, served)
    if not route.redirect_to_https:
        return (*out, served, _entry(route, "web", rows, "http"))
    return (*out, served, *_to_https(route, trace))


def _to_https(route: HttpRoute, trace: bool | None) -> tuple[Manifest, Manifest]:
    redirect = _object("Middleware", route, "https", {"redirectScheme": {"scheme": "https", "permanent": True}})
    to_https = _routes(route, [redirect["metadata"]["name"]], {rule: [_NOTHING] for rule in rules([route])}, trace)
    return redirect, _entry(route, "web", to_https, "http")


def _passed(ir: Ir, route: HttpRoute) -> tuple[Manifest, ...]:
    """By the name that the client asks for, before any HTTP is read."""
    hosts = " || ".join(f"HostSNI(`{host}`)" for host in route.hosts)
    backend = route.paths[0].backends[0]
    rows = [{"match": hosts, "services": [{"name": backend.service, "port": backend.port}]}]
    spec = {"entryPoints": ["websecure"], "routes": rows, "tls": {"passthrough": True}}
    return (_object(PASSED, route, "", spec), *_to_https(route, None if traced(ir) is None else False))


def match(rule: Rule) -> str:
    """
    >>> from netspec.ir.http import HttpPath
    >>> api = HttpPath("/api", False, ())
    >>> match(Rule(HttpRoute("n", "r", (), (api,)), "*.example.com", api))
    'HostRegexp(`^[^.]+\\\\.example\\\\.com$`) && (Path(`/api`) || PathPrefix(`/api/`))'
    """
    path = rule.path.path
    if rule.path.regex:
        paths = f"PathRegexp(`^(?:{path})$`)"
    elif rule.path.exact:
        paths = f"Path(`{path}`)"
    elif bare(rule.path):
        paths = f"(Path(`{bare(rule.path)}`) || PathPrefix(`{bare(rule.path)}/`))"
    else:
        paths = "PathPrefix(`/`)"
    if not rule.host:
        return paths
    if rule.host.startswith("*."):
        return f"HostRegexp(`^[^.]+{re.escape(rule.host[1:])}$`) && {paths}"
    return f"Host(`{rule.host}`) && {paths}"


def _object(kind: str, route: HttpRoute, suffix: str, spec: dict[str, Any]) -> Manifest:
    # No route has a dot in its name, so these names are nobody else's.
    name = f"{route.name}.{suffix}" if suffix else route.name
    return manifest(API, kind, name, route.namespace, spec=spec)


def _entry(route: HttpRoute, point: str, routes: list[dict[str, Any]], suffix: str = "") -> Manifest:
    return _object("IngressRoute", route, suffix, {"entryPoints": [point], "routes": routes})


def _routes(
    route: HttpRoute, names: list[str], services: dict[Rule, list[dict[str, Any]]], trace: bool | None
) -> list[dict[str, Any]]:
    """`trace` None: Traefik traces nothing anyway."""
    # Left to itself, Traefik goes by the length of the rule, and traces all or nothing.
    return [
        {
            "kind": "Rule",
            "match": match(rule),
            "priority": rule.priority,
            **({"middlewares": [{"name": name} for name in names]} if names else {}),
            "services": services[rule],
            # The definition's own default, which an API server fills in.
            **({} if trace is None else {"observability": {"tracing": trace, "traceVerbosity": "minimal"}}),
        }
        for rule in rules([route])
    ]


def _services(route: HttpRoute) -> dict[Rule, list[dict[str, Any]]]:
    if route.mirror is not None:
        copied = [{"kind": "TraefikService", "name": f"{route.name}.copy-{i}"} for i in range(len(route.paths))]
        return {rule: [copied[route.paths.index(rule.path)]] for rule in rules([route])}
    return {rule: _shared(route, rule.path) for rule in rules([route])}


def _shared(route: HttpRoute, path: HttpPath) -> list[dict[str, Any]]:
    return [_service(route, b, len(path.backends) > 1) for b in path.backends]


def _copies(route: HttpRoute) -> Iterator[Manifest]:
    """For each path a service of Traefik's that sends what it gets to the mirror too. What it copies is one service: of
    several, again one of Traefik's."""
    for i, path in enumerate(route.paths if route.mirror is not None else ()):
        assert route.mirror is not None
        main, *more = _shared(route, path)
        if more:
            main = {"kind": "TraefikService", "name": f"{route.name}.share-{i}"}
            yield _object("TraefikService", route, f"share-{i}", {"weighted": {"services": _shared(route, path)}})
        mirror = {"kind": "Service", "name": route.mirror.service, "port": route.mirror.port, "percent": 100}
        scheme = {"scheme": "h2c"} if route.grpc else {}
        yield _object("TraefikService", route, f"copy-{i}", {"mirroring": main | {"mirrors": [mirror | scheme]}})


def _service(route: HttpRoute, backend: HttpBackend, weighted: bool) -> dict[str, Any]:
    out: dict[str, Any] = {"kind": "Service", "name": backend.service, "port": backend.port}
    if weighted:
        out["weight"] = backend.weight
    if route.grpc:
        out["scheme"] = "h2c"
    if route.timeouts.first_byte is not None:
        out["serversTransport"] = f"{route.name}.{TIMEOUTS}"
    if route.sticky:
        out["sticky"] = {"cookie": {"name": route.sticky, "httpOnly": True}}
    return out


def _middlewares(ir: Ir, route: HttpRoute) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(the option's name, Traefik's, its fields), in the order that a request meets them: who may at all comes first,
    and preflight requests, which carry no credentials, are answered before anybody logs in."""
    if route.allow_from:
        yield "allow", "ipAllowList", {"sourceRange": [str(cidr) for cidr in route.allow_from]}
    if (pages := route.error_pages) is not None:
        service = {"kind": "Service", "name": pages.backend.service, "port": pages.backend.port}
        yield "errors", "errors", {"status": list(pages.statuses), "service": service, "query": pages.path}
    if (cors := route.cors) is not None:
        spec: dict[str, Any] = {
            "accessControlAllowOriginList": list(cors.origins),
            "accessControlAllowMethods": list(cors.methods),
            "accessControlAllowHeaders": list(cors.headers),
            "accessControlExposeHeaders": list(cors.expose_headers),
            "accessControlAllowCredentials": cors.credentials,
            "accessControlMaxAge": cors.max_age,
            "addVaryHeader": True,
        }
        yield "cors", "headers", {key: value for key, value in spec.items() if value not in ([], False)}
    if (limit := route.rate_limit) is not None:
        yield (
            "rate",
            "rateLimit",
            {
                "average": limit.requests,
                "period": _PERIODS[limit.per],
                "burst": limit.burst,
            },
        )
    if (basic := route.basic_auth) is not None:
        yield "basic", "basicAuth", {"secret": basic.secret} | ({"realm": basic.realm} if basic.realm else {})
    if (asked := route.external_auth) is not None:
        address = f"http://{host_name(ir, route, asked.backend)}:{port_number(ir, route, asked.backend)}{asked.path}"
        copied = {"authResponseHeaders": list(asked.response_headers)} if asked.response_headers else {}
        yield "auth", "forwardAuth", {"address": address} | copied
    headers = {
        "customRequestHeaders": _headers(route.request_headers),
        "customResponseHeaders": _headers(route.response_headers),
    }
    if any(headers.values()):
        yield "headers", "headers", {key: value for key, value in headers.items() if value}
    if route.max_body_size is not None:
        yield "body", "buffering", {"maxRequestBodyBytes": route.max_body_size}
    if route.retries is not None:
        # Traefik counts the first attempt too; where no backend took the request it sends it again, whatever it is.
        yield "retry", "retry", {"attempts": route.retries + 1}
    if route.rewrite is not None and route.rewrite.path is not None:
        yield "rewrite", "replacePath", {"path": route.rewrite.path}
    elif route.rewrite is not None and route.rewrite.prefix is not None:
        yield "rewrite", "replacePathRegex", _prefix(route, route.rewrite.prefix)


def _headers(headers: Headers) -> dict[str, str]:
    """An empty value takes a header away."""
    return dict(headers.set) | dict.fromkeys(headers.remove, "")


def _prefix(route: HttpRoute, prefix: str) -> dict[str, str]:
    """The rules have seen to it that the path is one of these, whole segments: the longest is tried first."""
    known = sorted({bare(path) for path in route.paths}, key=lambda p: (-len(p), p))
    either = "|".join(map(re.escape, known))
    if prefix.rstrip("/"):
        return {"regex": f"^(?:{either})(/.*)?$", "replacement": f"{prefix.rstrip('/')}$1"}
    return {"regex": f"^(?:{either})(?:/(.*))?$", "replacement": "/$1"}
