"""Probes to questions: which pod asks, which address is dialled, and which flows serve as the asker's controls."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_address

from netspec.ir.model import Ir, Workload
from netspec.probes import (
    HEALTH_CHECK,
    NAMED,
    NAMES_ASKED,
    OUTSIDE,
    OWN_ADDRESS,
    OWN_NODE,
    POD_ANSWERS,
    Asked,
    DnsProbe,
    FactProbe,
    FlowProbe,
    Outcome,
)
from netspec.verify.ephemeral import NAME
from netspec.verify.lookups import Unknown, filled
from netspec.verify.script import UDP_DATA, Kind, Question
from netspec.verify.sites import Outside
from netspec.verify.state import LiveService, Node, Pod, State, pods_by_workload

#: Files of a pod that facts are read from.
FILES = {"resolv-conf": "/etc/resolv.conf", "pod-mtu": "/sys/class/net/eth0/mtu"}
#: A port that nothing of ours listens on: dialled at oneself, "refused" proves as much as "connected".
DISCARD_PORT = 9
CONTROLS = 2
#: How often one pod asks which pod answers: with two behind a Service that chooses at random, once in a thousand times
#: the same one answers all.
ANSWERS = 10


@dataclass(frozen=True, slots=True)
class Target:
    """A question without its number, and whether it stays on the asker's node (None: not a pair of pods)."""

    question: Question
    same_node: bool | None = None


@dataclass(frozen=True, slots=True)
class Control:
    """A flow that must work for a time-out to mean denied. `to_itself`: nothing is allowed from this asker, so all that
    can be shown is that it runs and gets answers in time."""

    name: str
    question: Question
    to_itself: bool = False


@dataclass(frozen=True, slots=True)
class Asker:
    """Where questions are asked from; `pod` None is the outside host, which has `address`."""

    id: str
    pod: Pod | None
    container: str
    address: str = ""


class Unresolved(Exception):
    """Why a probe cannot be asked at all: check-failed."""


class NothingToAsk(Unresolved):
    """This cluster has no such place to ask, and need not have: seen."""


class Resolver:
    """Looks symbolic ends up in the cluster's state and surroundings."""

    def __init__(self, ir: Ir, state: State, outside: Outside | None) -> None:
        self._workloads: Mapping[str, Workload] = {w.id: w for w in ir.inventory.workloads}
        self._domain = ir.dns.cluster_domain
        self._state = state
        self._pods = pods_by_workload(state.pods, ir.inventory.workloads)
        self.outside = outside
        networks = [found.network for found in ir.traits.node_networks[:1]]
        addresses = outside.addresses if outside else ()
        self._outside_address = next((a for a in addresses for n in networks if ip_address(a) in n), "")
        if outside is None:
            self._no_outside = "there is no host outside the cluster"
        elif not addresses:
            self._no_outside = f"{outside.name} does not run"
        else:
            self._no_outside = f"{outside.name} has no address in {', '.join(map(str, networks))}"

    def askers(self, source: str) -> tuple[Asker, ...]:
        """A pod of the source on each node that has one: what a pod may send is enforced on its own node."""
        if source == OUTSIDE:
            self._outside()
            assert self.outside is not None
            return (Asker(self.outside.name, None, "", self._outside_address),)
        foreign = not self._workloads[source].stand_in
        on: dict[str, Pod] = {}
        for pod in self.pods(source):
            on.setdefault(pod.node, pod)
        return tuple(Asker(p.id, p, NAME if foreign else next(iter(p.containers), "")) for p in on.values())

    def needs_ephemeral(self, source: str) -> bool:
        return source != OUTSIDE and not self._workloads[source].stand_in

    def pods(self, workload: str) -> tuple[Pod, ...]:
        pods = self._pods[workload]
        if not pods:
            raise Unresolved(f"no ready pod of {workload}")
        return pods

    def targets(self, probe: Asked, asker: Asker) -> tuple[Target, ...]:
        """What to ask for one probe, at least one question; raises Unresolved."""
        if isinstance(probe, DnsProbe):
            try:
                name = filled(probe.name, probe, self._state, self._pods)
            except Unknown as why:
                raise Unresolved(str(why)) from None
            return (Target(Question(0, "lookup", name, record=probe.record)),)
        if isinstance(probe, FactProbe):
            if probe.fact == "source-address-kept":
                return tuple(
                    Target(Question(0, "client-address", f"http://{pod.address}:{probe.port}/clientip"), same)
                    for pod, same in self._near_and_far(probe.peer, asker)
                )
            if probe.fact == OWN_ADDRESS and asker.pod is not None:
                url = f"http://{asker.pod.address}:{probe.port}/clientip"
                return (Target(Question(0, "client-address", url)),)
            if probe.fact == NAMES_ASKED:
                # First one that takes a single name: what the tool sends for each.
                names = [f"{max(probe.expect, key=len)}.", *probe.expect]
                return (Target(Question(0, "queries", "/".join(names))),)
            if probe.fact in POD_ANSWERS:
                self._must_be_about(probe, asker)
                url = f"http://{self._service(probe.peer).cluster_ip}:{probe.port}/hostname"
                return (Target(Question(0, "client-address", url)),) * ANSWERS
            if probe.fact == HEALTH_CHECK:
                urls = [f"http://{address}/" for address in self._checked(probe.peer)]
                return tuple(Target(Question(0, "client-address", url)) for url in urls)
            if probe.fact == "client-address":
                urls = [f"http://{a}:{probe.port}/clientip" for a in self._balanced(probe.peer)]
                return tuple(Target(Question(0, "client-address", url)) for url in urls)
            return (Target(Question(0, "file", FILES[probe.fact])),)
        self._must_be_about(probe, asker)
        kind: Kind = "name-flow" if probe.via in NAMED else "flow"
        question = Question(0, kind, "", probe.protocol, udp_data=self._udp_data(probe))
        return tuple(
            Target(replace(question, target=f"{address}:{port}"), same)
            for address, port, same in self._addresses(probe, asker)
        )

    def is_about(self, probe: Asked, asker: Asker) -> bool:
        """Whether the asker is on a node that the probe is about."""
        if asker.pod is None:
            return True
        if isinstance(probe, FactProbe) and probe.fact == OWN_NODE:
            return asker.pod.node in self._nodes_behind(probe.peer)
        if isinstance(probe, FlowProbe) and probe.via == "cluster-ip" and probe.nodes != "every":
            return (asker.pod.node in self._nodes_behind(probe.destination)) is (probe.nodes == "with-endpoint")
        return True

    def _must_be_about(self, probe: FlowProbe | FactProbe, asker: Asker) -> None:
        if not self.is_about(probe, asker):
            peer = probe.peer if isinstance(probe, FactProbe) else probe.destination
            which = "without" if isinstance(probe, FlowProbe) and probe.nodes == "without-endpoint" else "with"
            raise NothingToAsk(f"no asker is on a node {which} an endpoint of {peer}")

    def _nodes_behind(self, service: str) -> set[str]:
        """The nodes of the pods that are ready behind a Service."""
        nodes = {pod.id: pod.node for pod in self._state.pods}
        return {nodes[e.pod] for e in self._state.endpoints.get(service, ()) if e.pod in nodes}

    def _service(self, id_: str) -> LiveService:
        service = self._state.services.get(id_)
        if service is None:
            raise Unresolved(f"Service {id_} is not on the cluster")
        return service

    def controls(self, asker: Asker, probes: Iterable[Asked]) -> tuple[Control, ...]:
        """Up to two flows predicted to pass: cluster DNS if it is among them, and one more. Else the asker itself."""
        allowed = sorted(
            (p for p in probes if isinstance(p, FlowProbe) and _may_control(p)),
            key=lambda p: (p.protocol != "TCP", p.via != "pod", p.id),
        )
        chosen: list[Control] = []
        for wanted_dns in (True, False):
            for probe in allowed:
                if (probe.port == 53) is not wanted_dns or len(chosen) >= CONTROLS:
                    continue
                try:
                    target = self.targets(probe, asker)[0]
                except Unresolved:
                    continue
                chosen.append(Control(probe.id, target.question))
                break
        return tuple(chosen) or (self._to_itself(asker),)

    def _to_itself(self, asker: Asker) -> Control:
        address = asker.pod.address if asker.pod else self._outside_address
        return Control("to itself", Question(0, "flow", f"{address}:{DISCARD_PORT}"), to_itself=True)

    def _outside(self) -> str:
        if not self._outside_address:
            raise Unresolved(self._no_outside)
        return self._outside_address

    def _udp_data(self, probe: FlowProbe) -> str:
        """For who answers: behind a Service, which may have the name of others' pods (a proxy's), its backends."""
        behind = [self._workloads[w] for w in probe.backends or (probe.destination,) if w in self._workloads]
        return UDP_DATA["dns" if any(not w.stand_in for w in behind) else "agnhost"]

    def _addresses(self, probe: FlowProbe, asker: Asker) -> list[tuple[str, int, bool | None]]:
        if probe.via == "outside":
            return [(self._outside(), probe.port, None)]
        if probe.via == "outside-name":
            self._outside()
            return [(f"{probe.name}.", probe.port, None)]
        if probe.via == "localhost":
            return [("127.0.0.1", probe.port, None)]
        if probe.via == "host-port":
            on = {pod.node for pod in self.pods(probe.destination)}
            return [(node.address, probe.port, None) for node in self._state.nodes if node.name in on]
        if probe.via == "pod":
            return [(pod.address, probe.port, same) for pod, same in self._near_and_far(probe.destination, asker)]
        service = self._service(probe.destination)
        endpoints = [pod for workload in probe.backends for pod in self._pods[workload]]
        if not endpoints:
            raise Unresolved(f"no ready pod of {', '.join(probe.backends)} behind Service {probe.destination}")
        if probe.via == "name":
            namespace, _, name = probe.destination.partition("/")
            return [(f"{name}.{namespace}.svc.{self._domain}", probe.port, None)]
        if probe.via == "cluster-ip":
            return [(service.cluster_ip, probe.port, None)]
        if probe.via == "load-balancer":
            return [(address, probe.port, None) for address in self._balanced(probe.destination)]
        node_port = service.ports.get((probe.port, probe.protocol), 0)
        if not node_port:
            raise Unresolved(f"Service {probe.destination} has no node port for {probe.port}/{probe.protocol}")
        nodes = self._nodes(probe, {pod.node for pod in endpoints})
        return [(node.address, node_port, None) for node in nodes]

    def door(self, probe: FactProbe) -> tuple[str, int]:
        """Where the Service in front of a proxy is reached from outside: address and port. Raises Unresolved."""
        live = self._state.services.get(probe.peer)
        if live is None or live.type == "LoadBalancer":
            return self._balanced(probe.peer)[0], probe.port
        with_pod = {pod.node for pod in self.pods(probe.peer)}
        node = next((n for n in self._state.nodes if n.name in with_pod), None)
        number = live.ports.get((probe.port, "TCP"), 0)
        if node is None or not number:
            raise Unresolved(f"Service {probe.peer} has no node port for {probe.port}/TCP on a node with a pod")
        return node.address, number

    def _balanced(self, service: str) -> tuple[str, ...]:
        live = self._state.services.get(service)
        if live is None or not live.balanced:
            raise Unresolved(f"Service {service} has no address of a load balancer")
        return live.balanced

    def _checked(self, service: str) -> list[str]:
        """Where a load balancer asks each node for its health."""
        number = self._service(service).others.get("healthCheckNodePort")
        if not number:
            raise Unresolved(f"Service {service} has no healthCheckNodePort")
        return [f"{node.address}:{number}" for node in self._state.nodes]

    def _nodes(self, probe: FlowProbe, with_endpoint: set[str]) -> list[Node]:
        nodes = [
            n
            for n in self._state.nodes
            if probe.nodes == "every" or (n.name in with_endpoint) is (probe.nodes == "with-endpoint")
        ]
        if not nodes:
            raise NothingToAsk(f"the cluster has no node {probe.nodes.replace('-', ' ')} of {probe.destination}")
        return nodes

    def _near_and_far(self, workload: str, asker: Asker) -> list[tuple[Pod, bool | None]]:
        """One pod of the workload on the asker's node and one on another, as far as there are such."""
        found: dict[bool, Pod] = {}
        for pod in self.pods(workload):
            if asker.pod is None or pod.id != asker.pod.id:
                found.setdefault(asker.pod is not None and pod.node == asker.pod.node, pod)
        if not found:
            raise Unresolved(f"no other ready pod of {workload}")
        return [(pod, same) for same, pod in sorted(found.items(), reverse=True)]


def _may_control(probe: FlowProbe) -> bool:
    """A name may fail for its own reasons; a pod's loopback works without a network."""
    return probe.expect is Outcome.CONNECTED and probe.via not in (*NAMED, "localhost")
