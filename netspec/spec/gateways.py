"""Gateways and their routes, as the Gateway API has them (gateway-api v1.6, apis/v1), field for field.

Left out of the API: what only some implementations have (regular expressions, sessions, filters of one backend), and
kinds that are not of a cluster's own Services.
"""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from netspec.spec.gateway_filters import GrpcFilter, HttpFilter, once
from netspec.spec.http import HeaderName, HeaderValue, HttpHost, HttpPath
from netspec.spec.model import Model
from netspec.spec.selectors import LabelSelector
from netspec.spec.types import Name, ObjectName, PortNumber, problem

#: GEP-2257.
_DURATION = re.compile(r"([0-9]{1,5}(h|m|s|ms)){1,4}\Z")
_GRPC_SERVICE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*\Z")
_GRPC_METHOD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_QUERY = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+\Z")
_Method = Literal["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"]


def _duration(value: str) -> str:
    if not _DURATION.match(value):
        raise problem("NS850", f"{value[:80]!r} is not a duration", "500ms, 10s, 1m30s; 0s is without end")
    return value


def _grpc(pattern: re.Pattern[str], what: str) -> Any:
    def check(value: str) -> str:
        if not pattern.match(value) or len(value) > 1024:
            raise problem("NS850", f"{value[:80]!r} is not a {what} of gRPC", "as its .proto file names it")
        return value

    return AfterValidator(check)


def _query(value: str) -> str:
    if not _QUERY.match(value) or len(value) > 256:
        raise problem("NS850", f"{value[:80]!r} is not the name of a query parameter", "letters, digits, - and _")
    return value


_TEXT = {"type": "string"}
Duration = Annotated[str, AfterValidator(_duration), WithJsonSchema({"title": "duration", **_TEXT})]
GrpcService = Annotated[str, _grpc(_GRPC_SERVICE, "service"), WithJsonSchema({"title": "gRPC service", **_TEXT})]
GrpcMethodName = Annotated[str, _grpc(_GRPC_METHOD, "method"), WithJsonSchema({"title": "gRPC method", **_TEXT})]
QueryName = Annotated[str, AfterValidator(_query), WithJsonSchema({"title": "query parameter", **_TEXT})]


# Gateways


class CertificateRef(Model):
    """A Secret with a certificate (kubernetes.io/tls)."""

    name: ObjectName = Field(description="Its name.")
    namespace: Name | None = Field(
        None, description="Unset: the Gateway's. Another one grants the Gateway the Secret, which netspec writes."
    )
    stand_in: bool = Field(
        False, description="Make that Secret, with a certificate whose key everybody knows, in place of the real one."
    )


class ListenerTls(Model):
    """What a listener does with TLS."""

    mode: Literal["Terminate", "Passthrough"] = Field(
        "Terminate", description="Terminate: it ends at the Gateway; Passthrough: at the backend."
    )
    certificate_refs: list[CertificateRef] = Field(
        default_factory=list, max_length=64, description="The certificates, where it ends at the Gateway."
    )


class RouteNamespaces(Model):
    """From which namespaces a listener takes routes."""

    from_: Literal["Same", "All", "Selector"] = Field("Same", alias="from", description="Same: its Gateway's.")
    selector: LabelSelector | None = Field(None, description="For Selector: labels of namespaces.")


class RouteKind(Model):
    """A kind of route."""

    kind: Literal["HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute", "UDPRoute"] = Field(description="The kind.")


class AllowedRoutes(Model):
    """Which routes a listener takes."""

    namespaces: RouteNamespaces = Field(default_factory=RouteNamespaces, description="Of which namespaces.")
    kinds: list[RouteKind] = Field(
        default_factory=list, max_length=8, description="Of which kinds. Empty: those of its protocol."
    )


class Listener(Model):
    """A port on which a Gateway listens, for some hosts."""

    name: ObjectName = Field(description="Its name, unique in the Gateway.")
    port: PortNumber = Field(description="The port, on the Gateway's address.")
    protocol: Literal["HTTP", "HTTPS", "TLS", "TCP", "UDP"] = Field(description="What is spoken there.")
    hostname: HttpHost | None = Field(
        None, description="The hosts that it is for; *. stands for one label or more. Unset: all."
    )
    tls: ListenerTls | None = Field(None, description="For HTTPS and TLS.")
    allowed_routes: AllowedRoutes = Field(default_factory=AllowedRoutes, description="Which routes it takes.")


class Gateway(Model):
    """A Gateway. Those of a stack share one proxy and one address."""

    name: Name = Field(description="Its name, unique in the namespace.")
    namespace: Name = Field(description="Its namespace.")
    listeners: Annotated[list[Listener], Field(min_length=1, max_length=64)] = Field(description="Where it listens.")


# Routes


class ParentRef(Model):
    """A Gateway that is to take a route."""

    name: Name = Field(description="The Gateway.")
    namespace: Name | None = Field(None, description="Its namespace. Unset: the route's.")
    section_name: ObjectName | None = Field(None, description="One of its listeners. Unset: any that takes the route.")
    port: PortNumber | None = Field(None, description="Its listeners on this port alone.")


class RouteBackendRef(Model):
    """A Service that a route sends to."""

    name: Name = Field(description="The Service.")
    namespace: Name | None = Field(
        None,
        description="Its namespace. Unset: the route's. Another one grants the route the Service, as netspec writes.",
    )
    port: PortNumber = Field(description="The Service's port.")
    weight: int = Field(1, ge=0, le=1000000, description="Its share, against those of the others.")


class HeaderMatch(Model):
    """A header that a request has."""

    type: Literal["Exact"] = Field("Exact", description="Exact: this value.")
    name: HeaderName = Field(description="The header.")
    value: HeaderValue = Field(description="Its value.")


class QueryMatch(Model):
    """A parameter of a request's query."""

    type: Literal["Exact"] = Field("Exact", description="Exact: this value.")
    name: QueryName = Field(description="The parameter.")
    value: HeaderValue = Field(description="Its value.")


class PathMatch(Model):
    """The path of a request."""

    type: Literal["Exact", "PathPrefix"] = Field(
        "PathPrefix", description="PathPrefix: it and all below it, whole segments; Exact: it alone."
    )
    value: HttpPath = Field("/", description="The path.")


class HttpMatch(Model):
    """Requests that a rule is for: all that is given must hold."""

    path: PathMatch = Field(default_factory=PathMatch, description="The path.")
    method: _Method | None = Field(None, description="The method. Unset: any.")
    headers: list[HeaderMatch] = Field(default_factory=list, max_length=16, description="Headers.")
    query_params: list[QueryMatch] = Field(default_factory=list, max_length=16, description="Parameters of the query.")


class GrpcMethod(Model):
    """What is called."""

    type: Literal["Exact"] = Field("Exact", description="Exact: these names.")
    service: GrpcService = Field(description="The service, with its package.")
    method: GrpcMethodName | None = Field(None, description="One of its methods. Unset: any.")


class GrpcMatch(Model):
    """Calls that a rule is for: all that is given must hold."""

    method: GrpcMethod | None = Field(None, description="What is called. Unset: anything.")
    headers: list[HeaderMatch] = Field(default_factory=list, max_length=16, description="Headers (metadata).")


class RouteTimeouts(Model):
    """How long things may take."""

    request: Duration | None = Field(None, description="Until the client has its answer; then 504.")
    backend_request: Duration | None = Field(None, description="Until one backend has answered.")


_Backends = Annotated[list[RouteBackendRef], Field(max_length=16)]


class HttpRule(Model):
    """Requests, and what becomes of them."""

    matches: list[HttpMatch] = Field(
        default_factory=lambda: [HttpMatch()],
        min_length=1,
        max_length=64,
        description="Which, any of them. Unset: all.",
    )
    filters: list[HttpFilter] = Field(default_factory=list, max_length=16, description="What happens on the way.")
    backend_refs: _Backends = Field(default_factory=list, description="Where to, by weight. Not with a redirect.")
    timeouts: RouteTimeouts | None = Field(None, description="How long it may take. Unset: without end.")

    @model_validator(mode="after")
    def _filters(self) -> "HttpRule":
        once(self.filters)
        return self


class GrpcRule(Model):
    """Calls, and what becomes of them."""

    matches: list[GrpcMatch] = Field(
        default_factory=lambda: [GrpcMatch()],
        min_length=1,
        max_length=64,
        description="Which, any of them. Unset: all.",
    )
    filters: list[GrpcFilter] = Field(default_factory=list, max_length=16, description="What happens on the way.")
    backend_refs: Annotated[list[RouteBackendRef], Field(min_length=1, max_length=16)] = Field(
        description="Where to, by weight."
    )

    @model_validator(mode="after")
    def _filters(self) -> "GrpcRule":
        once(self.filters)
        return self


class StreamRule(Model):
    """Where connections go."""

    backend_refs: Annotated[list[RouteBackendRef], Field(min_length=1, max_length=16)] = Field(
        description="Where to, by weight."
    )


_Parents = Annotated[list[ParentRef], Field(min_length=1, max_length=32)]
_Hostnames = Annotated[list[HttpHost], Field(max_length=16)]
_PARENTS, _HOSTNAMES = "The Gateways that are to take it.", "Its hosts; *. stands for one label or more. None: all."


class _Route(Model):
    name: Name = Field(description="Its name, unique in the namespace.")
    namespace: Name = Field(description="Its namespace.")
    parent_refs: _Parents = Field(description=_PARENTS)


class HttpRoute(_Route):
    """Requests of some hosts to backends."""

    hostnames: _Hostnames = Field(default_factory=list, description=_HOSTNAMES)
    rules: Annotated[list[HttpRule], Field(min_length=1, max_length=16)] = Field(
        description="Of all that match the most specific counts: exact path, longest prefix, method, most headers, "
        "most parameters, the first."
    )


class GrpcRoute(_Route):
    """Calls of gRPC to backends."""

    hostnames: _Hostnames = Field(default_factory=list, description=_HOSTNAMES)
    rules: Annotated[list[GrpcRule], Field(min_length=1, max_length=16)] = Field(
        description="Of all that match the most specific counts."
    )


class TlsRoute(_Route):
    """TLS connections to backends, by the name that the client asks for (SNI)."""

    hostnames: Annotated[list[HttpHost], Field(min_length=1, max_length=16)] = Field(description=_HOSTNAMES)
    rules: Annotated[list[StreamRule], Field(min_length=1, max_length=1)] = Field(description="Where to.")


class TcpRoute(_Route):
    """The connections of a port to backends."""

    rules: Annotated[list[StreamRule], Field(min_length=1, max_length=1)] = Field(description="Where to.")


class UdpRoute(_Route):
    """The datagrams of a port to backends."""

    rules: Annotated[list[StreamRule], Field(min_length=1, max_length=1)] = Field(description="Where to.")
