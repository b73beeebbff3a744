"""Observed against expected. A time-out is a denial only with a control; a lookup's symbols become addresses here."""

import re
from collections.abc import Sequence
from ipaddress import ip_address, ip_network
from typing import Any

from netspec.ir.model import Ir
from netspec.probes import (
    HEALTH_CHECK,
    KEPT,
    NAMES_ASKED,
    POD_ANSWERS,
    SAME_POD,
    DnsProbe,
    FactProbe,
    FlowProbe,
    Outcome,
    PacketProbe,
    Probe,
)
from netspec.verify import declared, lookups
from netspec.verify.model import Dial, Observation, Status
from netspec.verify.resolve import Asker
from netspec.verify.script import Reply
from netspec.verify.state import Endpoint, Pod, State, pods_by_workload

#: Of dials that are not as expected the most telling one speaks: an open door before one that could not be tried.
_TELLING = (Outcome.CONNECTED, Outcome.REFUSED, Outcome.TIMED_OUT, Outcome.UNRESOLVED, Outcome.CHECK_FAILED)


class Judge:
    """Compares with the prediction, given the cluster's state. `node_mtu`: the MTU of each node's own interface."""

    def __init__(self, ir: Ir, state: State, node_mtu: dict[str, int]) -> None:
        self._state = state
        self._pods = pods_by_workload(state.pods, ir.inventory.workloads)
        self._brought = {w.id for w in ir.inventory.workloads if w.system}
        self._node_mtu = node_mtu

    def failed(self, probe: Probe, why: str, asked_from: str = "", attempts: int = 1) -> Observation:
        """A probe that could not tell: where nothing is predicted, that is as good as any other answer."""
        is_flow = isinstance(probe, FlowProbe | PacketProbe)
        status = Status.SEEN if is_flow and probe.expect is None else Status.CHECK_FAILED
        return Observation(probe, status, Outcome.CHECK_FAILED if is_flow else None, why, asked_from, attempts=attempts)

    def flow(
        self, probe: FlowProbe, asked_from: str, dials: tuple[Dial, ...], control: str, control_failure: str, n: int
    ) -> Observation:
        """Every dial must be as expected; the most telling one that is not speaks for the probe."""
        odd = min(
            (d for d in dials if d.outcome is not probe.expect),
            key=lambda d: _TELLING.index(d.outcome),
            default=dials[0],
        )
        seen, detail = odd.outcome, odd.detail if odd.outcome is not Outcome.CONNECTED else ""
        if len(dials) > 1 and len({d.outcome for d in dials}) > 1:
            detail = ", ".join(f"{d.address} {d.outcome.value}" for d in dials)
        if probe.expect is None:
            status = Status.SEEN
        elif seen is Outcome.CHECK_FAILED:
            status = Status.CHECK_FAILED
        elif seen is Outcome.TIMED_OUT and probe.expect is not Outcome.CONNECTED and not control:
            status, seen = Status.CHECK_FAILED, Outcome.CHECK_FAILED
            detail = f"timed out, but so did the control, so this is not a denial: {control_failure}"
        else:
            status = Status.PASS if seen is probe.expect else Status.WRONG
        return Observation(probe, status, seen, detail, asked_from, dials, n, control)

    def lookup(self, probe: DnsProbe, asked_from: str, output: str, n: int) -> Observation:
        """That a name is not there is as much an answer as an address."""
        try:
            expect = lookups.wanted(probe, self._state, self._pods)
            answers = lookups.found(output, probe.record, expect)
        except lookups.Unknown as why:
            return self.failed(probe, str(why), asked_from, n)
        status = Status.PASS if answers == expect else Status.WRONG
        detail = "" if status is Status.PASS else f"wanted {', '.join(expect) or 'nothing'}; the answer: {output}"
        return Observation(probe, status, answers, detail, asked_from, attempts=n)

    def pod_fact(
        self, probe: FactProbe, asker: Asker, replies: Sequence[Reply], dials: tuple[Dial, ...], n: int
    ) -> Observation:
        output = replies[0].output
        if probe.fact == HEALTH_CHECK:
            return self._health_check(probe, asker, replies, dials, n)
        if any(r.status for r in replies):
            return self.failed(probe, next(r.output for r in replies if r.status) or "no answer", asker.id, n)
        if probe.fact == "client-address":
            return self._client_address(probe, asker, replies, dials, n)
        pod = asker.pod
        assert pod is not None, "the other facts are asked of pods"
        if probe.fact == "resolv-conf":
            seen: Any = parse_resolv_conf(output)
            ok = all(_agrees(key, seen.get(key), value) for key, value in probe.expect.items())
            return self._fact(probe, ok, seen, asker.id, n)
        if probe.fact == "pod-mtu":
            wanted = probe.expect
            if not isinstance(wanted, int):  # "interface - 50"
                wanted = self._node_mtu.get(pod.node, 0) - int(wanted.rpartition(" ")[2])
            mtu = int(output.strip("| "))
            return self._fact(probe, mtu == wanted, mtu, asker.id, n, "" if mtu == wanted else f"wanted {wanted}")
        if probe.fact == NAMES_ASKED:
            return self._names_asked(probe, output, asker.id, n)
        if probe.fact in POD_ANSWERS:
            return self._pod_that_answers(probe, pod, sorted({r.output for r in replies}), dials, asker.id, n)
        addresses = [r.output.rpartition(":")[0].strip("[]") for r in replies]
        ok = all(a == pod.address for a in addresses)
        observation = self._fact(probe, ok, sorted(set(addresses)), asker.id, n, f"the pod has {pod.address}")
        return Observation(
            probe, observation.status, observation.observed, observation.detail, asker.id, dials, attempts=n
        )

    def _names_asked(self, probe: FactProbe, output: str, asked_from: str, n: int) -> Observation:
        """From the datagrams that the pod sent; the first number is for one name alone. What is no multiple of it is
        somebody else's, or a query that was sent again."""
        counts = [int(word) for word in output.split() if word.isdigit()]
        if len(counts) != len(probe.expect) + 1 or not counts[0] or any(c % counts[0] for c in counts):
            return self.failed(
                probe, f"the datagrams do not tell how many names were asked for: {output}", asked_from, n
            )
        seen = {name: count // counts[0] for name, count in zip(probe.expect, counts[1:], strict=True)}
        told = f"{counts[0]} datagrams for one name"
        return self._fact(probe, seen == probe.expect, seen, asked_from, n, told)

    def _pod_that_answers(
        self, probe: FactProbe, asker: Pod, names: list[str], dials: tuple[Dial, ...], asked_from: str, n: int
    ) -> Observation:
        """By its host name, which is the pod's. Of one that has gone meanwhile the node is not known."""
        nodes = {p.name: p.node for p in self._state.pods if p.namespace == probe.peer.partition("/")[0]}
        if probe.fact == SAME_POD:
            ok, detail = len(names) == 1, "another pod answered the same client"
        else:
            ok, detail = all(nodes.get(name) == asker.node for name in names), f"the asker is on node {asker.node}"
        status = Status.PASS if ok else Status.WRONG
        return Observation(probe, status, names, "" if ok else detail, asked_from, dials, n)

    def _health_check(
        self, probe: FactProbe, asker: Asker, replies: Sequence[Reply], dials: tuple[Dial, ...], n: int
    ) -> Observation:
        """Each node by whether a pod behind the Service is on it; there need not be both kinds. (wget ends well with an
        answer of success, and else says which one it got.)"""
        ends = {e.pod for e in self._state.endpoints.get(probe.peer, ())}
        with_pod = {p.node for p in self._state.pods if p.id in ends}
        names = {node.address: node.name for node in self._state.nodes}
        odd: list[str] = []
        seen: dict[str, int] = {}
        for dial, reply in zip(dials, replies, strict=True):
            node = names[dial.address.removeprefix("http://").rpartition(":")[0]]
            kind = "with-endpoint" if node in with_pod else "without-endpoint"
            said = re.search(r"HTTP/1\.[01] (\d{3})", reply.output) if reply.status else None
            if reply.status and not said:
                return self.failed(probe, f"no answer over HTTP from node {node}: {reply.output[:200]}", asker.id, n)
            status = int(said[1]) if said else 200
            if seen.setdefault(kind, status) != status or status != probe.expect[kind]:
                odd.append(f"node {node} {kind.replace('-', ' ')} answers {status}")
        status_ = Status.WRONG if odd else Status.PASS
        return Observation(probe, status_, seen, ", ".join(odd), asker.id, dials, attempts=n)

    def _client_address(
        self, probe: FactProbe, asker: Asker, replies: Sequence[Reply], dials: tuple[Dial, ...], n: int
    ) -> Observation:
        """Whether the pods behind a load balancer see the client as it is."""
        addresses = {r.output.rpartition(":")[0].strip("[]") for r in replies}
        kept = addresses == {asker.address}
        status = Status.PASS if kept is (probe.expect == KEPT) else Status.WRONG
        detail = f"the client has {asker.address}"
        return Observation(probe, status, sorted(addresses), detail, asker.id, dials, attempts=n)

    def _fact(
        self, probe: FactProbe, ok: bool, seen: object, asked_from: str, n: int = 1, detail: str = ""
    ) -> Observation:
        return Observation(probe, Status.PASS if ok else Status.WRONG, seen, detail, asked_from, attempts=n)

    def state_fact(self, probe: FactProbe) -> Observation:
        """Facts that are known of every cluster, from its state."""
        state = self._state
        seen: Any
        if probe.fact == "pod-ips-in-pod-cidrs":
            seen = sorted(p.address for p in self._pods[probe.subject])
            if not seen:
                return self.failed(probe, f"no ready pod of {probe.subject}")
            return self._fact(probe, all(_within(a, probe.expect) for a in seen), seen, "API server")
        if probe.fact == "service-ip-in-service-cidrs":
            service = state.services.get(probe.subject)
            if service is None:
                return self.failed(probe, f"Service {probe.subject} is not on the cluster")
            return self._fact(probe, _within(service.cluster_ip, probe.expect), service.cluster_ip, "API server")
        if probe.fact == "load-balancer-address":
            service = state.services.get(probe.subject)
            if service is None:
                return self.failed(probe, f"Service {probe.subject} is not on the cluster")
            given, said = list(service.balanced), "" if service.balanced else "no address has been given to it"
            if not probe.expect:  # of another class
                return self._fact(probe, not given, given, "API server", detail="nobody is to give it one")
            within = bool(given) and all(_within(a, probe.expect) for a in given)
            return self._fact(probe, within, given, "API server", detail=said)
        if probe.fact in declared.FACTS:
            return declared.observe(probe, state, self._pods)
        if probe.fact == "service-endpoints":
            return self._endpoints(probe)
        if probe.fact == "never-ready":
            seen = [p.name for p in self._pods[probe.subject] if p.ready]
        elif probe.fact == "nodes":
            seen = sum(node.ready for node in state.nodes)
        else:
            assert probe.fact == "replicas", probe.fact
            seen = len(self._pods[probe.subject])
        return self._fact(probe, seen == probe.expect, seen, "API server")

    def _endpoints(self, probe: FactProbe) -> Observation:
        """Every ready pod of the workloads behind the Service, and no other, each on its port."""
        wanted = {
            Endpoint(name, pod.id, number, protocol)
            for name, workload, number, protocol in probe.expect
            for pod in self._pods.get(workload, ())
            # What the cluster brings has controllers: a pod of nobody's making is a stranger there.
            if pod.controlled or workload not in self._brought
        }
        given = {row[1] for row in probe.expect} - self._pods.keys()  # addresses that the spec put there
        wanted |= {
            Endpoint(name, who, number, protocol) for name, who, number, protocol in probe.expect if who in given
        }
        if probe.expect and not wanted:
            return self.failed(probe, f"no ready pod of {', '.join(sorted({row[1] for row in probe.expect}))}")
        found = set(self._state.endpoints.get(probe.subject, ()))
        missing = sorted({e.pod for e in wanted - found})
        detail = f"not behind it: {', '.join(missing)}" if missing else ""
        workload_of = {pod.id: workload for workload, pods in self._pods.items() for pod in pods}
        seen = sorted({(e.name, workload_of.get(e.pod, e.pod), e.number, e.protocol) for e in found})
        return self._fact(probe, found == wanted, [list(row) for row in seen], "API server", detail=detail)


def _within(address: str, cidrs: Sequence[str]) -> bool:
    try:
        return any(ip_address(address) in ip_network(c) for c in cidrs)
    except ValueError:  # a Service that became headless has "None"
        return False


def _agrees(key: str, seen: Any, wanted: Any) -> bool:
    """The kubelet puts the node's own search domains between the cluster's and those of dnsConfig; a pod may have more
    options than the spec gives it."""
    if key == "search" and isinstance(seen, list):
        rest = iter(seen)
        return bool(seen[:1] == wanted[:1]) and all(domain in rest for domain in wanted)
    if key == "options" and isinstance(seen, dict):
        return bool(wanted.items() <= seen.items())
    return bool(seen == wanted)


def parse_resolv_conf(text: str) -> dict[str, object]:
    """resolv.conf(5), lines separated by newline or "|"."""
    out: dict[str, object] = {"nameservers": [], "search": [], "ndots": 1}
    for line in re.split(r"[\n|]", text):
        words = line.split()
        if len(words) < 2:
            continue
        if words[0] == "nameserver":
            out["nameservers"] = [*out["nameservers"], words[1]]  # type: ignore[misc]
        elif words[0] == "search":
            out["search"] = words[1:]
        elif words[0] == "options":
            options = dict(word.partition(":")[::2] for word in words[1:])
            if (ndots := options.pop("ndots", "")).isdigit():
                out["ndots"] = int(ndots)
            if options:
                out["options"] = options
    return out
