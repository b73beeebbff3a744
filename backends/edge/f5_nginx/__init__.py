"""F5's NGINX Ingress Controller with open-source NGINX, by its Helm chart. A host becomes a VirtualServer and options
become Policies, its own kinds: by annotations a route would have fewer of them, and a host one Ingress."""

from dataclasses import replace
from typing import Any

from netspec.backends.edge.f5_nginx.checks import check
from netspec.backends.edge.f5_nginx.routes import HOST_SUFFIXES, objects
from netspec.backends.edge.ingresses import ProxySettings, front, installed, placed
from netspec.catalogue import F5_NGINX, F5_NGINX_CHART, IMAGES
from netspec.diagnostics import Report
from netspec.ir.http import UsersSecret
from netspec.ir.model import Ir
from netspec.plan import Condition, Node, ReadyNode
from netspec.target import Backend, Fact, Feature, Field, Needs, ObjectRead, ReadyRead, Traits

NAMESPACE = NAME = "nginx-ingress"
CONTROLLER = "nginx-ingress-controller"
CHART = "oci://ghcr.io/nginx/charts/nginx-ingress"
PODS = {"app.kubernetes.io/name": NAME, "app.kubernetes.io/instance": NAME}
CRDS_READY = "f5-nginx-crds"
_READ = (("host", Field("spec.host")), ("routes", Field("spec.routes")), ("state", Field("status.state")))


class F5NginxSettings(ProxySettings):
    """F5's NGINX Ingress Controller (open-source NGINX) serves the spec's HTTP routes, by its Helm chart."""


class F5Nginx(Backend):
    name = "f5-nginx"
    settings = F5NginxSettings
    supports = frozenset(
        {
            Feature.HTTP_ROUTES,
            Feature.HTTP_REGEX,
            Feature.HTTP_TLS,
            Feature.HTTP_REDIRECT,
            Feature.HTTP_WEIGHTS,
            Feature.HTTP_GRPC,
            Feature.HTTP_MAX_BODY,
            Feature.HTTP_RATE_LIMIT,
            Feature.HTTP_ALLOW_FROM,
            Feature.HTTP_BASIC_AUTH,
            Feature.HTTP_CORS,
            Feature.HTTP_HEADERS,
            Feature.HTTP_REWRITE,
            Feature.HTTP_WEB_SOCKET,
            Feature.HTTP_FIRST_BYTE,
        }
    )

    def traits(self, ir: Ir, settings: F5NginxSettings, traits: Traits) -> Traits:
        names = (CONTROLLER, CONTROLLER)
        users = UsersSecret("htpasswd", type="nginx.org/htpasswd")
        seen = front(ir, settings, NAMESPACE, names, PODS, kind="VirtualServer", suffixes=HOST_SUFFIXES, users=users)
        return replace(traits, front=seen)

    def check(self, ir: Ir, settings: F5NginxSettings, needs: Needs, report: Report) -> None:
        check(ir, NAMESPACE, report)

    def lower(self, ir: Ir, settings: F5NginxSettings, needs: Needs) -> tuple[Node, ...]:
        namespace, chart = installed(ir, NAME, NAMESPACE, CHART, F5_NGINX_CHART.official, values(ir, settings))
        kinds = ("virtualservers.k8s.nginx.org", "policies.k8s.nginx.org")
        conditions = tuple(Condition(f"crd/{kind}", "Established") for kind in kinds)
        ready = ReadyNode(CRDS_READY, conditions, (chart.id,))
        return (namespace, chart, ready, *(placed(obj, ready.id) for obj in objects(ir)))

    def images(self, ir: Ir, settings: F5NginxSettings) -> tuple[str, ...]:
        return (IMAGES["f5-nginx"],)

    def facts(self, ir: Ir, settings: F5NginxSettings) -> tuple[Fact, ...]:
        out = [Fact("ingress-controller", f"{NAMESPACE}/{CONTROLLER}", settings.replicas, ReadyRead())]
        for obj in (obj for obj in objects(ir) if obj["kind"] == "VirtualServer"):
            name, namespace, spec = obj["metadata"]["name"], obj["metadata"]["namespace"], obj["spec"]
            expect = {"host": spec["host"], "routes": spec["routes"], "state": "Valid"}
            found = ObjectRead("virtualservers.k8s.nginx.org", _READ, name, namespace)
            out.append(Fact("ingress-route", f"{namespace}/{name}", expect, found))
        return tuple(out)


def values(ir: Ir, settings: F5NginxSettings) -> dict[str, Any]:
    """The chart's. Snippets and what it would report to its maker are off."""
    controller = {
        "replicaCount": settings.replicas,
        "image": {"tag": F5_NGINX.official},
        "enableCustomResources": True,
        "enableSnippets": False,
        "telemetryReporting": {"enable": False},
        "config": {"entries": {"http2": "true"}},
        "service": settings.of_service(ir),
    }
    return {"controller": controller}
