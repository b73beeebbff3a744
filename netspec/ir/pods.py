"""Workloads: pods that share their labels and ports."""

from dataclasses import dataclass, field
from typing import Literal

from netspec.ir.base import Place, Protocol
from netspec.ir.selectors import Labels

#: Which workload a pod stands in for; its Deployment selects by it, since workloads may share their own labels.
WORKLOAD_LABEL = "netspec.dev/workload"

#: What a stand-in is deployed as.
WorkloadKind = Literal["Deployment", "StatefulSet", "DaemonSet", "Job"]
#: When a container of a pod runs: with it, before it, or before it and on.
ContainerRole = Literal["main", "init", "sidecar"]


@dataclass(frozen=True, slots=True)
class ContainerPort:
    """`host_port`: the port of the node that leads to it, 0 for none."""

    port: int
    protocol: Protocol = "TCP"
    name: str | None = None
    host_port: int = 0


@dataclass(frozen=True, slots=True)
class Container:
    """One of a pod's containers, where a spec tells them apart."""

    name: str
    ports: tuple[ContainerPort, ...] = ()
    role: ContainerRole = "main"


@dataclass(frozen=True, slots=True)
class Spread:
    """A topologySpreadConstraint over the workload's own pods (core/v1)."""

    max_skew: int
    topology_key: str
    when_unsatisfiable: Literal["DoNotSchedule", "ScheduleAnyway"]
    min_domains: int | None = None


DnsPolicy = Literal["ClusterFirst", "Default", "None"]


@dataclass(frozen=True, slots=True)
class PodDns:
    """How a pod looks up names: its dnsPolicy, and its dnsConfig, which is added to what the policy gives it (core/v1
    PodDNSConfig). `options`: (name, value), "" for one that has none."""

    policy: DnsPolicy = "ClusterFirst"
    nameservers: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    options: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Workload:
    """Pods that share their labels and ports. `stand_in`: netspec deploys agnhost for it, as its `kind` says.
    `system`: the cluster brings it (CoreDNS), the spec does not declare it. `pods`: the names of those that run.

    `containers`: in which a stand-in serves its ports; none given: one a port. `ready` False: its pods run and never
    say that they are ready. `service_name`: of a StatefulSet, the Service below which each pod has its own name;
    `hostname`, `subdomain`: the pods' own (core/v1 PodSpec). `dns`: of its pods, ndots of the whole spec aside.
    `hosts`: names of hosts that its containers' environment says."""

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
    containers: tuple[Container, ...] = ()
    ready: bool = True
    service_name: str = ""
    hostname: str = ""
    subdomain: str = ""
    spread: tuple[Spread, ...] = ()
    dns: PodDns = PodDns()
    hosts: tuple[str, ...] = field(default=(), compare=False)

    @property
    def id(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def node_ports(self) -> tuple[ContainerPort, ...]:
        """The ports that the nodes of its pods have too, by the number that they have there."""
        if self.host_network:
            return self.ports
        return tuple(ContainerPort(p.host_port, p.protocol, p.name, p.host_port) for p in self.ports if p.host_port)

    def port_named(self, name: str, protocol: Protocol) -> int | None:
        return next((p.port for p in self.ports if p.name == name and p.protocol == protocol), None)
