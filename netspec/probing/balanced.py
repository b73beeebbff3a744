"""Load balancers: from the outside host to the address of every LoadBalancer Service, and what balancers ask."""

from collections.abc import Iterator

from netspec.analysis.callees import not_plain
from netspec.analysis.evaluate import evaluate
from netspec.analysis.services import Endpoints
from netspec.analysis.verdict import AddressEnd, PodEnd
from netspec.ir.model import IPAddress, Ir, Service, ServicePort
from netspec.probes import HEALTH_CHECK, KEPT, OUTSIDE, REPLACED, FactProbe, FlowProbe, Outcome
from netspec.probing.flows import SILENT, admits_outside, agreed, answers, callers
from netspec.probing.services import Backend, backends, forwarded, ordered

Expected = tuple[Outcome | None, tuple[str, ...], str]


def load_balancers(ir: Ir) -> Iterator[FlowProbe | FactProbe]:
    """Which node answers for the address is the balancer's choice; with externalTrafficPolicy Local it is one that has
    a pod, if the balancer says so. Nothing is asked where it is not known who reaches such an address."""
    balancing = ir.traits.balancing
    if balancing is None or not balancing.answered or not ir.traits.outside:
        return
    endpoints, other = Endpoints(ir.inventory), not_plain(ir)
    for service, port in ordered(ir):
        behind = backends(endpoints, service, port)
        if service.type != "LoadBalancer" or not any(workload.replicas for workload, _ in behind):
            continue
        if service.load_balancer_class != balancing.service_class:
            continue  # it has no address
        expect, deciding, reason = _expected(ir, service, port, behind)
        yield FlowProbe(
            f"flow:load-balancer:{OUTSIDE}->{service.id}:{port.port}/{port.protocol}",
            OUTSIDE,
            service.id,
            "load-balancer",
            port.port,
            port.protocol,
            expect,
            deciding,
            reason,
            backends=tuple(workload.id for workload, _ in behind),
        )
        seen = _client(ir, service)
        tells = port.protocol == "TCP" and all(w.stand_in and (w.id, number) not in other for w, number in behind)
        if seen and tells and expect is Outcome.CONNECTED:
            name = f"fact:client-address:{OUTSIDE}->{service.id}:{port.port}"
            yield FactProbe(name, "client-address", OUTSIDE, seen, service.id, port.port)


def health_checks(ir: Ir) -> Iterator[FactProbe]:
    """What a balancer asks of each node to know whether it has a pod, where that matters (externalTrafficPolicy Local;
    Kubernetes docs, Create an External Load Balancer): the outside host asks as one. Which port that is, the API server
    says; what the spec says of it is compared."""
    endpoints = Endpoints(ir.inventory)
    for service in sorted(ir.inventory.services, key=lambda s: s.id) if ir.traits.outside else ():
        behind = [b for port in service.ports for b in backends(endpoints, service, port)]
        is_asked = service.type == "LoadBalancer" and service.external_traffic_policy == "Local"
        if is_asked and any(workload.replicas for workload, _ in behind):
            expect = {"with-endpoint": 200, "without-endpoint": 503}
            yield FactProbe(f"fact:{HEALTH_CHECK}:{service.id}", HEALTH_CHECK, OUTSIDE, expect, service.id)


def _expected(ir: Ir, service: Service, port: ServicePort, behind: list[Backend]) -> Expected:
    balancing = ir.traits.balancing
    assert balancing is not None
    if not all(answers(workload, number, port.protocol) for workload, number in behind):
        return None, (), SILENT
    admitted = admits_outside(ir, service.source_ranges)
    if admitted is False:
        return Outcome.TIMED_OUT, (), "loadBalancerSourceRanges leave the outside host's address out"
    if admitted is None:
        return None, (), "loadBalancerSourceRanges admit some of the addresses that the outside host may have"
    here = _judged(ir, callers(ir) if balancing.keeps_client else forwarded(ir), behind, port)
    if service.external_traffic_policy == "Local":
        return here if balancing.follows_pods else (None, (), "the node that answers may have no pod (Local)")
    elsewhere = _judged(ir, forwarded(ir), behind, port)
    if here[0] is elsewhere[0]:
        return here
    why = "the client's address and the node's get different verdicts, and any node may answer"
    return None, here[1], why


def _judged(ir: Ir, addresses: list[IPAddress], behind: list[Backend], port: ServicePort) -> Expected:
    return agreed(
        evaluate(ir.inventory, AddressEnd(address), PodEnd(workload.id), number, port.protocol)
        for address in addresses
        for workload, number in behind
    )


def _client(ir: Ir, service: Service) -> str:
    """Local passes a flow on to a pod of the same node as it came; Cluster makes kube-proxy put the node's address in
    place (Kubernetes docs, Using Source IP). What else carries Service traffic may do otherwise."""
    balancing = ir.traits.balancing
    assert balancing is not None
    if service.external_traffic_policy == "Local":
        return KEPT if balancing.keeps_client else REPLACED
    return REPLACED if ir.network.proxy_mode != "none" else ""
