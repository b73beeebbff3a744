"""A cluster that is there already. What netspec must know of it is given in the spec: a check asks nobody."""

from collections.abc import Mapping
from dataclasses import replace

from netspec.backends.clusters.existing.settings import ExistingSettings
from netspec.diagnostics import Report
from netspec.ir.model import Ir
from netspec.plan import CLUSTER, NODES, Node, ResourceNode
from netspec.target import Backend, Feature, Needs, Range, There, Traits

#: The resource that netspec.deploy finds such a cluster with.
TOKEN = "netspec:existing:Cluster"
_PROXIES: dict[str, Feature] = {
    "iptables": Feature.PROXY_IPTABLES,
    "nftables": Feature.PROXY_NFTABLES,
    "ipvs": Feature.PROXY_IPVS,
    "none": Feature.PROXY_NONE,
}


class ExistingCluster(Backend):
    name = "existing"
    settings = ExistingSettings
    supports = frozenset({Feature.IPV4, Feature.LOAD_BALANCER, *_PROXIES.values()})

    def lacks(self, ir: Ir, settings: ExistingSettings) -> Mapping[Feature, str]:
        """It is as it is."""
        found = {
            feature: f"set cluster.proxy to {mode} if that is how the cluster is"
            for mode, feature in _PROXIES.items()
            if mode != settings.proxy
        }
        if not settings.load_balancers:
            found[Feature.LOAD_BALANCER] = "set cluster.loadBalancers to true if the cluster gives them an address"
        return found

    def traits(self, ir: Ir, settings: ExistingSettings, traits: Traits) -> Traits:
        def ranges(name: str, cidrs: list[str]) -> tuple[Range, ...]:
            return tuple(Range(text, ("stacks", ir.stack, "cluster", name, i)) for i, text in enumerate(cidrs))

        return replace(
            traits,
            nodes=settings.nodes or 1,
            node_networks=ranges("nodeNetworks", settings.node_networks),
            pod_networks=ranges("podCIDRs", settings.pod_cidrs),
            service_networks=ranges("serviceCIDRs", settings.service_cidrs),
            dns_address=settings.dns_address or "",
            brings_dns=True,
            node_shares=False,
            there=There(
                settings.kubeconfig or "",
                settings.context or "",
                frozenset(settings.namespaces),
                settings.nodes is not None,
            ),
        )

    def check(self, ir: Ir, settings: ExistingSettings, needs: Needs, report: Report) -> None:
        """NS950: a namespace that is there is one that the spec declares."""
        declared = {namespace.name for namespace in ir.namespaces}
        for index, name in enumerate(settings.namespaces):
            if name not in declared:
                path = ("stacks", ir.stack, "cluster", "namespaces", index)
                report.error("NS950", path, f"the spec has nothing in the namespace {name}", "declare it, or remove it")

    def lower(self, ir: Ir, settings: ExistingSettings, needs: Needs) -> tuple[Node, ...]:
        properties = {"file": settings.kubeconfig or "", "context": settings.context or ""}
        return (
            ResourceNode(
                CLUSTER,
                TOKEN,
                properties,
                secrets=("kubeconfig",),
                # Not `found_again`: the state says at each step what `down` has to delete, for the cluster stays.
                provides=(NODES,),
            ),
        )
