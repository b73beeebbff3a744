"""CoreDNS, where netspec owns the cluster's DNS."""

from typing import Any

from netspec.backends.dns.coredns.objects import NAMESPACE, coredns, corefile
from netspec.ir.model import Ir
from netspec.plan import Node
from netspec.target import Backend, Fact, Feature, Field, Needs, ObjectRead, ReadyRead


class CoreDns(Backend):
    name = "coredns"
    supports = frozenset({Feature.DNS_REPLICAS, Feature.DNS_CACHE, Feature.STUB_DOMAINS})

    def lower(self, ir: Ir, settings: Any, needs: Needs) -> tuple[Node, ...]:
        return coredns(ir)

    def facts(self, ir: Ir, settings: Any) -> tuple[Fact, ...]:
        text = ObjectRead("configmaps", (("Corefile", Field("data.Corefile")),), "coredns", NAMESPACE)
        facts = [
            Fact("dns-replicas", f"{NAMESPACE}/coredns", ir.dns.replicas, ReadyRead()),
            Fact("dns-settings", "dns", {"Corefile": corefile(ir.dns)}, text),
        ]
        if ir.dns.stub_domains:
            wanted = {domain: sorted(servers) for domain, servers in ir.dns.stub_domains}
            facts.append(Fact("stub-domains", "dns", wanted, text._replace(parse="corefile")))
        return tuple(facts)
