"""Workloads: pods that share their labels and ports."""

from dataclasses import dataclass, field

from netspec.ir.base import Place, Protocol
from netspec.ir.selectors import Labels

#: Which workload a pod stands in for; its Deployment selects by it, since workloads may share their own labels.
WORKLOAD_LABEL = "netspec.dev/workload"


@dataclass(frozen=True, slots=True)
class ContainerPort:
    port: int
    protocol: Protocol = "TCP"
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Workload:
    """Pods that share their labels and ports. `stand_in`: netspec deploys an agnhost Deployment for it.
    `system`: the cluster brings it (CoreDNS), the spec does not declare it. `pods`: the names of those that run."""

    namespace: str
    name: str
    labels: Labels
    ports: tuple[ContainerPort, ...] = ()
    replicas: int = 1
    stand_in: bool = False
    host_network: bool = False
    kind: str = "Deployment"
    system: bool = False
    pods: tuple[str, ...] = field(default=(), compare=False)
    place: Place = field(default=Place(), compare=False)

    @property
    def id(self) -> str:
        return f"{self.namespace}/{self.name}"

    def port_named(self, name: str, protocol: Protocol) -> int | None:
        return next((p.port for p in self.ports if p.name == name and p.protocol == protocol), None)
