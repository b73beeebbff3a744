"""Which listeners of which Gateways take a route (GEP-709, GEP-1709; the fields' descriptions in gateway-api,
apis/v1). None wherever that depends on what was not given."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from netspec.ir.gateways import Gateway, GatewayRoute, Listener, Parent
from netspec.ir.model import NAME_LABEL
from netspec.ir.selectors import Labels

GROUP = "gateway.networking.k8s.io"
_HTTP = frozenset(("HTTPRoute", "GRPCRoute"))
#: What a listener's protocol carries where it does not say (ProtocolType, ListenerTLSConfig.mode). Others are the
#: implementation's own.
CARRIES: dict[tuple[str, str], frozenset[str]] = {
    ("HTTP", ""): _HTTP,
    ("HTTPS", "Terminate"): _HTTP,
    ("HTTPS", "Passthrough"): frozenset(("TLSRoute",)),
    ("TLS", "Terminate"): frozenset(("TCPRoute", "TLSRoute")),
    ("TLS", "Passthrough"): frozenset(("TLSRoute",)),
    ("TCP", ""): frozenset(("TCPRoute",)),
    ("UDP", ""): frozenset(("UDPRoute",)),
}
#: The routes that have hostnames.
NAMED = frozenset(("HTTPRoute", "GRPCRoute", "TLSRoute"))
#: A namespace's labels; None where its object was not given.
LabelsOf = Callable[[str], Labels | None]


def attached(
    kind: str,
    namespace: str,
    hostnames: Sequence[str],
    parents: Iterable[Parent],
    gateways: Mapping[tuple[str, str], Gateway],
    labels_of: LabelsOf,
) -> bool | None:
    """Whether some Gateway takes the route. A Service as the parent is a mesh's: nothing comes from outside."""
    return any_of(_takes(parent, kind, namespace, hostnames, gateways, labels_of) for parent in parents)


def listeners_of(
    route: GatewayRoute, gateways: Iterable[Gateway], labels_of: LabelsOf
) -> Iterator[tuple[Gateway, Listener]]:
    """Those of a spec's Gateways that surely take a route of the spec, each once."""
    known, seen = {(g.namespace, g.name): g for g in gateways}, set()
    for parent in route.parents:
        gateway = known.get((parent.namespace, parent.name))
        for listener in gateway.listeners if gateway is not None else ():
            if gateway is None or (gateway.id, listener.name) in seen or not is_meant(parent, listener):
                continue
            if accepts(listener, gateway.namespace, route.kind, route.namespace, route.hostnames, labels_of):
                seen.add((gateway.id, listener.name))
                yield gateway, listener


def is_meant(parent: Parent, listener: Listener) -> bool:
    """Whether a parentRef is about a listener of its Gateway."""
    return parent.section in ("", listener.name) and parent.port in (0, listener.port)


def _takes(
    parent: Parent,
    kind: str,
    namespace: str,
    hostnames: Sequence[str],
    gateways: Mapping[tuple[str, str], Gateway],
    labels_of: LabelsOf,
) -> bool | None:
    if parent.kind == "Service":
        return False
    known = gateways.get((parent.namespace, parent.name))
    if (parent.group, parent.kind) != (GROUP, "Gateway") or known is None:
        return None
    return any_of(
        accepts(listener, known.namespace, kind, namespace, hostnames, labels_of)
        for listener in known.listeners
        if is_meant(parent, listener)
    )


def accepts(
    listener: Listener, home: str, kind: str, namespace: str, hostnames: Sequence[str], labels_of: LabelsOf
) -> bool | None:
    """`home`: the namespace of the listener's Gateway; the others are the route's."""
    carried = CARRIES.get((listener.protocol, listener.mode))
    if carried is not None and kind not in carried:
        return False
    if listener.kinds is not None and (GROUP, kind) not in listener.kinds:
        return False
    both_named = kind in NAMED and listener.hostname and hostnames
    if both_named and not any(meet(listener.hostname, name) for name in hostnames):
        return False
    allowed = allows(listener, home, namespace, labels_of)
    return None if allowed and carried is None and listener.kinds is None else allowed


def allows(listener: Listener, home: str, namespace: str, labels_of: LabelsOf) -> bool | None:
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


def meet(one: str, other: str) -> bool:
    """Whether two hostnames have names in common; `*.` stands for one label or more.

    >>> meet("*.example.com", "a.b.example.com"), meet("*.example.com", "example.com")
    (True, False)
    """
    if one.startswith("*.") and other.startswith("*."):
        return one.endswith(other[1:]) or other.endswith(one[1:])
    if one.startswith("*."):
        return other.endswith(one[1:])
    return one.endswith(other[1:]) if other.startswith("*.") else one == other


def any_of(found: Iterable[bool | None]) -> bool | None:
    listed = list(found)
    return True if True in listed else None if None in listed else False
