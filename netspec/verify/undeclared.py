"""Things in the spec's namespaces that the spec does not have: those that open a way are wrong, others are listed."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from netspec.analysis.exposure import exposures
from netspec.analysis.matrix import ports_text
from netspec.ir.gateways import CARRIED
from netspec.ir.model import Inventory, Ir, Service, Workload
from netspec.manifests.read import read_texts
from netspec.probes import FactProbe
from netspec.verify.drift import is_policy
from netspec.verify.findings import Finding, delete, probe_tag
from netspec.verify.model import Observation, Status
from netspec.verify.objects import Item, Objects, id_of, of_group
from netspec.verify.state import Pod, State, pods_by_workload


@dataclass(frozen=True, slots=True)
class Thing:
    """`opens`: the way that it opens, "" where it opens none. `resource`: as `kubectl delete` takes it.
    `door`: the Service in front of the proxy whose answers a route may change."""

    namespace: str
    what: str
    resource: str
    id: str
    opens: str = ""
    door: str = ""

    def __str__(self) -> str:
        return f"{self.what} is not in the spec and opens {self.opens}" if self.opens else self.what

    def finding(self, stack: str) -> Finding:
        tags = {probe_tag(f"fact:undeclared:{self.namespace}"), f"{self.resource}:{self.id}"}
        tags |= {f"service:{self.door}"} if self.door else set()
        return Finding(str(self), delete(stack, self.resource, self.id), frozenset(tags))


@dataclass(frozen=True, slots=True)
class Undeclared:
    """`problem`: why the cluster could not be read."""

    things: tuple[Thing, ...] = ()
    problem: str = ""

    def observe(self, probe: FactProbe) -> Observation:
        """Of one namespace."""
        if self.problem:
            return Observation(probe, Status.CHECK_FAILED, None, self.problem, "API server")
        there = [t for t in self.things if t.namespace == probe.subject]
        listed = [t.what for t in there if not t.opens]
        detail = f"not the spec's, and opens nothing: {', '.join(listed)}" if listed else ""
        if doors := [str(t) for t in there if t.opens]:
            return Observation(probe, Status.WRONG, doors, detail, "API server")
        return Observation(probe, Status.PASS, probe.expect, detail, "API server")


def find(ir: Ir, objects: Objects, state: State) -> Undeclared:
    if objects.problem:
        return Undeclared(problem=objects.problem)
    own = {n.name for n in ir.namespaces if not n.system}
    found = [*_services_and_routes(ir, own, objects.items, state), *_pods(ir, own, state)]
    return Undeclared(tuple(sorted(found, key=lambda t: (t.namespace, not t.opens, t.what))))


def _services_and_routes(ir: Ir, own: set[str], items: Sequence[Item], state: State) -> Iterator[Thing]:
    known = [i for i in items if i["kind"] != "Namespace" and not is_policy(i)]
    reading = read_texts([("the cluster", json.dumps({"kind": "List", "items": known}))])
    declared = {s.id for s in ir.services}
    strangers = [s for s in reading.inventory.services if s.namespace in own and s.id not in declared]
    there = replace(ir.inventory, services=(*ir.services, *strangers))
    for service in strangers:
        yield Thing(service.namespace, f"Service {service.id}", "service", service.id, _doors(there, service, state))
    resources = {(i["kind"], id_of(i)): f"{i['kind'].lower()}.{of_group(i)}" for i in known if of_group(i)}
    front = ir.traits.front or ir.traits.far_front
    ours = {made for route in ir.http for made in (front.objects_of(route) if front else ())}
    ours |= {(route.kind, route.id) for route in ir.gateway_routes}
    for unread in (u for u in reading.inventory.unread if "routes" in u.makes and u.namespace in own):
        id_ = f"{unread.namespace}/{unread.name}"
        if (unread.kind, id_) in ours:
            continue
        way = "a way in, as its kind says, which is not analysed"
        kind = unread.kind
        yield Thing(unread.namespace, f"{kind} {id_}", resources[kind, id_], id_, way, _door(ir, kind))
    all_services = {s.id for s in reading.inventory.services}
    for route in (r for r in reading.inventory.routes if (r.kind, r.id) not in ours):
        targets = {f"{b.namespace}/{b.service}" for b in route.backends}
        touched = sorted({route.namespace, *(b.namespace for b in route.backends)} & own)
        led_to = sorted(t for t in targets & all_services if t.partition("/")[0] in own)
        opens = f"a way from outside to Service {', '.join(led_to)}" if led_to else ""
        for namespace in touched[:1]:
            resource, door = resources[route.kind, route.id], _door(ir, route.kind)
            yield Thing(namespace, f"{route.kind} {route.id}", resource, route.id, opens, door)


def _door(ir: Ir, kind: str) -> str:
    """The Service in front of the proxy that may serve such a route."""
    is_gated = kind in CARRIED and (ir.traits.gates or ir.traits.far_gates)
    front = ir.traits.gates if is_gated else ir.traits.front
    return front.service.id if front else ""


def _doors(inventory: Inventory, service: Service, state: State) -> str:
    """What a Service opens to the outside, in words; a ClusterIP Service opens nothing: who reaches a pod reaches it by
    its own address too."""
    if not service.entrances:
        return ""
    live = state.services.get(service.id)
    numbers = ", ".join(sorted({str(number) for number in live.ports.values() if number})) if live else ""
    words = {
        "node-port": f"node port {numbers}".strip(),
        "load-balancer": "a load balancer",
        "external-ip": "an external IP",
        "host-port": "a node's port",
    }
    led_to = dict.fromkeys(
        f"{row.workload} {ports_text(row.ports)}" for row in exposures(inventory) if row.by == f"Service {service.id}"
    )
    strangers = sorted({e.pod for e in state.endpoints.get(service.id, ())} - _pods_of(inventory, state))
    others = [f"{pod}, which belongs to no workload of the spec" for pod in strangers]
    ways = " and ".join(words[way] for way in service.entrances)
    return f"{ways} to {', '.join([*led_to, *others])}" if led_to or others else ""


def _pods_of(inventory: Inventory, state: State) -> set[str]:
    """The pods of the spec's workloads, ready or not."""
    found = pods_by_workload(state.pods, inventory.workloads, ready_only=False)
    return {p.id for pods in found.values() for p in pods}


def _pods(ir: Ir, own: set[str], state: State) -> Iterator[Thing]:
    all_pods = [p for p in state.pods if p.namespace in own]
    found = pods_by_workload(all_pods, ir.inventory.workloads, ready_only=False)
    owners = {p.id: w for w, pods in found.items() for p in pods}
    by_id = {w.id: w for w in ir.inventory.workloads}
    for pod in all_pods:
        owner = owners.get(pod.id)
        opens = _way_of(pod, by_id.get(owner or ""))
        if opens or owner is None:
            yield Thing(pod.namespace, f"pod {pod.id}", "pod", pod.id, opens)


def _way_of(pod: Pod, owner: Workload | None) -> str:
    """What the spec does not have of it. A pod of its node's network is behind no policy, and what it serves the node
    serves."""
    if pod.host_network:
        is_declared = owner is not None and owner.host_network
        where = f"its ports on node {pod.node}, in the node's own network, where no policy is enforced"
        return "" if is_declared else where
    declared = {(p.port, p.protocol) for p in owner.node_ports} if owner else set()
    ports = ", ".join(f"{number}/{protocol}" for number, protocol in sorted(set(pod.host_ports) - declared))
    return f"host port {ports} on node {pod.node}" if ports else ""
