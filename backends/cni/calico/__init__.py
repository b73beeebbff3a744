"""Calico. Its pools are parts of the pod CIDR; nodes take blocks of them."""

from collections.abc import Mapping
from dataclasses import replace

from netspec.backends.cni.calico import modes, pools
from netspec.backends.cni.calico.facts import facts
from netspec.backends.cni.calico.operator import DEPLOYED, OWN_NAMESPACES, operator
from netspec.backends.cni.calico.settings import CalicoSettings
from netspec.backends.cni.dialects import DIALECTS
from netspec.diagnostics import Report
from netspec.ir.model import Ir
from netspec.plan import Node
from netspec.target import Backend, Fact, Feature, Limit, Needs, Traits


class Calico(Backend):
    name = "calico"
    settings = CalicoSettings
    supports = frozenset(
        {
            Feature.NETWORK_POLICY,
            Feature.END_PORT,
            Feature.NAMED_PORT,
            Feature.HOST_PORT,
            Feature.SCTP,
            Feature.PROXY_NONE,
        }
    )

    def lacks(self, ir: Ir, settings: CalicoSettings) -> Mapping[Feature, str]:
        return modes.lacks(ir, settings)

    def traits(self, ir: Ir, settings: CalicoSettings, traits: Traits) -> Traits:
        return replace(
            traits,
            overhead=modes.overhead(settings),
            mtu=settings.mtu,
            forwarded=modes.forwarded(ir, settings, traits),
            dialect=DIALECTS["calico"],
            node_pods=traits.node_pods + 1,
        )

    def needs(self, ir: Ir, settings: CalicoSettings, needs: Needs) -> Needs:
        return replace(
            needs,
            before_nodes=(*needs.before_nodes, *([DEPLOYED] if ir.traits.nodes_wait else ())),
            kube_proxy=needs.kube_proxy and modes.data_plane(ir, settings) != "ebpf",
            immutable={**needs.immutable, **pools.immutable(settings)},
            kernel=(*needs.kernel, *modes.kernel(ir, settings)),
            annotations={**needs.annotations, **pools.annotations(settings)},
        )

    def check(self, ir: Ir, settings: CalicoSettings, needs: Needs, report: Report) -> None:
        """NS902: the operator makes, labels and deletes its own namespaces."""
        for namespace in ir.namespaces:
            if namespace.name in OWN_NAMESPACES:
                path = (*namespace.place.path, "name")
                message = f"{namespace.name} is a namespace of Calico's operator"
                report.error("NS902", path, message, "rename it, or remove the entry")
        modes.check(ir, settings, report)
        pools.check(ir, settings, report)

    def capacity(self, ir: Ir, settings: CalicoSettings) -> tuple[Limit, ...]:
        return pools.capacity(ir, settings)

    def lower(self, ir: Ir, settings: CalicoSettings, needs: Needs) -> tuple[Node, ...]:
        return operator(ir, settings)

    def facts(self, ir: Ir, settings: CalicoSettings) -> tuple[Fact, ...]:
        return facts(ir, settings)
