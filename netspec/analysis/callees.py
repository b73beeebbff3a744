"""What a route's backends are: the Service ports that it names, and what is spoken at the pods' ports behind them."""

from collections.abc import Iterator
from typing import Literal

from netspec.analysis.services import Endpoints
from netspec.ir.gateways import CARRIED, GatewayBackend, GatewayRoute
from netspec.ir.http import HttpBackend, HttpRoute
from netspec.ir.model import Ir, Service, ServicePort

#: At a TCP port: HTTP; HTTP that may become a WebSocket; gRPC; HTTPS that the pod ends itself; HTTP of one who is asked
#: about others' requests; OTLP over gRPC; HTTP of a provider at which people log in.
Speech = Literal["http", "web-socket", "grpc", "tls", "authorizer", "collector", "provider"]

#: One of two that routes ask of one port: the first here. No pod could have both.
_FIRST: tuple[Speech, ...] = ("tls", "collector", "grpc", "authorizer", "provider", "web-socket")
#: By the kind of a Gateway's route. (Behind an HTTPRoute it is HTTP, and behind streams whatever it is.)
_CARRYING: dict[str, Speech] = {"GRPCRoute": "grpc", "TLSRoute": "tls"}
#: What answers any request over plain HTTP.
PLAIN: frozenset[Speech] = frozenset({"http", "web-socket"})


def service_port(ir: Ir, route: HttpRoute, backend: HttpBackend) -> tuple[Service, ServicePort] | None:
    """The Service port that a backend names; None where there is none."""
    service = ir.services_by_id.get(f"{backend.namespace or route.namespace}/{backend.service}")
    if service is None:
        return None
    port = next((p for p in service.ports if backend.port in (p.port, p.name) and p.protocol == "TCP"), None)
    return None if port is None else (service, port)


def backend_port(ir: Ir, route: GatewayRoute, backend: GatewayBackend) -> tuple[Service, ServicePort] | None:
    """The Service port that a backend names; None where there is none."""
    service = ir.services_by_id.get(f"{backend.namespace}/{backend.service}")
    if service is None:
        return None
    protocol = CARRIED[route.kind]
    port = next((p for p in service.ports if (p.port, p.protocol) == (backend.port, protocol)), None)
    return None if port is None else (service, port)


def spoken(ir: Ir) -> dict[tuple[str, int], Speech]:
    """Workload id and port -> what the routes that lead to it have it speak; HTTP is left out."""
    endpoints = Endpoints(ir.inventory)
    found: dict[tuple[str, int], Speech] = {}
    asked = [(speech, service_port(ir, route, b)) for route in ir.http for speech, b in _asked(route)]
    for gateway_route in ir.gateway_routes:
        own = _CARRYING.get(gateway_route.kind)
        if own is not None:
            asked += [(own, backend_port(ir, gateway_route, b)) for b in gateway_route.backends]
    for speech, named in sorted(asked, key=lambda row: _FIRST.index(row[0]), reverse=True):
        for endpoint in endpoints.of_port(*named) if named else ():
            if endpoint.workload is not None:
                found[endpoint.workload.id, endpoint.number] = speech
    return found


def _asked(route: HttpRoute) -> Iterator[tuple[Speech, HttpBackend]]:
    own: Speech | None = (
        "tls" if route.passthrough else "grpc" if route.grpc else "web-socket" if route.web_socket else None
    )
    if own is not None:
        yield from ((own, backend) for path in route.paths for backend in path.backends)
    if route.grpc and route.mirror is not None:
        yield "grpc", route.mirror
    if route.external_auth is not None:
        yield "authorizer", route.external_auth.backend
    if route.tracing is not None:
        yield "collector", route.tracing.collector
    if route.oidc is not None and route.oidc.provider is not None:
        yield "provider", route.oidc.provider


def not_plain(ir: Ir) -> frozenset[tuple[str, int]]:
    """Workload id and port of those that answer no request over plain HTTP, or not any."""
    return frozenset(end for end, speech in spoken(ir).items() if speech not in PLAIN)


def own_certificate(workload: str) -> str:
    """The Secret with the certificate of a stand-in that ends HTTPS itself, by the workload's name."""
    return f"{workload}.netspec-tls"
