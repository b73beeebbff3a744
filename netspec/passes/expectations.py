"""Holds the expectations against what the policies do, and names the policies where they differ.

A range of addresses or ports is asked at every edge that a policy has in it, so the answer holds for all of it."""

from collections.abc import Iterator
from ipaddress import IPv4Network

from netspec.analysis.evaluate import evaluate
from netspec.analysis.spaces import samples
from netspec.analysis.verdict import AddressEnd, End, PodEnd, Verdict
from netspec.ir.model import Expectation, IntentPeer, Ir, PolicyPort, Protocol
from netspec.passes.context import Context
from netspec.passes.endpoints import behind, covers, given_addresses
from netspec.passes.openings import EVERYWHERE
from netspec.spec.types import network

Flow = tuple[End, End, int, Protocol]


#: What, left out for a mistake of its own, may be why a flow is open or closed: nothing is said about it then.
MAY_CLOSE = frozenset({"policies", "networkPolicies"})
MAY_OPEN = frozenset({"namespaces", "networkPolicies"})
#: What, left out, may be why no flow is meant.
HOLDS_PODS = frozenset({"workloads", "services"})


def expectations(ir: Ir, context: Context) -> Ir:
    for expectation in ir.expectations:
        if not context.incomplete & (MAY_CLOSE if expectation.expect == "allow" else MAY_OPEN):
            _check(ir, expectation, context)
    return ir


def _check(ir: Ir, expectation: Expectation, context: Context) -> None:
    """Reports the first flow of the expectation that is not as expected; allow is expected of all its flows."""
    is_checked = False
    for source, destination, port, protocol in _flows(ir, expectation):
        is_checked = True
        verdict = evaluate(ir.inventory, source, destination, port, protocol)
        if verdict.expected == expectation.expect:
            continue
        flow = f"{source} to {destination}:{port}/{protocol}"
        path = expectation.place.path
        if verdict.expected is None:
            message = f"{flow} is expected {expectation.expect}, but Kubernetes leaves it open"
            context.report.warning("NS502", path, message, verdict.note)
        else:
            is_denied = expectation.expect == "allow"
            message = f"{flow} is expected {expectation.expect}, but is {'denied' if is_denied else 'allowed'}"
            context.report.error("NS501", path, message, _reason(ir, verdict))
        return
    if not is_checked and not context.incomplete & HOLDS_PODS:
        _vacuous(ir, expectation, context)


def _vacuous(ir: Ir, expectation: Expectation, context: Context) -> None:
    ends = (expectation.source, expectation.destination)
    empty = next((e for e in ends if not _ends(ir, e)), None)
    if empty is None:
        message, hint = "no flow matches it, so it checks nothing", "correct its peers or its port"
    elif empty.kind == "cidr":
        message = f"{empty} is inside the cluster's own ranges, where no pod has an address of its own"
        hint = "name the workload, namespace or service"
    else:
        message, hint = f"{empty} has no pods, so it checks nothing", "declare its workloads, or remove the expectation"
    context.report.error("NS504", expectation.place.path, message, hint)


def _reason(ir: Ir, verdict: Verdict) -> str:
    if not verdict.deciding:
        return "no policy isolates either side"
    lines = {p.id: p.place.position.line for p in ir.policies if p.place.position}
    named = [f"{name} (line {lines[name]})" if name in lines else name for name in verdict.deciding]
    return f"decided by {', '.join(named)}"


def _flows(ir: Ir, expectation: Expectation) -> Iterator[Flow]:
    sources = _ends(ir, expectation.source)
    targets = _targets(ir, expectation.destination, expectation.port)
    for source in sources:
        for destination, port, protocol in targets:
            if isinstance(source, AddressEnd) and isinstance(destination, AddressEnd):
                continue
            if source != destination or expectation.source == expectation.destination:
                yield source, destination, port, protocol


def _ends(ir: Ir, peer: IntentPeer) -> list[End]:
    match peer.kind:
        case "workload":
            return [PodEnd(peer.name)]
        case "namespace":
            return [PodEnd(w.id) for w in ir.workloads_in.get(peer.name, ())]
        case "service":
            service = ir.services_by_id[peer.name]
            given = [AddressEnd(a) for a in given_addresses(ir, service)]
            return [*(PodEnd(w.id) for w in behind(ir, service)), *given]
        case "cidr":
            return _holders(ir, network(peer.name))
        case "outside":
            return _samples(ir, EVERYWHERE)
        case "anywhere":
            return _holders(ir, EVERYWHERE)
        case _:  # of intents alone
            return []


def _targets(ir: Ir, peer: IntentPeer, port: PolicyPort | None) -> list[tuple[End, int, Protocol]]:
    if peer.kind == "service":
        service = ir.services_by_id[peer.name]
        ports = [p for p in service.ports if port is None or covers(port, p.port, p.name, p.protocol)]
        ends: list[tuple[End, int | str | None, Protocol]] = []
        for p in ports:
            ends += [(PodEnd(w.id), p.number_on(w), p.protocol) for w in behind(ir, service)]
            ends += [(AddressEnd(a), p.target_port, p.protocol) for a in given_addresses(ir, service)]
        return [(end, number, protocol) for end, number, protocol in ends if isinstance(number, int)]
    edges = _port_edges(ir, port) if port is not None else []
    found: list[tuple[End, int, Protocol]] = []
    for end in _ends(ir, peer):
        declared = ir.workloads_by_id[end.workload].ports if isinstance(end, PodEnd) else ()
        if port is None:
            found += [(end, p.port, p.protocol) for p in declared]
            continue
        own = {n for p in declared if p.protocol == port.protocol for n in (p.port, p.port + 1)}
        numbers = {n for n in (*edges, *own) if covers(port, n, None, port.protocol)}
        numbers |= {p.port for p in declared if covers(port, p.port, p.name, p.protocol)}
        found += [(end, n, port.protocol) for n in sorted(numbers)]
    return found


def _port_edges(ir: Ir, port: PolicyPort) -> list[int]:
    """The first port of a range, and where in it a rule begins to match or matches no more."""
    if not isinstance(port.port, int):
        return []
    if port.end_port is None:
        return [port.port]
    rules = [r for p in ir.policies for r in p.ingress + p.egress]
    named = {q for r in rules for q in r.ports if q.protocol == port.protocol}
    edges = {n for q in named if isinstance(q.port, int) for n in (q.port, (q.end_port or q.port) + 1)}
    return sorted({port.port} | {n for n in edges if covers(port, n, None, port.protocol)})


def _holders(ir: Ir, cidr: object) -> list[End]:
    """Who may have an address of a range: every pod, if the range holds all of the pods' own, and who is outside. Of
    a part of the pods' range nothing is known: a pod's address is not its own."""
    if not isinstance(cidr, IPv4Network):
        return []
    holds_pods = any(isinstance(c, IPv4Network) and c.subnet_of(cidr) for c in ir.network.pod_cidrs)
    return [*(PodEnd(w.id) for w in ir.workloads if holds_pods), *_samples(ir, cidr)]


def _samples(ir: Ir, whole: IPv4Network) -> list[End]:
    """Addresses of a range outside the cluster's own, one for each stretch that no ipBlock cuts."""
    own = ir.network.pod_cidrs + ir.network.service_cidrs
    return [AddressEnd(a) for a in samples(whole, ir.inventory, own)]
