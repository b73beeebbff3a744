"""kindnet: the CNI that kind's node images carry. kind installs it; netspec waits for it and says how it is.

Source: kubernetes-sigs/kind, images/kindnetd: routes between nodes of one network, `ptp` on the node, policies by
kube-network-policies (from kind 0.24 on).
"""

from dataclasses import replace

from netspec.backends.cni.dialects import DIALECTS
from netspec.diagnostics import Report
from netspec.ir.model import Ir
from netspec.plan import CLUSTER, CNI_READY, NODES, Condition, Node, ReadyNode
from netspec.spec.model import MayBeThere
from netspec.target import Backend, Fact, Feature, Field, KernelOption, Needs, ObjectRead, Traits


class KindnetSettings(MayBeThere):
    """kind's own CNI, as its node images carry it."""


class Kindnet(Backend):
    name = "kindnet"
    settings = KindnetSettings
    supports = frozenset(
        {Feature.NETWORK_POLICY, Feature.END_PORT, Feature.NAMED_PORT, Feature.SCTP, Feature.HOST_PORT}
    )

    def traits(self, ir: Ir, settings: KindnetSettings, traits: Traits) -> Traits:
        return replace(traits, forwarded="node", dialect=DIALECTS["kube-network-policies"])

    def needs(self, ir: Ir, settings: KindnetSettings, needs: Needs) -> Needs:
        wanted = KernelOption("CONFIG_NFT_QUEUE", "kindnet's network policies")
        return replace(needs, own_cni=True, node_cidrs=True, kernel=(*needs.kernel, wanted))

    def check(self, ir: Ir, settings: KindnetSettings, needs: Needs, report: Report) -> None:
        """NS962."""
        if ir.providers["cluster"] != "kind":
            message = f"kindnet comes with kind's nodes, not with a cluster of type {ir.providers['cluster']}"
            report.error("NS962", ("stacks", ir.stack, "cni"), message, "choose another cni, or a cluster of kind")

    def lower(self, ir: Ir, settings: KindnetSettings, needs: Needs) -> tuple[Node, ...]:
        ready = Condition("nodes", "Ready", at_least=ir.traits.nodes)
        return (ReadyNode(CNI_READY, (ready,), (CLUSTER, NODES)),)

    def facts(self, ir: Ir, settings: KindnetSettings) -> tuple[Fact, ...]:
        read = ObjectRead(
            "daemonsets.apps", (("unavailable", Field("status.numberUnavailable", 0)),), "kindnet", "kube-system"
        )
        return (Fact("kindnet", "kindnet", {"unavailable": 0}, read),)
