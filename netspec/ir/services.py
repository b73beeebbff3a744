"""Services, and what is behind them that no selector finds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from netspec.ir.base import IPAddress, IPNetwork, Place, Protocol
from netspec.ir.pods import Workload
from netspec.ir.selectors import Selector

ServiceType = Literal["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"]
#: How nodes forward what comes from outside to a Service, or to a pod of their own.
Entrance = Literal["node-port", "load-balancer", "external-ip", "host-port"]
TrafficDistribution = Literal["PreferClose", "PreferSameZone", "PreferSameNode"]
IpFamilyPolicy = Literal["SingleStack", "PreferDualStack", "RequireDualStack"]

#: Fields that a Service's spec may leave out, with the API's defaults (core/v1 ServiceSpec).
DEFAULTS: Mapping[str, Any] = {
    "internalTrafficPolicy": "Cluster",
    "sessionAffinity": "None",
    "sessionAffinityConfig": {},
    "loadBalancerClass": "",
    "loadBalancerSourceRanges": [],
    "allocateLoadBalancerNodePorts": True,
    "healthCheckNodePort": 0,
    "trafficDistribution": "",
    "ipFamilyPolicy": "SingleStack",
}


@dataclass(frozen=True, slots=True)
class ServicePort:
    """`target_port`: a number, or the name of a container port. `node_port` None: the API server picks.
    `app_protocol`: what is spoken on it, a hint to proxies."""

    port: int
    target_port: int | str
    protocol: Protocol = "TCP"
    name: str | None = None
    node_port: int | None = None
    app_protocol: str = ""

    def number_on(self, workload: Workload) -> int | None:
        """The pods' port that it leads to; None where they have none of that name."""
        if isinstance(self.target_port, int):
            return self.target_port
        return workload.port_named(self.target_port, self.protocol)


@dataclass(frozen=True, slots=True)
class Service:
    """`headless` is clusterIP: None. A Service with no selector has no endpoints but those of slices.
    `cluster_ip`: an address of its own choice. `external_ips`: addresses that nodes take for it (spec.externalIPs).
    `internal_traffic_policy` Local: pods reach the endpoints on their own node alone. `source_ranges`: who may use its
    load balancer (empty: everyone); `node_ports`: whether it gets node ports besides. `affinity_seconds`: how long a
    client keeps its pod (0: a pod is chosen for each connection). `system`: the cluster brings it (kube-dns), the spec
    does not declare it."""

    namespace: str
    name: str
    type: ServiceType = "ClusterIP"
    headless: bool = False
    selector: Selector | None = None
    ports: tuple[ServicePort, ...] = ()
    external_name: str | None = None
    external_traffic_policy: Literal["Cluster", "Local"] = "Cluster"
    publish_not_ready: bool = False
    external_ips: tuple[str, ...] = ()
    system: bool = False
    place: Place = field(default=Place(), compare=False)
    internal_traffic_policy: Literal["Cluster", "Local"] = "Cluster"
    source_ranges: tuple[IPNetwork, ...] = ()
    node_ports: bool = True
    cluster_ip: str = ""
    affinity_seconds: int = 0
    load_balancer_class: str = ""
    health_check_node_port: int = 0
    traffic_distribution: TrafficDistribution | Literal[""] = ""
    ip_family_policy: IpFamilyPolicy = "SingleStack"

    @property
    def id(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def has_cluster_ip(self) -> bool:
        return self.type != "ExternalName" and not self.headless

    @property
    def others(self) -> dict[str, Any]:
        """The fields of `DEFAULTS` that are not at their default, as the API has them."""
        seconds = self.affinity_seconds
        given: dict[str, Any] = {
            "internalTrafficPolicy": self.internal_traffic_policy,
            "sessionAffinity": "ClientIP" if seconds else "None",
            "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": seconds}} if seconds else {},
            "loadBalancerClass": self.load_balancer_class,
            "loadBalancerSourceRanges": [str(cidr) for cidr in self.source_ranges],
            "allocateLoadBalancerNodePorts": self.node_ports,
            "healthCheckNodePort": self.health_check_node_port,
            "trafficDistribution": self.traffic_distribution,
            "ipFamilyPolicy": self.ip_family_policy,
        }
        return {key: value for key, value in given.items() if value != DEFAULTS[key]}

    @property
    def entrances(self) -> tuple[Entrance, ...]:
        """How the nodes let the outside in to it. A load balancer usually goes through node ports, which are open to
        everyone: loadBalancerSourceRanges are about its own address (core/v1 ServiceSpec)."""
        balanced, on_nodes = self.type == "LoadBalancer", self.type == "NodePort"
        on_nodes |= balanced and (self.node_ports or any(p.node_port for p in self.ports))
        by_address = bool(self.external_ips) and self.has_cluster_ip
        ways: dict[Entrance, bool] = {"load-balancer": balanced, "node-port": on_nodes, "external-ip": by_address}
        return tuple(way for way, is_open in ways.items() if is_open)


@dataclass(frozen=True, slots=True)
class EndpointSlice:
    """What somebody, not a selector, put behind a Service: an EndpointSlice's, or a subset of an Endpoints object.

    `ports`: (name of the Service's port, protocol, number; None for every port). `workloads` are ids. `hostnames`: of
    addresses that have a name below the Service's."""

    service: str
    ports: tuple[tuple[str, Protocol, int | None], ...]
    workloads: tuple[str, ...] = ()
    addresses: tuple[IPAddress, ...] = ()
    hostnames: tuple[tuple[IPAddress, str], ...] = ()
