"""Facts: what is true of a cluster besides who reaches whom."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from netspec.analysis.callees import not_plain
from netspec.analysis.services import Endpoints
from netspec.ir.model import Ir, Service, Workload
from netspec.ir.pods import PodDns
from netspec.ir.resolver import is_reached, resolv_conf
from netspec.probes import NODES_REACH, OWN_ADDRESS, FactProbe, FlowProbe, Outcome
from netspec.probing.flows import sources
from netspec.target import Fact


def own_facts(ir: Ir) -> Iterator[FactProbe]:
    """Addresses, resolv.conf and MTU of every workload's pods, then what is true of the cluster as a whole, whatever
    its backends."""
    there = ir.traits.there
    traits = ir.traits
    # Of the pod's interface, which has what its routes take off besides.
    mtu: int | str = f"interface - {traits.overhead - traits.on_route}"
    if traits.mtu is not None:
        mtu = traits.mtu + traits.on_route
    endpoints = Endpoints(ir.inventory)
    for workload in sources(ir):
        yield _fact("pod-ips-in-pod-cidrs", workload.id, [str(c) for c in ir.network.pod_cidrs])
        yield _fact("resolv-conf", workload.id, _resolv_conf(ir, workload))
        if there is None or ir.traits.mtu is not None:  # else nobody can ask the node for its interface's
            yield _fact("pod-mtu", workload.id, mtu)
    for workload in sorted((w for w in ir.inventory.workloads if w.stand_in), key=lambda w: w.id):
        yield _fact("replicas", workload.id, workload.replicas)
        if not workload.ready:
            yield _fact("never-ready", workload.id, [])
    for service in sorted(ir.inventory.services, key=lambda s: s.id):
        if service.type != "ExternalName" and not service.headless:
            ranges = [f"{service.cluster_ip}/32"] if service.cluster_ip else map(str, ir.network.service_cidrs)
            yield _fact("service-ip-in-service-cidrs", service.id, list(ranges))
        if service.type == "LoadBalancer" and ir.traits.balancing and ir.traits.balancing.addresses:
            served = service.load_balancer_class == ir.traits.balancing.service_class
            given = [str(found.network) for found in ir.traits.balancing.addresses if served]
            yield _fact("load-balancer-address", service.id, given)
        has_ends = service.selector is not None or endpoints.slices(service)
        if has_ends and service.type != "ExternalName" and not service.publish_not_ready:
            yield _fact("service-endpoints", service.id, _endpoints(endpoints, service))
    if there is None or there.nodes_known:
        yield _fact("nodes", "cluster", ir.traits.nodes)
    if there is None and not traits.remote:  # nodes can be entered
        yield _fact(NODES_REACH, "nodes", "all of them, as themselves")
    yield _fact("policies", "cluster", "those of the spec")


def fact_probe(fact: Fact) -> FactProbe:
    """A backend's fact as a question."""
    return FactProbe(f"fact:{fact.name}:{fact.subject}", fact.name, fact.subject, fact.expect, read=fact.read)


def _endpoints(endpoints: Endpoints, service: Service) -> list[list[object]]:
    """Which workload's pods, or which address, serve which port of a Service (its name, who, port, protocol). A flow
    through the Service shows that something answers, not what."""
    return sorted(
        [port.name or "", e.workload.id if e.workload else str(e.end), e.number, port.protocol]
        for port in service.ports
        for e in endpoints.of_port(service, port)
    )


def kept_addresses(ir: Ir, flows: Iterable[FlowProbe]) -> Iterator[FactProbe]:
    """No NAT between pods: on every allowed TCP flow to a stand-in, its server says which address it saw. What goes to
    a node's own network leaves the pods', and may be given the node's address."""
    stand_ins = {w.id for w in ir.inventory.workloads if w.stand_in and not w.host_network}
    other = not_plain(ir)
    for flow in flows:
        is_open = flow.protocol == "TCP" and flow.expect is Outcome.CONNECTED
        if is_open and flow.destination in stand_ins and (flow.destination, flow.port) not in other:
            yield FactProbe(
                f"fact:source-address-kept:{flow.source}->{flow.destination}:{flow.port}",
                "source-address-kept",
                flow.source,
                "the pod's own address",
                flow.destination,
                flow.port,
            )


def own_addresses(ir: Ir) -> Iterator[FactProbe]:
    """A pod sees itself as others see it (Kubernetes docs, The Kubernetes network model): by the address that others
    dial, and as the caller that others see. No policy is about it."""
    other = not_plain(ir)
    for workload in sources(ir):
        ports = sorted(p.port for p in workload.ports if p.protocol == "TCP" and (workload.id, p.port) not in other)
        port = next(iter(ports), None)
        if workload.stand_in and port is not None:
            id_, said = f"fact:{OWN_ADDRESS}:{workload.id}", "the pod's own address"
            yield FactProbe(id_, OWN_ADDRESS, workload.id, said, workload.id, port)


def _fact(fact: str, subject: str, expect: object) -> FactProbe:
    return FactProbe(f"fact:{fact}:{subject}", fact, subject, expect)


def _resolv_conf(ir: Ir, workload: Workload) -> dict[str, object]:
    """Options, and what dnsConfig adds, are the spec's only in pods that it reaches; of others they are not asserted.
    With dnsPolicy Default the node's own come first, which the spec does not know."""
    reached = is_reached(ir, workload)
    own = workload if reached else replace(workload, dns=PodDns())
    conf = resolv_conf(ir.dns, own)
    expect: dict[str, object] = {"search": list(conf.searches)}
    if own.dns.policy != "Default":
        expect["nameservers"] = list(conf.nameservers)
    if reached:
        expect["ndots"] = conf.ndots
        if more := {name: value for name, value in conf.options if name != "ndots"}:
            expect["options"] = more
    return expect
