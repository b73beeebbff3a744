"""Traefik as ingress controller. A route becomes IngressRoutes and Middlewares, its own kinds: in an Ingress an exact
path may lose to a prefix, for Traefik goes by the length of the rule, and no path can have weights."""

from dataclasses import replace

from netspec.backends.edge.ingresses import own_namespace, proxy
from netspec.backends.edge.traefik.install import HTTP, HTTPS, NAME, NAMESPACE, PODS, WEB, WEBSECURE, install
from netspec.backends.edge.traefik.routes import PASSED, objects
from netspec.backends.edge.traefik.settings import TraefikSettings
from netspec.diagnostics import Report
from netspec.ir.http import Front
from netspec.ir.model import ContainerPort, Ir, ServicePort
from netspec.plan import Node
from netspec.target import Backend, Fact, Feature, Field, Needs, ObjectRead, ReadyRead, Traits

#: Of a route as it stands on the cluster.
_ROUTE = (
    ("entryPoints", Field("spec.entryPoints")),
    ("routes", Field("spec.routes")),
    ("tls", Field("spec.tls")),
)

_RESOURCES = {"IngressRoute": "ingressroutes.traefik.io", PASSED: "ingressroutetcps.traefik.io"}
#: What a route refers to: what it has besides hosts, paths and Services.
_OPTIONS = {
    "Middleware": "middlewares.traefik.io",
    "ServersTransport": "serverstransports.traefik.io",
    "TraefikService": "traefikservices.traefik.io",
}


class Traefik(Backend):
    name = "traefik"
    settings = TraefikSettings
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
            Feature.HTTP_RATE_LIMIT,
            Feature.HTTP_ALLOW_FROM,
            Feature.HTTP_BASIC_AUTH,
            Feature.HTTP_EXTERNAL_AUTH,
            Feature.HTTP_CORS,
            Feature.HTTP_HEADERS,
            Feature.HTTP_REWRITE,
            Feature.HTTP_ERROR_PAGES,
            Feature.HTTP_RETRIES,
            Feature.HTTP_STICKY,
            Feature.HTTP_WEB_SOCKET,
            Feature.HTTP_FIRST_BYTE,
            Feature.HTTP_MIRROR,
            Feature.HTTP_TRACING,
            Feature.HTTP_PASSTHROUGH,
        }
    )

    def traits(self, ir: Ir, settings: TraefikSettings, traits: Traits) -> Traits:
        ports = [
            (ContainerPort(number, "TCP", name), ServicePort(port, name, "TCP", name))
            for number, port, name in ((WEB, 80, HTTP), (WEBSECURE, 443, HTTPS))
        ]
        pair = proxy(ir, settings, "ingress", NAMESPACE, (NAME, NAME), PODS, ports)
        front = Front(*pair, HTTP, HTTPS, kind="IngressRoute", also=(PASSED,), suffixes=("", ".http"))
        return replace(traits, front=front)

    def check(self, ir: Ir, settings: TraefikSettings, needs: Needs, report: Report) -> None:
        """NS871, NS902."""
        own_namespace(ir, NAMESPACE, "Traefik", report)
        for route in ir.http:
            if route.grpc and route.timeouts.first_byte is not None:
                message = "Traefik has no time for answers of HTTP/2 in clear, and so gRPC"
                report.error("NS871", (*route.place.path, "timeouts"), message, "remove it, or protocol: grpc")

    def lower(self, ir: Ir, settings: TraefikSettings, needs: Needs) -> tuple[Node, ...]:
        return install(ir, settings)

    def facts(self, ir: Ir, settings: TraefikSettings) -> tuple[Fact, ...]:
        out = [Fact("ingress-controller", f"{NAMESPACE}/{NAME}", settings.replicas, ReadyRead())]
        for obj in (o for route in ir.http for o in objects(ir, route)):
            kind, name, namespace, spec = (
                obj["kind"],
                obj["metadata"]["name"],
                obj["metadata"]["namespace"],
                obj["spec"],
            )
            if kind in _OPTIONS:
                whole = ObjectRead(_OPTIONS[kind], (("spec", Field("spec")),), name, namespace)
                out.append(Fact("ingress-option", f"{kind} {namespace}/{name}", {"spec": spec}, whole))
                continue
            expect = {"entryPoints": spec["entryPoints"], "routes": spec["routes"], "tls": spec.get("tls")}
            read = ObjectRead(_RESOURCES[kind], _ROUTE, name, namespace)
            out.append(Fact("ingress-route", f"{namespace}/{name}", expect, read))
        return tuple(out)
