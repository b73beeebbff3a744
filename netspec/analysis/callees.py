"""What a route's backends are: the Service ports that it names, and which pods' ports are spoken to in gRPC."""

from netspec.analysis.services import Endpoints
from netspec.ir.http import HttpBackend, HttpRoute
from netspec.ir.model import Ir, Service, ServicePort


def service_port(ir: Ir, route: HttpRoute, backend: HttpBackend) -> tuple[Service, ServicePort] | None:
    """The Service port that a backend names; None where there is none."""
    service = ir.services_by_id.get(f"{backend.namespace or route.namespace}/{backend.service}")
    if service is None:
        return None
    port = next((p for p in service.ports if backend.port in (p.port, p.name) and p.protocol == "TCP"), None)
    return None if port is None else (service, port)


def grpc_ports(ir: Ir) -> frozenset[tuple[str, int]]:
    """Workload id and port of those that a route of protocol grpc leads to."""
    endpoints = Endpoints(ir.inventory)
    return frozenset(
        (endpoint.workload.id, endpoint.number)
        for route in ir.http
        if route.grpc
        for backend in (b for path in route.paths for b in path.backends)
        if (named := service_port(ir, route, backend)) is not None
        for endpoint in endpoints.of_port(*named)
        if endpoint.workload is not None
    )
