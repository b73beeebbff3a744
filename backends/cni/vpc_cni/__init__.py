"""Amazon's VPC CNI, with AWS's agent for policies. Sources: netspec.backends.cni.vpc.addon."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from netspec.backends.cni.dialects import DIALECTS
from netspec.backends.cni.vpc import addon as vpc
from netspec.backends.cni.vpc.capacity import node_limits, subnet_limits
from netspec.backends.cni.vpc_cni.checks import check
from netspec.backends.cni.vpc_cni.settings import VpcCniSettings
from netspec.diagnostics import Report
from netspec.ir.model import Ir
from netspec.plan import CNI_READY, NODES, Condition, Node, ReadyNode
from netspec.target import Backend, Fact, Feature, Limit, Needs, Traits

POLICIES = frozenset({Feature.NETWORK_POLICY, Feature.END_PORT, Feature.NAMED_PORT, Feature.SCTP})


class VpcCni(Backend):
    name = "vpc-cni"
    settings = VpcCniSettings
    supports = POLICIES | {Feature.HOST_PORT}  # its CNI configuration has the plugin portmap

    def lacks(self, ir: Ir, settings: VpcCniSettings) -> Mapping[Feature, str]:
        if settings.network_policy != "off":
            return {}
        return dict.fromkeys(POLICIES, "set cni.networkPolicy: standard, or strict")

    def traits(self, ir: Ir, settings: VpcCniSettings, traits: Traits) -> Traits:
        return replace(
            vpc.with_addresses(traits, settings.custom_networking),
            forwarded="node",
            dialect=DIALECTS["vpc-cni"],
            node_pods=traits.node_pods + 1,
        )

    def needs(self, ir: Ir, settings: VpcCniSettings, needs: Needs) -> Needs:
        return vpc.with_addon(ir, settings, _values(settings), needs)

    def check(self, ir: Ir, settings: VpcCniSettings, needs: Needs, report: Report) -> None:
        if vpc.ADDON in ir.traits.addons:  # elsewhere it cannot be at all, which the compiler says
            check(ir, settings, report)

    def capacity(self, ir: Ir, settings: VpcCniSettings) -> tuple[Limit, ...]:
        use = vpc.interfaces(settings)
        return (*node_limits(ir, use), *subnet_limits(ir, use))

    def lower(self, ir: Ir, settings: VpcCniSettings, needs: Needs) -> tuple[Node, ...]:
        ready = Condition("nodes", "Ready", at_least=ir.traits.nodes)
        return (*vpc.eni_configs(ir, settings), ReadyNode(CNI_READY, (ready,), (f"addon:{vpc.ADDON}", NODES)))

    def facts(self, ir: Ir, settings: VpcCniSettings) -> tuple[Fact, ...]:
        return vpc.facts(ir, settings, _values(settings))


def _values(settings: VpcCniSettings) -> dict[str, Any]:
    return vpc.configuration(settings, settings.network_policy, annotate=settings.network_policy != "off")
