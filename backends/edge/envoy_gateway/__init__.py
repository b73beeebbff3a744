"""Envoy Gateway as gateway controller. Routes become objects of the Gateway API; its own policies say what that has no
word for: addresses, passwords, requests sent again.

Not supported, for it means something else: its body limit lets a body pass that comes in one read, its local rate limit
has no burst, its external authorisation asks for the request's own path below the given one and takes 200 alone, and
its error pages are texts and not a Service's. It signs no certificate for the outside, and its wildcard is any number
of labels."""

from dataclasses import replace

from netspec.backends.edge.envoy_gateway.checks import check
from netspec.backends.edge.envoy_gateway.install import (
    CONTROLLER,
    HTTP,
    HTTPS,
    PODS,
    PROXY,
    SHIFT,
    install,
)
from netspec.backends.edge.envoy_gateway.routes import EXTENSION, GROUP, GRPC, NAME, NAMESPACE, objects
from netspec.backends.edge.envoy_gateway.routes import HTTP as HTTP_ROUTE
from netspec.backends.edge.envoy_gateway.settings import EnvoyGatewaySettings
from netspec.backends.edge.ingresses import own_namespace
from netspec.catalogue import IMAGES
from netspec.diagnostics import Report
from netspec.ir.http import Front, UsersSecret
from netspec.ir.model import ContainerPort, Ir, Place, Service, ServicePort, Workload
from netspec.ir.selectors import Selector
from netspec.plan import Node
from netspec.target import Backend, Fact, Feature, Field, Needs, ObjectRead, ReadyRead, Traits

#: Kind -> fact, kubectl's name of it, where those stand that have accepted it, and what they must say.
_STATUS = {
    HTTP_ROUTE: ("gateway-route", f"httproutes.{GROUP}", "status.parents", ("Accepted", "ResolvedRefs")),
    GRPC: ("gateway-route", f"grpcroutes.{GROUP}", "status.parents", ("Accepted", "ResolvedRefs")),
    "SecurityPolicy": ("gateway-policy", f"securitypolicies.{EXTENSION}", "status.ancestors", ("Accepted",)),
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
        }
    )

    def traits(self, ir: Ir, settings: EnvoyGatewaySettings, traits: Traits) -> Traits:
        place = Place(("stacks", ir.stack, "gateway"))
        ports = [(80, HTTP)] + ([(443, HTTPS)] if any(route.tls for route in ir.http) else [])
        listens = tuple(ContainerPort(port + SHIFT, "TCP", name) for port, name in ports)
        workload = Workload(NAMESPACE, PROXY, PODS, listens, settings.replicas, system=True, place=place)
        is_outward = settings.service != "ClusterIP"
        service = Service(
            NAMESPACE,
            PROXY,
            settings.service,
            selector=Selector.of(PODS),
            ports=tuple(ServicePort(port, port + SHIFT, "TCP", name) for port, name in ports),
            external_traffic_policy=settings.external_traffic_policy if is_outward else "Cluster",
            system=True,
            place=place,
        )
        front = Front(
            workload,
            service,
            HTTP,
            HTTPS,
            kind=HTTP_ROUTE,
            also=(GRPC,),
            suffixes=("", ".http"),
            users=UsersSecret(".htpasswd"),
        )
        return replace(traits, front=front)

    def check(self, ir: Ir, settings: EnvoyGatewaySettings, needs: Needs, report: Report) -> None:
        own_namespace(ir, NAMESPACE, "Envoy Gateway", report)
        check(ir, report)

    def lower(self, ir: Ir, settings: EnvoyGatewaySettings, needs: Needs) -> tuple[Node, ...]:
        return install(ir, settings)

    def images(self, ir: Ir, settings: EnvoyGatewaySettings) -> tuple[str, ...]:
        """The controller's stands in the chart's values, and beside every Envoy as what ends it in good order."""
        return (IMAGES["envoy-gateway"], IMAGES["envoy"])

    def facts(self, ir: Ir, settings: EnvoyGatewaySettings) -> tuple[Fact, ...]:
        gateway = ObjectRead(
            f"gateways.{GROUP}", (("conditions", Field("status.conditions")),), NAME, NAMESPACE, parse="conditions"
        )
        out = [
            Fact("gateway-controller", f"{NAMESPACE}/{CONTROLLER}", 1, ReadyRead()),
            Fact("gateway-proxy", f"{NAMESPACE}/{PROXY}", settings.replicas, ReadyRead()),
            Fact("gateway", f"{NAMESPACE}/{NAME}", {"Accepted": "True", "Programmed": "True"}, gateway),
        ]
        for obj in (o for route in ir.http for o in objects(ir, route) if o["kind"] in _STATUS):
            fact, resource, where, conditions = _STATUS[obj["kind"]]
            name, namespace = obj["metadata"]["name"], obj["metadata"]["namespace"]
            read = ObjectRead(resource, (("conditions", Field(where)),), name, namespace, parse="conditions")
            out.append(Fact(fact, f"{obj['kind']} {namespace}/{name}", dict.fromkeys(conditions, "True"), read))
        return tuple(out)
