"""Flows through Services: cluster IP, headless name, and node ports from the outside host.

Policies see a Service's flow after the address translation: as a flow to an endpoint's target port. Left out,
because Kubernetes promises nothing about them: a pod to a Service that it backs itself (hairpin), a Service without
endpoints (refused or dropped), a pod to a node port.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from ipaddress import ip_address

from netspec.analysis.callees import not_plain
from netspec.analysis.evaluate import evaluate
from netspec.analysis.services import Endpoints
from netspec.analysis.spaces import samples
from netspec.analysis.verdict import AddressEnd, PodEnd
from netspec.ir.dns import DNS_PORT, KUBE_DNS, NODE_CACHE, dns_servers, is_redirected
from netspec.ir.model import IPAddress, Ir, Service, ServicePort, Workload
from netspec.probes import OUTSIDE, OWN_NODE, SAME_POD, FactProbe, FlowProbe, Nodes, Outcome, Via
from netspec.probing.flows import SILENT, agreed, answers, callers, sources

#: Every allowed source is asked; of the denied ones this many a Service port, a different few for each: the policy
#: behind them is the pod's, and `pairs` has asked for every pair already.
DENIED_SOURCES = 2
#: How kube-proxy has internalTrafficPolicy Local (pkg/proxy/topology.go, CategorizeEndpoints; iptables proxier: DROP).
NOT_HERE = "internalTrafficPolicy Local: kube-proxy drops what a node without an endpoint sends"
#: In the place of kube-proxy.
MAY_REFUSE = "what carries Service traffic may refuse or drop where no endpoint is"
#: Of the sources that may, so many are asked which pod answers.
ANSWER_SOURCES = 2

Backend = tuple[Workload, int]
Expected = tuple[Outcome | None, tuple[str, ...], str]


def backends(endpoints: Endpoints, service: Service, port: ServicePort) -> list[Backend]:
    """The workloads behind a Service's port with the port their pods listen on."""
    return [(e.workload, e.number) for e in endpoints.of_port(service, port) if e.workload is not None]


def dns_name(ir: Ir, service: Service) -> str:
    return f"{service.name}.{service.namespace}.svc.{ir.dns.cluster_domain}"


def ordered(ir: Ir) -> list[tuple[Service, ServicePort]]:
    return [
        (service, port)
        for service in sorted(ir.inventory.services, key=lambda s: s.id)
        if service.type != "ExternalName"
        for port in sorted(service.ports, key=lambda p: (p.port, p.protocol))
    ]


def services(ir: Ir) -> Iterator[FlowProbe]:
    """To every Service port, by cluster IP; by name to the pods' own port where the Service is headless."""
    endpoints = Endpoints(ir.inventory)
    for index, (service, port) in enumerate(ordered(ir)):
        behind = backends(endpoints, service, port)
        targets = sorted({number for _, number in behind})
        if not behind or (service.headless and len(targets) > 1):
            continue
        via: Via = "name" if service.headless else "cluster-ip"
        dialled = targets[0] if service.headless else port.port
        probes = [
            _probe(ir, source, service, via, dialled, port, behind)
            for source in sources(ir)
            if all(source.id != workload.id for workload, _ in behind) and (via != "name" or reaches_dns(ir, source))
        ]
        if via == "cluster-ip" and service.internal_traffic_policy == "Local":
            probes = [part for probe in probes for part in _by_node(ir, probe)]
        denied = [p for p in probes if p.expect is Outcome.TIMED_OUT and p.nodes == "every"]
        kept = {denied[(index + i) % len(denied)].id for i in range(min(DENIED_SOURCES, len(denied)))}
        yield from (p for p in probes if p.expect is not Outcome.TIMED_OUT or p.nodes != "every" or p.id in kept)


def _by_node(ir: Ir, probe: FlowProbe) -> Iterator[FlowProbe]:
    """internalTrafficPolicy Local: a pod reaches the endpoints of its own node, and none where that has none. A flow
    that policy denies is denied on every node."""
    if probe.expect is Outcome.TIMED_OUT:
        yield probe
        return
    yield replace(probe, id=f"{probe.id}@with-endpoint", nodes="with-endpoint")
    if ir.traits.nodes > 1:
        by_proxy = ir.network.proxy_mode != "none"
        why = NOT_HERE if by_proxy else MAY_REFUSE
        yield replace(
            probe,
            id=f"{probe.id}@without-endpoint",
            nodes="without-endpoint",
            expect=Outcome.TIMED_OUT if by_proxy else None,
            deciding=(),
            reason=why,
        )


def _probe(
    ir: Ir, source: Workload, service: Service, via: Via, dialled: int, port: ServicePort, behind: list[Backend]
) -> FlowProbe:
    expect, deciding, reason = agreed(
        evaluate(ir.inventory, PodEnd(source.id), PodEnd(workload.id), number, port.protocol)
        for workload, number in behind
    )
    if not all(answers(workload, number, port.protocol) for workload, number in behind):
        expect, reason = None, SILENT
    if ir.dns.node_local and service.id == KUBE_DNS.service_id and port.port == DNS_PORT:
        expect, deciding, reason = _through_the_cache(ir, source, port)
    return FlowProbe(
        f"flow:{via}:{source.id}->{service.id}:{dialled}/{port.protocol}",
        source.id,
        service.id,
        via,
        dialled,
        port.protocol,
        expect,
        deciding,
        reason,
        backends=tuple(workload.id for workload, _ in behind),
    )


def _through_the_cache(ir: Ir, source: Workload, port: ServicePort) -> Expected:
    """To a pod of the node, where the CNI redirects lookups. Else the node has the DNS Service's address, so a lookup
    goes to that address and to no pod. Which of the node's own rules comes first, the cache's, which lets lookups in,
    or those of policy, is not said: what policy denies may pass."""
    at = _cache(ir)
    expect, deciding, reason = agreed([evaluate(ir.inventory, PodEnd(source.id), at, port.port, port.protocol)])
    if is_redirected(ir):
        return expect, deciding, reason
    if expect is Outcome.TIMED_OUT:
        return None, deciding, "the cache's own rules on the node may let it in before policy is asked"
    return expect, deciding, reason


def answering_pods(ir: Ir, flows: Iterable[FlowProbe]) -> Iterator[FactProbe]:
    """Which pod answers, where a Service's own fields say so and a stand-in's server says which pod it is."""
    stand_ins = {w.id: w for w in ir.inventory.workloads if w.stand_in}
    endpoints, other = Endpoints(ir.inventory), not_plain(ir)
    asked: Counter[tuple[str, str, int]] = Counter()
    for flow in flows:
        service = ir.services_by_id.get(flow.destination)
        is_open = flow.expect is Outcome.CONNECTED and flow.protocol == "TCP" and flow.via == "cluster-ip"
        if service is None or not is_open or not set(flow.backends) <= stand_ins.keys():
            continue
        behind = [e for p in service.ports if p.port == flow.port for e in endpoints.of_port(service, p)]
        if any(e.workload is not None and (e.workload.id, e.number) in other for e in behind):
            continue
        pods = sum(stand_ins[w].replicas for w in flow.backends)
        facts = [SAME_POD] if service.affinity_seconds and pods > 1 else []
        facts += [OWN_NODE] if service.traffic_distribution == "PreferSameNode" and ir.traits.nodes > 1 else []
        for fact in facts:
            asked[fact, service.id, flow.port] += 1
            if asked[fact, service.id, flow.port] <= ANSWER_SOURCES:
                yield FactProbe(
                    f"fact:{fact}:{flow.source}->{service.id}:{flow.port}",
                    fact,
                    flow.source,
                    "one pod" if fact == SAME_POD else "a pod of the asker's node, where it has one",
                    service.id,
                    flow.port,
                )


def reaches_dns(ir: Ir, source: Workload) -> bool:
    """Whether lookups from this workload are predicted to be answered: it asks the cluster's DNS, and UDP passes to
    every pod of that."""
    if source.dns.policy != "ClusterFirst":
        return False
    if ir.dns.node_local:
        return evaluate(ir.inventory, PodEnd(source.id), _cache(ir), DNS_PORT, "UDP").expected == "allow"
    servers = [s for s in dns_servers(ir.inventory) if s.workload.system]
    verdicts = [evaluate(ir.inventory, PodEnd(source.id), PodEnd(s.workload.id), s.port, "UDP") for s in servers]
    return bool(verdicts) and all(v.expected == "allow" for v in verdicts)


def _cache(ir: Ir) -> AddressEnd | PodEnd:
    """Where a lookup ends on a node that has a cache."""
    return PodEnd(NODE_CACHE.workload_id) if is_redirected(ir) else AddressEnd(ip_address(ir.dns.address))


# Node ports


def node_ports(ir: Ir) -> Iterator[FlowProbe]:
    """From the outside host, if there is one, to every Service with a node port, on every node.

    Where the pod is on the dialled node, policy sees the client's address. Elsewhere the dialled node has replaced it
    by one of its own (externalTrafficPolicy Cluster), as the stack's traits say. Where the two get different verdicts
    each kind of node is asked apart, if the pod is one and so surely here or there.
    """
    endpoints = Endpoints(ir.inventory)
    clients, replaced = (callers(ir), forwarded(ir)) if ir.traits.outside else ([], [])
    for service, port in ordered(ir) if clients else ():
        behind = backends(endpoints, service, port)
        if "node-port" not in service.entrances or not behind:
            continue
        here = agreed(
            evaluate(ir.inventory, AddressEnd(client), PodEnd(workload.id), number, port.protocol)
            for client in clients
            for workload, number in behind
        )
        elsewhere = agreed(
            evaluate(ir.inventory, AddressEnd(address), PodEnd(workload.id), number, port.protocol)
            for address in replaced
            for workload, number in behind
        )
        apart: list[tuple[Nodes, tuple[Outcome | None, tuple[str, ...], str]]]
        several = sum(workload.replicas for workload, _ in behind) > 1
        if not all(answers(workload, number, port.protocol) for workload, number in behind):
            apart = [("every", (None, (), SILENT))]
        elif service.external_traffic_policy == "Local":
            dropped = "externalTrafficPolicy Local: kube-proxy drops what reaches a node without an endpoint"
            by_proxy = ir.network.proxy_mode != "none"
            nobody = (Outcome.TIMED_OUT, (), dropped) if by_proxy else (None, (), MAY_REFUSE)
            apart = [("with-endpoint", here), ("without-endpoint", nobody)]
        elif here[0] is elsewhere[0]:
            apart = [("every", here)]
        elif several:
            why = "the client's address and the node's get different verdicts, and the endpoint is chosen at random"
            apart = [("every", (None, here[1], why))]
        else:
            apart = [("with-endpoint", here), ("without-endpoint", elsewhere)]
        for nodes, (expect, deciding, reason) in apart:
            if nodes == "without-endpoint" and ir.traits.nodes == 1:
                continue  # a single node
            yield FlowProbe(
                f"flow:node-port:{OUTSIDE}->{service.id}:{port.port}/{port.protocol}@{nodes}",
                OUTSIDE,
                service.id,
                "node-port",
                port.port,
                port.protocol,
                expect,
                deciding,
                reason,
                nodes,
                tuple(workload.id for workload, _ in behind),
            )


def forwarded(ir: Ir) -> list[IPAddress]:
    """What a pod may see as the caller of a flow that the dialled node passed on: one of each address that policies
    treat alike."""
    match ir.traits.forwarded:
        case "caller":
            return callers(ir)
        case "node":
            networks = [found.network for found in ir.traits.node_networks]
        case "tunnel":
            networks = list(ir.network.pod_cidrs)
        case "node or tunnel":
            networks = [*(found.network for found in ir.traits.node_networks), *ir.network.pod_cidrs]
    return [address for network in networks for address in samples(network, ir.inventory)]
