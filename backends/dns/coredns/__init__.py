"""CoreDNS, where netspec owns the cluster's DNS."""

from typing import Any

from netspec.backends.dns.coredns.objects import NAMESPACE, coredns
from netspec.ir.model import Ir
from netspec.plan import Node
from netspec.target import Backend, Fact, Feature, Field, Needs, ObjectRead, ReadyRead


class CoreDns(Backend):
    name = "coredns"
    supports = frozenset({Feature.DNS_REPLICAS, Feature.DNS_CACHE, Feature.STUB_DOMAINS})

    def lower(self, ir: Ir, settings: Any, needs: Needs) -> tuple[Node, ...]:
        return coredns(ir)

    def facts(self, ir: Ir, settings: Any) -> tuple[Fact, ...]:
        facts = [Fact("dns-replicas", f"{NAMESPACE}/coredns", ir.dns.replicas, ReadyRead())]
        if ir.dns.stub_domains:
            corefile = ObjectRead(
                "configmaps", (("Corefile", Field("data.Corefile")),), "coredns", NAMESPACE, parse="corefile"
            )
            wanted = {domain: sorted(servers) for domain, servers in ir.dns.stub_domains}
            facts.append(Fact("stub-domains", "dns", wanted, corefile))
        return tuple(facts)
