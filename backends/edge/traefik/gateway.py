"""Traefik as gateway controller: a spec's Gateways by the Gateway API, standard channel, whose definitions come along.

Not supported: timeouts, CORS and copies of requests, which it leaves out of a route without a word in its status;
TCP, which it takes in the experimental channel alone, and UDP. Its listeners are not apart: where the hosts of two
overlap on one port, a route of the one may take requests of the other. Where it orders matches otherwise than the API,
that is an error (`precedence`).

Source: Traefik 3.7, pkg/provider/kubernetes/gateway (features.go, kubernetes.go); its documentation's RBAC.
"""

from dataclasses import replace
from typing import Any

from netspec.backends.edge.gatewayapi import (
    API,
    GROUP,
    definitions,
    gateway_facts,
    gateway_objects,
    gateway_ports,
    grant_objects,
    overlapping,
    route_objects,
    service_port,
    serving,
)
from netspec.backends.edge.ingresses import ProxySettings, balanced_by, makes_beside, own_namespace, placed, proxy
from netspec.backends.edge.traefik.install import NAME, NAMESPACE, PODS, deployment, front_service
from netspec.backends.edge.traefik.precedence import findings
from netspec.backends.objects import Manifest, cluster_role_binding, manifest, node, rule
from netspec.catalogue import IMAGES
from netspec.diagnostics import Report
from netspec.ir.http import Front
from netspec.ir.model import Ir
from netspec.plan import CLUSTER, CNI_READY, Node
from netspec.target import Backend, Fact, Feature, Needs, ReadyRead, Traits

CLASS = "netspec"
_KINDS = (
    "gatewayclasses",
    "gateways",
    "httproutes",
    "grpcroutes",
    "tlsroutes",
    "referencegrants",
    "backendtlspolicies",
)


class TraefikGatewaySettings(ProxySettings):
    """Traefik serves the spec's Gateways."""


class TraefikGateway(Backend):
    name = "traefik-gateway"
    settings = TraefikGatewaySettings
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
        }
    )

    def traits(self, ir: Ir, settings: TraefikGatewaySettings, traits: Traits) -> Traits:
        ports = [service_port(b, b.number, _point(b.number)) for b in gateway_ports(ir)]
        pair = proxy(ir, settings, "gateway", NAMESPACE, (NAME, NAME), PODS, ports)
        return serving(ir, traits, Front(*pair, _point(80), _point(443), kind="HTTPRoute"))

    def check(self, ir: Ir, settings: TraefikGatewaySettings, needs: Needs, report: Report) -> None:
        own_namespace(ir, NAMESPACE, "Traefik", report)
        overlapping(ir, "Traefik", report)
        for path, message, hint in findings(ir):
            report.error("NS970", path, message, hint)

    def lower(self, ir: Ir, settings: TraefikGatewaySettings, needs: Needs) -> tuple[Node, ...]:
        crds, ready = definitions()
        namespace = node(manifest("v1", "Namespace", NAMESPACE), CLUSTER)
        account = node(manifest("v1", "ServiceAccount", NAME, NAMESPACE), namespace.id)
        role = node(manifest("rbac.authorization.k8s.io/v1", "ClusterRole", NAME, rules=_rules()), CLUSTER)
        binding = node(cluster_role_binding(NAME, NAME, NAMESPACE), account.id, role.id)
        spec = {"controllerName": "traefik.io/gateway-controller"}
        kind = node(manifest(API, "GatewayClass", CLASS, spec=spec), ready.id)
        out: list[Node] = [*crds, ready, namespace, account, role, binding, kind]
        if ir.gateways:  # a Service without ports is none
            service = node(front_service(ir), namespace.id, *balanced_by(ir), wait=False)
            out.append(replace(service, outlives=makes_beside(ir)))
        out.append(node(_pods(ir, settings), ready.id, account.id, binding.id, CNI_READY))
        grants = [placed(obj, ready.id) for obj in grant_objects(ir)]
        gateways = [placed(obj, kind.id, wait=False) for obj in gateway_objects(ir, CLASS)]
        routes = [placed(obj, *(g.id for g in gateways)) for obj in route_objects(ir)]
        return (*out, *grants, *gateways, *routes)

    def images(self, ir: Ir, settings: TraefikGatewaySettings) -> tuple[str, ...]:
        return (IMAGES["traefik"],)

    def facts(self, ir: Ir, settings: TraefikGatewaySettings) -> tuple[Fact, ...]:
        pods = Fact("gateway-controller", f"{NAMESPACE}/{NAME}", settings.replicas, ReadyRead())
        return (pods, *gateway_facts(ir))


def _point(port: int) -> str:
    """An entry point's name, and that of its port: a listener takes that whose address has its own port.

    >>> _point(80)
    'p80'
    """
    return f"p{port}"


def _rules() -> list[Manifest]:
    everything = ["get", "list", "watch"]
    return [
        rule([""], ["namespaces", "nodes"], ["list", "watch"]),
        rule([""], ["services", "secrets", "configmaps"], everything),
        rule(["discovery.k8s.io"], ["endpointslices"], ["list", "watch"]),
        rule([GROUP], _KINDS, everything),
        rule([GROUP], [f"{kind}/status" for kind in _KINDS], ["update"]),
    ]


def arguments(ir: Ir) -> list[str]:
    """An entry point for each port of the listeners, on that port."""
    return [
        *(f"--entryPoints.{_point(b.number)}.address=:{b.number}" for b in gateway_ports(ir)),
        "--providers.kubernetesgateway=true",
        f"--providers.kubernetesgateway.statusaddress.service.namespace={NAMESPACE}",
        f"--providers.kubernetesgateway.statusaddress.service.name={NAME}",
    ]


def _pods(ir: Ir, settings: TraefikGatewaySettings) -> Manifest:
    ports: list[dict[str, Any]] = [
        {"name": _point(b.number), "containerPort": b.number, "protocol": b.carried} for b in gateway_ports(ir)
    ]
    # Ports below 1024 without a capability: safe for a pod, whose network is its own.
    low = [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}]
    return deployment(arguments(ir), ports, settings.replicas, sysctls=low)
