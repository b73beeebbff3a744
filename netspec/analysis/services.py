"""A flow to a Service is the flow to its endpoints' target ports; a route is a flow to its backend Services."""

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from netspec.ir.model import Inventory, Protocol, Route, Service, ServicePort, Workload


class Endpoint(NamedTuple):
    """Pods behind one port of a Service; `number` is the container port that the flow arrives at."""

    port: ServicePort
    workload: Workload
    number: int

    @property
    def protocol(self) -> Protocol:
        return self.port.protocol


class Endpoints:
    """Looks up endpoints by Service and by route."""

    def __init__(self, inventory: Inventory) -> None:
        self._services = {s.id: s for s in inventory.services}
        self._workloads: dict[str, list[Workload]] = defaultdict(list)
        for workload in inventory.workloads:
            self._workloads[workload.namespace].append(workload)

    def find(self, service: str) -> Service | None:
        return self._services.get(service)

    def pods(self, service: Service) -> Iterator[Workload]:
        """None for ExternalName and without a selector; a workload scaled to nothing has none."""
        if service.selector is None or service.type == "ExternalName":
            return
        for workload in self._workloads[service.namespace]:
            if workload.replicas > 0 and service.selector.matches(workload.labels):
                yield workload

    def of_service(self, service: Service) -> Iterator[Endpoint]:
        """A named port resolves on each pod, and is no endpoint where the pod has no such port (core/v1 ServicePort,
        EndpointSlice)."""
        for workload in self.pods(service):
            for port in service.ports:
                number = port.number_on(workload)
                if number is not None:
                    yield Endpoint(port, workload, number)

    def of_route(self, route: Route) -> Iterator[Endpoint]:
        """Of the Service ports that the route's backends name and that carry its protocol."""
        for backend in route.backends:
            service = self._services.get(f"{backend.namespace}/{backend.service}")
            if service is None:
                continue
            for endpoint in self.of_service(service):
                wanted = backend.port in (None, endpoint.port.port, endpoint.port.name)
                if wanted and endpoint.protocol == route.protocol:
                    yield endpoint


def service_dialect(about: Inventory, source: Workload, endpoint: Endpoint, service: Service) -> str | None:
    """Why an allowed flow fails when it is sent to the Service's own address; None where it does not.

    The AWS agent judges egress before the address is translated. Its controller admits a cluster IP only for a rule
    whose podSelector matches the Service's selector, read as labels, and where it names ports only if the Service's
    port is the pod's own (amazon-network-policy-controller-k8s, pkg/resolvers/endpoints.go; issues 147, 194, 224).
    `about` holds the policies that select the source.
    """
    if about.cni != "vpc-cni" or service.headless or service.selector is None:
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
            same_port = not rule.ports or named or endpoint.number == endpoint.port.port
            for peer in rule.peers:
                if peer.ip_block is not None:
                    return None  # it may hold the cluster IP
                near = peer.namespaces is not None or policy.namespace == service.namespace
                if near and same_port and (peer.pods is None or peer.pods.matches(labels)):
                    return None
            if not rule.peers:
                return None
    return (
        "AWS admits a cluster IP only where the rule's podSelector matches the Service's selector"
        if isolating
        else None
    )
