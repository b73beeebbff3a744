"""Gateway API: routes, the Gateways that take them, and the grants that let them reach into other namespaces.

A route leads the outside in only where a listener of one of its parents takes it: netspec/analysis/attachment.py.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from netspec.analysis import attachment
from netspec.analysis.attachment import NAMED, LabelsOf
from netspec.diagnostics import Path
from netspec.ir.gateways import Gateway, Listener, Parent
from netspec.ir.model import Place, Route, RouteBackend
from netspec.manifests.fields import Object, items, mapping, object_name, port_number, selector, text
from netspec.manifests.kinds import GATEWAY_GROUP
from netspec.manifests.services import GATEWAY_ROUTES


class Attachable(NamedTuple):
    """A route, and what decides whether it is attached."""

    route: Route
    parents: tuple[Parent, ...]
    hostnames: tuple[str, ...]


def gateway(namespace: str, name: str, body: Object) -> Gateway:
    """Raises Bad."""
    path: Path = ("spec", "listeners")
    listed = items(mapping(body.get("spec"), ("spec",)).get("listeners"), path)
    return Gateway(namespace, name, tuple(_listener(mapping(v, (*path, i)), (*path, i)) for i, v in enumerate(listed)))


def _listener(found: Object, path: Path) -> Listener:
    at = (*path, "allowedRoutes")
    allowed = mapping(found.get("allowedRoutes"), at)
    namespaces = mapping(allowed.get("namespaces"), (*at, "namespaces"))
    kinds = [mapping(k, (*at, "kinds", i)) for i, k in enumerate(items(allowed.get("kinds"), (*at, "kinds")))]
    wanted = namespaces.get("selector")
    protocol = text(found.get("protocol"), (*path, "protocol"))
    tls = mapping(found.get("tls"), (*path, "tls"))
    mode = text(tls.get("mode"), (*path, "tls", "mode")) or "Terminate"
    return Listener(
        text(found.get("name"), (*path, "name")),
        port_number(found.get("port"), (*path, "port")),
        protocol,
        mode if protocol in ("HTTPS", "TLS") else "",
        text(found.get("hostname"), (*path, "hostname")).lower(),
        tuple((_default(k.get("group"), GATEWAY_GROUP), str(k.get("kind"))) for k in kinds) or None,
        text(namespaces.get("from"), (*at, "namespaces", "from")) or "Same",
        None if wanted is None else selector(wanted, (*at, "namespaces", "selector")),
    )


def _default(value: object, default: str) -> str:
    """The API server fills in what is absent or null; "" is a value: the core group."""
    return default if value is None else str(value)


# Routes


def gateway_route(kind: str, namespace: str, name: str, body: Object, place: Place) -> Attachable:
    """Raises Bad."""
    path: Path = ("spec",)
    spec = mapping(body.get("spec"), path)
    found: list[RouteBackend] = []
    for i, value in enumerate(items(spec.get("rules"), (*path, "rules"))):
        at = (*path, "rules", i)
        rule = mapping(value, at)
        references = list(_of_filters(rule, at))
        for j, item in enumerate(items(rule.get("backendRefs"), (*at, "backendRefs"))):
            where = (*at, "backendRefs", j)
            reference = mapping(item, where)
            if reference.get("weight") != 0:  # with weight 0 it gets no traffic
                references += [(where, reference), *_of_filters(reference, where)]
        found += [b for where, reference in references if (b := _backend(namespace, reference, where))]
    hostnames = items(spec.get("hostnames"), (*path, "hostnames")) if kind in NAMED else []
    refs = (*path, "parentRefs")
    parents = enumerate(items(spec.get("parentRefs"), refs))
    return Attachable(
        Route(kind, namespace, name, tuple(dict.fromkeys(found)), GATEWAY_ROUTES[kind], place),
        tuple(_parent(namespace, mapping(p, (*refs, i)), (*refs, i)) for i, p in parents),
        tuple(text(h, (*path, "hostnames", i)).lower() for i, h in enumerate(hostnames)),
    )


def _parent(namespace: str, found: Object, path: Path) -> Parent:
    number = found.get("port")
    return Parent(
        _default(found.get("group"), GATEWAY_GROUP),
        _default(found.get("kind"), "Gateway"),
        _default(found.get("namespace"), namespace),
        object_name(found.get("name"), (*path, "name")),
        text(found.get("sectionName"), (*path, "sectionName")),
        0 if number is None else port_number(number, (*path, "port")),
    )


#: Filters that send requests to a Service besides the backends: copies, or to ask whether they may pass (GEP-1494).
_ASKING = ("requestMirror", "externalAuth")


def _of_filters(holder: Object, path: Path) -> Iterator[tuple[Path, Object]]:
    """The Services that the filters of a rule, or of one of its backends, send to."""
    for i, value in enumerate(items(holder.get("filters"), (*path, "filters"))):
        for kind in _ASKING:
            at = (*path, "filters", i, kind)
            reference = mapping(mapping(value, at[:-1]).get(kind), at).get("backendRef")
            if reference is not None:
                yield (*at, "backendRef"), mapping(reference, (*at, "backendRef"))


def _backend(namespace: str, reference: Object, path: Path) -> RouteBackend | None:
    """None for a backend that is no Service of the core group (ServiceImport, a bucket, somebody's own Service)."""
    if (_default(reference.get("group"), ""), _default(reference.get("kind"), "Service")) != ("", "Service"):
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
        (str(f.get("kind")), str(f.get("namespace")), namespace, t.get("name") or None)
        for f in sources
        for t in targets
        if f.get("group") == GATEWAY_GROUP and (_default(t.get("group"), ""), t.get("kind")) == ("", "Service")
    }


# Attachment


def attached(found: Attachable, gateways: Mapping[tuple[str, str], Gateway], labels_of: LabelsOf) -> bool | None:
    """Whether some Gateway takes the route; None where that depends on what was not given."""
    route = found.route
    return attachment.attached(route.kind, route.namespace, found.hostnames, found.parents, gateways, labels_of)
