"""HAProxy Ingress (jcmoraisjr) as ingress controller: a route is an Ingress with annotations."""

from dataclasses import replace

from netspec.backends.edge.haproxy.checks import check
from netspec.backends.edge.haproxy.install import CONTROLLER, NAME, NAMESPACE, PODS, WEB, WEBSECURE, install
from netspec.backends.edge.haproxy.routes import CLASS, ingresses
from netspec.backends.edge.haproxy.settings import HaproxySettings
from netspec.backends.edge.ingresses import HTTP, HTTPS, ingress_facts, of_class, own_namespace, proxy
from netspec.diagnostics import Report
from netspec.ir.http import Front, UsersSecret
from netspec.ir.model import ContainerPort, Ir, ServicePort
from netspec.plan import Node
from netspec.target import Backend, Fact, Feature, Needs, Traits

__all__ = ["Haproxy", "HaproxySettings"]


class Haproxy(Backend):
    name = "haproxy"
    settings = HaproxySettings
    supports = frozenset(
        {
            Feature.HTTP_ROUTES,
            Feature.HTTP_TLS,
            Feature.HTTP_SELF_SIGNED,
            Feature.HTTP_WILDCARD,
            Feature.HTTP_REGEX,
            Feature.HTTP_REDIRECT,
            Feature.HTTP_GRPC,
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
        ports = [
            (ContainerPort(number, "TCP", name), ServicePort(port, name, "TCP", name))
            for number, port, name in ((WEB, 80, HTTP), (WEBSECURE, 443, HTTPS))
        ]
        pair = proxy(ir, settings, "ingress", NAMESPACE, (NAME, NAME), PODS, ports)
        return replace(traits, front=Front(*pair, HTTP, HTTPS, users=UsersSecret("auth", crypt=True)))

    def check(self, ir: Ir, settings: HaproxySettings, needs: Needs, report: Report) -> None:
        """NS870, NS871, NS902."""
        own_namespace(ir, NAMESPACE, "HAProxy Ingress", report)
        check(ir, report)

    def lower(self, ir: Ir, settings: HaproxySettings, needs: Needs) -> tuple[Node, ...]:
        return install(ir, settings)

    def facts(self, ir: Ir, settings: HaproxySettings) -> tuple[Fact, ...]:
        made = (obj for _, obj in ingresses(ir))
        given = of_class(CLASS, CONTROLLER)
        return ingress_facts(f"{NAMESPACE}/{NAME}", settings.replicas, given, made)
