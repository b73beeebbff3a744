"""What a Service and a port mean in pods: shared by the passes."""

from netspec.ir.model import Ir, PolicyPort, Protocol, Service, Workload


def behind(ir: Ir, service: Service) -> list[Workload]:
    """The workloads that a Service selects."""
    selector = service.selector
    if selector is None:
        return []
    return [w for w in ir.workloads_in.get(service.namespace, ()) if selector.matches(w.labels)]


def covers(port: PolicyPort, number: int, name: str | None, protocol: Protocol) -> bool:
    """Whether an intent's port means the port with this number and name."""
    if port.protocol != protocol:
        return False
    if isinstance(port.port, int):
        return port.port <= number <= (port.end_port or port.port)
    return port.port == name
