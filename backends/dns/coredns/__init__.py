"""CoreDNS, where netspec owns the cluster's DNS."""

from typing import Any

from netspec.backends.corefile import FEATURES, dns_facts
from netspec.backends.dns.coredns.autoscaler import autoscaler_facts, scaled
from netspec.backends.dns.coredns.objects import coredns
from netspec.ir.model import Ir
from netspec.plan import Node
from netspec.target import Backend, Fact, Feature, Needs


class CoreDns(Backend):
    name = "coredns"
    supports = FEATURES | {Feature.DNS_REPLICAS, Feature.DNS_BUDGET, Feature.DNS_SPREAD, Feature.DNS_AUTOSCALE}

    def lower(self, ir: Ir, settings: Any, needs: Needs) -> tuple[Node, ...]:
        return *coredns(ir), *scaled(ir)

    def facts(self, ir: Ir, settings: Any) -> tuple[Fact, ...]:
        return *dns_facts(ir.dns, ir.traits.nodes), *autoscaler_facts(ir.dns)
