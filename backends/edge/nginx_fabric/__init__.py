"""NGINX Gateway Fabric, F5's open-source gateway controller: a spec's Gateway by the Gateway API, standard channel.

Not supported: timeouts, of which it says in a route's status that it leaves them out; TCP and UDP, which it takes in
the experimental channel's version alone. It makes pods of NGINX for each Gateway, in the Gateway's own namespace, and
a prediction knows one proxy: a spec has one Gateway here.

Source: NGINX Gateway Fabric 2.6.7, internal/controller/status/gatewayclass.go (what it claims).
"""

from netspec.backends.edge.gatewayapi import gateway_facts, gateway_ports, service_port, serving
from netspec.backends.edge.ingresses import ProxySettings, proxy
from netspec.backends.edge.nginx_fabric.checks import check
from netspec.backends.edge.nginx_fabric.install import (
    EXTENSION,
    NAME,
    NAMESPACE,
    install,
    labels,
    point,
    policies,
    proxy_name,
)
from netspec.catalogue import IMAGES
from netspec.diagnostics import Report
from netspec.ir.http import Front
from netspec.ir.model import Ir
from netspec.plan import Node
from netspec.target import Backend, Fact, Feature, Field, Needs, ObjectRead, ReadyRead, Traits


class NginxFabricSettings(ProxySettings):
    """NGINX Gateway Fabric serves the spec's Gateway, by its Helm chart."""


class NginxFabric(Backend):
    name = "nginx-gateway-fabric"
    settings = NginxFabricSettings
    supports = frozenset(
        {
            Feature.GATEWAYS,
            Feature.GATEWAY_HTTP,
            Feature.GATEWAY_GRPC,
            Feature.GATEWAY_TLS,
            Feature.GATEWAY_MATCHES,
            Feature.GATEWAY_REDIRECT,
            Feature.GATEWAY_REWRITE,
            Feature.GATEWAY_HEADERS,
            Feature.GATEWAY_MIRROR,
            Feature.GATEWAY_CORS,
        }
    )

    def traits(self, ir: Ir, settings: NginxFabricSettings, traits: Traits) -> Traits:
        if not ir.gateways:
            return traits
        gateway = ir.gateways[0]
        names = (proxy_name(gateway), proxy_name(gateway))
        ports = [service_port(b, b.number, point(b.number)) for b in sorted(gateway_ports(ir))]
        pair = proxy(ir, settings, "gateway", gateway.namespace, names, labels(gateway), ports)
        return serving(ir, traits, Front(*pair, point(80), point(443), kind="HTTPRoute"))

    def check(self, ir: Ir, settings: NginxFabricSettings, needs: Needs, report: Report) -> None:
        check(ir, report)

    def lower(self, ir: Ir, settings: NginxFabricSettings, needs: Needs) -> tuple[Node, ...]:
        return install(ir, settings)

    def images(self, ir: Ir, settings: NginxFabricSettings) -> tuple[str, ...]:
        return (IMAGES["nginx-gateway-fabric"], IMAGES["nginx-gateway-fabric-nginx"])

    def facts(self, ir: Ir, settings: NginxFabricSettings) -> tuple[Fact, ...]:
        out = [Fact("gateway-controller", f"{NAMESPACE}/{NAME}", 1, ReadyRead())]
        for gateway in ir.gateways:
            pods = f"{gateway.namespace}/{proxy_name(gateway)}"
            out.append(Fact("gateway-proxy", pods, settings.replicas, ReadyRead()))
        for obj in policies(ir):
            kind, name, namespace = obj["kind"], obj["metadata"]["name"], obj["metadata"]["namespace"]
            resource = "proxysettingspolicies" if kind == "ProxySettingsPolicy" else "clientsettingspolicies"
            fields = (("conditions", Field("status.ancestors")),)
            read = ObjectRead(f"{resource}.{EXTENSION}", fields, name, namespace, parse="conditions")
            out.append(Fact("gateway-policy", f"{kind} {namespace}/{name}", {"Accepted": "True"}, read))
        return (*out, *gateway_facts(ir))
