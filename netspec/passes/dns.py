"""Checks name resolution: stub domains, pods that `ndots` cannot reach, and pods that cannot ask at all."""

from collections import defaultdict

from netspec.analysis.evaluate import evaluate
from netspec.analysis.verdict import PodEnd
from netspec.ir.model import Ir, Workload
from netspec.passes.context import Context
from netspec.passes.system import COREDNS

#: `name, name, name and 4 more`: how many workloads a message names.
NAMED = 8


def dns(ir: Ir, context: Context) -> Ir:
    for domain, _ in ir.dns.stub_domains:
        if domain == ir.dns.cluster_domain or domain.endswith(f".{ir.dns.cluster_domain}"):
            message = f"{domain} is the cluster's own domain: its Services would not resolve any more"
            context.report.error("NS603", ("dns", "stubDomains", domain), message, "remove it")
    _ndots(ir, context)
    _way_to_dns(ir, context)
    return ir


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
        verdict = evaluate(ir.inventory, PodEnd(workload.id), PodEnd(COREDNS), 53, "UDP")
        if verdict.egress.isolating and not verdict.egress.matching:
            closed[workload.namespace].append(workload)
    places = {n.name: n.place.path for n in ir.namespaces}
    for namespace, workloads in closed.items():
        message = f"these pods may not ask the cluster's DNS, their egress is closed: {_names(workloads)}"
        path = places.get(namespace) or workloads[0].place.path
        context.report.warning("NS602", path, message, "set allowDNS: true on the namespace")


def _names(workloads: list[Workload]) -> str:
    names = [w.id for w in workloads]
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
