"""What the whole cluster, the outside, and pods that are not there yet can reach."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from netspec.analysis.engine import Reachability
from netspec.analysis.explain import peer_text
from netspec.analysis.matrix import Matrix
from netspec.analysis.services import Endpoints
from netspec.analysis.sides import SideKey
from netspec.analysis.spaces import Ranges
from netspec.analysis.unknown import is_every_pod, unknown_reach
from netspec.analysis.verdict import RuleRef
from netspec.analysis.why import rules_between
from netspec.ir.model import Entrance, Inventory, NetworkPolicy, Place, Rule, TierPolicy, TierRule, Workload

#: Who can reach: every pod that is or may come; addresses outside; the outside through routes, node ports, load
#: balancers or external IPs; pods as a rule describes them.
Scope = Literal["cluster", "outside", "routes", Entrance, "pods"]
_THROUGH: dict[Entrance, str] = {
    "node-port": "node ports",
    "load-balancer": "a load balancer",
    "external-ip": "external IPs",
}


@dataclass(frozen=True, slots=True)
class Exposure:
    """`peer` says who, for a reader; `present` how many workloads are like that now (pods only); `by` is the rule, or
    what opens the way in; `place` that of the rule."""

    workload: str
    scope: Scope
    peer: str
    ports: Ranges
    present: int | None
    by: str
    place: Place


def exposures(inventory: Inventory) -> Iterator[Exposure]:
    """By workload, widest scope first."""
    reach = Reachability(inventory)
    entrances = _entrances(inventory, reach)
    for peer, workload in enumerate(reach.workloads):
        number = reach.class_of(peer)
        key = reach.ingress_keys[number]
        yield from _cluster(reach, workload, key)
        yield from _outside(reach, workload, number)
        yield from entrances.get(workload.id, ())
        yield from _pods(reach, workload, key)


def _cluster(reach: Reachability, workload: Workload, key: SideKey) -> Iterator[Exposure]:
    ports = unknown_reach(reach, key).every
    if ports:
        by = _by([ref for ref, rule in _rules(reach, key) if not rule.peers or any(map(is_every_pod, rule.peers))])
        yield Exposure(
            workload.id, "cluster", "every pod of the cluster", reach.ranges(ports), None, by, workload.place
        )


def _outside(reach: Reachability, workload: Workload, number: int) -> Iterator[Exposure]:
    """One row for each set of ports that some addresses may use."""
    for ports, peers in sorted(reach.ingress[number].lower.items(), reverse=True):
        places = [p - len(reach.workloads) for p in reach.peers_in(peers & reach.sides.externals)]
        intervals = [reach.externals[p] for p in places]
        if not ports or not intervals:
            continue
        whole = len(intervals) == len(reach.externals)
        ranges = ", ".join(f"{low}-{high}" for external in intervals for low, high in external.ranges)
        who = "every address" if whole else ranges
        by = _by(
            rules_between(reach, reach.ingress_keys[number], reach.class_of(len(reach.workloads) + places[0]), ports)
        )
        yield Exposure(workload.id, "outside", who, reach.ranges(ports), None, by, workload.place)


def _entrances(inventory: Inventory, reach: Reachability) -> dict[str, list[Exposure]]:
    """Through a proxy's routes, and through Services with node ports or a load balancer, as far as some policy may let
    the node or proxy in."""
    found: dict[str, list[Exposure]] = {}
    number = {w.id: i for i, w in enumerate(reach.workloads)}
    matrix = Matrix(inventory, reach)
    for connection in matrix.ingress_connections:
        workload = reach.workloads[connection.destination]
        ports = reach.ranges(connection.allow | connection.undefined)
        by = "Ingress or Gateway routes"
        row = Exposure(workload.id, "routes", "the outside, through routes", ports, None, by, workload.place)
        found.setdefault(workload.id, []).append(row)
    endpoints = Endpoints(inventory)
    for service in inventory.services:
        scope = service.entrance
        if scope is None:
            continue
        for workload_id, ports_mask in _masks(reach, endpoints, service.id).items():
            key = reach.ingress_keys[reach.class_of(number[workload_id])]
            # A node may always reach its own pods; another node, and kept client addresses, as the rules say.
            some = (
                ports_mask if service.external_traffic_policy == "Cluster" else ports_mask & _from_outside(reach, key)
            )
            if some:
                who = f"the outside, through {_THROUGH[scope]}"
                row = Exposure(
                    workload_id, scope, who, reach.ranges(some), None, f"Service {service.id}", service.place
                )
                found.setdefault(workload_id, []).append(row)
    return found


def _from_outside(reach: Reachability, key: SideKey) -> int:
    ports = 0
    for mask, peers in reach.sides.side(key).lower.items():
        ports |= mask if peers & reach.sides.externals else 0
    return ports


def _masks(reach: Reachability, endpoints: Endpoints, service_id: str) -> dict[str, int]:
    service = endpoints.find(service_id)
    out: dict[str, int] = {}
    for endpoint in endpoints.of_service(service) if service else ():
        mask = reach.ports.mask(endpoint.protocol, endpoint.number, endpoint.number)
        out[endpoint.workload.id] = out.get(endpoint.workload.id, 0) | mask
    return out


def _pods(reach: Reachability, workload: Workload, key: SideKey) -> Iterator[Exposure]:
    """One row for each rule's peer that describes pods: whoever makes such a pod gets in."""
    reachable = unknown_reach(reach, key).some
    for ref, rule in _rules(reach, key):
        policy = reach.policy(ref.policy)
        compiled = reach.sides.rules(policy, key.direction)[ref.index]
        home = policy.namespace if isinstance(policy, NetworkPolicy) else None
        ports = 0
        for found, _ in reach.sides.spread(compiled, key, reach.sides.everyone):
            ports |= found & reachable
        for peer in rule.peers if ports and compiled.action == "Accept" else ():
            if peer.ip_block is None and not is_every_pod(peer):
                present = len(reach.peers_in(reach.pods.peer(peer, home)))
                text = peer_text(peer, home)
                yield Exposure(workload.id, "pods", text, reach.ranges(ports), present, str(ref), rule.place)


def _rules(reach: Reachability, key: SideKey) -> Iterator[tuple[RuleRef, Rule | TierRule]]:
    """The rules of a side, tiers first."""
    policies: list[NetworkPolicy | TierPolicy] = [reach.inventory.tiers[i] for i in key.tiers]
    policies += [reach.inventory.policies[i] for i in key.policies]
    for policy in policies:
        rules: tuple[Rule | TierRule, ...] = policy.rules(key.direction)
        for index, rule in enumerate(rules):
            yield RuleRef(policy.id, key.direction, index), rule


def _by(rules: Sequence[RuleRef]) -> str:
    return ", ".join(map(str, rules)) or "not isolated"
