"""Findings: what of the cluster's own objects is not as the spec has it, and could explain a wrong answer."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from netspec.catalogue import IMAGES
from netspec.ir.dns import KUBE_DNS
from netspec.ir.model import Ir
from netspec.probes import FactProbe, Outcome
from netspec.target import NodeRead, ObjectRead, ReadyRead
from netspec.verify import declared
from netspec.verify.about import DNS_TAG
from netspec.verify.declared import places
from netspec.verify.drift import PROBE as POLICIES
from netspec.verify.drift import Drift
from netspec.verify.findings import Finding, delete, kubectl, probe_tag, set_back
from netspec.verify.model import Canary, CanaryCheck, Cause, Observation, Status
from netspec.verify.state import State, pods_by_workload
from netspec.verify.undeclared import Undeclared

#: Facts of the Gateway API by what they are about, for a reader.
_GATEWAY_FACTS = {
    "gateway": "what the controller says of Gateway",
    "gateway-listeners": "what the controller says of the listeners of Gateway",
    "gateway-route": "what the controller says of",
    "gateway-route-spec": "the object",
    "gateway-settings": "the object",
    "reference-grant": "ReferenceGrant",
}


@dataclass(frozen=True)
class Evidence:
    """What was read of one cluster. `facts`: the observations of facts that the API server has answered. `words`: what
    the log of a pod in which a container failed says of its end."""

    ir: Ir
    state: State
    drift: Drift
    undeclared: Undeclared
    facts: Mapping[str, Observation]
    words: Mapping[str, str] = field(default_factory=dict)

    def findings(self) -> tuple[Finding, ...]:
        wrong = [
            (o, o.probe) for o in self.facts.values() if o.status is Status.WRONG and isinstance(o.probe, FactProbe)
        ]
        return (
            *self._nodes(),
            *self._pods(),
            *self._strange_servers(),
            *(f for o, probe in wrong for f in self._of_fact(o, probe)),
            *self.drift.findings,
            *self._elsewhere(),
            *(t.finding(self.ir.stack) for t in self.undeclared.things if t.opens),
        )

    def _nodes(self) -> Iterator[Finding]:
        for node in self.state.nodes:
            if not node.ready:
                tags = frozenset({f"node:{node.name}", f"forwarding:{node.name}", probe_tag("fact:nodes:cluster")})
                yield Finding(
                    f"node {node.name} is not ready", kubectl(self.ir.stack, "describe node", node.name), tags
                )

    def _pods(self) -> Iterator[Finding]:
        """A pod that is not ready: of a workload, it is missing there; one that serves its node (a CNI's agent,
        kube-proxy) explains what goes wrong on it."""
        owners = self._owners()
        held = {w.id for w in self.ir.workloads if not w.ready}
        for pod in (p for p in self.state.pods if not p.ready):
            owner = owners.get(pod.id)
            if owner in held:
                continue
            what = f"pod {pod.id} on node {pod.node or '(none)'} is not ready"
            why = f": {said}" if (said := self.words.get(pod.id) or pod.unscheduled) else ""
            if owner:
                tags = frozenset({f"workload:{owner}", f"pod:{pod.id}"})
                yield Finding(f"{what}, it is of {owner}{why}", delete(self.ir.stack, "pod", pod.id), tags)
            elif pod.host_network and pod.node:
                tags = frozenset({f"node:{pod.node}", f"forwarding:{pod.node}"})
                yield Finding(f"{what}{why}", delete(self.ir.stack, "pod", pod.id), tags)

    def _strange_servers(self) -> Iterator[Finding]:
        """Pods that nobody's controller made, with the labels of the cluster's DNS: they get a share of the lookups."""
        dns = {w.id for w in self.ir.workloads if w.system}
        for pod, owner in self._owners().items():
            if owner in dns and not next(p for p in self.state.pods if p.id == pod).controlled:
                what = f"pod {pod} answers among the cluster's DNS, and is not of {owner}'s making"
                tags = frozenset({DNS_TAG, f"pod:{pod}"})
                yield Finding(what, delete(self.ir.stack, "pod", pod), tags)

    def _owners(self) -> dict[str, str]:
        """Pod -> its workload, ready or not."""
        found = pods_by_workload(self.state.pods, self.ir.inventory.workloads, ready_only=False)
        return {p.id: w for w, pods in found.items() for p in pods}

    def _of_fact(self, observation: Observation, probe: FactProbe) -> Iterator[Finding]:
        own, up = probe_tag(probe.id), set_back(self.ir.stack)
        if probe.fact == "pod-labels":
            for pod, labels in observation.observed.items():
                told = ", ".join(declared.differences(probe.expect, labels))
                what = f"pod {pod} is not labelled as {probe.subject}: {told}"
                yield Finding(what, delete(self.ir.stack, "pod", pod), frozenset({own, f"pod:{pod}"}))
        elif probe.fact == "namespace-labels":
            tags = {own, "stated"} | (set() if self.drift.findings else {probe_tag(POLICIES)})
            what = f"namespace {probe.subject} is not labelled as the spec says: {observation.detail}"
            yield Finding(what, up, frozenset(tags))
        elif probe.fact == "service-spec":
            what = f"Service {probe.subject} is not the spec's: {observation.detail}"
            yield Finding(what, up, frozenset({own, f"service:{probe.subject}"}))
        elif probe.fact == "workload-spec":
            what = f"{probe.expect['kind']} {probe.subject} is not the spec's: {observation.detail}"
            yield Finding(what, up, frozenset({own, f"workload:{probe.subject}"}))
        elif isinstance(probe.read, NodeRead):
            yield from self._odd_nodes(observation, probe)
        elif probe.fact == "dns-settings":
            what = f"the DNS server is not set as the spec says: {observation.detail}"
            yield Finding(what, up, frozenset({own, DNS_TAG}))
        elif isinstance(probe.read, ReadyRead):
            yield self._too_few(observation, probe)
        elif probe.subject == "dns":
            seen = observation.observed if isinstance(observation.observed, Mapping) else {}
            told = observation.detail or "; ".join(declared.differences(probe.expect, seen))
            yield Finding(f"{probe.fact} is not as the spec has it: {told}", up, frozenset({own, DNS_TAG}))
        elif probe.fact == "service-endpoints":
            yield from self._strangers_behind(probe)
        elif isinstance(probe.read, ObjectRead):
            yield from self._of_edge(observation, probe)

    def _of_edge(self, observation: Observation, probe: FactProbe) -> Iterator[Finding]:
        """A load balancer, a proxy and its routes: what does not come in goes by them."""
        front, own = self.ir.traits.front, probe_tag(probe.id)
        is_gate = probe.fact.startswith("gateway") or probe.fact == "reference-grant"
        fronts = self.ir.traits.fronts
        if is_gate or probe.fact.startswith("ingress"):
            fronts = tuple(f for f in fronts if f == (self.ir.traits.gates if is_gate else front))
        door = {f"service:{f.service.id}" for f in fronts}
        missing = observation.observed is None
        said = "it is not there" if missing else "; ".join(list(places(probe.expect, observation.observed))[:3])
        made = {id_: route.id for route in self.ir.http if front for _, id_ in front.objects_of(route)}
        if front and probe.fact == "ingress-route" and probe.subject in made:
            what = f"{front.kind} {probe.subject} " + ("is missing" if missing else f"is not the spec's: {said}")
            yield Finding(what, set_back(self.ir.stack), frozenset({own, f"route:{made[probe.subject]}"}))
        elif probe.fact == "ingress-option":
            what = f"{probe.subject} " + ("is missing" if missing else f"is not the spec's: {said}")
            id_ = probe.subject.rpartition(" ")[2]
            of_it = {f"route:{route.id}" for route in self.ir.http if id_.startswith(f"{route.id}.")}
            yield Finding(what, set_back(self.ir.stack), frozenset({own, *of_it}))
        elif is_gate:
            what = f"{_GATEWAY_FACTS.get(probe.fact, probe.fact)} {probe.subject} "
            what += "is missing" if missing else f"is not as the spec has it: {said}"
            yield Finding(what, set_back(self.ir.stack), frozenset({own, *(self._of_gateway(probe) or door)}))
        elif probe.fact == "ingress-class":
            what = f"IngressClass {probe.subject} " + ("is missing" if missing else f"is not the controller's: {said}")
            yield Finding(what, set_back(self.ir.stack), frozenset({own, *door}))
        elif probe.fact.startswith("load-balancer-"):
            what = f"{probe.fact} of {probe.subject} is not as the spec has it: {said}"
            yield Finding(what, set_back(self.ir.stack), frozenset({own, "ways:load-balancer", *door}))

    def _of_gateway(self, probe: FactProbe) -> set[str]:
        """The routes that depend on an object of the Gateway API; none where all may."""
        namespace = probe.subject.partition("/")[0]
        if probe.fact == "reference-grant":
            let_in = {(f["kind"], f["namespace"]) for f in probe.expect["from"]}
            return {
                f"route:{route.id}"
                for route in self.ir.gateway_routes
                if (route.kind, route.namespace) in let_in and namespace in {b.namespace for b in route.backends}
            }
        if probe.fact.startswith("gateway-route"):
            return {f"route:{probe.subject.rpartition(' ')[2]}"}
        parents = {r.id: {f"{p.namespace}/{p.name}" for p in r.parents} for r in self.ir.gateway_routes}
        return {f"route:{id_}" for id_, known in parents.items() if probe.subject in known}

    def _too_few(self, observation: Observation, probe: FactProbe) -> Finding:
        """Pods of a Deployment, through which everything from outside may go; how many there are of one that is scaled
        is nobody's to set but the autoscaler's."""
        tags = {probe_tag(probe.id), f"workload:{probe.subject}"}
        tags |= {f"service:{f.service.id}" for f in self.ir.traits.fronts if f.workload.id == probe.subject}
        what = f"Deployment {probe.subject} has {observation.observed} ready pods, and must have {probe.expect}"
        command = set_back(self.ir.stack)
        if probe.subject == KUBE_DNS.workload_id and self.ir.dns.autoscale:
            what += f": {KUBE_DNS.autoscaler_id} has not scaled it"
            restart = f"rollout restart deployment/{KUBE_DNS.autoscaler} --namespace {KUBE_DNS.namespace}"
            command = kubectl(self.ir.stack, restart)
        return Finding(what, command, frozenset(tags))

    def _odd_nodes(self, observation: Observation, probe: FactProbe) -> Iterator[Finding]:
        """The nodes that gave another answer; all of them where they agree."""
        seen = observation.observed
        odd = {n: v for n, v in seen.items() if v != probe.expect} if isinstance(seen, dict) else {}
        for node, value in (odd or {n.name: seen for n in self.state.nodes}).items():
            what = f"{probe.fact} of node {node} is {value!r}, and must be {probe.expect!r}"
            command = kubectl(self.ir.stack, "describe node", node)
            if probe.fact == "ip-forward":
                what = f"node {node} does not forward packets: net.ipv4.ip_forward is {value}"
                as_root = f"debug node/{node} --profile=sysadmin --image={IMAGES['agnhost']} --"
                command = kubectl(self.ir.stack, as_root, "busybox sysctl -w net.ipv4.ip_forward=1")
            tags = {f"node:{node}", f"forwarding:{node}", probe_tag(probe.id)}
            yield Finding(what, command, frozenset(tags))

    def _strangers_behind(self, probe: FactProbe) -> Iterator[Finding]:
        owners = self._owners()
        behind = {e.pod for e in self.state.endpoints.get(probe.subject, ())}
        given = {row[1] for row in probe.expect} - self.ir.workloads_by_id.keys()
        if missing := sorted(given - behind):
            what = f"Service {probe.subject} lacks endpoints that the spec gives it: {', '.join(missing)}"
            yield Finding(what, set_back(self.ir.stack), frozenset({f"service:{probe.subject}", probe_tag(probe.id)}))
        for pod in sorted(behind - owners.keys() - given):
            what = f"{pod} belongs to no workload of the spec, and is behind Service {probe.subject}"
            tags = frozenset({f"service:{probe.subject}", f"pod:{pod}", probe_tag(probe.id)})
            # A name that is an address is not a pod's: it comes from an EndpointSlice of somebody's own.
            is_pod = any(p.id == pod for p in self.state.pods)
            namespace, _, name = probe.subject.partition("/")
            selector = f"kubernetes.io/service-name={name}"
            command = (
                delete(self.ir.stack, "pod", pod)
                if is_pod
                else kubectl(self.ir.stack, "delete endpointslice --namespace", namespace, "--selector", selector)
            )
            yield Finding(what, command, tags)

    def _elsewhere(self) -> Iterator[Finding]:
        """Connections that change though the spec's own policies are as they must be."""
        labelled = any(
            o.status is Status.WRONG and o.probe.id.startswith("fact:namespace-labels:") for o in self.facts.values()
        )
        if self.drift.connections and not self.drift.findings and not labelled:
            what = f"policies or labels of other namespaces change connections: {'; '.join(self.drift.connections[:3])}"
            yield Finding(
                what, kubectl(self.ir.stack, "get networkpolicy -A"), frozenset({"stated", probe_tag(POLICIES)})
            )


def causes_of_canary(canary: Canary, evidence: Evidence, findings: Iterable[Finding]) -> tuple[Cause, ...]:
    """Why a run is inconclusive: what was found that concerns the nodes whose controls failed or all of them, then the
    controls by the node that they share."""
    failed = [c for c in canary.checks if not c.ok]
    void = any(c.expect is Outcome.TIMED_OUT for c in failed)
    nodes = {node for c in failed for node in (c.source, c.target)} | set(canary.stuck)
    concerned = {"cluster"} if void else {f"node:{node}" for node in nodes}
    ranked = sorted(findings, key=lambda f: not (f.tags & concerned))
    wrong = {o.probe.id for o in evidence.facts.values() if o.status is Status.WRONG}
    found = [Cause(f.what, f.command, tuple(i for i in sorted(wrong) if probe_tag(i) in f.tags), 0) for f in ranked]
    shared = canary.stuck[0] if canary.stuck else _shared_node(failed, [c for c in canary.checks if c.ok])
    on = f"node {shared}" if shared else "the cluster"
    look = ("describe node", shared) if shared else ("get pods -A -o wide",)
    if canary.problem:
        what = canary.problem
    elif failed:
        more = f", and {len(failed) - 1} more" if len(failed) > 1 else ""
        what = f"{on} {'does not enforce policy' if void else 'does not pass traffic'}: {failed[0].says}{more}"
    else:
        return tuple(found)
    own = Cause(what, kubectl(evidence.ir.stack, *look), (), 0)
    is_explained = bool(ranked) and bool(ranked[0].tags & concerned)
    return (found[0], own, *found[1:]) if is_explained else (own, *found)


def _shared_node(failed: list[CanaryCheck], good: list[CanaryCheck]) -> str:
    """The node that every failed check has an end on, and fewest good ones."""
    nodes = sorted({node for c in failed for node in (c.source, c.target)})
    shared = [n for n in nodes if all(n in (c.source, c.target) for c in failed)]
    return min(shared, key=lambda n: sum(n in (c.source, c.target) for c in good), default="")
