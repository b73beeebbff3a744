"""Amazon's VPC CNI, as EKS's add-on: pods have addresses of the VPC. Sources: amazon-vpc-cni-k8s v1.23.2 (README, docs,
charts), the EKS user guide and best practices."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from netspec.backends.cni.dialects import DIALECTS
from netspec.backends.cni.vpc_cni.capacity import max_pods, node_limits, subnet_limits
from netspec.backends.cni.vpc_cni.checks import check
from netspec.backends.cni.vpc_cni.settings import VpcCniSettings
from netspec.backends.objects import manifest, node
from netspec.diagnostics import Report
from netspec.ir.model import Ir
from netspec.plan import CLUSTER, CNI_READY, NODES, Condition, Node, ReadyNode
from netspec.target import AddOn, Backend, Fact, Feature, Field, Limit, Needs, ObjectRead, Traits

POLICIES = frozenset({Feature.NETWORK_POLICY, Feature.END_PORT, Feature.NAMED_PORT, Feature.SCTP})
ADDON = "vpc-cni"
AGENT = "aws-node"
ENI_CONFIG = "crd.k8s.amazonaws.com/v1alpha1"
#: A node's label that says which ENIConfig is its own: they are called as the zones.
ZONE_LABEL = "topology.kubernetes.io/zone"


class VpcCni(Backend):
    name = "vpc-cni"
    settings = VpcCniSettings
    supports = POLICIES | {Feature.HOST_PORT}  # its CNI configuration has the plugin portmap

    def lacks(self, ir: Ir, settings: VpcCniSettings) -> Mapping[Feature, str]:
        if settings.network_policy != "off":
            return {}
        return dict.fromkeys(POLICIES, "set cni.networkPolicy: standard, or strict")

    def traits(self, ir: Ir, settings: VpcCniSettings, traits: Traits) -> Traits:
        own = traits.outputs.get("podRanges", ())
        alone = settings.custom_networking and own
        return replace(
            traits,
            forwarded="node",
            dialect=DIALECTS["vpc-cni"],
            pod_networks=own if alone else (*own, *traits.node_networks),
            node_pods=traits.node_pods + 1,
        )

    def needs(self, ir: Ir, settings: VpcCniSettings, needs: Needs) -> Needs:
        """Custom networking reaches interfaces that come later, so its ENIConfigs are there before the first node."""
        cluster_rights = ("AmazonEKSVPCResourceController",) if settings.security_groups_for_pods != "off" else ()
        addon = AddOn(ADDON, configuration(settings), AGENT, ("AmazonEKS_CNI_Policy",), cluster_rights)
        return replace(
            needs,
            addons=(*needs.addons, addon),
            before_nodes=(*needs.before_nodes, *(n.id for n in eni_configs(ir, settings))),
            max_pods={**needs.max_pods, **{g.name: max_pods(g, settings) for g in ir.traits.groups if g.interfaces}},
        )

    def check(self, ir: Ir, settings: VpcCniSettings, needs: Needs, report: Report) -> None:
        if ADDON in ir.traits.addons:  # elsewhere it cannot be at all, which the compiler says
            check(ir, settings, report)

    def capacity(self, ir: Ir, settings: VpcCniSettings) -> tuple[Limit, ...]:
        return (*node_limits(ir, settings), *subnet_limits(ir, settings))

    def lower(self, ir: Ir, settings: VpcCniSettings, needs: Needs) -> tuple[Node, ...]:
        ready = Condition("nodes", "Ready", at_least=ir.traits.nodes)
        return (*eni_configs(ir, settings), ReadyNode(CNI_READY, (ready,), (f"addon:{ADDON}", NODES)))

    def facts(self, ir: Ir, settings: VpcCniSettings) -> tuple[Fact, ...]:
        """The add-on's settings as they reached the agent."""
        containers = (("env", Field("spec.template.spec.containers")),)
        read = ObjectRead("daemonsets", containers, AGENT, "kube-system", parse="env")
        return (Fact("cni-settings", "vpc-cni", configuration(settings)["env"], read),)


def configuration(settings: VpcCniSettings) -> dict[str, Any]:
    """The add-on's configuration values: all that the agent goes by, so that no default of a release decides."""
    env = {
        "ENABLE_PREFIX_DELEGATION": _word(settings.prefix_delegation),
        "AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG": _word(settings.custom_networking),
        "ENABLE_SUBNET_DISCOVERY": _word(settings.subnet_discovery and not settings.custom_networking),
        "AWS_VPC_K8S_CNI_EXTERNALSNAT": _word(settings.external_snat),
        "ENABLE_POD_ENI": _word(settings.security_groups_for_pods != "off"),
    }
    if settings.custom_networking:
        env["ENI_CONFIG_LABEL_DEF"] = ZONE_LABEL
    if settings.security_groups_for_pods != "off":
        env["POD_SECURITY_GROUP_ENFORCING_MODE"] = settings.security_groups_for_pods
    targets = {
        "WARM_ENI_TARGET": settings.warm_eni_target,
        "WARM_IP_TARGET": settings.warm_ip_target,
        "MINIMUM_IP_TARGET": settings.minimum_ip_target,
        "WARM_PREFIX_TARGET": settings.warm_prefix_target,
        "MAX_ENI": settings.max_eni,
    }
    env |= {name: str(value) for name, value in targets.items() if value is not None}
    found: dict[str, Any] = {"enableNetworkPolicy": _word(settings.network_policy != "off")}
    if settings.network_policy != "off":
        # Pods carry their address from the start: the policy controller need not wait for the API server's.
        env |= {"NETWORK_POLICY_ENFORCING_MODE": settings.network_policy, "ANNOTATE_POD_IP": "true"}
    if settings.security_groups_for_pods == "strict":
        found["init"] = {"env": {"DISABLE_TCP_EARLY_DEMUX": "true"}}  # the kubelet's probes reach branch interfaces
    return {**found, "env": env}


def eni_configs(ir: Ir, settings: VpcCniSettings) -> tuple[Node, ...]:
    """One a zone. The security group is the nodes' own, which lets the control plane in."""
    if not settings.custom_networking:
        return ()
    outputs = ir.traits.outputs
    return tuple(
        node(
            manifest(
                ENI_CONFIG,
                "ENIConfig",
                zone,
                spec={"subnet": subnet, "securityGroups": [outputs["nodeSecurityGroup"]]},
            ),
            CLUSTER,
            f"addon:{ADDON}",
        )
        for zone, subnet in outputs.get("podSubnets", {}).items()
    )


def _word(value: bool) -> str:
    return "true" if value else "false"
