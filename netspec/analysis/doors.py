"""The ways by which the outside gets in: routes through a proxy of the cluster, and Services on the nodes."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Literal

from netspec.analysis.engine import Reachability
from netspec.analysis.evaluate import evaluate
from netspec.analysis.services import Endpoint, Endpoints
from netspec.analysis.unknown import unknown_reach
from netspec.analysis.verdict import PodEnd
from netspec.ir.model import ContainerPort, Entrance, Inventory, IPNetwork, Place, Protocol, Workload

Way = Literal["routes", Entrance]
_THROUGH: dict[Entrance, str] = {
    "node-port": "node ports",
    "load-balancer": "a load balancer",
    "external-ip": "external IPs",
    "host-port": "a node's port",
}


@dataclass(frozen=True, slots=True)
class Door:
    """One way to one port of a workload. `by` opens it; `sources` may use it (empty: everyone). `certain`: whether
    what opens it surely does. `keeps_address`: policies see the client's address, and no node's (externalTrafficPolicy
    Local). `proxy`: of a route, the workload that serves it, "" where that is not known."""

    way: Way
    by: str
    place: Place
    workload: Workload
    port: int
    protocol: Protocol
    sources: tuple[IPNetwork, ...] = ()
    certain: bool = True
    keeps_address: bool = False
    proxy: str = ""

    @property
    def through(self) -> str:
        """For a reader.

        >>> Door("node-port", "Service shop/web", Place(), Workload("shop", "web", {}), 80, "TCP").through
        'node ports of Service shop/web'
        """
        if self.way == "routes":
            return self.by
        return f"{_THROUGH[self.way]} of {self.by}"

    @property
    def who(self) -> str:
        """Who is outside, for a reader."""
        through = "routes" if self.way == "routes" else _THROUGH[self.way]
        return f"{', '.join(map(str, self.sources)) or 'the outside'}, through {through}"


def doors(inventory: Inventory) -> Iterator[Door]:
    """Every one, policies aside, in the order of routes and then of Services; each once, however many rules or ports
    lead through it. An endpoint that is not a pod is outside already."""
    seen = set()
    for door in _doors(inventory):
        at = (door.way, door.by, door.workload.id, door.port, door.protocol)
        if at not in seen:
            seen.add(at)
            yield door


def _doors(inventory: Inventory) -> Iterator[Door]:
    endpoints = Endpoints(inventory)
    for route in inventory.routes:
        for endpoint in endpoints.of_route(route):
            by = f"{route.kind} {route.id}"
            yield from _door(
                "routes", by, route.place, endpoint, sources=route.sources, certain=route.certain, proxy=route.proxy
            )
    for service in inventory.services:
        for way in service.entrances:
            sources = service.source_ranges if way == "load-balancer" else ()
            local = service.external_traffic_policy == "Local"
            for endpoint in endpoints.of_service(service):
                yield from _door(
                    way, f"Service {service.id}", service.place, endpoint, sources=sources, keeps_address=local
                )
    for workload in (w for w in inventory.workloads if w.replicas and not w.system):
        for port in workload.ports:
            if port.host_port or workload.host_network:
                yield _host_port(workload, port)


def _host_port(workload: Workload, port: ContainerPort) -> Door:
    """A node passes on to a pod of its own what comes to its port, as it came."""
    by = f"workload {workload.id}"
    return Door("host-port", by, workload.place, workload, port.port, port.protocol, keeps_address=True)


def _door(
    way: Way,
    by: str,
    place: Place,
    endpoint: Endpoint,
    *,
    sources: tuple[IPNetwork, ...] = (),
    certain: bool = True,
    keeps_address: bool = False,
    proxy: str = "",
) -> Iterator[Door]:
    if endpoint.workload is not None:
        number, protocol = endpoint.number, endpoint.protocol
        yield Door(way, by, place, endpoint.workload, number, protocol, sources, certain, keeps_address, proxy)


class Passing:
    """Whether policies let through what comes by a door."""

    def __init__(self, reach: Reachability) -> None:
        """`reach` must know the doors' workloads, and its ports those of the doors."""
        self._reach = reach
        self._peers = {w.id: i for i, w in enumerate(reach.workloads)}
        self._of_any_pod = cache(lambda key: unknown_reach(reach, key))

    def __call__(self, door: Door) -> bool | None:
        """None: it may pass.

        Where it is not known which pods proxy, they are as any pod for a route. A node may always reach its own pods,
        so what it forwards as its own may pass whatever the rules say; with the client's address kept the rules
        decide."""
        peer = self._reach.class_of(self._peers[door.workload.id])
        bit = self.mask(door)
        if door.proxy:
            end = PodEnd(door.workload.id)
            verdict = evaluate(self._reach.inventory, PodEnd(door.proxy), end, door.port, door.protocol)
            return {"allow": True, "deny": False}.get(verdict.expected or "")
        if door.way == "routes" and self._reach.inventory.proxy_networks:
            return self._from_outside(peer, bit, self._reach.inventory.proxy_networks)
        if door.way == "routes":
            known = self._of_any_pod(self._reach.ingress_keys[peer])
            if bit & known.every:
                return True if door.certain else None
            return None if bit & known.some else False
        lets = self._from_outside(peer, bit, door.sources)
        return lets if door.keeps_address or lets else None

    def mask(self, door: Door) -> int:
        return self._reach.ports.mask(door.protocol, door.port, door.port)

    def _from_outside(self, peer: int, bit: int, sources: tuple[IPNetwork, ...]) -> bool | None:
        """Whether the ingress of a class lets addresses of `sources` in: all (True), some or perhaps (None), none."""
        side = self._reach.ingress[peer]
        wanted = self._reach.externals_in(sources)
        if not wanted:  # among the pods' own, of which some are no pod's
            return None
        surely = possibly = 0
        for ports, peers in side.lower.items():
            surely |= peers if ports & bit else 0
        for ports, peers in (item for family in side.upper for item in family.items()):
            possibly |= peers if ports & bit else 0
        if not wanted & ~surely:
            return True
        return None if wanted & (surely | possibly) else False
