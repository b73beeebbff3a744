"""What excludes what on AKS. Each rule's source is in docs/rules.md."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, ip_address

from netspec.backends.clusters.aks.pools import max_pods, only_critical
from netspec.backends.clusters.aks.settings import AksSettings
from netspec.backends.clusters.managed import check_cni, check_name, check_pools
from netspec.diagnostics import Path, Report
from netspec.ir.model import Ir
from netspec.spec.types import network
from netspec.target import Needs

#: The DNS prefix of the API server's name, which the cluster's name is.
NAME_LIMIT = 54
#: A Service CIDR is smaller than that; a subnet is of that at least.
SERVICES, SMALLEST = 12, 29
#: Pods of a node, and of all nodes of a pool together at least.
PODS, POOL_PODS = range(10, 251), 30
ANYWHERE = "0.0.0.0/0"


def check(ir: Ir, settings: AksSettings, needs: Needs, report: Report, cni: str) -> None:
    at: Path = ("stacks", ir.stack, "cluster")
    check_name(ir, NAME_LIMIT, "NS986", report)
    check_cni(ir, needs, cni, "NS973", report)
    _pools(ir, settings, needs, report, at)
    _addresses(ir, settings, report, at)
    _access(settings, report, at)


def _pools(ir: Ir, settings: AksSettings, needs: Needs, report: Report, at: Path) -> None:
    check_pools(settings.node_pools, "node pool", "NS987", (*at, "nodePools"), report)
    for i, pool in enumerate(settings.node_pools):
        where = (*at, "nodePools", i)
        if pool.mode == "system" and pool.min == 0:
            report.error("NS987", (*where, "min"), f"the system pool {pool.name} has a node", "min: 1 or more")
        pods = max_pods(ir, pool, needs)
        if pods in PODS and 0 < pool.min * pods < POOL_PODS:
            message = f"{pool.name} has room for {pool.min} x {pods} pods; AKS wants {POOL_PODS} in a pool"
            report.error("NS977", (*where, "min"), message, "more nodes, or a larger maxPods")
    first = settings.node_pools[0]
    if first.mode != "system":
        message = f"the first pool, {first.name}, is where the cluster's own pods run"
        report.error("NS987", (*at, "nodePools", 0, "mode"), message, "give a system pool first")
    if first.taints and not only_critical(first):
        message = f"the first pool, {first.name}, may have the taint CriticalAddonsOnly=true:NoSchedule alone"
        report.error("NS987", (*at, "nodePools", 0, "taints"), message, "give the taints to a further pool")
    if all(pool.taints for pool in settings.node_pools):
        message = "every pool is tainted, so pods that tolerate nothing run nowhere"
        report.error("NS987", (*at, "nodePools"), message, "a pool without taints")
    if ("network", "maxPods") in ir.given and ir.network.max_pods not in PODS:
        message = f"maxPods of AKS is {PODS[0]} to {PODS[-1]}, and not {ir.network.max_pods}"
        report.error("NS977", ("network", "maxPods"), message, f"{PODS[0]} to {PODS[-1]}")


def _addresses(ir: Ir, settings: AksSettings, report: Report, at: Path) -> None:
    vnet, where = network(settings.vnet.cidr), (*at, "vnet")
    if not isinstance(vnet, IPv4Network):
        report.error("NS972", (*where, "cidr"), f"{settings.vnet.cidr} is not IPv4", "an IPv4 range")
        return
    subnets = [("nodeSubnet", settings.vnet.node_subnet), ("podSubnet", settings.vnet.pod_subnet)]
    for field, text in subnets:
        subnet = network(text) if text else None
        if subnet is None:
            continue
        if not isinstance(subnet, IPv4Network) or subnet.prefixlen > SMALLEST or not subnet.subnet_of(vnet):
            message = f"{text} is not a subnet of {vnet}"
            report.error("NS972", (*where, field), message, f"a part of it, /{SMALLEST} or larger")
    services = ir.network.service_cidrs[0]
    if isinstance(services, IPv4Network):
        _services(services, vnet, settings, report, at)


def _services(services: IPv4Network, vnet: IPv4Network, settings: AksSettings, report: Report, at: Path) -> None:
    where: Path = ("network", "serviceCIDRs", 0)
    if services.prefixlen <= SERVICES:
        report.error("NS974", where, f"{services} is not smaller than a /{SERVICES}", f"/{SERVICES + 1} or longer")
    if services.overlaps(vnet):
        message = f"{services} overlaps the virtual network, {vnet}"
        report.error("NS974", where, message, "Services need a range beside the network's")
    if settings.dns_service_ip is not None:
        address = ip_address(settings.dns_service_ip)
        if not isinstance(address, IPv4Address) or address not in services or address in (services[0], services[1]):
            message = f"{settings.dns_service_ip} is not an address for the DNS Service in {services}"
            report.error("NS974", (*at, "dnsServiceIP"), message, f"{services[2]} or later; {services[1]} is the API's")


def _access(settings: AksSettings, report: Report, at: Path) -> None:
    ranges: Sequence[str] = settings.authorized_ranges
    if settings.private_cluster and ranges:
        message = "a private cluster's API server has no address outside, from where ranges could be let in"
        report.error("NS975", (*at, "authorizedIPRanges"), message, "remove it, or privateCluster")
    if not settings.private_cluster and not ranges:
        message = "the API server would be open to the whole internet"
        hint = f"say from where in authorizedIPRanges, [{ANYWHERE}] where that is meant; or privateCluster: true"
        report.error("NS975", at, message, hint)
    if ANYWHERE in ranges and len(ranges) > 1:
        message = f"{ANYWHERE} is everywhere, so the other ranges say nothing"
        report.error("NS975", (*at, "authorizedIPRanges"), message, "remove it, or the others")
