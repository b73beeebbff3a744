"""What an observation is about, as tags: what wrong answers may share, and what evidence may explain them."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from netspec.ir.dns import service_of_name
from netspec.ir.model import Ir
from netspec.probes import NAMED, NAMES_ASKED, OUTSIDE, DnsProbe, FactProbe, FlowProbe, Outcome, PacketProbe
from netspec.probing import derive_probes
from netspec.verify.findings import probe_tag
from netspec.verify.model import Dial, Observation, Status
from netspec.verify.state import Pod, State, pods_by_workload

#: Where a lookup goes.
DNS_TAG = "service:kube-system/kube-dns"


def is_opened(observation: Observation) -> bool:
    """A flow that passed, or was refused by the other end, and must not have come that far."""
    probe = observation.probe
    passed = observation.observed in (Outcome.CONNECTED, Outcome.REFUSED)
    return isinstance(probe, FlowProbe) and probe.expect is Outcome.TIMED_OUT and passed


@dataclass
class About:
    """`stated`: the spec with the cluster's own policies and labels, None where these are the spec's."""

    ir: Ir
    state: State
    stated: Ir | None = None
    _pods: Mapping[str, tuple[Pod, ...]] = field(init=False)
    _by_address: Mapping[str, Pod] = field(init=False)
    _by_id: Mapping[str, Pod] = field(init=False)
    _nodes: Mapping[str, str] = field(init=False)
    _stated: Mapping[str, FlowProbe] = field(init=False)

    def __post_init__(self) -> None:
        self._pods = pods_by_workload(self.state.pods, self.ir.inventory.workloads)
        self._by_address = {p.address: p for p in self.state.pods if p.address and not p.host_network}
        self._by_id = {p.id: p for p in self.state.pods}
        self._nodes = {n.address: n.name for n in self.state.nodes}
        probes = derive_probes(self.stated) if self.stated else ()
        self._stated = {p.id: p for p in probes if isinstance(p, FlowProbe)}

    def evidence_tags(self, observation: Observation) -> frozenset[str]:
        """Everything that it depends on."""
        probe = observation.probe
        tags = {probe_tag(probe.id), *self.shared_tags(observation)}
        if isinstance(probe, FlowProbe):
            ends = (probe.source, probe.destination)
            tags |= {"cluster", *(f"namespace:{end.partition('/')[0]}" for end in ends)}
            tags |= {f"workload:{w}" for w in (*ends, *probe.backends)}
            tags |= {f"pod:{pod.id}" for w in probe.backends for pod in self._pods.get(w, ())}
            tags |= {DNS_TAG} if probe.via in NAMED else set()
            stated = self._stated_of(probe)
            if stated and stated.expect is not probe.expect and stated.expect in (None, observation.observed):
                tags |= {"stated", *(f"policy:{p}" for p in (*probe.deciding, *stated.deciding))}
        elif isinstance(probe, DnsProbe):
            tags |= {f"workload:{probe.source}", *(_symbol_tag(symbol) for symbol in probe.expect)}
            service = service_of_name(probe.name, self.ir.dns.cluster_domain)
            tags |= {f"service:{service}"} if service else set()
        elif isinstance(probe, FactProbe):
            tags |= self._of_fact(probe)
        return frozenset(tags)

    def _stated_of(self, probe: FlowProbe) -> FlowProbe | None:
        """The same flow with the cluster's policies. Of the denied ones through a Service only some are derived: one of
        those speaks for the others."""
        same = self._stated.get(probe.id)
        others = (
            p
            for p in self._stated.values()
            if (p.via, p.destination, p.port, p.protocol, p.nodes, p.name)
            == (probe.via, probe.destination, probe.port, probe.protocol, probe.nodes, probe.name)
            and p.expect is Outcome.TIMED_OUT
        )
        return same or next(others, None)

    def _of_fact(self, probe: FactProbe) -> set[str]:
        tags = {f"{kind}:{end}" for kind in ("workload", "service") for end in (probe.subject, probe.peer) if end}
        tags |= {DNS_TAG} if probe.fact == NAMES_ASKED else set()
        if probe.fact == "service-endpoints":
            wanted = {pod.id for _, workload, *_ in probe.expect for pod in self._pods.get(workload, ())}
            behind = {e.pod for e in self.state.endpoints.get(probe.subject, ())}
            tags |= {f"pod:{pod}" for pod in wanted ^ behind} | {f"workload:{row[1]}" for row in probe.expect}
        return tags

    def shared_tags(self, observation: Observation) -> frozenset[str]:
        """What it may have in common with others: of one that failed, of the dials that did."""
        probe = observation.probe
        dials = [d for d in observation.dials if _is_odd(d, observation)] or list(observation.dials)
        if isinstance(probe, PacketProbe):
            counts = Counter(node for d in dials for node in (d.source, d.target) if node)
            return frozenset(f"node:{node}" for node, n in counts.items() if n == max(counts.values()))
        askers = {d.source for d in dials if d.source} or ({observation.asked_from} - {""})
        tags = {f"pod:{a}" for a in askers if a in self._by_id}
        if isinstance(probe, FlowProbe):
            tags |= self._of_flow(probe, dials, askers, opened=is_opened(observation))
        elif isinstance(probe, DnsProbe):
            of = f" of {probe.subject}" if probe.subject else ""
            tags |= {f"name:{probe.name}{of}", f"from:{probe.source}", DNS_TAG}
            # A lookup that succeeds says little of the Services on its node: DNS is one of them.
            tags |= self._on_nodes("forwarding", askers) if observation.status is not Status.PASS else set()
        elif probe.peer:
            tags |= {f"from:{probe.subject}", f"to:{probe.peer}", *self._of_pair(dials, askers, opened=False)}
            tags |= {f"route:{probe.request.route}"} if probe.request and probe.request.route else set()
        return frozenset(tags)

    def _of_flow(self, probe: FlowProbe, dials: Iterable[Dial], askers: set[str], *, opened: bool) -> set[str]:
        tags = {f"from:{probe.source}", f"to:{probe.destination}", f"ways:{probe.via}", f"protocol:{probe.protocol}"}
        if probe.via == "pod":
            return tags | self._of_pair(dials, askers, opened=opened)
        if probe.via not in ("outside", "outside-name", "host-port", "localhost"):
            tags.add(f"service:{probe.destination}")
        if probe.via == "cluster-ip":
            tags |= self._on_nodes("forwarding", askers)
        if probe.via == "node-port":
            hosts = (d.address.rpartition(":")[0].strip("[]") for d in dials)
            tags |= {f"forwarding:{self._nodes[host]}" for host in hosts if host in self._nodes}
        if OUTSIDE in (probe.source, probe.destination):
            tags.add("ways:outside")
        return tags | (self._on_nodes("node", askers) if opened or probe.via in ("outside", "outside-name") else set())

    def _of_pair(self, dials: Iterable[Dial], askers: set[str], *, opened: bool) -> set[str]:
        """Nodes count where the packet crosses from one to another; for what is open, on both ends: each enforces."""
        tags: set[str] = set()
        for dial in dials:
            target = self._by_address.get(_host(dial.address))
            if target is not None:
                tags.add(f"pod:{target.id}")
            if dial.same_node is False or opened:
                tags |= self._on_nodes("node", {dial.source} if dial.source else askers)
                tags |= {f"node:{target.node}"} if target is not None else set()
        return tags

    def _on_nodes(self, kind: str, pods: Iterable[str]) -> set[str]:
        return {f"{kind}:{self._by_id[pod].node}" for pod in pods if pod in self._by_id}

    def node_of(self, pod: str) -> str:
        return self._by_id[pod].node if pod in self._by_id else ""


def _is_odd(dial: Dial, observation: Observation) -> bool:
    probe = observation.probe
    expect = probe.expect if isinstance(probe, FlowProbe | PacketProbe) else Outcome.CONNECTED
    return observation.status in (Status.WRONG, Status.CHECK_FAILED) and dial.outcome is not expect


def _host(address: str) -> str:
    """
    >>> _host("10.244.1.2:8080"), _host("http://10.244.1.2:8080/clientip"), _host("[fd00::1]:80")
    ('10.244.1.2', '10.244.1.2', 'fd00::1')
    """
    host_and_port = address.removeprefix("http://").partition("/")[0]
    return host_and_port.rpartition(":")[0].strip("[]")


def _symbol_tag(symbol: str) -> str:
    kind, _, rest = symbol.partition(":")
    return f"workload:{rest}" if kind == "pods" else f"service:{rest}" if kind == "service" else f"name:{rest}"
