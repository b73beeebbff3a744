"""The models of `workloads`: who talks."""

from typing import Literal

from pydantic import Field

from netspec.ir.pods import DnsPolicy, WorkloadKind
from netspec.spec.model import Model
from netspec.spec.types import (
    Address,
    DnsOptionName,
    Domain,
    LabelKey,
    Labels,
    Name,
    PortName,
    PortNumber,
    ServiceName,
)

#: A stand-in is a container a port, and some of them listen on a spare one besides.
MAX_PORTS = 1000
MAX_CONTAINERS = 50
#: The API server takes no more (core/validation: MaxDNSNameservers, MaxDNSSearchPaths).
MAX_NAMESERVERS, MAX_SEARCHES = 3, 32


class ContainerPort(Model):
    """A port that the workload's pods listen on."""

    name: PortName | None = Field(None, description="A name that Services and policies may use.")
    port: PortNumber = Field(description="The port number.")
    protocol: Literal["TCP", "UDP", "SCTP"] = Field("TCP", description="The protocol.")
    host_port: PortNumber | None = Field(None, description="The port of the node that leads to it: a door.")


class DnsOption(Model):
    """One option of resolv.conf."""

    name: DnsOptionName = Field(description="Its name: ndots, timeout, attempts, single-request-reopen, ...")
    value: str | None = Field(None, min_length=1, max_length=32, description="Its value, where it has one.")


class DnsConfig(Model):
    """What pods get in their resolv.conf besides what their dnsPolicy gives (core/v1 PodDNSConfig)."""

    nameservers: list[Address] = Field(default_factory=list, max_length=MAX_NAMESERVERS, description="More servers.")
    searches: list[Domain] = Field(default_factory=list, max_length=MAX_SEARCHES, description="More search domains.")
    options: list[DnsOption] = Field(default_factory=list, max_length=20, description="Options, each name once.")


class Container(Model):
    """One of several containers of the workload's pods: they share the address, and so the ports."""

    name: Name = Field(description="Its name, unique in the pod.")
    ports: list[ContainerPort] = Field(default_factory=list, max_length=MAX_PORTS, description="What it listens on.")


class InitContainer(Container):
    """A container that runs before the others."""

    restart_policy: Literal["Always"] | None = Field(
        None, description="Always: it keeps running beside the others (a sidecar). Unset: it ends before they begin."
    )


class TopologySpread(Model):
    """How the workload's pods are spread over nodes or zones."""

    max_skew: int = Field(ge=1, description="How many more pods one domain may have than another.")
    topology_key: LabelKey = Field(description="The nodes' label whose values are the domains.")
    when_unsatisfiable: Literal["DoNotSchedule", "ScheduleAnyway"] = Field(
        description="What becomes of a pod that would break it."
    )
    min_domains: int | None = Field(None, ge=1, description="Of so many domains at least. For DoNotSchedule.")


class Workload(Model):
    """Who talks: pods that share labels and ports. Selects pods that exist, or deploys a stand-in for them."""

    name: Name = Field(description="Its name, unique in the namespace.")
    namespace: Name = Field(description="The namespace of its pods.")
    kind: WorkloadKind = Field("Deployment", description="What makes its pods. A Job's pods go on as long as others.")
    labels: Labels = Field(min_length=1, description="The pods' labels.")
    replicas: int | None = Field(
        None, ge=0, le=1000, description="How many pods. Unset: 1; a DaemonSet has one on each node that takes pods."
    )
    ports: list[ContainerPort] = Field(
        default_factory=list, max_length=MAX_PORTS, description="What the pods listen on."
    )
    containers: list[Container] = Field(
        default_factory=list, max_length=MAX_CONTAINERS, description="Several containers, in place of `ports`."
    )
    init_containers: list[InitContainer] = Field(
        default_factory=list, max_length=MAX_CONTAINERS, description="Containers that run before the others."
    )
    stand_in: bool = Field(False, description="Deploy pods that serve the ports and probe, in place of the real ones.")
    ready: bool = Field(True, description="false: its pods run and never become ready, so no Service leads to them.")
    host_network: bool = Field(False, description="Its pods are in their node's own network.")
    service_name: ServiceName | None = Field(
        None, description="Of a StatefulSet: the Service below which each pod has its own name."
    )
    hostname: Name | None = Field(None, description="The pods' host name, below the Service that `subdomain` names.")
    subdomain: Name | None = Field(None, description="The Service below which `hostname` resolves.")
    dns_policy: DnsPolicy | None = Field(
        None, description="Default: as the node. None: dnsConfig alone. Unset: the cluster's DNS (ClusterFirst)."
    )
    dns_config: DnsConfig | None = Field(None, description="Over that of its namespace and of the spec.")
    topology_spread_constraints: list[TopologySpread] = Field(
        default_factory=list,
        max_length=10,
        description="How a stand-in's pods are spread. Unset: over the nodes, as evenly as there is room.",
    )
