"""What excludes what where pods have addresses of the VPC. Each rule's source is in docs/rules.md."""

from netspec.backends.cni.vpc.settings import VpcAddresses
from netspec.diagnostics import Path, Report
from netspec.ir.model import Ir


def check(ir: Ir, settings: VpcAddresses, report: Report, at: Path) -> None:
    """`at`: where the settings stand."""
    _addresses(ir, settings, report, at)
    _warm(settings, report, at)
    _security_groups(ir, settings, report, at)


def _addresses(ir: Ir, settings: VpcAddresses, report: Report, at: Path) -> None:
    pods = ir.traits.outputs.get("podSubnets") or {}
    vpc: Path = ("stacks", ir.stack, "cluster", "vpc")
    if settings.prefix_delegation:
        blocks(ir, report, at)
    if settings.custom_networking and not pods:
        message = "custom networking gives pods addresses of subnets of their own, and there are none"
        report.error("NS821", (*at, "customNetworking"), message, "set cluster.vpc.podSubnets: true")
    if settings.custom_networking and settings.subnet_discovery and "subnet_discovery" in settings.model_fields_set:
        message = "custom networking says which subnet a pod's interface is in, so none is discovered"
        report.error("NS821", (*at, "subnetDiscovery"), message, "remove one of the two")
    if pods and not settings.custom_networking and not settings.subnet_discovery:
        message = "there are pod subnets, and nothing puts pods there"
        report.error("NS821", vpc, message, "customNetworking: true, or subnetDiscovery: true")
    unused_pod_cidrs(ir, report)
    if settings.max_eni is not None:
        least = 1 + settings.custom_networking + (settings.security_groups_for_pods != "off")
        if settings.max_eni < least:
            message = f"maxEni {settings.max_eni} leaves no interface for pods"
            report.error("NS822", (*at, "maxEni"), message, f"{least} or more")


def _warm(settings: VpcAddresses, report: Report, at: Path) -> None:
    if settings.prefix_delegation and settings.warm_eni_target is not None:
        message = "warmEniTarget does nothing where interfaces get blocks"
        report.error("NS823", (*at, "warmEniTarget"), message, "warmPrefixTarget, or warmIpTarget and minimumIpTarget")
    if not settings.prefix_delegation and settings.warm_prefix_target is not None:
        message = "warmPrefixTarget is about blocks of addresses, which prefixDelegation gives"
        report.error("NS823", (*at, "warmPrefixTarget"), message, "set prefixDelegation: true, or remove it")
    by_address = settings.warm_ip_target is not None or settings.minimum_ip_target is not None
    for name, field in (("warmEniTarget", settings.warm_eni_target), ("warmPrefixTarget", settings.warm_prefix_target)):
        if by_address and field is not None:
            message = f"{name} does nothing beside warmIpTarget or minimumIpTarget, which come before it"
            report.error("NS823", (*at, name), message, "remove one of the two")
    if settings.minimum_ip_target is not None and not settings.warm_ip_target:
        message = "a node with minimumIpTarget and no warmIpTarget never takes another address"
        report.error("NS823", (*at, "minimumIpTarget"), message, "set warmIpTarget: 1 or more")
    if settings.prefix_delegation and settings.warm_prefix_target == 0 and not by_address:
        message = "a node that keeps no block free takes none"
        report.error("NS823", (*at, "warmPrefixTarget"), message, "1 or more")


def _security_groups(ir: Ir, settings: VpcAddresses, report: Report, at: Path) -> None:
    mode = settings.security_groups_for_pods
    if mode == "off":
        return
    where = (*at, "securityGroupsForPods")
    for group in (g for g in ir.traits.groups if g.types and not g.branches):
        message = f"the nodes of {group.name} have no interfaces for single pods: {', '.join(group.types)}"
        report.error("NS824", where, message, "instance types with trunk interfaces (not t3), or off")
    if mode == "strict" and ir.network.proxy_mode == "ipvs":
        message = "with strict security groups pods do not reach Services that kube-proxy carries by ipvs"
        report.error("NS824", where, message, "standard, or another proxy mode")


def blocks(ir: Ir, report: Report, at: Path) -> None:
    """NS820: only interfaces of some instances take blocks."""
    for group in (g for g in ir.traits.groups if not g.prefixes):
        message = f"the nodes of {group.name} take no blocks of addresses: {', '.join(group.types)} is not on Nitro"
        report.error("NS820", (*at, "prefixDelegation"), message, "instance types on Nitro, or no prefixes")


def unused_pod_cidrs(ir: Ir, report: Report) -> None:
    """NS821: podCIDRs that no pod gets an address of."""
    if not ir.traits.outputs.get("podRanges") and ("network", "podCIDRs") in ir.given:
        given = ", ".join(r.text for r in ir.traits.pod_networks)
        message = f"pods have addresses of their nodes' subnets, {given}, and not those of network.podCIDRs"
        hint = "set cluster.vpc.podSubnets: true, or remove podCIDRs"
        report.error("NS821", ("network", "podCIDRs"), message, hint)
