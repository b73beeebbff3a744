"""Names that cost: what a resolver asks for in vain before it comes to the name that is meant."""

from collections.abc import Iterator

from netspec.analysis.lint.context import Context, Finding
from netspec.ir.dns import service_of_name
from netspec.ir.model import Dns
from netspec.ir.resolver import candidates, resolv_conf

#: Names in vain from which on it is told of: those of the search list but one.
_TOO_MANY = 2
_SHOWN = 3


def costly_names(context: Context) -> Iterator[Finding]:
    """NL013. Each name in vain is two queries, A and AAAA, every time that the name is looked up."""
    dns = Dns(cluster_domain=context.inventory.cluster_domain)
    services = {s.id for s in context.inventory.services}
    for workload in context.inventory.workloads:
        conf = resolv_conf(dns, workload)
        costly: dict[str, int] = {}
        for host in workload.hosts:
            asked = list(candidates(conf, host))
            of_cluster = [i for i, name in enumerate(asked) if service_of_name(name, dns.cluster_domain) in services]
            whole = f"{host}.{dns.cluster_domain}" if host.endswith(".svc") else host
            first = of_cluster[0] if of_cluster else asked.index(whole) if whole in asked else 0
            # Whether one dot is between a Service and its namespace is not known where that Service is not given.
            if first >= _TOO_MANY and (of_cluster or host.count(".") > 1):
                costly[host] = first
        if costly:
            more = f" and {len(costly) - _SHOWN} more" if len(costly) > _SHOWN else ""
            shown = ", ".join(list(costly)[:_SHOWN]) + more
            worst, dots = max(costly.values()), min(host.count(".") for host in costly)
            message = (
                f"{shown}: {2 * worst} queries are in vain before the one that answers (ndots {conf.ndots}); "
                f"end {'it' if len(costly) == 1 else 'each'} with a dot, or set ndots to {dots} in dnsConfig"
            )
            yield Finding("NL013", workload.id, message, workload.place)
