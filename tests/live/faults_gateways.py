"""Faults of Gateways, on a stack that has some: grants, routes, listeners, the controller's proxy."""

from collections.abc import Iterator

from faulting import Expected, created, fault, kept, patched
from live_cluster import Live

from netspec.ir.gateways import GatewayBackend, GatewayRoute
from netspec.verify.model import Status

_ROUTES, _GRANTS = "httproutes.gateway.networking.k8s.io", "referencegrants.gateway.networking.k8s.io"
_GATEWAYS = "gateways.gateway.networking.k8s.io"
_NO_PORT = 9


def _crossing(live: Live) -> tuple[GatewayRoute, GatewayBackend]:
    """A route, and what it sends to in another namespace."""
    return next(
        (r, b)
        for r in live.ir.gateway_routes
        if r.kind == "HTTPRoute"
        for b in r.backends
        if b.namespace != r.namespace
    )


def _plain(live: Live) -> GatewayRoute:
    return next(r for r in live.ir.gateway_routes if r.kind == "HTTPRoute" and r.hostnames and r.rules[0].backends)


def _wrong(live: Live, route: GatewayRoute, path: str) -> dict[str, Status]:
    """That what it is asked for at a path is answered otherwise than it must be, by the listeners that it names."""
    host = route.hostnames[0]
    at = [f"fact:http-answer:{p.namespace}/{p.name}/{p.section}:GET:{host}{path}" for p in route.parents]
    assert set(at) <= {p.id for p in live.probes}
    return dict.fromkeys(at, Status.WRONG)


@fault("a grant taken away")
def grant_removed(live: Live) -> Iterator[Expected]:
    route, backend = _crossing(live)
    name = f"netspec-{route.kind.lower()}-{route.namespace}"
    with kept(live, _GRANTS, name, "-n", backend.namespace):
        live.kubectl("delete", _GRANTS, name, "-n", backend.namespace)
        yield Expected([f"ReferenceGrant {backend.namespace}/{name} is missing"])


@fault("a route of a Gateway deleted")
def gateway_route_deleted(live: Live) -> Iterator[Expected]:
    route = _plain(live)
    with kept(live, _ROUTES, route.name, "-n", route.namespace):
        live.kubectl("delete", _ROUTES, route.name, "-n", route.namespace)
        yield Expected([f"the object HTTPRoute {route.id} is missing"], statuses=_wrong(live, route, "/hostname"))


@fault("a route of a Gateway to a port that its Service lacks")
def gateway_port_wrong(live: Live) -> Iterator[Expected]:
    route = _plain(live)
    with kept(live, _ROUTES, route.name, "-n", route.namespace):
        change = [{"op": "replace", "path": "/spec/rules/0/backendRefs/0/port", "value": _NO_PORT}]
        patched(live, _ROUTES, route.id, change, "json")
        yield Expected([f"HTTPRoute {route.id} is not as the spec has it", "port is 9"])


@fault("a host taken by a more specific route of somebody else's")
def gateway_route_stolen(live: Live) -> Iterator[Expected]:
    route = _plain(live)
    parents = [{"name": p.name, "namespace": p.namespace, "sectionName": p.section} for p in route.parents]
    backend = next(b for r in live.ir.gateway_routes for b in r.backends if b.namespace == route.namespace)
    other = next(
        s for s in live.ir.services if s.namespace == route.namespace and s.name != route.rules[0].backends[0].service
    )
    rule = {
        "matches": [{"path": {"type": "Exact", "value": "/hostname"}}],
        "backendRefs": [{"name": other.name, "port": backend.port}],
    }
    thing = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "netspec-fault", "namespace": route.namespace},
        "spec": {"parentRefs": parents, "hostnames": list(route.hostnames), "rules": [rule]},
    }
    with created(live, thing, _ROUTES):
        said = f"HTTPRoute {route.namespace}/netspec-fault is not in the spec and opens a way"
        yield Expected([said], statuses=_wrong(live, route, "/hostname"))


@fault("a listener's port changed")
def listener_moved(live: Live) -> Iterator[Expected]:
    gateway = live.ir.gateways[0]
    with kept(live, _GATEWAYS, gateway.name, "-n", gateway.namespace):
        change = [{"op": "replace", "path": "/spec/listeners/0/port", "value": 8081}]
        patched(live, _GATEWAYS, gateway.id, change, "json")
        gates = live.ir.traits.gates
        assert gates is not None
        yield Expected([f"Service {gates.service.id} is not the spec's"])
