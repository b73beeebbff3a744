"""Calico. Its pools are parts of the pod CIDR; nodes take blocks of them."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from netspec.backends.cni.calico import modes, policies, policy_only, pools
from netspec.backends.cni.calico.facts import facts
from netspec.backends.cni.calico.operator import DEPLOYED, OWN_NAMESPACES, operator
from netspec.backends.cni.calico.settings import CalicoSettings
from netspec.backends.cni.dialects import DIALECTS
from netspec.backends.cni.vpc import addon
from netspec.backends.cni.vpc.capacity import node_limits, subnet_limits
from netspec.catalogue import CALICO
from netspec.diagnostics import Path, Report
from netspec.ir.model import Ir, Place, TierPolicy
from netspec.plan import Node
from netspec.target import Backend, Fact, Feature, Limit, Needs, Traits

#: What the operator runs, by its names there.
_IMAGES = ("node", "cni", "typha", "kube-controllers")


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
        settings, vpc = policy_only.effective(settings), settings.vpc_cni
        traits = traits if vpc is None else addon.with_addresses(traits, vpc.custom_networking)
        return replace(
            traits,
            overhead=modes.overhead(settings),
            mtu=settings.mtu,
            forwarded=modes.forwarded(ir, settings, traits),
            dialect=DIALECTS["calico"],
            node_pods=traits.node_pods + (1 if vpc is None else 2),  # its own agent, and the VPC CNI's
        )

    def needs(self, ir: Ir, settings: CalicoSettings, needs: Needs) -> Needs:
        settings, vpc = policy_only.effective(settings), settings.vpc_cni
        if vpc is not None:
            needs = addon.with_addon(ir, vpc, policy_only.values(vpc), needs)
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
        modes.check_data_plane(ir, settings, report)
        if settings.vpc_cni is not None:
            policy_only.check(ir, settings, report)
            return
        modes.check_network(ir, settings, report)
        pools.check(ir, settings, report)

    def capacity(self, ir: Ir, settings: CalicoSettings) -> tuple[Limit, ...]:
        if settings.vpc_cni is None:
            return pools.capacity(ir, settings)
        use = addon.interfaces(settings.vpc_cni)
        return (*node_limits(ir, use), *subnet_limits(ir, use))

    def lower(self, ir: Ir, settings: CalicoSettings, needs: Needs) -> tuple[Node, ...]:
        configs = () if settings.vpc_cni is None else addon.eni_configs(ir, settings.vpc_cni)
        return (*configs, *operator(ir, policy_only.effective(settings)))

    def policies(
        self, ir: Ir, settings: CalicoSettings, place: Callable[[Path], Place], report: Report
    ) -> tuple[TierPolicy, ...]:
        return policies.tiers(ir, settings, place, report)

    def grants(self, ir: Ir, settings: CalicoSettings) -> tuple[Node, ...]:
        return policies.policies(settings)

    def images(self, ir: Ir, settings: CalicoSettings) -> tuple[str, ...]:
        """Those that the operator is told the registry of."""
        of_images = modes.registry(policy_only.effective(settings))
        return tuple(f"{of_images}/calico/{name}:v{CALICO.official}" for name in _IMAGES) if of_images else ()

    def facts(self, ir: Ir, settings: CalicoSettings) -> tuple[Fact, ...]:
        vpc = settings.vpc_cni
        told = () if vpc is None else addon.facts(ir, vpc, policy_only.values(vpc))
        return (*told, *facts(ir, policy_only.effective(settings)), *policies.facts(settings))
