"""A route as objects of the Gateway API, and as policies of Envoy Gateway where that has no word for an option.

Sources: gateway-api, apis/v1 (httproute_types.go, grpcroute_types.go, gateway_types.go); Envoy Gateway,
api/v1alpha1 and internal/gatewayapi.
"""

from collections.abc import Iterator
from typing import Any

from netspec.analysis.routes import bare
from netspec.backends.edge.gatewayapi import cors_spec
from netspec.backends.edge.ingresses import port_number
from netspec.backends.objects import Manifest, manifest
from netspec.ir.http import Headers, HttpBackend, HttpPath, HttpRoute
from netspec.ir.model import Ir

GROUP, EXTENSION = "gateway.networking.k8s.io", "gateway.envoyproxy.io"
API, POLICIES = f"{GROUP}/v1", f"{EXTENSION}/v1alpha1"
HTTP, GRPC, TLS = "HTTPRoute", "GRPCRoute", "TLSRoute"
#: Of the Gateway, and of all that belongs to it.
NAMESPACE, NAME = "envoy-gateway-system", "netspec"
#: The listener for plain HTTP.
PLAIN = "http"
#: Envoy sends a request again only where no backend can have had it.
_NOT_TAKEN = ["connect-failure", "refused-stream", "reset-before-request"]


def listener(host: str) -> str:
    """The name of the HTTPS listener for a host, "" for any. The API has no longer names."""
    return f"https.{host}"[:253].rstrip(".-") if host else "https"


def objects(ir: Ir, route: HttpRoute) -> tuple[Manifest, ...]:
    """The route, what it refers to, the redirect of plain HTTP, and the policies on it."""
    secure = [listener(host) for host in route.hosts or ("",)] if route.tls is not None else []
    sections = secure if route.redirect_to_https else [PLAIN, *secure]
    kind = GRPC if route.grpc else HTTP
    if route.passthrough:
        passed = [{"backendRefs": [_backend(ir, route, b) for b in route.paths[0].backends]}]
        out = [_route(TLS, route, "", [listener(host) for host in route.hosts], passed)]
    else:
        out = [_route(kind, route, "", sections, _rules(ir, route)), *_prepended(route)]
    if route.redirect_to_https:
        redirect = {"type": "RequestRedirect", "requestRedirect": {"scheme": "https", "statusCode": 301}}
        rules = [{"matches": [_match(path)], "filters": [redirect]} for path in route.paths]
        out.append(_route(HTTP, route, "http", [PLAIN], rules))
    if security := dict(_security(ir, route)):
        out.append(_policy("SecurityPolicy", kind, route, security))
    if traffic := dict(_traffic(route)):
        out.append(_policy("BackendTrafficPolicy", kind, route, traffic))
    return tuple(out)


def _name(route: HttpRoute, suffix: str) -> str:
    # No route has a dot in its name, so these names are nobody else's.
    return f"{route.name}.{suffix}" if suffix else route.name


def _route(kind: str, route: HttpRoute, suffix: str, sections: list[str], rules: list[dict[str, Any]]) -> Manifest:
    parents = [
        {"group": GROUP, "kind": "Gateway", "name": NAME, "namespace": NAMESPACE, "sectionName": section}
        for section in sections
    ]
    spec = {"parentRefs": parents, **({"hostnames": list(route.hosts)} if route.hosts else {}), "rules": rules}
    return manifest(API, kind, _name(route, suffix), route.namespace, spec=spec)


def _policy(policy: str, kind: str, route: HttpRoute, options: dict[str, Any]) -> Manifest:
    """On the route itself, in its namespace, and not on its redirect."""
    spec = {"targetRefs": [{"group": GROUP, "kind": kind, "name": route.name}], **options}
    return manifest(POLICIES, policy, route.name, route.namespace, spec=spec)


def _rules(ir: Ir, route: HttpRoute) -> list[dict[str, Any]]:
    return [_rule(ir, route, path) for path in route.paths]


def _rule(ir: Ir, route: HttpRoute, path: HttpPath) -> dict[str, Any]:
    out: dict[str, Any] = {}
    if route.grpc:
        if method := grpc_method(path):
            out["matches"] = [{"method": {"type": "Exact", **method}}]
    else:
        out["matches"] = [_match(path)]
    if filters := list(_filters(ir, route, path)):
        out["filters"] = filters
    out["backendRefs"] = [_backend(ir, route, backend) for backend in path.backends]
    if not route.grpc:
        # Left to itself, Envoy gives an answer 15 seconds.
        out["timeouts"] = {"request": f"{route.timeouts.last_byte or 0}s"}
    if route.sticky:
        out["sessionPersistence"] = {"sessionName": route.sticky, "type": "Cookie"}
    return out


def _match(path: HttpPath) -> dict[str, Any]:
    kind = "Exact" if path.exact else "RegularExpression" if path.regex else "PathPrefix"
    return {"path": {"type": kind, "value": bare(path) or "/"}}


def grpc_method(path: HttpPath) -> dict[str, str]:
    """What a path of gRPC is to the API: a service, or one of its methods; {} for everything.

    >>> grpc_method(HttpPath("/pkg.Shop/", False, ())), grpc_method(HttpPath("/pkg.Shop/Buy", True, ()))
    ({'service': 'pkg.Shop'}, {'service': 'pkg.Shop', 'method': 'Buy'})
    """
    service, _, method = bare(path)[1:].partition("/")
    return {key: value for key, value in (("service", service), ("method", method)) if value}


def _backend(ir: Ir, route: HttpRoute, backend: HttpBackend) -> dict[str, Any]:
    return {**_to(ir, route, backend), "weight": backend.weight}


def _to(ir: Ir, route: HttpRoute, backend: HttpBackend) -> dict[str, Any]:
    """The API has no names of ports."""
    return {"group": "", "kind": "Service", "name": backend.service, "port": port_number(ir, route, backend)}


def _filters(ir: Ir, route: HttpRoute, path: HttpPath) -> Iterator[dict[str, Any]]:
    if route.mirror is not None:
        yield {"type": "RequestMirror", "requestMirror": {"backendRef": _to(ir, route, route.mirror)}}
    if route.cors is not None:
        yield {"type": "CORS", "cors": cors_spec(route.cors)}
    if headers := _headers(route.request_headers):
        yield {"type": "RequestHeaderModifier", "requestHeaderModifier": headers}
    if headers := _headers(route.response_headers):
        yield {"type": "ResponseHeaderModifier", "responseHeaderModifier": headers}
    rewrite = route.rewrite
    if rewrite is None:
        return
    if rewrite.path is not None:
        new = {"type": "ReplaceFullPath", "replaceFullPath": rewrite.path}
        yield {"type": "URLRewrite", "urlRewrite": {"path": new}}
    elif bare(path):
        new = {"type": "ReplacePrefixMatch", "replacePrefixMatch": rewrite.prefix or "/"}
        yield {"type": "URLRewrite", "urlRewrite": {"path": new}}
    elif prepended(route):
        reference = {"group": EXTENSION, "kind": "HTTPRouteFilter", "name": _name(route, "prefix")}
        yield {"type": "ExtensionRef", "extensionRef": reference}


def prepended(route: HttpRoute) -> str:
    """The prefix that the path / is rewritten to, "" for none."""
    prefix = (route.rewrite.prefix or "") if route.rewrite is not None else ""
    return prefix.rstrip("/") if any(not bare(path) for path in route.paths) else ""


def _prepended(route: HttpRoute) -> Iterator[Manifest]:
    """Envoy Gateway takes "/" away where that is the prefix, so that /a would be /v2a: written out instead."""
    if prefix := prepended(route):
        path = {"pattern": "^/", "substitution": f"{prefix}/"}
        spec = {"urlRewrite": {"path": {"type": "ReplaceRegexMatch", "replaceRegexMatch": path}}}
        yield manifest(POLICIES, "HTTPRouteFilter", _name(route, "prefix"), route.namespace, spec=spec)


def _headers(headers: Headers) -> dict[str, Any]:
    given = [{"name": name, "value": value} for name, value in headers.set]
    return {key: value for key, value in (("set", given), ("remove", list(headers.remove))) if value}


def _security(ir: Ir, route: HttpRoute) -> Iterator[tuple[str, Any]]:
    if route.basic_auth is not None:
        yield "basicAuth", {"users": {"group": "", "kind": "Secret", "name": route.basic_auth.secret}}
    if route.allow_from:
        allowed = {"name": "allow", "action": "Allow", "principal": {"clientCIDRs": [str(c) for c in route.allow_from]}}
        yield "authorization", {"defaultAction": "Deny", "rules": [allowed]}
    if (oidc := route.oidc) is not None:
        endpoints = {"authorizationEndpoint": oidc.authorization, "tokenEndpoint": oidc.token}
        provider: dict[str, Any] = {"issuer": oidc.issuer} | {key: url for key, url in endpoints.items() if url}
        if (asked := oidc.provider) is not None:
            # Without a BackendTLSPolicy it is asked in clear, whatever the token endpoint's scheme is.
            elsewhere = {"namespace": asked.namespace} if asked.namespace else {}
            provider["backendRefs"] = [_to(ir, route, asked) | elsewhere]
        secret = {"group": "", "kind": "Secret", "name": oidc.secret}
        yield (
            "oidc",
            {"provider": provider, "clientIDRef": secret, "clientSecret": secret, "scopes": list(oidc.scopes)},
        )


def _traffic(route: HttpRoute) -> Iterator[tuple[str, Any]]:
    if route.retries is not None:
        yield "retry", {"numRetries": route.retries, "retryOn": {"triggers": _NOT_TAKEN}}
    if route.grpc and route.timeouts.last_byte is not None:
        # A GRPCRoute has no times.
        yield "timeout", {"http": {"requestTimeout": f"{route.timeouts.last_byte}s"}}
