"""Checks name resolution: stub domains, pods that `ndots` cannot reach, and pods that cannot ask at all."""

from collections import defaultdict
from ipaddress import ip_address

from netspec.analysis.evaluate import evaluate
from netspec.analysis.verdict import PodEnd
from netspec.ir.dns import KUBE_DNS
from netspec.ir.model import Ir, Workload
from netspec.passes.context import Context

#: CoreDNS's kubernetes plugin answers for the addresses of pods and Services too.
REVERSE_ZONES = ("in-addr.arpa", "ip6.arpa")
#: `name, name, name and 4 more`: how many workloads a message names.
NAMED = 8


def dns(ir: Ir, context: Context) -> Ir:
    _stub_domains(ir, context)
    _ndots(ir, context)
    _way_to_dns(ir, context)
    return ir


def _stub_domains(ir: Ir, context: Context) -> None:
    """A stub domain takes over all names below it: from the cluster's own zones, those of addresses among them."""
    cluster = ir.dns.cluster_domain
    for domain, servers in ir.dns.stub_domains:
        path = ("dns", "stubDomains", domain)
        taken = next((zone for zone in (cluster, *REVERSE_ZONES) if _is_within(zone, domain)), None)
        if taken or _is_within(domain, cluster):
            message = f"{domain} takes over {taken or domain}, which the cluster's DNS answers itself"
            context.report.error("NS603", path, message, "name a domain of your own")
        for index, server in enumerate(servers):
            if ip_address(server).version != 4:
                message = f"{server} is IPv6; the cluster's family is ipv4"
                context.report.error("NS109", (*path, index), message, "give an IPv4 address")


def _is_within(domain: str, parent: str) -> bool:
    return domain == parent or domain.endswith(f".{parent}")


def _ndots(ir: Ir, context: Context) -> None:
    """ndots is a field of the pod: it reaches the pods that netspec deploys, and no other."""
    others = [w for w in ir.workloads if not w.stand_in and not w.system]
    if ir.dns.ndots is None or not others:
        return
    message = f"ndots {ir.dns.ndots} does not reach pods that netspec does not deploy: {_names(others)}"
    context.report.warning("NS601", ("dns", "ndots"), message, "set dnsConfig in those pods too")


def _way_to_dns(ir: Ir, context: Context) -> None:
    closed: dict[str, list[Workload]] = defaultdict(list)
    for workload in ir.workloads:
        if workload.system:
            continue
        verdict = evaluate(ir.inventory, PodEnd(workload.id), PodEnd(KUBE_DNS.workload_id), KUBE_DNS.port, "UDP")
        if verdict.egress.isolating and not verdict.egress.matching:
            closed[workload.namespace].append(workload)
    places = {n.name: n.place.path for n in ir.namespaces}
    for namespace, workloads in closed.items():
        message = f"these pods cannot ask the cluster's DNS because their egress is closed: {_names(workloads)}"
        path = places.get(namespace) or workloads[0].place.path
        context.report.warning("NS602", path, message, "set allowDNS: true on the namespace")


def _names(workloads: list[Workload]) -> str:
    names = [w.id for w in workloads]
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
