"""Gateway API: routes, the Gateways that take them, and the grants that let them reach into other namespaces.

A route leads the outside in only where a listener of one of its parents takes it (GEP-709, GEP-1709; the fields'
descriptions in gateway-api, apis/v1).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from netspec.diagnostics import Path
from netspec.ir.model import NAME_LABEL, Place, Route, RouteBackend
from netspec.ir.selectors import Labels, Selector
from netspec.manifests.fields import Object, items, mapping, object_name, port_number, selector, text
from netspec.manifests.kinds import GATEWAY_GROUP
from netspec.manifests.services import GATEWAY_ROUTES

_HTTP = frozenset(("HTTPRoute", "GRPCRoute"))
#: What a listener's protocol carries where it does not say (ProtocolType, ListenerTLSConfig.mode). Others are the
#: implementation's own.
_CARRIES: dict[tuple[str, str], frozenset[str]] = {
    ("HTTP", ""): _HTTP,
    ("HTTPS", "Terminate"): _HTTP,
    ("HTTPS", "Passthrough"): frozenset(("TLSRoute",)),
    ("TLS", "Terminate"): frozenset(("TCPRoute", "TLSRoute")),
    ("TLS", "Passthrough"): frozenset(("TLSRoute",)),
    ("TCP", ""): frozenset(("TCPRoute",)),
    ("UDP", ""): frozenset(("UDPRoute",)),
}
#: The routes that have hostnames.
_NAMED = frozenset(("HTTPRoute", "GRPCRoute", "TLSRoute"))
#: A namespace's labels; None where its object was not given.
LabelsOf = Callable[[str], Labels | None]


class Parent(NamedTuple):
    """A parentRef. `section` and `port` pick listeners; "" and 0: any."""

    group: str
    kind: str
    namespace: str
    name: str
    section: str
    port: int


class Attachable(NamedTuple):
    """A route, and what decides whether it is attached."""

    route: Route
    parents: tuple[Parent, ...]
    hostnames: tuple[str, ...]


class Listener(NamedTuple):
    """`kinds`: (group, kind) of the routes that it takes; None: those of its protocol. `allowed`: from which
    namespaces; `selector` where that is Selector."""

    name: str
    port: int
    protocol: str
    mode: str
    hostname: str
    kinds: tuple[tuple[str, str], ...] | None
    allowed: str
    selector: Selector | None


class Gateway(NamedTuple):
    namespace: str
    name: str
    listeners: tuple[Listener, ...]


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
    hostnames = items(spec.get("hostnames"), (*path, "hostnames")) if kind in _NAMED else []
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
    """Whether some Gateway takes the route; None where that depends on what was not given.

    A Service as the parent is a mesh's: nothing comes from outside."""
    return _any(_takes(parent, found, gateways, labels_of) for parent in found.parents)


def _takes(
    parent: Parent, found: Attachable, gateways: Mapping[tuple[str, str], Gateway], labels_of: LabelsOf
) -> bool | None:
    if parent.kind == "Service":
        return False
    known = gateways.get((parent.namespace, parent.name))
    if (parent.group, parent.kind) != (GATEWAY_GROUP, "Gateway") or known is None:
        return None
    return _any(
        _accepts(listener, known.namespace, found, labels_of)
        for listener in known.listeners
        if parent.section in ("", listener.name) and parent.port in (0, listener.port)
    )


def _accepts(listener: Listener, home: str, found: Attachable, labels_of: LabelsOf) -> bool | None:
    kind = found.route.kind
    carried = _CARRIES.get((listener.protocol, listener.mode))
    if carried is not None and kind not in carried:
        return False
    if listener.kinds is not None and (GATEWAY_GROUP, kind) not in listener.kinds:
        return False
    both_named = kind in _NAMED and listener.hostname and found.hostnames
    if both_named and not any(_meet(listener.hostname, name) for name in found.hostnames):
        return False
    allowed = _allows(listener, home, found.route.namespace, labels_of)
    return None if allowed and carried is None and listener.kinds is None else allowed


def _allows(listener: Listener, home: str, namespace: str, labels_of: LabelsOf) -> bool | None:
    """From which namespaces it takes routes: its Gateway's alone where it does not say."""
    if listener.allowed == "All":
        return True
    if listener.allowed == "Same":
        return namespace == home
    if listener.allowed != "Selector" or listener.selector is None:
        return False
    labels, wanted = labels_of(namespace), listener.selector
    if labels is not None:
        return wanted.matches(labels)
    by_name = wanted.speaks_of(NAME_LABEL)
    if not by_name.matches({NAME_LABEL: namespace}):
        return False
    return True if by_name == wanted else None


def _meet(one: str, other: str) -> bool:
    """Whether two hostnames have names in common; `*.` stands for one label or more."""
    if one.startswith("*.") and other.startswith("*."):
        return one.endswith(other[1:]) or other.endswith(one[1:])
    if one.startswith("*."):
        return other.endswith(one[1:])
    return one.endswith(other[1:]) if other.startswith("*.") else one == other


def _any(found: Iterable[bool | None]) -> bool | None:
    listed = list(found)
    return True if True in listed else None if None in listed else False
