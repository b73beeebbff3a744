"""A flow to a Service is the flow to its endpoints; a route is a flow to its backend Services."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

from netspec.analysis.verdict import AddressEnd, End, PodEnd
from netspec.ir.dns import service_of_name
from netspec.ir.model import (
    EndpointSlice,
    Inventory,
    PolicyPort,
    Protocol,
    Route,
    RouteBackend,
    Service,
    ServicePort,
    Workload,
)


class Endpoint(NamedTuple):
    """What is behind one port of a Service: pods of a workload, or an address (`workload` None). `number` is the port
    that the flow arrives at."""

    port: ServicePort
    end: End
    number: int
    workload: Workload | None = None

    @property
    def protocol(self) -> Protocol:
        return self.port.protocol


def selected(service: Service, pods: Iterable[Workload]) -> list[Workload]:
    """Of the pods of its namespace those that it selects, scaled to nothing or not; none of an ExternalName."""
    if service.selector is None or service.type == "ExternalName":
        return []
    return [w for w in pods if service.selector.matches(w.labels)]


class Endpoints:
    """Looks up endpoints by Service and by route."""

    def __init__(self, inventory: Inventory) -> None:
        self.domain = inventory.cluster_domain
        self._services = {s.id: s for s in inventory.services}
        self._by_id = {w.id: w for w in inventory.workloads}
        self._workloads: dict[str, list[Workload]] = defaultdict(list)
        for workload in inventory.workloads:
            self._workloads[workload.namespace].append(workload)
        self._slices: dict[str, list[EndpointSlice]] = defaultdict(list)
        for part in inventory.slices:
            self._slices[part.service].append(part)

    def find(self, service: str) -> Service | None:
        return self._services.get(service)

    def selected(self, service: Service) -> list[Workload]:
        """Those of its workloads that are scaled to nothing too: their pods may come back."""
        return selected(service, self._workloads.get(service.namespace, ()))

    def slices(self, service: Service) -> list[EndpointSlice]:
        """What somebody put behind it by hand."""
        return self._slices.get(service.id, []) if service.type != "ExternalName" else []

    def of_port(self, service: Service, port: ServicePort) -> list[Endpoint]:
        """What is behind one of its ports, each once: workloads by id, then what EndpointSlices have.

        A named port resolves on each pod, and is not an endpoint where the pod has no such port (core/v1 ServicePort).
        Slices name the Service's port; one without a number stands for every port, so for the Service's own
        (discovery/v1 EndpointPort)."""
        found: dict[tuple[End, int], Endpoint] = {}
        for end, workload in self._pods(service):
            number = port.number_on(workload)
            if number is not None:
                found[end, number] = Endpoint(port, end, number, workload)
        for part in self.slices(service):
            for name, protocol, given in part.ports:
                if (name or None, protocol) == (port.name, port.protocol):
                    number = port.port if given is None else given
                    for end, behind in self._ends(part):
                        found.setdefault((end, number), Endpoint(port, end, number, behind))
        return list(found.values())

    def of_service(self, service: Service) -> Iterator[Endpoint]:
        """Behind all of its ports. An ExternalName has none: `followed` says what it is a name for."""
        for port in service.ports:
            yield from self.of_port(service, port)

    def addresses(self, service: Service) -> list[End]:
        """What the name of a headless Service stands for: whoever asks picks the port, targetPort is ignored (core/v1
        ServicePort)."""
        ends = [end for end, _ in self._pods(service)]
        ends += [end for part in self.slices(service) for end, _ in self._ends(part)]
        return list(dict.fromkeys(ends))

    def _pods(self, service: Service) -> list[tuple[End, Workload]]:
        listed = sorted(self.selected(service), key=lambda w: w.id)
        return [(PodEnd(w.id), w) for w in listed if w.replicas > 0 and (w.ready or service.publish_not_ready)]

    def _ends(self, part: EndpointSlice) -> Iterator[tuple[End, Workload | None]]:
        for workload in part.workloads:
            if workload in self._by_id:
                yield PodEnd(workload), self._by_id[workload]
        for address in part.addresses:
            yield AddressEnd(address), None

    def followed(self, service: Service) -> Service | None:
        """The Service that an ExternalName inside the cluster is a name for in the end; itself where it is none. None:
        the name is outside, or is not there, or comes back to itself."""
        seen = set()
        found: Service | None = service
        while found is not None and found.type == "ExternalName":
            if found.id in seen:
                return None
            seen.add(found.id)
            found = self.find(service_of_name(found.external_name or "", self.domain) or "")
        return found

    def of_route(self, route: Route) -> Iterator[Endpoint]:
        """Of the Service ports that the route's backends name and that carry its protocol. A proxy sends to the
        endpoints of a headless Service too, at the ports that its EndpointSlices say."""
        for backend in route.backends:
            service = self.find(f"{backend.namespace}/{backend.service}")
            target = None if service is None else self.followed(service)
            if service is None or target is None:
                continue
            wanted = backend if target is service else _through_the_name(service, backend)
            for port in target.ports:
                if wanted.port in (None, port.port, port.name) and port.protocol == route.protocol:
                    yield from self.of_port(target, port)


def _through_the_name(service: Service, backend: RouteBackend) -> RouteBackend:
    """An ExternalName's ports are numbers to dial at the name that it stands for."""
    if not isinstance(backend.port, str):
        return backend
    return replace(backend, port=next((p.port for p in service.ports if p.name == backend.port), 0))


def _holds(port: PolicyPort, wanted: ServicePort) -> bool:
    """Whether a rule's port, by number, is a Service's own."""
    if port.protocol != wanted.protocol or isinstance(port.port, str):
        return False
    return port.port is None or port.port <= wanted.port <= (port.end_port or port.port)


def service_dialect(about: Inventory, source: Workload, endpoint: Endpoint, service: Service) -> str | None:
    """Why an allowed flow fails when it is sent to the Service's own address; None where it does not.

    An agent that judges egress before the address is translated is told cluster IPs by its controller: only for a rule
    whose podSelector matches the Service's selector, read as labels, and where it names ports only if the Service's
    port is among them (amazon-network-policy-controller-k8s, pkg/resolvers/endpoints.go; issues 147, 194, 224).
    `about` holds the policies that select the source.
    """
    early = about.dialect.early_egress if about.dialect else ""
    if not early or service.headless or service.selector is None:
        return None
    labels = dict(service.selector.match_labels)
    isolating = [
        policy
        for policy in about.policies
        if "Egress" in policy.types and policy.namespace == source.namespace and policy.pods.matches(source.labels)
    ]
    for policy in isolating:
        for rule in policy.egress:
            named = any(isinstance(p.port, str) for p in rule.ports)
            same_port = not rule.ports or named or any(_holds(p, endpoint.port) for p in rule.ports)
            for peer in rule.peers:
                if peer.ip_block is not None:
                    return None  # it may hold the cluster IP
                near = peer.namespaces is not None or policy.namespace == service.namespace
                if near and same_port and (peer.pods is None or peer.pods.matches(labels)):
                    return None
            if not rule.peers:
                return None
    return early if isolating else None
