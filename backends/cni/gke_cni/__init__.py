"""GKE's own network: pods have alias addresses of the VPC, Dataplane V2 or kube-proxy with Calico enforces policies.

Sources: the GKE docs (GKE Dataplane V2, Network policies, Configure maximum pods per node), the VPC docs (Subnets).
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from pydantic import Field as SettingsField

from netspec.backends.cni.dialects import DIALECTS
from netspec.backends.cni.gke_cni.capacity import DEFAULT_PODS, limits
from netspec.diagnostics import Path, Report
from netspec.ir.model import Ir
from netspec.plan import CLUSTER, CNI_READY, NODES, Condition, Node, ReadyNode
from netspec.spec.model import MayBeThere
from netspec.target import AddOn, Backend, Fact, Feature, Field, Limit, Needs, ObjectRead, Traits

ADDON = "gke-cni"
POLICIES = frozenset({Feature.NETWORK_POLICY, Feature.END_PORT, Feature.NAMED_PORT, Feature.SCTP})


class GkeCniSettings(MayBeThere):
    """The network that GKE brings."""

    dataplane: Literal["v2", "legacy"] | None = SettingsField(
        None, description="v2: Cilium, in place of kube-proxy. Unset: v2 where network.proxy.mode is none, else legacy."
    )
    policies: bool = SettingsField(
        True, description="NetworkPolicies are enforced: by Calico, or by Dataplane V2, which always does."
    )


def dataplane(ir: Ir, settings: GkeCniSettings) -> str:
    return settings.dataplane or ("v2" if ir.network.proxy_mode == "none" else "legacy")


class GkeCni(Backend):
    name = ADDON
    settings = GkeCniSettings
    supports = POLICIES | {Feature.HOST_PORT, Feature.PROXY_NONE}

    def lacks(self, ir: Ir, settings: GkeCniSettings) -> Mapping[Feature, str]:
        found: dict[Feature, str] = {}
        if settings.dataplane == "legacy":
            found[Feature.PROXY_NONE] = "set cni.dataplane: v2"
        if dataplane(ir, settings) == "v2":
            found[Feature.SCTP] = "set cni.dataplane: legacy: Cilium has SCTP off by default, and GKE has no setting"
        if not settings.policies:
            found |= dict.fromkeys(POLICIES, "set cni.policies: true")
        return found

    def traits(self, ir: Ir, settings: GkeCniSettings, traits: Traits) -> Traits:
        cilium = dataplane(ir, settings) == "v2"
        calico = DIALECTS["calico"] if settings.policies else None
        return replace(
            traits,
            overhead=0,  # the VPC routes pods' addresses: packets are not wrapped
            forwarded="node",
            dialect=DIALECTS["cilium"] if cilium else calico,
            node_pods=traits.node_pods + 1 + (not cilium and settings.policies),  # anetd, or kube-proxy and Calico
        )

    def needs(self, ir: Ir, settings: GkeCniSettings, needs: Needs) -> Needs:
        pods = {group.name: DEFAULT_PODS for group in ir.traits.groups}
        return replace(
            needs,
            kube_proxy=dataplane(ir, settings) != "v2",
            addons=(*needs.addons, AddOn(ADDON, properties(ir, settings))),
            max_pods={**needs.max_pods, **pods},
        )

    def check(self, ir: Ir, settings: GkeCniSettings, needs: Needs, report: Report) -> None:
        """NS996, where it can be at all: elsewhere the compiler says that it cannot."""
        at: Path = ("stacks", ir.stack, "cni")
        if ADDON not in ir.traits.addons or dataplane(ir, settings) != "v2":
            return
        if ir.network.proxy_mode != "none":
            message = f"Dataplane V2 carries Services itself, and the spec's kube-proxy is {ir.network.proxy_mode}"
            report.error("NS996", (*at, "dataplane"), message, "set network.proxy.mode: none, or dataplane: legacy")
        if not settings.policies:
            message = "Dataplane V2 always enforces NetworkPolicies"
            report.error("NS996", (*at, "policies"), message, "remove it, or set dataplane: legacy")

    def capacity(self, ir: Ir, settings: GkeCniSettings) -> tuple[Limit, ...]:
        return limits(ir) if ADDON in ir.traits.addons else ()

    def lower(self, ir: Ir, settings: GkeCniSettings, needs: Needs) -> tuple[Node, ...]:
        agent = _agent(ir, settings)
        ready: tuple[Condition, ...] = (Condition("nodes", "Ready", at_least=ir.traits.nodes),)
        ready += (Condition(f"daemonsets/{agent}", "Available", "kube-system"),) if agent else ()
        return (ReadyNode(CNI_READY, ready, (CLUSTER, NODES), timeout=600),)

    def facts(self, ir: Ir, settings: GkeCniSettings) -> tuple[Fact, ...]:
        """That who enforces policies runs on every node."""
        agent = _agent(ir, settings)
        unavailable = (("unavailable", Field("status.numberUnavailable", 0)),)
        read = ObjectRead("daemonsets.apps", unavailable, agent, "kube-system")
        return (Fact(agent, ADDON, {"unavailable": 0}, read),) if agent else ()


def _agent(ir: Ir, settings: GkeCniSettings) -> str:
    return "anetd" if dataplane(ir, settings) == "v2" else "calico-node" if settings.policies else ""


def properties(ir: Ir, settings: GkeCniSettings) -> dict[str, Any]:
    """Its part of the cluster's resource, by the names there."""
    if dataplane(ir, settings) == "v2":
        return {"datapathProvider": "ADVANCED_DATAPATH"}
    found: dict[str, Any] = {"datapathProvider": "LEGACY_DATAPATH"}
    if settings.policies:
        found["networkPolicy"] = {"enabled": True, "provider": "CALICO"}
        found["addonsConfig"] = {"networkPolicyConfig": {"disabled": False}}
    return found
