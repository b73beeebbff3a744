"""Lookups and facts: what is true of a cluster besides who reaches whom."""

from collections.abc import Iterable, Iterator
from typing import Literal

from netspec.analysis.services import Endpoints
from netspec.ir.model import Ir, Service, Workload
from netspec.probes import DnsProbe, FactProbe, FlowProbe, Outcome
from netspec.probing.flows import sources
from netspec.probing.services import backends, dns_name, reaches_dns
from netspec.target import Fact

#: The kubelet's own value, for pods whose dnsConfig says nothing.
KUBELET_NDOTS = 5


def dns(ir: Ir) -> Iterator[DnsProbe]:
    """Every Service's records, each asked by one of the workloads that reach DNS, and every such workload asks.

    The records do not depend on who asks; who reaches DNS at all is a flow like any other (`pairs`, `services`).
    """
    askers = [w for w in sources(ir) if reaches_dns(ir, w)]
    if not askers:
        return
    endpoints = Endpoints(ir.inventory)
    records = [
        r for service in sorted(ir.inventory.services, key=lambda s: s.id) for r in _records(ir, endpoints, service)
    ]
    for i in range(max(len(records), len(askers)) if records else 0):
        name, record, expect = records[i % len(records)]
        asker = askers[i % len(askers)].id
        yield DnsProbe(f"dns:{asker}:{record}:{name}", asker, name, record, expect)


def _records(
    ir: Ir, endpoints: Endpoints, service: Service
) -> Iterator[tuple[str, Literal["A", "SRV", "CNAME"], tuple[str, ...]]]:
    name = dns_name(ir, service)
    if service.type == "ExternalName":
        yield name, "CNAME", (f"cname:{(service.external_name or '').rstrip('.')}",)
        return
    if service.headless:
        behind = sorted({w.id for port in service.ports for w, _ in backends(endpoints, service, port)})
        if not behind:
            return
        yield name, "A", tuple(f"pods:{workload}" for workload in behind)
    else:
        yield name, "A", (f"service:{service.id}",)
    for port in service.ports:
        if port.name is None:
            continue
        numbers = sorted({n for _, n in backends(endpoints, service, port)}) if service.headless else [port.port]
        if numbers:
            query = f"_{port.name}._{port.protocol.lower()}.{name}"
            yield query, "SRV", tuple(f"srv:{number}:{name}" for number in numbers)


def own_facts(ir: Ir) -> Iterator[FactProbe]:
    """Addresses, resolv.conf and MTU of every workload's pods, then what is true of the cluster as a whole, whatever
    its backends."""
    mtu = f"interface - {ir.traits.overhead}" if ir.traits.mtu is None else ir.traits.mtu
    endpoints = Endpoints(ir.inventory)
    for workload in sources(ir):
        yield _fact("pod-ips-in-pod-cidrs", workload.id, [str(c) for c in ir.network.pod_cidrs])
        yield _fact("resolv-conf", workload.id, _resolv_conf(ir, workload))
        yield _fact("pod-mtu", workload.id, mtu)
    for workload in sorted((w for w in ir.inventory.workloads if w.stand_in), key=lambda w: w.id):
        yield _fact("replicas", workload.id, workload.replicas)
        if not workload.ready:
            yield _fact("never-ready", workload.id, [])
    for service in sorted(ir.inventory.services, key=lambda s: s.id):
        if service.type != "ExternalName" and not service.headless:
            ranges = [f"{service.cluster_ip}/32"] if service.cluster_ip else map(str, ir.network.service_cidrs)
            yield _fact("service-ip-in-service-cidrs", service.id, list(ranges))
        has_ends = service.selector is not None or endpoints.slices(service)
        if has_ends and service.type != "ExternalName" and not service.publish_not_ready:
            yield _fact("service-endpoints", service.id, _endpoints(endpoints, service))
    yield _fact("nodes", "cluster", ir.traits.nodes)
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
    """No NAT between pods: on every allowed TCP flow to a stand-in, its server says which address it saw."""
    stand_ins = {w.id for w in ir.inventory.workloads if w.stand_in}
    for flow in flows:
        if flow.protocol == "TCP" and flow.expect is Outcome.CONNECTED and flow.destination in stand_ins:
            yield FactProbe(
                f"fact:source-address-kept:{flow.source}->{flow.destination}:{flow.port}",
                "source-address-kept",
                flow.source,
                "the pod's own address",
                flow.destination,
                flow.port,
            )


def _fact(fact: str, subject: str, expect: object) -> FactProbe:
    return FactProbe(f"fact:{fact}:{subject}", fact, subject, expect)


def _resolv_conf(ir: Ir, workload: Workload) -> dict[str, object]:
    """ndots is the spec's only in pods that netspec deploys; of others it is not asserted."""
    domain = ir.dns.cluster_domain
    expect: dict[str, object] = {
        "nameservers": [ir.dns.address],
        "search": [f"{workload.namespace}.svc.{domain}", f"svc.{domain}", domain],
    }
    if workload.stand_in:
        expect["ndots"] = KUBELET_NDOTS if ir.dns.ndots is None else ir.dns.ndots
    return expect
