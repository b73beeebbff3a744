"""Cilium where pods have addresses of the VPC: by its own operator (ENI mode), or chained on the VPC CNI.

Sources: cilium 1.19, Documentation/network/concepts/ipam/eni.rst, installation/{requirements-eks,cni-chaining-aws-cni,
taints}.rst, pkg/aws/eni/node.go (how many addresses a node may have, which subnets), chart, cilium-configmap.yaml.
"""

from ipaddress import IPv4Network
from typing import Any

from netspec.backends.cni.cilium.settings import CiliumEni, CiliumSettings
from netspec.backends.cni.vpc import addon
from netspec.backends.cni.vpc.arithmetic import Mode, Warm
from netspec.backends.cni.vpc.capacity import Interfaces
from netspec.backends.cni.vpc.checks import blocks, unused_pod_cidrs
from netspec.backends.cni.vpc.checks import check as check_addresses
from netspec.diagnostics import Path, Report
from netspec.ir.model import Ir
from netspec.target import Account, Needs, Taint, Traits

#: What the agent takes away when it is ready; NoExecute, as taints.rst recommends.
TAINT = Taint("node.cilium.io/agent-not-ready", "true", "NoExecute")
OPERATOR = "cilium-operator"
#: "Required Privileges", with prefixes and the limits of instance types, and what giving addresses back needs.
ACTIONS = tuple(
    f"ec2:{action}"
    for action in (
        "AssignPrivateIpAddresses",
        "AttachNetworkInterface",
        "CreateNetworkInterface",
        "CreateTags",
        "DeleteNetworkInterface",
        "DescribeInstanceTypes",
        "DescribeNetworkInterfaces",
        "DescribeRouteTables",
        "DescribeSecurityGroups",
        "DescribeSubnets",
        "DescribeTags",
        "DescribeVpcs",
        "ModifyNetworkInterfaceAttribute",
        "UnassignPrivateIpAddresses",
    )
)
#: Free addresses that a node keeps (spec.ipam.pre-allocate), and those of its router and of its health endpoint.
PRE_ALLOCATE, AGENT_ADDRESSES = 8, 2
#: Chained, an agent still takes an address for its router from Cilium's own pool; the chart's is 10.0.0.0/8, where VPCs
#: are. RFC 2544's range is nobody's.
ROUTERS, ROUTER_MASK = IPv4Network("198.18.0.0/16"), 28


def interfaces(settings: CiliumSettings) -> Interfaces | None:
    """How nodes' interfaces are used, None for a pool of Cilium's own."""
    if settings.vpc_cni is not None:
        return addon.interfaces(settings.vpc_cni)
    if settings.eni is None:
        return None
    mode = Mode(settings.eni.prefix_delegation, settings.eni.pod_subnets_only, agent=AGENT_ADDRESSES)
    return Interfaces(
        mode, Warm(addresses=PRE_ALLOCATE + AGENT_ADDRESSES), settings.eni.pod_subnets_only, discovers=True
    )


def with_addresses(settings: CiliumSettings, traits: Traits) -> Traits:
    use = interfaces(settings)
    return traits if use is None else addon.with_addresses(traits, use.elsewhere)


def with_needs(ir: Ir, settings: CiliumSettings, needs: Needs) -> Needs:
    use = interfaces(settings)
    if settings.vpc_cni is not None:
        return addon.with_addon(ir, settings.vpc_cni, chained(settings.vpc_cni), needs)
    return needs if use is None else addon.with_room(ir, needs, use)


def chained(settings: Any) -> dict[str, Any]:
    """The VPC CNI's own agent enforces nothing beside Cilium."""
    return addon.configuration(settings, "off")


def accounts(settings: CiliumSettings) -> tuple[Account, ...]:
    """The operator alone asks EC2; its pods get the rights when they are made."""
    return () if settings.eni is None else (Account("kube-system", OPERATOR, ACTIONS),)


def values(ir: Ir, settings: CiliumSettings) -> dict[str, Any]:
    """Addresses of the VPC are translated by its NAT gateways, and by no node."""
    out: dict[str, Any] = {"enableIPv4Masquerade": False}
    if settings.vpc_cni is not None:
        return {**out, "cni": {"chainingMode": "aws-cni", "exclusive": False}, "ipam": _routers()}
    assert settings.eni is not None
    return {**out, "eni": _eni(ir, settings.eni), "ipam": {"mode": "eni"}}


def config(settings: CiliumSettings) -> dict[str, str]:
    out = {"enable-ipv4-masquerade": "false"}
    if settings.vpc_cni is not None:
        pool = {"cluster-pool-ipv4-cidr": str(ROUTERS), "cluster-pool-ipv4-mask-size": str(ROUTER_MASK)}
        return {**out, **pool, "cni-chaining-mode": "aws-cni", "cni-exclusive": "false"}
    assert settings.eni is not None
    on = {
        "aws-enable-prefix-delegation": settings.eni.prefix_delegation,
        "aws-release-excess-ips": settings.eni.release_excess,
    }
    index = {"eni-first-interface-index": str(int(settings.eni.pod_subnets_only))}
    return {**out, **index, **{key: "true" for key, is_on in on.items() if is_on}}


def _routers() -> dict[str, Any]:
    share = {"clusterPoolIPv4PodCIDRList": [str(ROUTERS)], "clusterPoolIPv4MaskSize": ROUTER_MASK}
    return {"mode": "cluster-pool", "operator": share}


def _eni(ir: Ir, eni: CiliumEni) -> dict[str, Any]:
    """Subnets by id: unsaid, an interface may come to be in a public one. Its security groups are those of the node's
    first interface. Interfaces carry the cluster's tags, and those by which the operator finds what nodes left behind.
    """
    outputs = ir.traits.outputs
    subnets = outputs.get("podSubnets") or outputs.get("privateSubnets", {})
    return {
        "enabled": True,
        "awsEnablePrefixDelegation": eni.prefix_delegation,
        "awsReleaseExcessIPs": eni.release_excess,
        "eniTags": dict(outputs.get("tags", {})),
        "gcTags": {"io.cilium/cilium-managed": "true", "io.cilium/cluster-name": ir.cluster_name},
        "nodeSpec": {"subnetIDs": list(subnets.values()), "firstInterfaceIndex": int(eni.pod_subnets_only)},
    }


def check(ir: Ir, settings: CiliumSettings, report: Report) -> None:
    """NS947: addresses of a VPC exclude what is about others; NS948: what a chained Cilium does not do."""
    here: Path = ("stacks", ir.stack, "cni")
    if settings.eni is not None and settings.vpc_cni is not None:
        message = "eni and vpcCni are two ways to the same addresses"
        report.error("NS947", (*here, "eni"), message, "remove one of the two")
        return
    of = "eni" if settings.eni is not None else "vpcCni"
    for field in ("routing", "tunnel", "native_routing_cidr", "direct_node_routes", "ipam"):
        if field in settings.model_fields_set and not (field == "routing" and settings.routing == "native"):
            name = type(settings).model_fields[field].alias or field
            message = f"{name} is about addresses of Cilium's own pool, and {of} gives pods those of the VPC"
            report.error("NS947", (*here, name), message, f"remove it, or {of}")
    if settings.vpc_cni is not None:
        _chained(ir, settings, settings.vpc_cni, report, here)
    elif settings.eni is not None:
        _own(ir, settings.eni, report, (*here, "eni"))


def _own(ir: Ir, eni: CiliumEni, report: Report, at: Path) -> None:
    if not ir.traits.outputs.get("privateSubnets"):
        message = f"{ir.providers['cluster']} has no network interfaces to give to its nodes"
        report.error("NS947", at, message, "a cluster of type eks, or no eni: pods have addresses of a pool")
        return
    pods = ir.traits.outputs.get("podSubnets")
    if eni.pod_subnets_only and not pods:
        message = "podSubnetsOnly gives pods addresses of subnets of their own, and there are none"
        report.error("NS821", (*at, "podSubnetsOnly"), message, "set cluster.vpc.podSubnets: true")
    if eni.prefix_delegation:
        blocks(ir, report, at)
    unused_pod_cidrs(ir, report)


def _chained(ir: Ir, settings: CiliumSettings, vpc: Any, report: Report, here: Path) -> None:
    if settings.encryption == "ipsec":
        message = "Cilium chained on another CNI does not encrypt with ipsec"
        report.error("NS948", (*here, "encryption"), message, "eni in place of vpcCni, or no ipsec")
    if settings.gateway_api:
        message = "gatewayAPI needs Cilium's proxy, which a chained Cilium does not have"
        report.error("NS948", (*here, "gatewayAPI"), message, "eni in place of vpcCni")
    if vpc.security_groups_for_pods == "strict":
        message = "strict security groups leave no packet of a pod to Cilium's policies"
        report.error("NS948", (*here, "vpcCni", "securityGroupsForPods"), message, "standard, or off")
    for found in (*ir.traits.node_networks, *ir.traits.pod_networks):
        if found.network.version == 4 and found.network.overlaps(ROUTERS):
            message = f"{found.text} overlaps {ROUTERS}, of which Cilium's agents take addresses"
            report.error("NS948", found.path, message, "another range")
    if addon.ADDON in ir.traits.addons:  # elsewhere there is no VPC CNI at all, which the compiler says
        check_addresses(ir, vpc, report, (*here, "vpcCni"))
