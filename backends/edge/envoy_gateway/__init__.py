"""Envoy Gateway as gateway controller. Routes become objects of the Gateway API; its own policies say what that has no
word for: addresses, passwords, requests sent again.

Not supported, for it means something else: its body limit lets a body pass that comes in one read, its local rate limit
has no burst, its external authorisation asks for the request's own path below the given one and takes 200 alone, and
its error pages are texts and not a Service's. It signs no certificate for the outside, and its wildcard is any number
of labels."""

from netspec.backends.edge.envoy_gateway.checks import check
from netspec.backends.edge.envoy_gateway.install import (
    CONTROLLER,
    HTTP,
    HTTPS,
    PODS,
    PROXY,
    SHIFT,
    grants,
    install,
    offers_http2,
)
from netspec.backends.edge.envoy_gateway.routes import EXTENSION, GROUP, GRPC, NAME, NAMESPACE, TLS, objects
from netspec.backends.edge.envoy_gateway.routes import HTTP as HTTP_ROUTE
from netspec.backends.edge.envoy_gateway.settings import EnvoyGatewaySettings
from netspec.backends.edge.gatewayapi import (
    Bound,
    gateway_facts,
    gateway_ports,
    grant_facts,
    reserved,
    service_port,
    serving,
)
from netspec.backends.edge.ingresses import own_namespace, proxy
from netspec.catalogue import IMAGES
from netspec.diagnostics import Report
from netspec.ir.http import Front, UsersSecret
from netspec.ir.model import Ir
from netspec.plan import Node
from netspec.target import Backend, Fact, Feature, Field, Needs, ObjectRead, ReadyRead, Traits

#: Where Envoy's pods listen for other things (readiness, statistics, administration).
_OWN = dict.fromkeys((19000, 19001, 19002, 19003), "Envoy itself")
#: Kind -> fact, kubectl's name of it, where those stand that have accepted it, and what they must say.
_STATUS = {
    HTTP_ROUTE: ("gateway-route", f"httproutes.{GROUP}", "status.parents", ("Accepted", "ResolvedRefs")),
    GRPC: ("gateway-route", f"grpcroutes.{GROUP}", "status.parents", ("Accepted", "ResolvedRefs")),
    TLS: ("gateway-route", f"tlsroutes.{GROUP}", "status.parents", ("Accepted", "ResolvedRefs")),
    "SecurityPolicy": ("gateway-policy", f"securitypolicies.{EXTENSION}", "status.ancestors", ("Accepted",)),
    "ClientTrafficPolicy": ("gateway-policy", f"clienttrafficpolicies.{EXTENSION}", "status.ancestors", ("Accepted",)),
    "BackendTrafficPolicy": (
        "gateway-policy",
        f"backendtrafficpolicies.{EXTENSION}",
        "status.ancestors",
        ("Accepted",),
    ),
}


class EnvoyGateway(Backend):
    name = "envoy-gateway"
    settings = EnvoyGatewaySettings
    supports = frozenset(
        {
            Feature.HTTP_ROUTES,
            Feature.HTTP_REGEX,
            Feature.HTTP_TLS,
            Feature.HTTP_REDIRECT,
            Feature.HTTP_WEIGHTS,
            Feature.HTTP_GRPC,
            Feature.HTTP_ALLOW_FROM,
            Feature.HTTP_BASIC_AUTH,
            Feature.HTTP_CORS,
            Feature.HTTP_HEADERS,
            Feature.HTTP_REWRITE,
            Feature.HTTP_RETRIES,
            Feature.HTTP_STICKY,
            Feature.HTTP_WEB_SOCKET,
            Feature.HTTP_LAST_BYTE,
            Feature.HTTP_MIRROR,
            Feature.HTTP_TRACING,
            Feature.HTTP_OIDC,
            Feature.HTTP_PASSTHROUGH,
            Feature.GATEWAYS,
            Feature.GATEWAY_HTTP,
            Feature.GATEWAY_GRPC,
            Feature.GATEWAY_TLS,
            Feature.GATEWAY_TCP,
            Feature.GATEWAY_UDP,
            Feature.GATEWAY_MATCHES,
            Feature.GATEWAY_REDIRECT,
            Feature.GATEWAY_REWRITE,
            Feature.GATEWAY_HEADERS,
            Feature.GATEWAY_MIRROR,
            Feature.GATEWAY_CORS,
            Feature.GATEWAY_TIMEOUTS,
        }
    )

    def traits(self, ir: Ir, settings: EnvoyGatewaySettings, traits: Traits) -> Traits:
        bounds = [Bound(port, protocol) for port, protocol in _taken(ir)] + gateway_ports(ir)
        ports = [service_port(b, _target(b.number), f"{b.protocol.lower()}-{b.number}") for b in bounds]
        front = Front(
            *proxy(ir, settings, "gateway", NAMESPACE, (PROXY, PROXY), PODS, ports),
            HTTP,
            HTTPS,
            kind=HTTP_ROUTE,
            also=(GRPC, TLS, "SecurityPolicy"),
            suffixes=("", ".http"),
            users=UsersSecret(".htpasswd"),
        )
        return serving(ir, traits, front)

    def check(self, ir: Ir, settings: EnvoyGatewaySettings, needs: Needs, report: Report) -> None:
        own_namespace(ir, NAMESPACE, "Envoy Gateway", report)
        check(ir, report)
        reserved(ir, {port: "the spec's ingress" for port, _ in _taken(ir)} | _OWN, report)

    def lower(self, ir: Ir, settings: EnvoyGatewaySettings, needs: Needs) -> tuple[Node, ...]:
        return install(ir, settings)

    def images(self, ir: Ir, settings: EnvoyGatewaySettings) -> tuple[str, ...]:
        """The controller's stands in the chart's values, and beside every Envoy as what ends it in good order."""
        return (IMAGES["envoy-gateway"], IMAGES["envoy"])

    def facts(self, ir: Ir, settings: EnvoyGatewaySettings) -> tuple[Fact, ...]:
        out = [
            Fact("gateway-controller", f"{NAMESPACE}/{CONTROLLER}", 1, ReadyRead()),
            Fact("gateway-proxy", f"{NAMESPACE}/{PROXY}", settings.replicas, ReadyRead()),
            *gateway_facts(ir),
            *grant_facts(grants(ir)),
        ]
        if ir.http:
            fields = (("conditions", Field("status.conditions")),)
            gateway = ObjectRead(f"gateways.{GROUP}", fields, NAME, NAMESPACE, parse="conditions")
            good = {"Accepted": "True", "Programmed": "True"}
            out.append(Fact("gateway", f"{NAMESPACE}/{NAME}", good, gateway))
        of_routes = [o for route in ir.http for o in objects(ir, route)]
        for obj in (o for o in (*of_routes, *offers_http2(ir)) if o["kind"] in _STATUS):
            fact, resource, where, conditions = _STATUS[obj["kind"]]
            name, namespace = obj["metadata"]["name"], obj["metadata"]["namespace"]
            read = ObjectRead(resource, (("conditions", Field(where)),), name, namespace, parse="conditions")
            out.append(Fact(fact, f"{obj['kind']} {namespace}/{name}", dict.fromkeys(conditions, "True"), read))
        return tuple(out)


def _taken(ir: Ir) -> list[tuple[int, str]]:
    """The ports of the Gateway that serves the spec's `ingress`, and their protocols."""
    if not ir.http:
        return []
    return [(80, "HTTP")] + ([(443, "HTTPS")] if any(r.tls or r.passthrough for r in ir.http) else [])


def _target(port: int) -> int:
    """The pods' port for one of the Service: theirs may be none below 1024."""
    return port + SHIFT if port < 1024 else port
