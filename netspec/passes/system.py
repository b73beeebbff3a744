"""Adds what the cluster brings and flows depend on: kube-system with CoreDNS and its Service kube-dns, and the
namespaces that every cluster has where the spec uses them.

They are marked `system`: predicted and probed like any other, never created from the spec and never stand-ins.
"""

from dataclasses import replace

from netspec.ir.dns import KUBE_DNS, NODE_CACHE, is_redirected
from netspec.ir.model import NAME_LABEL, ContainerPort, Ir, Namespace, ServicePort
from netspec.passes.context import Context
from netspec.passes.objects import BUILT_IN

#: CoreDNS's prometheus plugin.
_METRICS = 9153


def system(ir: Ir, _: Context) -> Ir:
    servers = ir.dns.servers(ir.traits.nodes)
    coredns = KUBE_DNS.pods(ir.dns.replicas if servers is None else servers, ContainerPort(_METRICS, "TCP", "metrics"))
    service = KUBE_DNS.front(ServicePort(_METRICS, _METRICS, "TCP", "metrics"))
    caches = (NODE_CACHE.pods(ir.traits.nodes),) if is_redirected(ir) else ()
    for front in ir.traits.fronts:
        name = front.workload.namespace
        # One that the spec declares keeps its labels and its policies.
        is_new = all(n.name != name for n in ir.namespaces)
        home = Namespace(name, {NAME_LABEL: name, **dict(front.labels)}, system=True)
        ir = replace(
            ir,
            namespaces=(*ir.namespaces, home) if is_new else ir.namespaces,
            workloads=(*ir.workloads, front.workload),
            services=(*ir.services, front.service),
        )
    own = [n for n in ir.namespaces if n.name != KUBE_DNS.namespace]
    used = dict.fromkeys(w.namespace for w in ir.workloads if w.namespace in BUILT_IN)
    brought = [n for n in used if n != KUBE_DNS.namespace and not any(o.name == n for o in own)]
    return replace(
        ir,
        namespaces=(*own, *(Namespace(n, {NAME_LABEL: n}, system=True) for n in brought), KUBE_DNS.home()),
        workloads=(*(w for w in ir.workloads if w.id != coredns.id), coredns, *caches),
        services=(*(s for s in ir.services if s.id != service.id), service),
    )
