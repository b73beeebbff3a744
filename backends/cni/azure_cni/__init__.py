"""Azure CNI on AKS, by the settings of the cluster's network profile. Sources: the AKS docs (azure-cni-overlay,
azure-cni-powered-by-cilium, use-network-policies), Azure/azure-container-networking."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from netspec.backends.cni.azure_cni.capacity import DEFAULT_PODS, limits
from netspec.backends.cni.azure_cni.checks import check
from netspec.backends.cni.azure_cni.choice import choice
from netspec.backends.cni.azure_cni.settings import AzureCniSettings
from netspec.backends.cni.dialects import DIALECTS
from netspec.diagnostics import Report
from netspec.ir.model import Ir
from netspec.plan import CLUSTER, CNI_READY, NODES, Condition, Node, ReadyNode
from netspec.target import AddOn, Backend, Fact, Feature, Field, Limit, Needs, ObjectRead, Range, Traits

ADDON = "azure-cni"
POLICIES = frozenset({Feature.NETWORK_POLICY, Feature.END_PORT, Feature.NAMED_PORT, Feature.SCTP})
#: The agent of each policy engine: its DaemonSet and namespace.
AGENTS = {"azure": ("azure-npm", "kube-system"), "calico": ("calico-node", "calico-system")}
AGENTS |= {"cilium": ("cilium", "kube-system")}
_DIALECTS = {"azure": "azure-npm", "calico": "calico", "cilium": "cilium"}


class AzureCni(Backend):
    name = ADDON
    settings = AzureCniSettings
    supports = POLICIES | {Feature.HOST_PORT, Feature.PROXY_NONE}  # its CNI configuration has the plugin portmap

    def lacks(self, ir: Ir, settings: AzureCniSettings) -> Mapping[Feature, str]:
        dataplane, policy = choice(ir, settings)
        found: dict[Feature, str] = {}
        if settings.dataplane == "azure":
            found[Feature.PROXY_NONE] = "set cni.dataplane: cilium"
        if dataplane == "cilium":
            found[Feature.SCTP] = "set cni.dataplane: azure: Cilium has SCTP off by default, and AKS has no setting"
        if policy == "none":
            found |= dict.fromkeys(POLICIES, "set cni.policy: calico, or leave it out")
        return found

    def traits(self, ir: Ir, settings: AzureCniSettings, traits: Traits) -> Traits:
        own: Range | None = traits.outputs.get("podSubnet")
        pods = {"overlay": (), "nodeSubnet": traits.node_networks, "podSubnet": (own,) if own else ()}
        policy = choice(ir, settings).policy
        return replace(
            traits,
            overhead=0,  # the overlay is Azure's own routing: packets are not wrapped
            forwarded="node",
            dialect=DIALECTS[_DIALECTS[policy]] if policy in _DIALECTS else None,
            pod_networks=pods[settings.mode],
            node_pods=traits.node_pods + 1 + (policy in AGENTS),
        )

    def needs(self, ir: Ir, settings: AzureCniSettings, needs: Needs) -> Needs:
        pods = {group.name: DEFAULT_PODS[settings.mode] for group in ir.traits.groups}
        return replace(
            needs,
            kube_proxy=choice(ir, settings).dataplane != "cilium",
            addons=(*needs.addons, AddOn(ADDON, profile(ir, settings))),
            max_pods={**needs.max_pods, **pods},
        )

    def check(self, ir: Ir, settings: AzureCniSettings, needs: Needs, report: Report) -> None:
        if ADDON in ir.traits.addons:  # elsewhere it cannot be at all, which the compiler says
            check(ir, settings, report)

    def capacity(self, ir: Ir, settings: AzureCniSettings) -> tuple[Limit, ...]:
        return limits(ir, settings) if ADDON in ir.traits.addons else ()

    def lower(self, ir: Ir, settings: AzureCniSettings, needs: Needs) -> tuple[Node, ...]:
        agent = AGENTS.get(choice(ir, settings).policy)
        ready: tuple[Condition, ...] = (Condition("nodes", "Ready", at_least=ir.traits.nodes),)
        ready += (Condition(f"daemonsets/{agent[0]}", "Available", agent[1]),) if agent else ()
        return (ReadyNode(CNI_READY, ready, (CLUSTER, NODES), timeout=600),)

    def facts(self, ir: Ir, settings: AzureCniSettings) -> tuple[Fact, ...]:
        """That the policy engine runs on every node."""
        agent = AGENTS.get(choice(ir, settings).policy)
        if agent is None:
            return ()
        read = ObjectRead("daemonsets.apps", (("unavailable", Field("status.numberUnavailable", 0)),), *agent)
        return (Fact(agent[0], ADDON, {"unavailable": 0}, read),)


def profile(ir: Ir, settings: AzureCniSettings) -> dict[str, Any]:
    """Its part of the cluster's network profile, by the names of the cluster's resource."""
    dataplane, policy = choice(ir, settings)
    found: dict[str, Any] = {"networkPlugin": "azure", "networkDataPlane": dataplane}
    if settings.mode == "overlay":
        found |= {"networkPluginMode": "overlay", "podCidr": str(ir.network.pod_cidrs[0])}
    if policy != "none":
        found["networkPolicy"] = policy
    return found
