"""Services, and the routes that lead the outside to them: Ingress and the Gateway API."""

from collections.abc import Iterator
from typing import Any

from netspec.diagnostics import Path
from netspec.ir.model import Place, Protocol, Route, RouteBackend, Service, ServicePort, ServiceType
from netspec.ir.selectors import Selector
from netspec.manifests.fields import (
    Bad,
    Object,
    items,
    labels,
    mapping,
    object_name,
    port,
    port_number,
    protocol,
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


def service(namespace: str, name: str, body: Object, place: Place) -> Service:
    """Raises Bad."""
    path: Path = ("spec",)
    spec = mapping(body.get("spec"), path)
    kind = _TYPES.get(str(spec.get("type") or "ClusterIP"))
    if kind is None:
        raise Bad((*path, "type"), f"is none of {', '.join(_TYPES)}")
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
        bool(items(spec.get("externalIPs"), (*path, "externalIPs"))),
        place=place,
    )


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


def gateway_route(kind: str, namespace: str, name: str, body: Object, place: Place) -> Route:
    """A route of the Gateway API. Raises Bad.

    One that no Gateway is the parent of leads nothing in: it has no parent, or its parents are Services (a mesh's)."""
    path: Path = ("spec",)
    spec = mapping(body.get("spec"), path)
    parents = [mapping(p, (*path, "parentRefs")) for p in items(spec.get("parentRefs"), (*path, "parentRefs"))]
    found: list[RouteBackend] = []
    for i, value in enumerate(items(spec.get("rules"), (*path, "rules"))):
        at = (*path, "rules", i)
        rule = mapping(value, at)
        references = list(_mirrors(rule, at))
        for j, item in enumerate(items(rule.get("backendRefs"), (*at, "backendRefs"))):
            where = (*at, "backendRefs", j)
            reference = mapping(item, where)
            if reference.get("weight") != 0:  # with weight 0 it gets no traffic
                references += [(where, reference), *_mirrors(reference, where)]
        found += [b for where, reference in references if (b := _backend_reference(namespace, reference, where))]
    attached = any(p.get("kind", "Gateway") != "Service" for p in parents)
    return Route(kind, namespace, name, tuple(dict.fromkeys(found)) if attached else (), GATEWAY_ROUTES[kind], place)


def _mirrors(holder: Object, path: Path) -> Iterator[tuple[Path, Object]]:
    """Where the filters of a rule, or of one of its backends, send copies of the requests."""
    for i, value in enumerate(items(holder.get("filters"), (*path, "filters"))):
        at = (*path, "filters", i)
        mirror = mapping(mapping(value, at).get("requestMirror"), (*at, "requestMirror"))
        if mirror.get("backendRef") is not None:
            at = (*at, "requestMirror", "backendRef")
            yield at, mapping(mirror["backendRef"], at)


def _backend_reference(namespace: str, reference: Object, path: Path) -> RouteBackend | None:
    """None for a backend that is no Service."""
    if reference.get("kind", "Service") != "Service":
        return None
    target = reference.get("namespace")
    return RouteBackend(
        namespace if target is None else object_name(target, (*path, "namespace")),
        object_name(reference.get("name"), (*path, "name")),
        port_number(reference.get("port"), (*path, "port")),
    )


def grants(namespace: str, body: Object) -> set[tuple[str, str, str, str | None]]:
    """ReferenceGrant: (route kind, its namespace, this namespace, Service name or None for any). Raises Bad."""
    spec = mapping(body.get("spec"), ("spec",))
    sources = [mapping(f, ("spec", "from")) for f in items(spec.get("from"), ("spec", "from"))]
    targets = [mapping(t, ("spec", "to")) for t in items(spec.get("to"), ("spec", "to"))]
    return {
        (str(f.get("kind")), str(f.get("namespace")), namespace, t.get("name"))
        for f in sources
        for t in targets
        if t.get("kind") == "Service"
    }
