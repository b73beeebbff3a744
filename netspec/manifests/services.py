"""Services, and Ingress, which leads the outside to them; gateways.py has the Gateway API."""

from typing import Any

from netspec.diagnostics import Path
from netspec.ir.model import IPNetwork, Place, Protocol, Route, RouteBackend, Service, ServicePort, ServiceType
from netspec.ir.selectors import Selector
from netspec.manifests.fields import (
    Bad,
    Object,
    items,
    labels,
    mapping,
    network,
    object_name,
    port,
    port_number,
    protocol,
    text,
)

_TYPES: dict[str, ServiceType] = {t: t for t in ("ClusterIP", "NodePort", "LoadBalancer", "ExternalName")}
#: Gateway API routes -> the protocol that arrives at their backends.
GATEWAY_ROUTES: dict[str, Protocol] = {
    "HTTPRoute": "TCP",
    "GRPCRoute": "TCP",
    "TCPRoute": "TCP",
    "TLSRoute": "TCP",
    "UDPRoute": "UDP",
}
#: The older way to say loadBalancerSourceRanges, which counts where that is empty (k8s.io/cloud-provider).
_SOURCE_RANGES = "service.beta.kubernetes.io/load-balancer-source-ranges"


def service(namespace: str, name: str, body: Object, place: Place) -> Service:
    """Raises Bad."""
    path: Path = ("spec",)
    spec = mapping(body.get("spec"), path)
    kind = _TYPES.get(str(spec.get("type") or "ClusterIP"))
    if kind is None:
        raise Bad((*path, "type"), f"is not one of {', '.join(_TYPES)}")
    wanted = labels(spec.get("selector"), (*path, "selector"))
    ports = tuple(_port(p, (*path, "ports", i)) for i, p in enumerate(items(spec.get("ports"), (*path, "ports"))))
    is_external = kind == "ExternalName"
    return Service(
        namespace,
        name,
        kind,
        spec.get("clusterIP") == "None",
        Selector.of(wanted) if wanted and not is_external else None,
        ports,
        object_name(spec.get("externalName"), (*path, "externalName")) if is_external else None,
        "Local" if spec.get("externalTrafficPolicy") == "Local" else "Cluster",
        spec.get("publishNotReadyAddresses") is True,
        tuple(str(a) for a in items(spec.get("externalIPs"), (*path, "externalIPs"))),
        place=place,
        internal_traffic_policy="Local" if spec.get("internalTrafficPolicy") == "Local" else "Cluster",
        source_ranges=_source_ranges(spec, body) if kind == "LoadBalancer" else (),
        node_ports=spec.get("allocateLoadBalancerNodePorts") is not False,
    )


def _source_ranges(spec: Object, body: Object) -> tuple[IPNetwork, ...]:
    """Empty is everyone."""
    path: Path = ("spec", "loadBalancerSourceRanges")
    given = items(spec.get("loadBalancerSourceRanges"), path)
    if not given:
        path = ("metadata", "annotations", _SOURCE_RANGES)
        annotations = mapping(mapping(body.get("metadata"), path[:1]).get("annotations"), path[:2])
        written = text(annotations.get(_SOURCE_RANGES), path).strip()
        given = written.split(",") if written else []
    found = tuple(network(r.strip() if isinstance(r, str) else r, path) for r in given)
    return () if any(n.prefixlen == 0 for n in found) else found


def _port(value: Any, path: Path) -> ServicePort:
    found = mapping(value, path)
    number = port_number(found.get("port"), (*path, "port"))
    target = found.get("targetPort")
    name, node = found.get("name"), found.get("nodePort")
    return ServicePort(
        number,
        number if target is None or target == 0 or target == "" else port(target, (*path, "targetPort")),
        protocol(found.get("protocol"), (*path, "protocol"), empty=True),
        None if not name else object_name(name, (*path, "name")),
        None if not node else port_number(node, (*path, "nodePort")),
        text(found.get("appProtocol"), (*path, "appProtocol")) if found.get("appProtocol") else "",
    )


def ingress(namespace: str, name: str, body: Object, place: Place) -> Route:
    """networking.k8s.io/v1 Ingress, and the older shape with serviceName. Raises Bad."""
    path: Path = ("spec",)
    spec = mapping(body.get("spec"), path)
    found = []
    for field in ("defaultBackend", "backend"):
        if spec.get(field) is not None:
            found.append(_ingress_backend(namespace, spec[field], (*path, field)))
    for i, value in enumerate(items(spec.get("rules"), (*path, "rules"))):
        at = (*path, "rules", i)
        http = mapping(mapping(value, at).get("http"), (*at, "http"))
        for j, item in enumerate(items(http.get("paths"), (*at, "http", "paths"))):
            step = (*at, "http", "paths", j)
            found.append(_ingress_backend(namespace, mapping(item, step).get("backend"), (*step, "backend")))
    return Route("Ingress", namespace, name, tuple(dict.fromkeys(b for b in found if b)), "TCP", place)


def _ingress_backend(namespace: str, value: Any, path: Path) -> RouteBackend | None:
    """None for a backend that is no Service."""
    backend = mapping(value, path)
    if "serviceName" in backend:
        number = backend.get("servicePort")
        return RouteBackend(
            namespace, object_name(backend["serviceName"], path), None if number is None else port(number, path)
        )
    if backend.get("service") is None:
        if backend.get("resource") is None:
            raise Bad(path, "must name a service")
        return None
    named = mapping(backend["service"], (*path, "service"))
    target = mapping(named.get("port"), (*path, "service", "port"))
    name = object_name(named.get("name"), (*path, "service", "name"))
    if target.get("name"):
        return RouteBackend(namespace, name, object_name(target["name"], (*path, "service", "port", "name")))
    return RouteBackend(namespace, name, port_number(target.get("number"), (*path, "service", "port", "number")))
