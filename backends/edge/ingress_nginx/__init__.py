"""ingress-nginx, which is retired: for clusters that still run it. By its Helm chart, a route as Ingresses with
annotations, never with snippets.

Source: kubernetes/ingress-nginx at its last release, internal/ingress/annotations and controller/config/config.go.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from netspec.analysis.routes import bare, rules
from netspec.backends.edge.ingress_nginx.patterns import patterns
from netspec.backends.edge.ingresses import (
    SAFE_HEADERS,
    ProxySettings,
    decoded,
    front,
    host_name,
    https_has_hosts,
    ingress,
    ingress_facts,
    installed,
    of_class,
    own_namespace,
    placed,
    port_number,
    stays_with_host,
    traced,
)
from netspec.backends.edge.patterns import Written, with_patterns
from netspec.backends.objects import Manifest
from netspec.catalogue import IMAGES, INGRESS_NGINX, INGRESS_NGINX_CHART
from netspec.diagnostics import Report
from netspec.ir.http import Cors, HttpRoute, UsersSecret
from netspec.ir.model import Ir
from netspec.plan import CLUSTER, Node
from netspec.target import Backend, Fact, Feature, Needs, Traits

NAMESPACE = NAME = "ingress-nginx"
CONTROLLER = "ingress-nginx-controller"
REPOSITORY = "https://kubernetes.github.io/ingress-nginx"
CLASS = "nginx"
PODS = {
    "app.kubernetes.io/name": NAME,
    "app.kubernetes.io/instance": NAME,
    "app.kubernetes.io/component": "controller",
}
_KEY = "nginx.ingress.kubernetes.io/"
_REALM = re.compile(r"[A-Za-z0-9/._~ -]*\Z")
#: As many as a route may have paths, each of which may have a canary.
_CANARIES = tuple(f".canary-{i}" for i in range(100))
_SHARES = 2


class IngressNginxSettings(ProxySettings):
    """ingress-nginx serves the spec's HTTP routes, by its Helm chart. Retired: no release, no fix since March 2026."""


class IngressNginx(Backend):
    name = "ingress-nginx"
    settings = IngressNginxSettings
    supports = frozenset(
        {
            Feature.HTTP_ROUTES,
            Feature.HTTP_TLS,
            Feature.HTTP_SELF_SIGNED,
            Feature.HTTP_WILDCARD,
            Feature.HTTP_REGEX,
            Feature.HTTP_REDIRECT,
            Feature.HTTP_WEIGHTS,
            Feature.HTTP_GRPC,
            Feature.HTTP_MAX_BODY,
            Feature.HTTP_ALLOW_FROM,
            Feature.HTTP_BASIC_AUTH,
            Feature.HTTP_CORS,
            Feature.HTTP_STICKY,
            Feature.HTTP_WEB_SOCKET,
            Feature.HTTP_FIRST_BYTE,
            Feature.HTTP_TRACING,
        }
    )

    def traits(self, ir: Ir, settings: IngressNginxSettings, traits: Traits) -> Traits:
        suffixes = ("", *_CANARIES)
        return replace(
            traits,
            front=front(
                ir, settings, NAMESPACE, (CONTROLLER, CONTROLLER), PODS, suffixes=suffixes, users=UsersSecret("auth")
            ),
        )

    def check(self, ir: Ir, settings: IngressNginxSettings, needs: Needs, report: Report) -> None:
        """NS871, NS872, NS873, NS902."""
        message = "ingress-nginx is retired: its last release is of March 2026, and what is found in it stays open"
        report.warning("NS873", ("stacks", ir.stack, "ingress"), message, "take another controller: docs/edge.md")
        own_namespace(ir, NAMESPACE, "ingress-nginx", report)
        https_has_hosts(ir, "ingress-nginx", report)
        stays_with_host(ir, "ingress-nginx", report)
        decoded(ir, "ingress-nginx", report)
        _slashes(ir, report)
        for route in ir.http:
            path, basic = route.place.path, route.basic_auth
            for i, rule in enumerate(route.paths):
                if len(rule.backends) > _SHARES:
                    message = "ingress-nginx has one canary for a path"
                    report.error("NS871", (*path, "paths", i, "backends"), message, "keep two backends")
            if route.grpc and route.tls is None:
                message = "ingress-nginx speaks HTTP/2, and so gRPC, over HTTPS only"
                report.error("NS871", (*path, "protocol"), message, "add tls: {}")
            if basic is not None and basic.realm is not None and not _REALM.match(basic.realm):
                message = "ingress-nginx takes letters, digits, spaces and /._~- for a realm"
                report.error("NS871", (*path, "basicAuth", "realm"), message, "leave the rest out")

    def lower(self, ir: Ir, settings: IngressNginxSettings, needs: Needs) -> tuple[Node, ...]:
        made = installed(ir, NAME, NAMESPACE, NAME, INGRESS_NGINX_CHART.official, values(ir, settings), REPOSITORY)
        return (*made, *(placed(obj, CLUSTER) for obj in objects(ir)))

    def images(self, ir: Ir, settings: IngressNginxSettings) -> tuple[str, ...]:
        return (IMAGES["ingress-nginx"],)

    def facts(self, ir: Ir, settings: IngressNginxSettings) -> tuple[Fact, ...]:
        given = of_class(CLASS, "k8s.io/ingress-nginx")
        return ingress_facts(f"{NAMESPACE}/{CONTROLLER}", settings.replicas, given, objects(ir))


def _slashes(ir: Ir, report: Report) -> None:
    """NS871: NGINX sends what comes without its last slash to an exact path that has one, unless a path of its own
    takes it; no regular expression does."""
    found = list(rules(ir.http))
    known, by_regex = {(rule.host, bare(rule.path)) for rule in found}, with_patterns(ir.http)
    for rule in found:
        path = rule.path.path
        alone = path.endswith("/") and (rule.host, path[:-1]) not in known and path != "/"
        if rule.path.exact and alone and rule.host not in by_regex:
            where = (*rule.route.place.path, "paths", rule.route.paths.index(rule.path), "path")
            message = f"ingress-nginx redirects {path[:-1]} to {path}"
            report.error("NS871", where, message, f"add a path {path[:-1]}, or remove the slash")


def values(ir: Ir, settings: IngressNginxSettings) -> dict[str, Any]:
    """The chart's. Its admission webhook is left out (CVE-2025-1974), and its ConfigMap takes away what a route did not
    ask for: snippets, HSTS, and 308 in place of 301."""
    return {
        "controller": {
            "replicaCount": settings.replicas,
            "image": {"tag": f"v{INGRESS_NGINX.official}", "digest": ""},
            "admissionWebhooks": {"enabled": False},
            "allowSnippetAnnotations": False,
            "config": {"hsts": "false", "http-redirect-code": "301", **_tracing(ir)},
            "ingressClassResource": {"name": CLASS},
            "service": settings.of_service(ir),
        }
    }


def _tracing(ir: Ir) -> dict[str, str]:
    """A collector over gRPC, in clear. Which requests are traced each Ingress says."""
    if (found := traced(ir)) is None:
        return {}
    route, tracing = found
    return {
        "enable-opentelemetry": "true",
        "otlp-collector-host": host_name(ir, route, tracing.collector),
        "otlp-collector-port": str(port_number(ir, route, tracing.collector)),
        "otel-sampler": "TraceIdRatioBased",
        "otel-sampler-ratio": str(tracing.percent / 100),
        "otel-sampler-parent-based": "true",
    }


def objects(ir: Ir) -> Iterator[Manifest]:
    """Of each route the Ingress, then for each path that is shared one with the smaller part."""
    written = patterns(ir.http)
    for route in ir.http:
        yield _ingress(ir, route, written)
        for i, path in enumerate(route.paths):
            if len(path.backends) == _SHARES:
                yield _canary(route, i, written)


def _ingress(ir: Ir, route: HttpRoute, written: Written) -> Manifest:
    options = _options(route, traced(ir) is not None)
    if any(path.regex for path in route.paths):
        options["use-regex"] = "true"
    if route.sticky and any((host, path) in written for host in route.hosts or ("",) for path in route.paths):
        # Left out, it is the path as it stands here.
        options["session-cookie-path"] = "/"
    annotations = {_KEY + key: value for key, value in options.items()}
    return ingress(route, CLASS, annotations, lambda path: path.backends[0], written)


def _canary(route: HttpRoute, index: int, written: Written) -> Manifest:
    shared = route.paths[index]
    first, second = shared.backends
    options = {
        "canary": "true",
        "canary-weight": str(second.weight),
        "canary-weight-total": str(first.weight + second.weight),
    }
    annotations = {_KEY + key: value for key, value in options.items()}
    chosen = replace(route, paths=(shared,), tls=None)
    return ingress(chosen, CLASS, annotations, lambda _: second, written, _CANARIES[index])


def _options(route: HttpRoute, is_traced: bool) -> dict[str, str]:
    redirect = "true" if route.redirect_to_https else "false"
    # Without a limit of its own a body may have one MiB.
    out = {
        "ssl-redirect": redirect,
        "force-ssl-redirect": redirect,
        "proxy-body-size": str(route.max_body_size or 0),
    }
    if route.grpc:
        out["backend-protocol"] = "GRPC"
    if route.timeouts.first_byte is not None:
        # Else the next pod is asked, and given the same time.
        out |= {"proxy-read-timeout": str(route.timeouts.first_byte), "proxy-next-upstream": "error"}
    if is_traced:
        out["enable-opentelemetry"] = "true" if route.tracing is not None else "false"
    if route.allow_from:
        out["whitelist-source-range"] = ",".join(map(str, route.allow_from))
    if (basic := route.basic_auth) is not None:
        out |= {"auth-type": "basic", "auth-secret": basic.secret}
        out |= {"auth-realm": basic.realm} if basic.realm else {}
    if route.cors is not None:
        out |= _cors(route.cors)
    if route.sticky:
        out |= {"affinity": "cookie", "affinity-mode": "persistent", "session-cookie-name": route.sticky}
    return out


def _cors(cors: Cors) -> dict[str, str]:
    exposed = {"cors-expose-headers": ", ".join(cors.expose_headers)} if cors.expose_headers else {}
    return {
        "enable-cors": "true",
        "cors-allow-origin": ", ".join(cors.origins),
        "cors-allow-methods": ", ".join(cors.methods),
        "cors-allow-headers": ", ".join(cors.headers or SAFE_HEADERS),
        "cors-allow-credentials": "true" if cors.credentials else "false",
        "cors-max-age": str(cors.max_age),
        **exposed,
    }
