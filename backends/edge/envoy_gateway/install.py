"""Envoy Gateway by its Helm chart, the Gateway that it makes pods of Envoy for, and the routes.

Sources: Envoy Gateway, charts/gateway-helm; api/v1alpha1 (envoyproxy_types.go, shared_types.go);
internal/infrastructure/kubernetes/proxy (labels, ports)."""

from collections import defaultdict
from dataclasses import replace
from typing import Any

from netspec.analysis.gateway_routes import Listening
from netspec.backends.edge.envoy_gateway.routes import (
    API,
    EXTENSION,
    GROUP,
    NAME,
    NAMESPACE,
    PLAIN,
    POLICIES,
    listener,
    objects,
)
from netspec.backends.edge.envoy_gateway.settings import EnvoyGatewaySettings
from netspec.backends.edge.gatewayapi import RESOURCES, gateway_objects, grant_objects, route_objects
from netspec.backends.edge.ingresses import balanced_by, makes_beside, placed, port_number, traced
from netspec.backends.objects import Manifest, manifest, node, release
from netspec.catalogue import ENVOY_GATEWAY, IMAGES
from netspec.ir.http import HttpRoute
from netspec.ir.model import Ir
from netspec.plan import CLUSTER, CNI_READY, Condition, ManifestNode, Node, ReadyNode

CHART = "oci://docker.io/envoyproxy/gateway-helm"
CONTROLLER = "envoy-gateway"
#: Deployment and Service that it makes for the Gateways of the class, which share them.
PROXY = "envoy"
PODS = {
    "app.kubernetes.io/name": "envoy",
    "app.kubernetes.io/component": "proxy",
    "app.kubernetes.io/managed-by": "envoy-gateway",
    f"{EXTENSION}/owning-gatewayclass": NAME,
}
#: Names of the proxy's ports; a port below 1024 is 10000 higher on the pods.
HTTP, HTTPS = "http-80", "https-443"
SHIFT = 10000
READY, SERVED = "envoy-gateway", "envoy"
_CRDS = (
    *(f"{kind}.{GROUP}" for kind in ("gatewayclasses", "gateways", "referencegrants")),
    *RESOURCES.values(),
    *(
        f"{kind}.{EXTENSION}"
        for kind in ("envoyproxies", "securitypolicies", "backendtrafficpolicies", "clienttrafficpolicies")
    ),
    f"httproutefilters.{EXTENSION}",
)


def install(ir: Ir, settings: EnvoyGatewaySettings) -> tuple[Node, ...]:
    """The chart brings the definitions of the Gateway API's experimental channel and its own."""
    namespace = node(manifest("v1", "Namespace", NAMESPACE), CLUSTER)
    chart = release(
        "envoy-gateway", NAMESPACE, CHART, f"v{ENVOY_GATEWAY.official}", _values(ir), namespace.id, CNI_READY
    )
    ready = ReadyNode(
        READY,
        (
            *(Condition(f"crd/{name}", "Established") for name in _CRDS),
            Condition(f"deployments/{CONTROLLER}", "Available", NAMESPACE),
        ),
        (chart.id,),
        timeout=600,
    )
    proxy = node(_proxy(ir, settings), ready.id)
    kind = node(_class(), proxy.id)
    let_in = [placed(obj, ready.id) for obj in (*grants(ir), *grant_objects(ir))]
    out: list[Node] = [namespace, chart, ready, proxy, kind, *let_in]
    gateways = [_beside(ir, placed(obj, kind.id, *balanced_by(ir), wait=False)) for obj in gateway_objects(ir, NAME)]
    out += [*gateways, *(placed(obj, *(g.id for g in gateways)) for obj in route_objects(ir))]
    if ir.http:
        own = _beside(ir, node(_gateway(ir), kind.id, *balanced_by(ir), wait=False))
        gateways.append(own)
        out += [own, *(placed(obj, own.id) for route in ir.http for obj in objects(ir, route))]
    out += [placed(obj, ready.id) for obj in offers_http2(ir)]
    if gateways:
        # The controller makes Envoy's pods when there is a Gateway.
        served = (Condition(f"deployments/{PROXY}", "Available", NAMESPACE),)
        out.append(ReadyNode(SERVED, served, tuple(g.id for g in gateways), timeout=600))
    return tuple(out)


def _beside(ir: Ir, gateway: ManifestNode) -> ManifestNode:
    """A Gateway has a Service, which may make a load balancer beside the cluster."""
    return replace(gateway, outlives=makes_beside(ir))


def offers_http2(ir: Ir) -> list[Manifest]:
    """One for each listener that gRPC comes to by HTTPS: of listeners whose certificates have a name in common Envoy
    Gateway offers HTTP/1.1 alone, for browsers take one connection of HTTP/2 for all its names, where it is not told
    (internal/gatewayapi/listener.go, checkOverlappingCertificates)."""
    hosts = sorted({host for route in ir.http if route.grpc and route.tls for host in route.hosts or ("",)})
    found = [(NAMESPACE, NAME, listener(host)) for host in hosts]
    of_calls = [where for route, where in Listening.of(ir).taken if route.kind == "GRPCRoute"]
    secure = {(g.namespace, g.name, x.name) for where in of_calls for g, x in where if x.protocol == "HTTPS"}
    return [_offers(*where) for where in (*found, *sorted(secure))]


def _offers(namespace: str, gateway: str, section: str) -> Manifest:
    """Its name ends in that of the listener, which has no other."""
    target = {"group": GROUP, "kind": "Gateway", "name": gateway, "sectionName": section}
    spec = {"targetRefs": [target], "tls": {"alpnProtocols": ["h2", "http/1.1"]}}
    return manifest(POLICIES, "ClientTrafficPolicy", f"{gateway}.{section}", namespace, spec=spec)


def secured(ir: Ir) -> dict[str, list[HttpRoute]]:
    """Host -> the routes that serve HTTPS for it; "" is any host."""
    out: dict[str, list[HttpRoute]] = defaultdict(list)
    for route in ir.http:
        if route.tls:
            for host in route.hosts or ("",):
                out[host].append(route)
    return dict(sorted(out.items()))


def _values(ir: Ir) -> dict[str, Any]:
    return {
        "kubernetesClusterDomain": ir.dns.cluster_domain,
        "global": {"images": {"envoyGateway": {"image": IMAGES["envoy-gateway"], "pullPolicy": "IfNotPresent"}}},
    }


def _proxy(ir: Ir, settings: EnvoyGatewaySettings) -> Manifest:
    service = {"name": PROXY, **settings.of_service(ir)}
    deployment = {"name": PROXY, "replicas": settings.replicas, "container": {"image": IMAGES["envoy"]}}
    kubernetes = {"envoyDeployment": deployment, "envoyService": service}
    spec = {
        "provider": {"type": "Kubernetes", "kubernetes": kubernetes},
        "mergeGateways": True,
        # Who may at all comes first: else an address that may not is asked for a password, or told what CORS allows.
        "filterOrder": [{"name": "envoy.filters.http.rbac", "before": "envoy.filters.http.cors"}],
        **_telemetry(ir),
    }
    return manifest(POLICIES, "EnvoyProxy", NAME, NAMESPACE, spec=spec)


def _telemetry(ir: Ir) -> dict[str, Any]:
    """A collector over gRPC, in clear, for all routes."""
    if (found := traced(ir)) is None:
        return {}
    route, tracing = found
    collector = {
        "group": "",
        "kind": "Service",
        "name": tracing.collector.service,
        "namespace": tracing.collector.namespace or route.namespace,
        "port": port_number(ir, route, tracing.collector),
    }
    # Without a sampler Envoy decides anew of every request, whatever its client's span says.
    sampler = {"type": "ParentBasedTraceIdRatio", "samplingPercentage": {"numerator": tracing.percent}}
    provider = {"type": "OpenTelemetry", "backendRefs": [collector], "openTelemetry": {"sampler": sampler}}
    return {"telemetry": {"tracing": {"provider": provider}}}


def _class() -> Manifest:
    parameters = {"group": EXTENSION, "kind": "EnvoyProxy", "name": NAME, "namespace": NAMESPACE}
    spec = {"controllerName": f"{EXTENSION}/gatewayclass-controller", "parametersRef": parameters}
    return manifest(API, "GatewayClass", NAME, spec=spec)


def _gateway(ir: Ir) -> Manifest:
    """One listener for plain HTTP, and one for each host that has HTTPS, with its certificate."""
    plain = {"name": PLAIN, "protocol": "HTTP", "port": 80, "allowedRoutes": _allowed(ir.http)}
    listeners: list[dict[str, Any]] = [plain]
    for host, routes in secured(ir).items():
        secret = {"group": "", "kind": "Secret", "name": routes[0].tls, "namespace": routes[0].namespace}
        listeners.append(
            {
                "name": listener(host),
                "protocol": "HTTPS",
                "port": 443,
                **({"hostname": host} if host else {}),
                "tls": {"mode": "Terminate", "certificateRefs": [secret]},
                "allowedRoutes": _allowed(routes),
            }
        )
    for route in (r for r in ir.http if r.passthrough):
        of = {"protocol": "TLS", "port": 443, "tls": {"mode": "Passthrough"}, "allowedRoutes": _allowed([route])}
        listeners += [{"name": listener(host), "hostname": host, **of} for host in route.hosts]
    return manifest(API, "Gateway", NAME, NAMESPACE, spec={"gatewayClassName": NAME, "listeners": listeners})


def _allowed(routes: "tuple[HttpRoute, ...] | list[HttpRoute]") -> dict[str, Any]:
    """Routes of the namespaces that have some, and of no other."""
    names = sorted({route.namespace for route in routes})
    if not names:
        return {"namespaces": {"from": "Same"}}
    expression = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": names}
    return {"namespaces": {"from": "Selector", "selector": {"matchExpressions": [expression]}}}


def grants(ir: Ir) -> list[Manifest]:
    """What other namespaces let be read and asked, and nothing else: certificates by the Gateway, a collector by the
    proxy, providers by policies of routes."""
    secrets: dict[str, set[str]] = defaultdict(set)
    for route in ir.http:
        if route.tls:
            secrets[route.namespace].add(route.tls)
    source = [{"group": GROUP, "kind": "Gateway", "namespace": NAMESPACE}]
    out = [
        _grant(f"{NAME}-certificates", namespace, source, [("Secret", name) for name in sorted(names)])
        for namespace, names in sorted(secrets.items())
    ]
    if (found := traced(ir)) is not None:
        route, tracing = found
        source = [{"group": EXTENSION, "kind": "EnvoyProxy", "namespace": NAMESPACE}]
        of = tracing.collector.namespace or route.namespace
        out.append(_grant(f"{NAME}-collector", of, source, [("Service", tracing.collector.service)]))
    providers: dict[tuple[str, str], set[str]] = defaultdict(set)
    for route in ir.http:
        if route.oidc is not None and (asked := route.oidc.provider) is not None and asked.namespace:
            providers[asked.namespace, asked.service].add(route.namespace)
    for (of, service), namespaces in sorted(providers.items()):
        source = [{"group": EXTENSION, "kind": "SecurityPolicy", "namespace": name} for name in sorted(namespaces)]
        out.append(_grant(f"{NAME}-provider-{service}", of, source, [("Service", service)]))
    return out


def _grant(name: str, namespace: str, source: list[dict[str, str]], to: list[tuple[str, str]]) -> Manifest:
    spec = {"from": source, "to": [{"group": "", "kind": kind, "name": named} for kind, named in to]}
    return manifest(f"{GROUP}/v1beta1", "ReferenceGrant", name, namespace, spec=spec)
