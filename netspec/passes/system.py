"""Adds what the cluster brings and flows depend on: kube-system with CoreDNS and its Service kube-dns.

They are marked `system`: predicted and probed like any other, never created from the spec and never stand-ins.
"""

from dataclasses import replace

from netspec.ir.model import NAME_LABEL, ContainerPort, Ir, Namespace, Service, ServicePort, Workload
from netspec.ir.selectors import Selector
from netspec.passes.context import Context

NAMESPACE = "kube-system"
COREDNS = f"{NAMESPACE}/coredns"
DNS_SERVICE = f"{NAMESPACE}/kube-dns"
#: The labels of kubeadm's own CoreDNS, which policies in the wild select.
DNS_LABELS = {"k8s-app": "kube-dns"}


def system(ir: Ir, _: Context) -> Ir:
    namespace = Namespace(NAMESPACE, {NAME_LABEL: NAMESPACE}, system=True)
    coredns = Workload(
        namespace=NAMESPACE,
        name="coredns",
        labels=DNS_LABELS,
        ports=(
            ContainerPort(53, "UDP", "dns"),
            ContainerPort(53, "TCP", "dns-tcp"),
            ContainerPort(9153, "TCP", "metrics"),
        ),
        replicas=ir.dns.replicas,
        system=True,
    )
    service = Service(
        namespace=NAMESPACE,
        name="kube-dns",
        selector=Selector.of(DNS_LABELS),
        ports=(
            ServicePort(53, 53, "UDP", "dns"),
            ServicePort(53, 53, "TCP", "dns-tcp"),
            ServicePort(9153, 9153, "TCP", "metrics"),
        ),
        system=True,
    )
    return replace(
        ir,
        namespaces=(*(n for n in ir.namespaces if n.name != NAMESPACE), namespace),
        workloads=(*(w for w in ir.workloads if w.id != COREDNS), coredns),
        services=(*(s for s in ir.services if s.id != service.id), service),
    )
