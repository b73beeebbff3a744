"""What a Service and a port mean in pods: shared by the passes."""

from collections import defaultdict

from netspec.analysis.services import selected
from netspec.diagnostics import Path
from netspec.ir.model import ContainerPort, IPAddress, Ir, PolicyPort, Protocol, Service, Workload

#: `all` of an intent: every port of every protocol.
EVERY_PORT = (PolicyPort("TCP"), PolicyPort("UDP"), PolicyPort("SCTP"))


def behind(ir: Ir, service: Service) -> list[Workload]:
    """The workloads that a Service selects."""
    return selected(service, ir.workloads_in.get(service.namespace, ()))


def given_addresses(ir: Ir, service: Service) -> list[IPAddress]:
    """The addresses that the spec itself puts behind a Service."""
    return [a for part in ir.slices if part.service == service.id for a in part.addresses]


def covers(port: PolicyPort, number: int, name: str | None, protocol: Protocol) -> bool:
    """Whether an intent's port means the port with this number and name."""
    if port.protocol != protocol:
        return False
    if port.port is None:
        return True
    if isinstance(port.port, int):
        return port.port <= number <= (port.end_port or port.port)
    return port.port == name


def ports_with_places(workload: Workload) -> list[tuple[Path, ContainerPort]]:
    """Each of its ports, of the pod or of a container, and where it stands."""
    own = workload.place.path
    in_containers = sum(len(c.ports) for c in workload.containers if c.role != "init")
    plain = workload.ports[: len(workload.ports) - in_containers]
    found: list[tuple[Path, ContainerPort]] = [((*own, "ports", i), port) for i, port in enumerate(plain)]
    counts: dict[str, int] = defaultdict(int)
    for container in workload.containers:
        field = "containers" if container.role == "main" else "initContainers"
        where = (*own, field, counts[field])
        counts[field] += 1
        found += [((*where, "ports", j), port) for j, port in enumerate(container.ports) if container.role != "init"]
    return found
