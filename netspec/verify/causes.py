"""Wrong answers, grouped by what they share: what the reader of a red run wants to know first.

Evidence comes first: what of the cluster's objects is not as the spec has it (`Finding`) explains the answers that
depend on it. What is left is grouped by what the failures have in common and the successes have not: a pod, a node, a
Service, a name.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush

from netspec.probes import (
    CERTIFICATE,
    ELSEWHERE,
    NODATA,
    NXDOMAIN,
    DnsProbe,
    FactProbe,
    FlowProbe,
    Outcome,
    PacketProbe,
)
from netspec.verify.about import About, is_opened
from netspec.verify.declared import differences
from netspec.verify.findings import Finding, kubectl, set_back
from netspec.verify.model import Cause, Observation, Status, explain
from netspec.verify.state import State

#: What failures may have in common; of several that fit alike the first says most.
_KINDS = ("pod", "name", "service", "route", "forwarding", "node", "to", "from", "ways", "protocol")
_UNEXPECTED = (Status.WRONG, Status.CHECK_FAILED)


@dataclass(frozen=True)
class Causes:
    """Groups the unexpected observations of one run; each is explained by one cause."""

    about: About
    findings: Sequence[Finding] = ()

    def of(self, observations: Iterable[Observation]) -> tuple[Cause, ...]:
        """Those that explain most flows first."""
        everything = list(observations)
        left = {o.probe.id: o for o in everything if o.status in _UNEXPECTED}
        causes = [*self._by_findings(left), *self._certificates(left)]
        for opened in (False, True):
            causes += self._by_common_tag(left, everything, opened=opened)
        causes += self._by_detail(left)
        return tuple(sorted(causes, key=lambda c: (-c.flows, -len(c.probes))))

    def group(self, observations: Sequence[Observation]) -> list[tuple[str, ...]]:
        """The probe ids of each cause: what one of them sees when it is asked again, the others would see."""
        return [cause.probes for cause in self.of(observations)]

    def _by_findings(self, left: dict[str, Observation]) -> list[Cause]:
        """Greedy: the finding that explains most of what is left, until none explains anything. One whose probe another
        one has explained already (two policies that differ are one fact) is a cause all the same."""
        by_tag: dict[str, set[str]] = defaultdict(set)
        for id_, observation in left.items():
            for tag in self.about.evidence_tags(observation):
                by_tag[tag].add(id_)
        findings = list({f.what: f for f in self.findings}.values())
        explains = [set[str]().union(*(by_tag.get(tag, ()) for tag in f.tags)) for f in findings]
        order = {id_: n for n, id_ in enumerate(left)}
        # What a finding explains only shrinks: the heap's top is the best one once its number is up to date.
        heap = [(-len(ids), n) for n, ids in enumerate(explains)]
        heapify(heap)
        causes: list[Cause] = []
        while heap:
            count, n = heappop(heap)
            explains[n] &= left.keys()
            if len(explains[n]) < -count:
                heappush(heap, (-len(explains[n]), n))
                continue
            finding = findings[n]
            theirs = [left.pop(id_) for id_ in sorted(explains[n], key=order.__getitem__)]
            if theirs or any(f"probe:{id_}" in finding.tags for id_ in order):
                causes.append(_cause(finding.what, finding.command, theirs))
        return causes

    def _certificates(self, left: dict[str, Observation]) -> list[Cause]:
        """Those that are refused for one reason: what they share besides is no cause. Where a controller serves nothing
        with them, nor is what is asked of their hosts over HTTPS answered."""
        groups: dict[str, list[Observation]] = defaultdict(list)
        for o in list(left.values()):
            if isinstance(o.probe, FactProbe) and o.probe.fact == CERTIFICATE and o.status is Status.WRONG:
                told = [o.observed["problem"]] if o.observed["problem"] else []
                told += [f"it is not that of {o.probe.expect['from']}"] if o.observed["from"] == ELSEWHERE else []
                groups[f"{', '.join(told)} ({o.detail})"].append(left.pop(o.probe.id))
        causes = []
        for why, theirs in groups.items():
            hosts = set(map(_host, theirs))
            what = f"the certificate for {_few(sorted(hosts))} is refused: {why}"
            unanswered = [id_ for id_, o in left.items() if o.status is Status.CHECK_FAILED and _secured(o) in hosts]
            theirs += [left.pop(id_) for id_ in unanswered]
            causes.append(_cause(what, set_back(self.about.ir.stack), theirs))
        return causes

    def _by_common_tag(
        self, left: dict[str, Observation], everything: Sequence[Observation], *, opened: bool
    ) -> list[Cause]:
        """Greedy: the tag whose failures are most of what is left and whose successes are fewest (F1)."""
        wrong = {id_: self.about.shared_tags(o) for id_, o in left.items() if _is_of_class(o, opened)}
        totals = Counter(tag for o in everything if wrong and _could_be(o, opened) for tag in self.about.shared_tags(o))
        causes: list[Cause] = []
        while wrong:
            counts = Counter(tag for tags in wrong.values() for tag in tags)
            ranked = sorted(
                ((-2 * n / (len(wrong) + max(n, totals[tag])), _KINDS.index(tag.partition(":")[0]), tag, n))
                for tag, n in counts.items()
            )
            if not ranked or ranked[0][3] < 2:
                break
            tag = ranked[0][2]
            theirs = [left.pop(id_) for id_, tags in list(wrong.items()) if tag in tags]
            for o in theirs:
                del wrong[o.probe.id]
            causes.append(_cause(*self._words(tag, theirs, opened=opened), theirs))
        for id_, tags in wrong.items():
            o = left.pop(id_)
            telling = [t for t in sorted(tags) if isinstance(o.probe, PacketProbe) or _is_wrong_name(o, t)]
            words = self._words(telling[0], [o], opened=opened) if telling else None
            causes.append(_cause(*(words or (explain(o), set_back(self.about.ir.stack))), [o]))
        return causes

    def _by_detail(self, left: Mapping[str, Observation]) -> list[Cause]:
        """Checks that could not tell, by why; facts by what they are of."""
        groups: dict[str, list[Observation]] = defaultdict(list)
        for o in left.values():
            is_fact = isinstance(o.probe, FactProbe) and o.status is Status.WRONG
            key = f"fact {o.probe.fact}" if is_fact and isinstance(o.probe, FactProbe) else o.detail or explain(o)
            groups[key].append(o)
        causes = []
        for key, theirs in groups.items():
            first = theirs[0]
            if len(theirs) == 1:
                what = _fact(first, first.probe) if isinstance(first.probe, FactProbe) else explain(first)
            elif isinstance(first.probe, FactProbe) and first.status is Status.WRONG:
                what = f"{first.probe.fact} of {_few(sorted(_subject(o) for o in theirs))} is not as the spec has it"
            else:
                what = key
            causes.append(_cause(what, set_back(self.about.ir.stack), theirs))
        return causes

    def _words(self, tag: str, theirs: Sequence[Observation], *, opened: bool) -> tuple[str, str]:
        """What these failures have in common, and the command for it."""
        kind, _, name = tag.partition(":")
        stack = self.about.ir.stack
        restart = kubectl(stack, "rollout restart daemonset/kube-proxy --namespace kube-system")
        describe = kubectl(stack, "describe node", name)
        if kind == "pod":
            namespace, _, pod = name.partition("/")
            what = "is open to what the spec denies" if opened else "is not connected as the spec says"
            on = f" on node {self.about.node_of(name)}" if self.about.node_of(name) else ""
            return f"pod {name}{on} {what}", kubectl(stack, "delete pod", pod, "--namespace", namespace)
        if kind == "node" and any(isinstance(o.probe, PacketProbe) for o in theirs):
            return f"node {name} loses packets of full size on the way from or to other nodes", describe
        if kind == "node":
            what = "does not enforce policy" if opened else "loses what its pods exchange with other nodes"
            return f"node {name} {what}", self._restart_agents(name) or describe
        if kind == "forwarding":
            return f"node {name} does not forward to Services", self._restart_proxy(name) or restart
        if kind == "name":
            answers = sorted({str(a) for o in theirs for a in o.observed or ()} - {NXDOMAIN, NODATA})
            if answers:
                return f"DNS answers {_few(answers)} for {name}, which the spec does not have", set_back(stack)
            return f"DNS answers nothing for {name}, which the spec has", set_back(stack)
        if kind == "service":
            what = "is open to what the spec denies" if opened else "does not lead to its pods"
            return f"Service {name} {what}", restart
        if kind == "route":
            return f"route {name} does not answer as the spec has it", set_back(stack)
        if kind in ("to", "from"):
            verb = (
                ("is reached by" if kind == "to" else "reaches")
                if opened
                else ("is not reached by" if kind == "to" else "does not reach")
            )
            others = sorted({_other_end(o, kind) for o in theirs})
            return f"{name} {verb} {_few(others)}", set_back(stack)
        if kind == "ways":
            return f"what goes {_WAYS[name]} {'passes where it must not' if opened else 'does not arrive'}", restart
        return f"{name} {'passes where it must not' if opened else 'does not pass'}", set_back(stack)

    def _restart_proxy(self, node: str) -> str:
        return self._delete([p.id for p in self.state.pods if p.node == node and p.name.startswith("kube-proxy")])

    def _restart_agents(self, node: str) -> str:
        """The node's own pods of the system: those that are of the network of the node and not static."""
        theirs = [p for p in self.state.pods if p.node == node and p.host_network and not p.name.endswith(node)]
        return self._delete([p.id for p in theirs])

    def _delete(self, pods: Sequence[str]) -> str:
        if not pods:
            return ""
        namespace = pods[0].partition("/")[0]
        names = [p.partition("/")[2] for p in pods if p.startswith(f"{namespace}/")]
        return kubectl(self.about.ir.stack, "delete pod", *names, "--namespace", namespace)

    @property
    def state(self) -> State:
        return self.about.state


_WAYS = {
    "pod": "from pod to pod",
    "cluster-ip": "through a cluster IP",
    "name": "by a Service's name",
    "node-port": "through node ports",
    "host-port": "through the nodes' ports of pods",
    "localhost": "between the containers of a pod",
    "load-balancer": "through load balancers",
    "outside": "between the pods and the outside host",
    "outside-name": "from the pods to the outside host by name",
}


def _is_of_class(observation: Observation, opened: bool) -> bool:
    """Flows that pass and must not; or everything that does not arrive: flows, lookups, packets, kept addresses."""
    if is_opened(observation):
        return opened
    probe = observation.probe
    return (
        not opened
        and (not isinstance(probe, FactProbe) or bool(probe.peer))
        and "no ready pod" not in observation.detail
    )


def _could_be(observation: Observation, opened: bool) -> bool:
    probe = observation.probe
    if isinstance(probe, FlowProbe):
        return probe.expect is (Outcome.TIMED_OUT if opened else Outcome.CONNECTED)
    return not opened and (not isinstance(probe, FactProbe) or bool(probe.peer))


def _host(observation: Observation) -> str:
    probe = observation.probe
    return probe.request.host if isinstance(probe, FactProbe) and probe.request else ""


def _secured(observation: Observation) -> str:
    """The host of a question that is asked over HTTPS."""
    probe = observation.probe
    return probe.request.host if isinstance(probe, FactProbe) and probe.request and probe.request.tls else ""


def _is_wrong_name(observation: Observation, tag: str) -> bool:
    return isinstance(observation.probe, DnsProbe) and bool(observation.observed) and tag.startswith("name:")


def _cause(what: str, command: str, observations: Sequence[Observation]) -> Cause:
    flows = sum(isinstance(o.probe, FlowProbe) for o in observations)
    return Cause(what, command, tuple(o.probe.id for o in observations), flows)


def _fact(observation: Observation, probe: FactProbe) -> str:
    """One fact that is wrong: the fields that differ, where it has some."""
    seen, expect = observation.observed, probe.expect
    if observation.status is not Status.WRONG or not isinstance(seen, Mapping) or not isinstance(expect, Mapping):
        return explain(observation)
    # A list may go on: the kubelet appends the node's own search domains.
    as_said = {
        k: expect[k] if isinstance(v, list) and v[: len(expect[k])] == expect[k] else v
        for k, v in seen.items()
        if k in expect
    }
    told = "; ".join(differences(expect, as_said))
    return f"{probe.fact} of {probe.subject} is not as the spec has it: {told}" if told else explain(observation)


def _subject(observation: Observation) -> str:
    return observation.probe.subject if isinstance(observation.probe, FactProbe) else observation.probe.id


def _other_end(observation: Observation, kind: str) -> str:
    probe = observation.probe
    if isinstance(probe, FlowProbe):
        return probe.source if kind == "to" else f"{probe.destination}:{probe.port}"
    if isinstance(probe, DnsProbe):
        return "its DNS server"
    return _subject(observation)


def _few(names: Sequence[str], limit: int = 3) -> str:
    """
    >>> _few(["a", "b", "c", "d"])
    'a, b, c and 1 more'
    """
    rest = len(names) - limit
    return ", ".join(names[:limit]) + (f" and {rest} more" if rest > 0 else "")
