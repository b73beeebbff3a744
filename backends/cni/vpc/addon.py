"""Amazon's VPC CNI, as EKS's add-on, whoever enforces policies: pods have addresses of the VPC. Sources:
amazon-vpc-cni-k8s v1.23.2 (README, docs, charts), the EKS user guide and best practices."""

from dataclasses import replace
from typing import Any, Literal

from netspec.backends.cni.vpc.arithmetic import HOST_PODS, Mode, Warm, pods
from netspec.backends.cni.vpc.capacity import Interfaces, max_pods
from netspec.backends.cni.vpc.settings import VpcAddresses
from netspec.backends.objects import manifest, node
from netspec.ir.model import Ir
from netspec.plan import CLUSTER, Node
from netspec.target import AddOn, Fact, Field, Needs, NodeRead, ObjectRead, Traits

Policies = Literal["off", "standard", "strict"]
ADDON = "vpc-cni"
AGENT = "aws-node"
ENI_CONFIG = "crd.k8s.amazonaws.com/v1alpha1"
#: The agent's own account (amazon-vpc-cni-k8s v1.23.2, pkg/ipamd/introspect.go), which only its node can ask for.
_HELD = "curl -s --max-time 3 http://127.0.0.1:61679/v1/enis | grep -o '\"TotalIPs\":[0-9]*' | cut -d: -f2"
#: A node's label that says which ENIConfig is its own: they are called as the zones.
ZONE_LABEL = "topology.kubernetes.io/zone"


def interfaces(settings: VpcAddresses) -> Interfaces:
    trunk = settings.security_groups_for_pods != "off"
    mode = Mode(settings.prefix_delegation, settings.custom_networking, trunk, settings.max_eni or 0)
    warm = Warm(
        settings.warm_eni_target, settings.warm_ip_target, settings.minimum_ip_target, settings.warm_prefix_target
    )
    return Interfaces(mode, warm, settings.custom_networking, settings.subnet_discovery)


def with_addresses(traits: Traits, alone: bool) -> Traits:
    """Pods in the pod subnets, `alone` or with those in their nodes'; alone too where the cluster says so."""
    own, alone = traits.outputs.get("podRanges", ()), alone or traits.outputs.get("podRangesAlone", False)
    return replace(traits, pod_networks=own if alone and own else (*own, *traits.node_networks))


def with_room(ir: Ir, needs: Needs, use: Interfaces) -> Needs:
    room = {g.name: max_pods(g, use) for g in ir.traits.groups if g.interfaces}
    return replace(needs, max_pods={**needs.max_pods, **room})


def with_addon(ir: Ir, settings: VpcAddresses, values: dict[str, Any], needs: Needs) -> Needs:
    """Custom networking reaches interfaces that come later, so its ENIConfigs are there before the first node."""
    cluster_rights = ("AmazonEKSVPCResourceController",) if settings.security_groups_for_pods != "off" else ()
    addon = AddOn(ADDON, values, AGENT, ("AmazonEKS_CNI_Policy",), cluster_rights)
    before = (*needs.before_nodes, *(n.id for n in eni_configs(ir, settings)))
    return with_room(ir, replace(needs, addons=(*needs.addons, addon), before_nodes=before), interfaces(settings))


def facts(ir: Ir, settings: VpcAddresses, values: dict[str, Any]) -> tuple[Fact, ...]:
    """The add-on's settings as they reached the agent. Where every node has all that it may have from the start, how
    many addresses for pods the agent says it holds: as many as `capacity` counts."""
    containers = (("env", Field("spec.template.spec.containers")),)
    read = ObjectRead("daemonsets", containers, AGENT, "kube-system", parse="env")
    told = Fact("cni-settings", ADDON, values["env"], read)
    if not ir.traits.outputs.get("attached"):
        return (told,)
    mode = interfaces(settings).mode
    rooms = {pods(group.interfaces, group.addresses, mode) - HOST_PODS for group in ir.traits.groups}
    return (told, *(Fact("cni-addresses", "nodes", str(room), NodeRead(_HELD)) for room in rooms))


def configuration(settings: VpcAddresses, policies: Policies, *, annotate: bool = False) -> dict[str, Any]:
    """The add-on's configuration values: all that the agent goes by, so that no default of a release decides.
    `annotate`: pods carry their address from the start, for whoever enforces policies: it need not wait for the API
    server's (amazon-vpc-cni-k8s README: ANNOTATE_POD_IP; the add-on then has the right to patch pods)."""
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
    found: dict[str, Any] = {"enableNetworkPolicy": _word(policies != "off")}
    if policies != "off":
        env["NETWORK_POLICY_ENFORCING_MODE"] = policies
    if annotate:
        env["ANNOTATE_POD_IP"] = "true"
    if settings.security_groups_for_pods == "strict":
        found["init"] = {"env": {"DISABLE_TCP_EARLY_DEMUX": "true"}}  # the kubelet's probes reach branch interfaces
    return {**found, "env": env}


def eni_configs(ir: Ir, settings: VpcAddresses) -> tuple[Node, ...]:
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
