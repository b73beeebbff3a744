"""Routes as Ingresses of one group, which is one load balancer.

The load balancer goes through its rules one by one. An Ingress's rules stand together, its exact paths first, then
longer prefixes before shorter ones, then regular expressions; Ingresses stand in the order that each of them gives. So
a route is one Ingress, unless a host has rules of several routes, which must stand among each other, or patterns, which
stand before prefixes.

What a path leads to is always an action of ours, by a name that no Service has: conditions and rewriting go by that
name too.

Sources: kubernetes-sigs/aws-load-balancer-controller 3.5, docs/guide/ingress/annotations.md, pkg/ingress; AWS docs,
listener rules of Application Load Balancers: conditions, transforms.
"""

import json
from collections import defaultdict
from collections.abc import Iterator
from itertools import groupby
from typing import Any

from netspec.analysis.routes import Rule, bare, rules
from netspec.backends.edge.aws_lbc.install import INGRESS_CLASS
from netspec.backends.edge.aws_lbc.settings import AwsAlbSettings
from netspec.backends.edge.ingresses import BY_ANNOTATION, port_number
from netspec.backends.objects import Manifest, manifest
from netspec.ir.http import HttpPath, HttpRoute
from netspec.ir.model import Ir

_KEY = "alb.ingress.kubernetes.io/"
#: Of a rule: host, path and client addresses together.
MOST_VALUES = 5
#: Of an Ingress in its group.
MOST_ORDER = 1000
#: Parts of a route that is several Ingresses.
SUFFIXES = ("", *(f".{i}" for i in range(1, 100)), ".http", *(f".{i}.http" for i in range(1, 100)))
#: The cookie's name is not a matter of choice.
COOKIE = "AWSALB"
_DAY = 86400
#: All that are in it are one load balancer.
_GROUP = "netspec"
_PLAIN, _SECURE = {"HTTP": 80}, {"HTTPS": 443}
_REDIRECT = {"type": "redirect", "redirectConfig": {"protocol": "HTTPS", "port": "443", "statusCode": "HTTP_301"}}
_NOBODY = {
    "type": "fixed-response",
    "fixedResponseConfig": {"contentType": "text/plain", "statusCode": "403", "messageBody": "403 Forbidden"},
}
#: A route's rules that stand together.
_Part = tuple[HttpRoute, list[Rule]]


def ingresses(ir: Ir, settings: AwsAlbSettings) -> tuple[Manifest, ...]:
    return tuple(_ingresses(ir, settings))


def parts(ir: Ir) -> list[_Part]:
    """In the order in which they must stand: rules of any host after those of named ones."""
    by_host: dict[str, list[Rule]] = defaultdict(list)
    for rule in rules(ir.http):
        by_host[rule.host].append(rule)
    alone: dict[str, _Part] = {}
    among: list[_Part] = []
    for host in sorted(by_host, key=lambda h: (not h, h)):
        found = sorted(by_host[host], key=lambda r: -r.priority)
        patterns = any(rule.path.regex for rule in found)
        runs = [list(run) for _, run in groupby(found, key=lambda r: (r.route.id, patterns and _is_prefix(r)))]
        if len(runs) == 1 and host:
            route = runs[0][0].route
            alone.setdefault(route.id, (route, []))[1].extend(runs[0])
        else:
            among += [(run[0].route, run) for run in runs]
    return [*alone.values(), *among]


def _is_prefix(rule: Rule) -> bool:
    return not (rule.path.exact or rule.path.regex)


def _ingresses(ir: Ir, settings: AwsAlbSettings) -> Iterator[Manifest]:
    seen: dict[str, int] = defaultdict(int)
    for order, (route, found) in enumerate(parts(ir), start=1):
        number = seen[route.id]
        seen[route.id] += 1
        name = f"{route.name}.{number}" if number else route.name
        yield _ingress(name, route, found, _served(ir, route, found), _options(settings, route, order))
        if route.redirect_to_https:
            to_https: list[_Row] = [(rule, "https", _REDIRECT, {}) for rule in found]
            options = _group(settings, order) | {"listen-ports": json.dumps([_PLAIN])}
            yield _ingress(f"{name}.http", route, found, to_https, options)


#: Rule, the action's name, the action, what else goes by that name.
_Row = tuple[Rule, str, dict[str, Any], dict[str, Any]]


def _served(ir: Ir, route: HttpRoute, found: list[Rule]) -> list[_Row]:
    """Those who may come in rules of as many addresses as one has room for; then, for the same path, 403."""
    out: list[_Row] = []
    for rule in found:
        index = route.paths.index(rule.path)
        forward = _forward(ir, route, rule.path)
        more = {"transforms": [change]} if (change := _rewritten(route, rule.path)) else {}
        if not route.allow_from:
            out.append((rule, f"path-{index}", forward, more))
            continue
        room = MOST_VALUES - bool(rule.host) - len(_patterns(rule.path))
        cidrs = [str(cidr) for cidr in route.allow_from]
        for i in range(0, len(cidrs), room):
            source = {"field": "source-ip", "sourceIpConfig": {"values": cidrs[i : i + room]}}
            out.append((rule, f"path-{index}-from-{i // room}", forward, {"conditions": [source], **more}))
        out.append((rule, "nobody", _NOBODY, {}))
    return out


def _patterns(path: HttpPath) -> list[str]:
    """As the controller writes them."""
    if path.exact:
        return [path.path]
    if path.regex:
        return [regex(path)]
    return [bare(path), f"{bare(path)}/*"] if bare(path) else ["/*"]


def regex(path: HttpPath) -> str:
    return f"^(?:{path.path})$"


def _ingress(name: str, route: HttpRoute, found: list[Rule], rows: list[_Row], options: dict[str, str]) -> Manifest:
    said = dict(options)
    by_host: dict[str, list[dict[str, Any]]] = {rule.host: [] for rule in found}
    for rule, action, does, more in rows:
        said[f"actions.{action}"] = json.dumps(does)
        said |= {f"{kind}.{action}": json.dumps(value) for kind, value in more.items()}
        backend = {"service": {"name": action, "port": {"name": "use-annotation"}}}
        by_host[rule.host].append({**_path(rule.path), "backend": backend})
    if any(rule.path.regex for rule in found):
        said["use-regex-path-match"] = "true"
    hosts = [{**({"host": host} if host else {}), "http": {"paths": paths}} for host, paths in by_host.items()]
    annotations = {_KEY + key: value for key, value in said.items()}
    spec = {"ingressClassName": INGRESS_CLASS, "rules": hosts}
    return manifest("networking.k8s.io/v1", "Ingress", name, route.namespace, annotations=annotations, spec=spec)


def _path(path: HttpPath) -> dict[str, Any]:
    if path.regex:
        # Its first slash is taken away.
        return {"path": f"/{regex(path)}", "pathType": BY_ANNOTATION}
    return {"path": bare(path) or "/", "pathType": "Exact" if path.exact else "Prefix"}


def _forward(ir: Ir, route: HttpRoute, path: HttpPath) -> dict[str, Any]:
    groups = [
        {"serviceName": b.service, "servicePort": port_number(ir, route, b), "weight": b.weight} for b in path.backends
    ]
    return {"type": "forward", "forwardConfig": {"targetGroups": groups}}


def _rewritten(route: HttpRoute, path: HttpPath) -> dict[str, Any] | None:
    """What replaces the beginning of the URL, whose query stays: the path that the rule is for is there."""
    rewrite = route.rewrite
    if rewrite is None:
        return None
    if rewrite.path is not None:
        regex, to = "^[^?]*", rewrite.path
    else:
        prefix = (rewrite.prefix or "").rstrip("/")
        known = "".join(f"\\{c}" if c in ".+" else c for c in bare(path))
        regex, to = (f"^{known}", prefix) if prefix and bare(path) else (f"^{known}/?", f"{prefix}/")
        if not prefix and not bare(path):
            return None
    return {"type": "url-rewrite", "urlRewriteConfig": {"rewrites": [{"regex": regex, "replace": to}]}}


def _group(settings: AwsAlbSettings, order: int) -> dict[str, str]:
    return {"group.name": _GROUP, "group.order": str(order), "scheme": settings.scheme}


def _options(settings: AwsAlbSettings, route: HttpRoute, order: int) -> dict[str, str]:
    ports = [_PLAIN] if route.tls is None else [_SECURE] if route.redirect_to_https else [_PLAIN, _SECURE]
    out = _group(settings, order) | {
        "listen-ports": json.dumps(ports),
        "target-type": "ip",
        # A pod that answers is well, whatever it says at /; that it is ready its own probe says.
        "success-codes": "0-99" if route.grpc else "200-499",
    }
    if route.tls:
        out["certificate-arn"] = settings.certificates.get(f"{route.namespace}/{route.tls}", "")
    if route.grpc:
        out["backend-protocol-version"] = "GRPC"
    if route.sticky:
        stays = f"stickiness.enabled=true,stickiness.type=lb_cookie,stickiness.lb_cookie.duration_seconds={_DAY}"
        out["target-group-attributes"] = stays
    if (oidc := route.oidc) is not None:
        provider = {
            "issuer": oidc.issuer,
            "authorizationEndpoint": oidc.authorization,
            "tokenEndpoint": oidc.token,
            "userInfoEndpoint": oidc.user_info,
            "secretName": oidc.secret,
        }
        out |= {
            "auth-type": "oidc",
            "auth-idp-oidc": json.dumps(provider),
            "auth-scope": " ".join(oidc.scopes),
            "auth-on-unauthenticated-request": "authenticate",
        }
    return out
