"""HAProxy Ingress (jcmoraisjr) by its Helm chart: a route is an Ingress with annotations.

Source: jcmoraisjr/haproxy-ingress, docs/content/en/docs/configuration/keys.md (scope and default of each key).
"""

from dataclasses import replace
from typing import Any

from netspec.backends.edge.ingresses import (
    SAFE_HEADERS,
    ProxySettings,
    front,
    https_has_hosts,
    ingress,
    ingress_facts,
    installed,
    of_class,
    own_namespace,
    placed,
    port_number,
    same_for_service,
)
from netspec.backends.objects import Manifest
from netspec.catalogue import HAPROXY_INGRESS, IMAGES
from netspec.diagnostics import Report
from netspec.ir.http import Cors, HttpRoute, UsersSecret
from netspec.ir.model import Ir
from netspec.plan import CLUSTER, Node
from netspec.target import Backend, Fact, Feature, Needs, Traits

NAMESPACE = NAME = "haproxy-ingress"
REPOSITORY = "https://haproxy-ingress.github.io/charts"
CLASS = "haproxy"
PODS = {"app.kubernetes.io/name": NAME, "app.kubernetes.io/instance": NAME}
_KEY = "haproxy-ingress.github.io/"


class HaproxySettings(ProxySettings):
    """HAProxy Ingress serves the spec's HTTP routes, by its Helm chart."""


class Haproxy(Backend):
    name = "haproxy"
    settings = HaproxySettings
    supports = frozenset(
        {
            Feature.HTTP_ROUTES,
            Feature.HTTP_TLS,
            Feature.HTTP_SELF_SIGNED,
            Feature.HTTP_WILDCARD,
            Feature.HTTP_REDIRECT,
            Feature.HTTP_GRPC,
            Feature.HTTP_MAX_BODY,
            Feature.HTTP_RATE_LIMIT,
            Feature.HTTP_ALLOW_FROM,
            Feature.HTTP_BASIC_AUTH,
            Feature.HTTP_EXTERNAL_AUTH,
            Feature.HTTP_CORS,
            Feature.HTTP_REWRITE,
            Feature.HTTP_STICKY,
            Feature.HTTP_WEB_SOCKET,
            Feature.HTTP_FIRST_BYTE,
            Feature.HTTP_PASSTHROUGH,
        }
    )

    def traits(self, ir: Ir, settings: HaproxySettings, traits: Traits) -> Traits:
        return replace(
            traits, front=front(ir, settings, NAMESPACE, (NAME, NAME), PODS, users=UsersSecret("auth", crypt=True))
        )

    def check(self, ir: Ir, settings: HaproxySettings, needs: Needs, report: Report) -> None:
        """NS870, NS871, NS902."""
        own_namespace(ir, NAMESPACE, "HAProxy Ingress", report)
        https_has_hosts(ir, "HAProxy Ingress", report)
        same_for_service(ir, "HAProxy Ingress", of_service, report)
        for route in ir.http:
            path, limit, rewrite = route.place.path, route.rate_limit, route.rewrite
            if limit is not None and (limit.per != "second" or limit.burst != limit.requests):
                message = "HAProxy Ingress counts the requests of the last second, and has no other time and no burst"
                hint = f"rateLimit: {{requests: {limit.requests}, per: second, burst: {limit.requests}}}"
                report.error("NS871", (*path, "rateLimit"), message, hint)
            if rewrite is not None and rewrite.path is not None and not all(p.exact for p in route.paths):
                message = "HAProxy Ingress replaces the prefix, not the whole of a path that is below it"
                report.error(
                    "NS871", (*path, "rewrite"), message, "type: Exact for the paths, or rewrite: {prefix: ...}"
                )
            if route.cors is not None and len(route.cors.origins) > 1:
                message = "HAProxy Ingress answers one origin or all"
                report.error("NS871", (*path, "cors"), message, "keep one origin, or make a route for each host")

    def lower(self, ir: Ir, settings: HaproxySettings, needs: Needs) -> tuple[Node, ...]:
        made = installed(ir, NAME, NAMESPACE, NAME, HAPROXY_INGRESS.official, values(ir, settings), REPOSITORY)
        return (*made, *(placed(_object(ir, route), CLUSTER) for route in ir.http))

    def images(self, ir: Ir, settings: HaproxySettings) -> tuple[str, ...]:
        return (IMAGES["haproxy-ingress"],)

    def facts(self, ir: Ir, settings: HaproxySettings) -> tuple[Fact, ...]:
        made = (_object(ir, route) for route in ir.http)
        given = of_class(CLASS, "haproxy-ingress.github.io/controller")
        return ingress_facts(f"{NAMESPACE}/{NAME}", settings.replicas, given, made)


def values(ir: Ir, settings: HaproxySettings) -> dict[str, Any]:
    """The chart's. Its ConfigMap says what the controller would else do in its own way: HSTS, 302, and that a host's
    requests which no path of it takes go on to the wildcard's."""
    return {
        "controller": {
            "image": {"tag": f"v{HAPROXY_INGRESS.official}"},
            "replicaCount": settings.replicas,
            "ingressClass": CLASS,
            "ingressClassResource": {"enabled": True},
            "config": {
                "hsts": "false",
                "no-tls-redirect-locations": "",
                "ssl-redirect-code": "301",
                "strict-host": "false",
            },
            "service": settings.of_service(ir),
        }
    }


def of_service(route: HttpRoute) -> dict[str, str]:
    """What the controller has for a Service's port, whichever Ingress says it."""
    out = {}
    if route.grpc:
        out["backend-protocol"] = "h2"
    if route.rate_limit is not None:
        out["limit-rps"] = str(route.rate_limit.requests)
    if route.timeouts.first_byte is not None:
        out["timeout-server"] = f"{route.timeouts.first_byte}s"
    if route.sticky:
        out |= {"affinity": "cookie", "session-cookie-name": route.sticky}
    return out


def _object(ir: Ir, route: HttpRoute) -> Manifest:
    annotations = {_KEY + key: value for key, value in _options(ir, route).items()}
    return ingress(route, CLASS, annotations, lambda path: path.backends[0])


def _options(ir: Ir, route: HttpRoute) -> dict[str, str]:
    out = of_service(route) | {"ssl-redirect": "true" if route.redirect_to_https else "false"}
    if route.passthrough:
        # Plain HTTP of such a host it redirects by itself.
        out["ssl-passthrough"] = "true"
    if route.max_body_size is not None:
        out["proxy-body-size"] = str(route.max_body_size)
    if route.allow_from:
        out["allowlist-source-range"] = ",".join(map(str, route.allow_from))
    if (basic := route.basic_auth) is not None:
        out |= {"auth-secret": basic.secret} | ({"auth-realm": basic.realm} if basic.realm else {})
    if (asked := route.external_auth) is not None:
        port = port_number(ir, route, asked.backend)
        out["auth-url"] = f"svc://{asked.backend.service}:{port}{asked.path}"
        # Left out, all of them are copied.
        out["auth-headers-succeed"] = ",".join(asked.response_headers) or "-"
    if route.cors is not None:
        out |= _cors(route.cors)
    if route.rewrite is not None:
        out["rewrite-target"] = route.rewrite.path or route.rewrite.prefix or "/"
    return out


def _cors(cors: Cors) -> dict[str, str]:
    exposed = {"cors-expose-headers": ",".join(cors.expose_headers)} if cors.expose_headers else {}
    return {
        "cors-enable": "true",
        "cors-allow-origin": cors.origins[0],
        "cors-allow-methods": ",".join(cors.methods),
        "cors-allow-headers": ",".join(cors.headers or SAFE_HEADERS),
        "cors-allow-credentials": "true" if cors.credentials else "false",
        "cors-max-age": str(cors.max_age),
        **exposed,
    }
