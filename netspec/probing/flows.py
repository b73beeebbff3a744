"""Flows between workloads by pod address, and to the outside host."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import product

from netspec.analysis.evaluate import evaluate
from netspec.analysis.spaces import samples
from netspec.analysis.verdict import AddressEnd, PodEnd, Verdict
from netspec.ir.dns import DNS_PORT
from netspec.ir.http import Front
from netspec.ir.model import ContainerPort, Inventory, IPAddress, IPNetwork, Ir, Protocol, Workload
from netspec.probes import OUTSIDE, OUTSIDE_PORTS, FlowProbe, Outcome

#: The evaluator's word, as what a probe sees.
_OUTCOME = {"allow": Outcome.CONNECTED, "deny": Outcome.TIMED_OUT, None: None}

#: A foreign UDP server need not answer what a probe sends; agnhost does, and a DNS server does.
SILENT = "a UDP server that is not a stand-in need not answer, so nothing can be concluded"


def sources(ir: Ir) -> tuple[Workload, ...]:
    """The workloads that probes can be sent from: with pods of their own network, declared in the spec."""
    return tuple(
        sorted(
            (w for w in ir.inventory.workloads if w.replicas and not w.system and not w.host_network),
            key=lambda w: w.id,
        )
    )


def destinations(ir: Ir) -> tuple[Workload, ...]:
    return tuple(sorted((w for w in ir.inventory.workloads if w.replicas), key=lambda w: w.id))


def outcome_of(verdict: Verdict) -> Outcome | None:
    return _OUTCOME[verdict.expected]


def reason_of(verdict: Verdict) -> str:
    """One line for the reader: which side closes or opens the flow, and by what."""
    if verdict.note:
        return verdict.note
    parts: list[str] = []
    for side, whose in ((verdict.egress, "source"), (verdict.ingress, "destination")):
        if side.final is not None:
            verb = "allowed" if side.allows else "denied"
            parts.append(f"{side.direction.lower()} {verb} by {side.final.rule}")
        elif not side.isolating:
            parts.append(f"{whose} not isolated for {side.direction.lower()}")
        elif side.matching:
            parts.append(f"{side.direction.lower()} allowed by {', '.join(map(str, side.matching))}")
        else:
            parts.append(f"no {side.direction.lower()} rule of {', '.join(side.isolating)} matches")
    return "; ".join(parts)


def answers(workload: Workload, port: int, protocol: Protocol) -> bool:
    """Whether a probe gets an answer from this port when nothing is in the way."""
    return protocol != "UDP" or workload.stand_in or port == DNS_PORT


def agreed(verdicts: Iterable[Verdict]) -> tuple[Outcome | None, tuple[str, ...], str]:
    """Expectation, deciding policies and reason of a flow that may take any of several ways."""
    listed = list(verdicts)
    outcomes = {outcome_of(v) for v in listed}
    deciding = tuple(dict.fromkeys(p for v in listed for p in v.deciding))
    if len(outcomes) == 1:
        return outcomes.pop(), deciding, reason_of(listed[0])
    return None, deciding, "the policies answer differently for the addresses or pods this flow may meet"


def pairs(ir: Ir) -> Iterator[FlowProbe]:
    """Every ordered pair of workloads and every declared port of the destination, by pod address.

    A workload with itself is a pair only where it has two pods: a pod always reaches itself.
    """
    for source, destination in product(sources(ir), destinations(ir)):
        if source.id == destination.id and source.replicas < 2:
            continue
        for port in sorted(destination.ports, key=lambda p: (p.port, p.protocol)):
            yield _pair(ir.inventory, source, destination, port)


def _pair(inventory: Inventory, source: Workload, destination: Workload, port: ContainerPort) -> FlowProbe:
    verdict = evaluate(inventory, PodEnd(source.id), PodEnd(destination.id), port.port, port.protocol)
    expect, reason = outcome_of(verdict), reason_of(verdict)
    if not answers(destination, port.port, port.protocol):
        expect, reason = None, SILENT
    return FlowProbe(
        f"flow:pod:{source.id}->{destination.id}:{port.port}/{port.protocol}",
        source.id,
        destination.id,
        "pod",
        port.port,
        port.protocol,
        expect,
        verdict.deciding,
        reason,
    )


def outside(ir: Ir) -> Iterator[FlowProbe]:
    """From every workload to the host outside the cluster, if there is one."""
    if not ir.traits.outside:
        return
    ends = [AddressEnd(a) for a in callers(ir)]
    for source, (port, protocol) in product(sources(ir), OUTSIDE_PORTS):
        expect, deciding, reason = agreed(evaluate(ir.inventory, PodEnd(source.id), e, port, protocol) for e in ends)
        yield FlowProbe(
            f"flow:outside:{source.id}->{OUTSIDE}:{port}/{protocol}",
            source.id,
            OUTSIDE,
            "outside",
            port,
            protocol,
            expect,
            deciding,
            reason,
        )


def callers(ir: Ir) -> list[IPAddress]:
    """The addresses that the outside host may have, which is beside the nodes: its own where that is given, else one of
    each that policies treat alike."""
    if ir.traits.outside_address is not None:
        return [ir.traits.outside_address]
    return samples(ir.traits.node_networks[0].network, ir.inventory)


def leads_in(ir: Ir, front: Front | None, port: int, protocol: str) -> bool:
    """Whether the outside host surely gets to the pods of a proxy by a port of its Service."""
    balancing = ir.traits.balancing
    if front is None or not ir.traits.outside or front.service.type == "ClusterIP":
        return False
    if front.service.type == "LoadBalancer" and (balancing is None or not balancing.answered):
        return False
    found = next((p for p in front.service.ports if (p.port, p.protocol) == (port, protocol)), None)
    number = None if found is None else found.number_on(front.workload)
    if found is None or number is None:
        return False
    ends, target = [AddressEnd(address) for address in callers(ir)], PodEnd(front.workload.id)
    return all(evaluate(ir.inventory, end, target, number, found.protocol).expected == "allow" for end in ends)


def admits_outside(ir: Ir, ranges: Sequence[IPNetwork]) -> bool | None:
    """Whether a list of client addresses has the outside host, which has one of the first node network; no list has
    everybody. None: it has some of those."""
    if ir.traits.outside_address is not None:
        return not ranges or any(ir.traits.outside_address in r for r in ranges)
    network = ir.traits.node_networks[0].network
    same = [r for r in ranges if r.version == network.version and r.overlaps(network)]
    if not ranges or any(r.prefixlen <= network.prefixlen for r in same):
        return True
    return None if same else False
