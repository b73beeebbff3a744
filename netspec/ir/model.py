"""The IR: what a spec means for one stack. Frozen, every default filled in, every reference resolved. All of it is
imported from here.

`Inventory` is the part that reachability needs; plain Kubernetes manifests are read into the same shape.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from netspec.diagnostics import Path
from netspec.ir.autoscale import Ladder, Linear
from netspec.ir.base import Direction as Direction
from netspec.ir.base import IPAddress as IPAddress
from netspec.ir.base import IPNetwork as IPNetwork
from netspec.ir.base import Place as Place
from netspec.ir.base import Protocol as Protocol
from netspec.ir.gateways import CARRIED, Gateway, GatewayRoute
from netspec.ir.grants import Grant as Grant
from netspec.ir.grants import GrantRule as GrantRule
from netspec.ir.grants import HttpRequest as HttpRequest
from netspec.ir.http import HttpRoute
from netspec.ir.pods import WORKLOAD_LABEL as WORKLOAD_LABEL
from netspec.ir.pods import ContainerPort as ContainerPort
from netspec.ir.pods import Workload as Workload
from netspec.ir.policies import Action as Action
from netspec.ir.policies import Entity as Entity
from netspec.ir.policies import IpBlock as IpBlock
from netspec.ir.policies import NetworkPolicy as NetworkPolicy
from netspec.ir.policies import Peer as Peer
from netspec.ir.policies import PolicyPort as PolicyPort
from netspec.ir.policies import Rule as Rule
from netspec.ir.policies import Stage as Stage
from netspec.ir.policies import Tier as Tier
from netspec.ir.policies import TierPolicy as TierPolicy
from netspec.ir.policies import TierRule as TierRule
from netspec.ir.selectors import Labels, Selector
from netspec.ir.services import EndpointSlice as EndpointSlice
from netspec.ir.services import Entrance as Entrance
from netspec.ir.services import Service as Service
from netspec.ir.services import ServicePort as ServicePort
from netspec.ir.services import ServiceType as ServiceType
from netspec.target import Dialect, Traits

#: How Service traffic gets to pods on a node; none: kube-proxy does not run.
ProxyMode = Literal["iptables", "nftables", "ipvs", "none"]

#: The label the API server sets on every namespace (KEP-2161).
NAME_LABEL = "kubernetes.io/metadata.name"


@dataclass(frozen=True, slots=True)
class Namespace:
    """`labels` holds the automatic name label too. `default_deny` names the directions denied by default.
    `system`: the cluster brings it (kube-system), the spec does not declare it."""

    name: str
    labels: Labels
    default_deny: tuple[Direction, ...] = ()
    allow_dns: bool = False
    system: bool = False
    place: Place = field(default=Place(), compare=False)


@dataclass(frozen=True, slots=True)
class RouteBackend:
    """A Service port that a route sends to, as the route gives it; None is every port of the Service."""

    namespace: str
    service: str
    port: int | str | None


@dataclass(frozen=True, slots=True)
class Route:
    """An Ingress or a Gateway API route: what the outside reaches through the cluster's proxy. `certain` False: whether
    a Gateway takes it depends on what was not given. `sources`: who may use it (empty: everyone). `proxy`: the id of
    the workload that serves it, "" where that is not known."""

    kind: str
    namespace: str
    name: str
    backends: tuple[RouteBackend, ...]
    protocol: Protocol = "TCP"
    place: Place = field(default=Place(), compare=False)
    certain: bool = True
    sources: tuple[IPNetwork, ...] = ()
    proxy: str = ""

    @property
    def id(self) -> str:
        return f"{self.namespace}/{self.name}"


IntentKind = Literal["workload", "namespace", "service", "cidr", "outside", "anywhere", "dns", "entity"]


@dataclass(frozen=True, slots=True)
class IntentPeer:
    """One side of an intent or expectation. `name`: workload or Service id, namespace name, CIDR, DNS name, entity; ""
    otherwise."""

    kind: IntentKind
    name: str = ""

    def __str__(self) -> str:
        return self.name or self.kind


@dataclass(frozen=True, slots=True)
class IntentPolicy:
    """Opens source -> destination on both sides, on the sides that something isolates. Empty `ports`: every port
    that the destination declares, of a namespace what each workload declares; any port, where nothing is declared.
    `requests`: what it lets through there; empty: everything."""

    name: str
    source: IntentPeer
    destination: IntentPeer
    ports: tuple[PolicyPort, ...] = ()
    requests: tuple[HttpRequest, ...] = ()
    place: Place = field(default=Place(), compare=False)


@dataclass(frozen=True, slots=True)
class Expectation:
    """What must hold whatever the policies say. `port` None: every declared port of the destination."""

    source: IntentPeer
    destination: IntentPeer
    port: PolicyPort | None
    expect: Literal["allow", "deny"]
    place: Place = field(default=Place(), compare=False)


#: What an object stands for that only its controller knows.
Makes = Literal["pods", "services", "routes", "policies"]


@dataclass(frozen=True, slots=True)
class Unread:
    """An object of a kind that is not read and that makes what reachability depends on."""

    kind: str
    namespace: str
    name: str
    makes: tuple[Makes, ...]
    place: Place = field(default=Place(), compare=False)


@dataclass(frozen=True, slots=True)
class Inventory:
    """What reachability is computed from. `dialect` is None where the CNI is unknown (plain manifests). Of a namespace
    that is not among `namespaces` nothing is known but its name, which is a label of it. `node_addresses`: those that
    are known to be nodes'. `proxy_networks`: where what serves routes has its addresses, outside the cluster."""

    namespaces: tuple[Namespace, ...] = ()
    workloads: tuple[Workload, ...] = ()
    services: tuple[Service, ...] = ()
    policies: tuple[NetworkPolicy, ...] = ()
    pod_cidrs: tuple[IPNetwork, ...] = ()
    dialect: Dialect | None = None
    tiers: tuple[TierPolicy, ...] = ()
    routes: tuple[Route, ...] = ()
    slices: tuple[EndpointSlice, ...] = ()
    unread: tuple[Unread, ...] = ()
    node_addresses: tuple[IPNetwork, ...] = ()
    cluster_domain: str = "cluster.local"
    proxy_networks: tuple[IPNetwork, ...] = ()


@dataclass(frozen=True, slots=True)
class Network:
    pod_cidrs: tuple[IPNetwork, ...]
    service_cidrs: tuple[IPNetwork, ...]
    proxy_mode: ProxyMode = "iptables"
    node_mask: int = 24
    max_pods: int = 110


@dataclass(frozen=True, slots=True)
class Dns:
    """`ndots` None leaves the kubelet's 5. `stub_domains`: domain -> resolver addresses. `upstreams`: who is asked of
    all else, none for the resolvers of the server's node. `hosts`: name -> addresses; `rewrites`: name -> the name that
    is looked up in its place. `address`: the DNS Service's; `node_local`: of the cache on every node, "" for none.

    Of the servers: `negative_seconds` None: as long as other answers; `prefetch`: hits, and seconds between them, after
    which a name is asked for again before it ends; `stale_seconds`: how long an old answer serves where nobody answers;
    `max_unavailable`: of a PodDisruptionBudget; `apart`: no two of them on one node; `autoscale`: what says how many
    they are, in place of `replicas`."""

    ndots: int | None = None
    replicas: int = 2
    cache_seconds: int = 30
    stub_domains: tuple[tuple[str, tuple[str, ...]], ...] = ()
    cluster_domain: str = "cluster.local"
    address: str = ""
    upstreams: tuple[str, ...] = ()
    hosts: tuple[tuple[str, tuple[str, ...]], ...] = ()
    rewrites: tuple[tuple[str, str], ...] = ()
    negative_seconds: int | None = None
    prefetch: tuple[int, int] | None = None
    stale_seconds: int = 0
    pods: Literal["insecure", "verified", "disabled"] = "insecure"
    autopath: bool = False
    max_unavailable: int | None = None
    apart: bool = False
    node_local: str = ""
    autoscale: Linear | Ladder | None = None

    def servers(self, nodes: int) -> int | None:
        """How many there are on so many nodes; None where that depends on how many cores those have."""
        return self.autoscale.replicas(nodes, None) if self.autoscale else self.replicas


@dataclass(frozen=True)
class Ir:
    """A spec resolved for one stack. `traits` are what its backends say of themselves, `providers` their names by
    layer. `given`: the paths of optional settings of `network` and `dns` that the spec gives, and does not leave to
    the defaults. `tiers`: the policies that a backend's settings give."""

    name: str
    stack: str
    network: Network
    dns: Dns
    traits: Traits = field(default_factory=Traits)
    providers: Mapping[str, str] = field(default_factory=dict)
    given: frozenset[Path] = frozenset()
    namespaces: tuple[Namespace, ...] = ()
    workloads: tuple[Workload, ...] = ()
    services: tuple[Service, ...] = ()
    slices: tuple[EndpointSlice, ...] = ()
    intents: tuple[IntentPolicy, ...] = ()
    policies: tuple[NetworkPolicy, ...] = ()
    grants: tuple[Grant, ...] = ()
    tiers: tuple[TierPolicy, ...] = ()
    expectations: tuple[Expectation, ...] = ()
    http: tuple[HttpRoute, ...] = ()
    gateways: tuple[Gateway, ...] = ()
    gateway_routes: tuple[GatewayRoute, ...] = ()

    @property
    def cluster_name(self) -> str:
        return f"{self.name}-{self.stack}"

    @cached_property
    def workloads_by_id(self) -> Mapping[str, Workload]:
        return {w.id: w for w in self.workloads}

    @cached_property
    def services_by_id(self) -> Mapping[str, Service]:
        return {s.id: s for s in self.services}

    @cached_property
    def workloads_in(self) -> Mapping[str, tuple[Workload, ...]]:
        """The workloads of each namespace that has any."""
        found: dict[str, list[Workload]] = {}
        for workload in self.workloads:
            found.setdefault(workload.namespace, []).append(workload)
        return {namespace: tuple(workloads) for namespace, workloads in found.items()}

    @cached_property
    def inventory(self) -> Inventory:
        return Inventory(
            self.namespaces,
            self.workloads,
            self.services,
            self.policies,
            self.network.pod_cidrs,
            self.traits.dialect,
            (*(g.as_tier(Selector.of({NAME_LABEL: g.namespace})) for g in self.grants), *self.tiers),
            slices=self.slices,
            routes=self._routes(),
            proxy_networks=self._proxy_networks(),
            cluster_domain=self.dns.cluster_domain,
        )

    def _proxy_networks(self) -> tuple[IPNetwork, ...]:
        """Of both, where both are there: which of them serves a route is not told apart."""
        far = (self.traits.far_front, self.traits.far_gates)
        return tuple(dict.fromkeys(network for front in far if front is not None for network in front.sources))

    def _routes(self) -> tuple[Route, ...]:
        front, gates = (f.workload.id if f else "" for f in (self.traits.front, self.traits.gates))
        own = (_route(route, front) for route in self.http)
        return (*own, *(_gateway_route(route, gates) for route in self.gateway_routes))


def _route(route: HttpRoute, proxy: str) -> Route:
    """As reachability has it: what its proxy calls."""
    backends = tuple(RouteBackend(route.namespace, b.service, b.port) for b in route.backends)
    return Route(
        "Ingress", route.namespace, route.name, backends, place=route.place, sources=route.allow_from, proxy=proxy
    )


def _gateway_route(route: GatewayRoute, proxy: str) -> Route:
    backends = tuple(dict.fromkeys(RouteBackend(b.namespace, b.service, b.port) for b in route.backends))
    carried = CARRIED[route.kind]
    return Route(route.kind, route.namespace, route.name, backends, carried, place=route.place, proxy=proxy)
