"""Which listener, route and rule of a spec's Gateways take a request, and what becomes of it.

The order is the API's (gateway-api v1.6, apis/v1: Listener.hostname, HTTPRouteSpec.hostnames, HTTPRouteRule.matches,
GRPCRouteRule.matches). Of a port's listeners the one with the most specific host counts, then of the hosts of its
routes the most specific, then of their matches the exact path, the longest prefix, one with a method, the one with most
headers, with most parameters, and within a route the first. Where that leaves two routes, the older one counts, and a
spec has no ages: `Contested`. So is what the API does not say: whether a wider host counts where the most specific one
has no rule for the request, and whether a route's host is the one that it gives or, where that is wider or none, that
of the listener.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import NamedTuple

from netspec.analysis.attachment import LabelsOf, listeners_of, meet
from netspec.ir.gateways import (
    OF_REQUESTS,
    Gateway,
    GatewayRoute,
    Listener,
    Match,
    NewPath,
    RouteRule,
)
from netspec.ir.model import Ir


class Request(NamedTuple):
    """`headers`: names in lower case. `query`: of a parameter the first value."""

    host: str
    path: str = "/"
    method: str = "GET"
    headers: Mapping[str, str] = {}
    query: Mapping[str, str] = {}


class Entry(NamedTuple):
    """A match of a rule of a route, on a listener that took the route, for one of its hosts ("" any): `own` as the
    route has it, `host` as far as the listener has it."""

    gateway: Gateway
    listener: Listener
    route: GatewayRoute
    host: str
    own: str
    number: int
    rule: RouteRule
    match: Match

    @property
    def rank(self) -> tuple[bool, int, bool, int, int]:
        """Higher wins."""
        match = self.match
        length = len(match.path if match.exact else match.bare)
        return match.exact, length, bool(match.method), len(match.headers), len(match.query)


class Contested(NamedTuple):
    """What the API leaves open: any of these may take the request; `or_nobody`: or no rule at all."""

    entries: tuple[Entry, ...]
    or_nobody: bool = False


class Listening:
    """The listeners of a spec's Gateways with the routes that they take."""

    def __init__(self, gateways: Iterable[Gateway], routes: Iterable[GatewayRoute], labels_of: LabelsOf) -> None:
        self.gateways, self.routes, self._labels_of = tuple(gateways), tuple(routes), labels_of

    @classmethod
    def of(cls, ir: Ir) -> "Listening":
        labels = {n.name: n.labels for n in ir.namespaces}
        return cls(ir.gateways, ir.gateway_routes, lambda name: labels.get(name, {"kubernetes.io/metadata.name": name}))

    @cached_property
    def taken(self) -> list[tuple[GatewayRoute, list[tuple[Gateway, Listener]]]]:
        """Each route with the listeners that take it."""
        return [(r, list(listeners_of(r, self.gateways, self._labels_of))) for r in self.routes]

    @cached_property
    def listeners(self) -> list[tuple[Gateway, Listener]]:
        return [(gateway, listener) for gateway in self.gateways for listener in gateway.listeners]

    @cached_property
    def entries(self) -> list[Entry]:
        """Of HTTPRoutes and GRPCRoutes."""
        return [
            Entry(gateway, listener, route, host, own, number, rule, match)
            for route, taken in self.taken
            if route.kind in OF_REQUESTS
            for gateway, listener in taken
            for host, own in hosts(listener, route)
            for number, rule in enumerate(route.rules)
            for match in rule.matches
        ]

    def listener(self, port: int, secure: bool, host: str) -> tuple[Gateway, Listener] | None:
        """The one that a request comes to: on its port the most specific host. HTTPS: by the name that TLS asks for."""
        protocol = "HTTPS" if secure else "HTTP"
        found = [
            (gateway, listener)
            for gateway, listener in self.listeners
            if (listener.port, listener.protocol) == (port, protocol) and takes_host(listener.hostname, host)
        ]
        return max(found, key=lambda pair: specific(pair[1].hostname), default=None)

    def chosen(self, port: int, secure: bool, request: Request) -> Entry | Contested | None:
        """What takes the request. None: nothing does, which is answered with 404 (or by nobody, without listener)."""
        where = self.listener(port, secure, request.host)
        return None if where is None else self.at(*where, request)

    def at(self, gateway: Gateway, listener: Listener, request: Request) -> Entry | Contested | None:
        """What takes the request that came to this listener."""
        here = [
            e
            for e in self.entries
            if (e.gateway.id, e.listener.name) == (gateway.id, listener.name) and takes_host(e.host, request.host)
        ]
        matching = [e for e in here if takes(e.match, request)]
        best: dict[int, Entry] = {}
        or_nobody = False
        for host_of in (_host, _own):
            nearest = max((specific(host_of(e)) for e in here), default=None)
            last = max((specific(host_of(e)) for e in matching), default=None)
            best |= {id(e): e for e in _best([e for e in matching if specific(host_of(e)) == last])}
            or_nobody |= nearest != last
        if not best:
            return None
        found = tuple(best.values())
        return found[0] if len(found) == 1 and not or_nobody else Contested(found, or_nobody)


def _host(entry: Entry) -> str:
    return entry.host


def _own(entry: Entry) -> str:
    return entry.own


def _best(entries: list[Entry]) -> list[Entry]:
    """Those of the highest rank; of a route the first."""
    rank = max((e.rank for e in entries), default=None)
    first: dict[int, Entry] = {}
    for entry in entries:
        if entry.rank == rank:
            first.setdefault(id(entry.route), entry)
    return list(first.values())


def hosts(listener: Listener, route: GatewayRoute) -> Iterator[tuple[str, str]]:
    """The hosts for which a listener has a route: where the two have names in common, the narrower of them; and the
    route's own."""
    for name in route.hostnames or ("",):
        if not name or not listener.hostname:
            yield name or listener.hostname, name
        elif meet(listener.hostname, name):
            yield (name if specific(name) >= specific(listener.hostname) else listener.hostname), name


def specific(host: str) -> tuple[int, int]:
    """Higher is more specific: given whole, with a wildcard, any; then the longer."""
    kind = 0 if not host else 1 if host.startswith("*.") else 2
    return kind, len(host)


def takes_host(wanted: str, host: str) -> bool:
    """A wildcard stands for one label or more.

    >>> takes_host("*.example.com", "a.b.example.com"), takes_host("*.example.com", "example.com"), takes_host("", "x")
    (True, False, True)
    """
    return not wanted or meet(wanted, host)


def takes(match: Match, request: Request) -> bool:
    """
    >>> takes(Match("/api"), Request("a.test", "/api/v1")), takes(Match("/api"), Request("a.test", "/apis"))
    (True, False)
    """
    in_path = request.path == match.bare or (not match.exact and request.path.startswith(f"{match.bare}/"))
    return (
        in_path
        and match.method in ("", request.method)
        and all(request.headers.get(name) == value for name, value in match.headers)
        and all(request.query.get(name) == value for name, value in match.query)
    )


def overlap(one: Match, other: Match) -> bool:
    """Whether a request may match both of two matches of equal rank."""
    if one.bare != other.bare or (one.method and other.method and one.method != other.method):
        return False
    for mine, theirs in ((one.headers, dict(other.headers)), (one.query, dict(other.query))):
        if any(theirs.get(name, value) != value for name, value in mine):
            return False
    return True


# What becomes of a request


def new_path(match: Match, new: NewPath, path: str) -> str:
    """
    >>> new_path(Match("/api"), NewPath("/v2", False), "/api/x"), new_path(Match("/api"), NewPath("/", False), "/api")
    ('/v2/x', '/')
    """
    if new.whole:
        return new.value
    return new.value.rstrip("/") + path[len(match.bare) :] or "/"


def location(entry: Entry, request: Request) -> str:
    """Where a redirect sends the client (HTTPRequestRedirectFilter): what is not given stays as it is; the port is that
    of the scheme where one is given, else the listener's; a scheme's own port is left out."""
    redirect = entry.rule.redirect
    assert redirect is not None
    scheme = redirect.scheme or ("https" if entry.listener.protocol == "HTTPS" else "http")
    usual = {"http": 80, "https": 443}[scheme]
    port = redirect.port or (usual if redirect.scheme else entry.listener.port)
    path = new_path(entry.match, redirect.path, request.path) if redirect.path is not None else request.path
    return f"{scheme}://{redirect.hostname or request.host}{'' if port == usual else f':{port}'}{path}"
