"""Routes as F5's own objects: a VirtualServer for each host, whose routes it has together, and a Policy an option.

NGINX takes an exact location before all others, then the first regular expression in the order they are written in,
then the longest prefix; and where a location ends in a slash, which is not the whole of it, it redirects to it what
comes without the slash, before it asks any expression.

Source: nginx/kubernetes-ingress 5.6, docs/crd: k8s.nginx.org VirtualServer and Policy; v5.5.4, generatePath and
generateRewrites of internal/configs/virtualserver.go.
"""

from collections.abc import Iterator
from typing import Any

from netspec.analysis.routes import Rule, bare, chosen, rewritten, rules
from netspec.backends.edge.ingresses import SAFE_HEADERS, port_number
from netspec.backends.objects import Manifest, manifest
from netspec.ir.http import HttpPath, HttpRoute
from netspec.ir.model import Ir

API = "k8s.nginx.org/v1"
CLASS = "nginx"
#: Of the names of a route's VirtualServers: one for each of its hosts that no route before it has.
HOST_SUFFIXES = tuple(f".h{i}" for i in range(256))
#: What no route of a host takes.
_NOBODY = {"action": {"return": {"code": 404, "type": "text/plain", "body": "404 Not Found"}}}
RATES = {"second": "r/s", "minute": "r/m"}


def objects(ir: Ir) -> tuple[Manifest, ...]:
    """The Policies, then what uses them."""
    policies = [
        manifest(API, "Policy", f"{route.name}.{kind}", route.namespace, spec={"ingressClassName": CLASS, field: spec})
        for route in ir.http
        for kind, field, spec in _policies(route)
    ]
    return (*policies, *(_server(ir, host, routes) for host, routes in by_host(ir).items()))


def by_host(ir: Ir) -> dict[str, list[HttpRoute]]:
    """Host -> its routes; the first of them names the object."""
    out: dict[str, list[HttpRoute]] = {}
    for route in ir.http:
        for host in route.hosts:
            out.setdefault(host, []).append(route)
    return out


def percent(path: HttpPath) -> list[int] | None:
    """The shares of a path's backends; None where they are no whole percents."""
    total = sum(b.weight for b in path.backends)
    if not total or any(b.weight * 100 % total for b in path.backends):
        return None
    return [b.weight * 100 // total for b in path.backends]


def _server(ir: Ir, host: str, routes: list[HttpRoute]) -> Manifest:
    owner = routes[0]
    upstreams: list[dict[str, Any]] = []
    found: dict[str, dict[str, Any]] = {}
    named: dict[Rule, list[str]] = {}
    for rule in sorted((r for r in rules(routes) if r.host == host), key=lambda r: -r.priority):
        named[rule] = _upstreams(ir, rule.route, rule.path, upstreams)
        location, to = _location(rule.route, rule.path)
        found[location] = _route(rule.route, rule.path, location, to, named[rule])
    for text in [location.strip("=")[:-1] for location in found if location.endswith("/")]:
        location, taking = f"={text}", chosen(named, host, text)
        if text and location not in found:
            itself = _NOBODY if taking is None else _itself(taking, text, named[taking])
            found[location] = {"path": location} | itself
    expressions = [location for location in found if location.startswith("~")]
    order = [*sorted(found.keys() - set(expressions)), *expressions]
    spec: dict[str, Any] = {"ingressClassName": CLASS, "host": host}
    if owner.tls is not None:
        spec["tls"] = {"secret": owner.tls}
        if owner.redirect_to_https:
            spec["tls"]["redirect"] = {"enable": True, "code": 301}
    spec |= {"upstreams": upstreams, "routes": [found[location] for location in order]}
    name = f"{owner.name}{HOST_SUFFIXES[owner.hosts.index(host)]}"
    return manifest(API, "VirtualServer", name, owner.namespace, spec=spec)


def _upstreams(ir: Ir, route: HttpRoute, path: HttpPath, out: list[dict[str, Any]]) -> list[str]:
    """The names of a path's backends; each is made anew, for a limit of the body is the route's own."""
    names = []
    for backend in path.backends:
        names.append(f"u{len(out)}")
        one: dict[str, Any] = {
            "name": names[-1],
            "service": backend.service,
            "port": port_number(ir, route, backend),
            # Left out, a body may have one MiB.
            "client-max-body-size": str(route.max_body_size or 0),
        }
        if route.timeouts.first_byte is not None:
            # Else the next pod is asked, and given the same time.
            one |= {"read-timeout": f"{route.timeouts.first_byte}s", "next-upstream": "error"}
        out.append(one | ({"type": "grpc"} if route.grpc else {}))
    return names


def _location(route: HttpRoute, path: HttpPath) -> tuple[str, str | None]:
    """NGINX's, and what of the path it replaces: its prefixes are of characters, not of segments."""
    rewrite = route.rewrite
    whole = rewrite.path if rewrite is not None else None
    if path.regex:
        return f"~ ^(?:{path.path})$", whole
    if path.exact:
        return f"={path.path}", whole
    prefix = f"{rewrite.prefix.rstrip('/')}/" if rewrite is not None and rewrite.prefix is not None else None
    return f"{bare(path)}/", prefix


def _itself(rule: Rule, path: str, names: list[str]) -> dict[str, Any]:
    """One path that the rule takes."""
    to = rewritten(rule, path) if rule.route.rewrite is not None else None
    return _route(rule.route, rule.path, f"={path}", to, names)


def _route(route: HttpRoute, path: HttpPath, location: str, rewritten: str | None, names: list[str]) -> dict[str, Any]:
    policies = [{"name": f"{route.name}.{kind}"} for kind, _, _ in _policies(route)]
    out: dict[str, Any] = {"path": location} | ({"policies": policies} if policies else {})
    actions = [_action(route, name, rewritten) for name in names]
    if len(actions) == 1:
        return out | {"action": actions[0]}
    shares = percent(path) or []
    return out | {"splits": [{"weight": share, "action": a} for share, a in zip(shares, actions, strict=True)]}


def _action(route: HttpRoute, name: str, rewritten: str | None) -> dict[str, Any]:
    changed: dict[str, Any] = {}
    if rewritten is not None:
        changed["rewritePath"] = rewritten
    request, response = route.request_headers, route.response_headers
    # Without a value a header is not passed on.
    given = [*request.set, *((header, "") for header in request.remove)]
    if given:
        changed["requestHeaders"] = {"set": [{"name": header, "value": value} for header, value in given]}
    if hidden := [*(header for header, _ in response.set), *response.remove]:
        added = [{"name": header, "value": value, "always": True} for header, value in response.set]
        changed["responseHeaders"] = {"hide": hidden} | ({"add": added} if added else {})
    return {"proxy": {"upstream": name, **changed}} if changed else {"pass": name}


def _policies(route: HttpRoute) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(the option's name, F5's, its fields)."""
    if route.allow_from:
        yield "allow", "accessControl", {"allow": [str(cidr) for cidr in route.allow_from]}
    if (limit := route.rate_limit) is not None:
        # NGINX's burst is what comes at once beyond the first.
        more = {"burst": limit.burst - 1, "noDelay": True} if limit.burst > 1 else {}
        rate = f"{limit.requests}{RATES[limit.per]}" if limit.per in RATES else ""
        key = "${binary_remote_addr}"
        yield "rate", "rateLimit", {"rate": rate, "key": key, "zoneSize": "10M", "rejectCode": 429, **more}
    if (basic := route.basic_auth) is not None:
        yield "basic", "basicAuth", {"secret": basic.secret} | ({"realm": basic.realm} if basic.realm else {})
    if (cors := route.cors) is not None:
        exposed = {"exposeHeaders": list(cors.expose_headers)} if cors.expose_headers else {}
        yield (
            "cors",
            "cors",
            {
                "allowOrigin": list(cors.origins),
                "allowMethods": list(cors.methods),
                "allowHeaders": list(cors.headers or SAFE_HEADERS),
                "allowCredentials": cors.credentials,
                "maxAge": cors.max_age,
                **exposed,
            },
        )
