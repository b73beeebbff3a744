"""Gateways and their routes, resolved. `netspec/spec/gateways.py` says what the fields mean."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from netspec.feature import Feature
from netspec.ir.base import Place, Protocol
from netspec.ir.http import Cors
from netspec.ir.selectors import Selector

ListenerProtocol = Literal["HTTP", "HTTPS", "TLS", "TCP", "UDP"]
RouteKind = Literal["HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute", "UDPRoute"]
#: Kind -> the protocol that arrives at its backends.
CARRIED: dict[RouteKind, Protocol] = {
    "HTTPRoute": "TCP",
    "GRPCRoute": "TCP",
    "TLSRoute": "TCP",
    "TCPRoute": "TCP",
    "UDPRoute": "UDP",
}
#: Kinds whose requests have hosts, paths and headers.
OF_REQUESTS: frozenset[RouteKind] = frozenset(("HTTPRoute", "GRPCRoute"))


@dataclass(frozen=True, slots=True)
class Listener:
    """`mode` "" where there is no TLS. `certificates`: (namespace, Secret);
    `stand_ins`: those that netspec makes. `kinds`: (group, kind) of the routes that
    it takes; None: those of its protocol. `allowed`: from which namespaces (Same, All, Selector, or none known)."""

    name: str
    port: int
    protocol: str
    mode: str = ""
    hostname: str = ""
    kinds: tuple[tuple[str, str], ...] | None = None
    allowed: str = "Same"
    selector: Selector | None = None
    certificates: tuple[tuple[str, str], ...] = ()
    stand_ins: frozenset[tuple[str, str]] = frozenset()
    place: Place = field(default=Place(), compare=False)


@dataclass(frozen=True, slots=True)
class Gateway:
    namespace: str
    name: str
    listeners: tuple[Listener, ...]
    place: Place = field(default=Place(), compare=False)

    @property
    def id(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Parent:
    """A parentRef. `section` and `port` pick listeners; "" and 0: any."""

    group: str
    kind: str
    namespace: str
    name: str
    section: str = ""
    port: int = 0


@dataclass(frozen=True, slots=True)
class GatewayBackend:
    namespace: str
    service: str
    port: int
    weight: int = 1


@dataclass(frozen=True, slots=True)
class Match:
    """Requests; of gRPC the path is what is called. `method` "" is any. Names of headers are in lower case."""

    path: str = "/"
    exact: bool = False
    method: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    query: tuple[tuple[str, str], ...] = ()

    @property
    def bare(self) -> str:
        """A prefix without the slash at its end, which says nothing: "" is every path. An exact path as it is."""
        return self.path if self.exact else self.path.rstrip("/")


@dataclass(frozen=True, slots=True)
class HeaderChange:
    set: tuple[tuple[str, str], ...] = ()
    add: tuple[tuple[str, str], ...] = ()
    remove: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NewPath:
    """`whole`: in place of the whole path, else of the prefix that the match has."""

    value: str
    whole: bool


@dataclass(frozen=True, slots=True)
class Redirect:
    """ "", None and 0: as the request has it."""

    scheme: str = ""
    hostname: str = ""
    path: NewPath | None = None
    port: int = 0
    status: int = 302


@dataclass(frozen=True, slots=True)
class UrlRewrite:
    hostname: str = ""
    path: NewPath | None = None


@dataclass(frozen=True, slots=True)
class RouteRule:
    """`matches` is empty for streams. Of each filter there is one, of mirrors several."""

    backends: tuple[GatewayBackend, ...]
    matches: tuple[Match, ...] = ()
    request_headers: HeaderChange | None = None
    response_headers: HeaderChange | None = None
    redirect: Redirect | None = None
    rewrite: UrlRewrite | None = None
    mirrors: tuple[GatewayBackend, ...] = ()
    cors: Cors | None = None
    request_timeout: str = ""
    backend_timeout: str = ""


@dataclass(frozen=True, slots=True)
class GatewayRoute:
    kind: RouteKind
    namespace: str
    name: str
    parents: tuple[Parent, ...]
    rules: tuple[RouteRule, ...]
    hostnames: tuple[str, ...] = ()
    place: Place = field(default=Place(), compare=False)

    @property
    def id(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def backends(self) -> tuple[GatewayBackend, ...]:
        """All that the proxy sends to, copies included; those without weight get nothing."""
        return tuple(b for rule in self.rules for b in (*rule.backends, *rule.mirrors) if b.weight)

    def features(self) -> Iterator[Feature]:
        """What it asks of a controller, besides its kind."""
        matches = [m for rule in self.rules for m in rule.matches]
        given = {
            _KINDS[self.kind]: True,
            Feature.GATEWAY_MATCHES: any(m.method or m.headers or m.query for m in matches),
            Feature.GATEWAY_REDIRECT: any(r.redirect for r in self.rules),
            Feature.GATEWAY_REWRITE: any(r.rewrite for r in self.rules),
            Feature.GATEWAY_HEADERS: any(r.request_headers or r.response_headers for r in self.rules),
            Feature.GATEWAY_MIRROR: any(r.mirrors for r in self.rules),
            Feature.GATEWAY_CORS: any(r.cors for r in self.rules),
            Feature.GATEWAY_TIMEOUTS: any(r.request_timeout or r.backend_timeout for r in self.rules),
        }
        return (feature for feature, is_given in given.items() if is_given)


_KINDS: dict[RouteKind, Feature] = {
    "HTTPRoute": Feature.GATEWAY_HTTP,
    "GRPCRoute": Feature.GATEWAY_GRPC,
    "TLSRoute": Feature.GATEWAY_TLS,
    "TCPRoute": Feature.GATEWAY_TCP,
    "UDPRoute": Feature.GATEWAY_UDP,
}
