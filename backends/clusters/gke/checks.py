"""What excludes what on GKE. Each rule's source is in docs/rules.md."""

from ipaddress import IPv4Network

from netspec.backends.clusters.gke.settings import GkeSettings
from netspec.diagnostics import Path, Report
from netspec.ir.model import Ir
from netspec.spec.types import network
from netspec.target import Needs

NAME_LIMIT = 40
#: Of a subnet's own range (VPC docs, Subnets: IPv4 subnet ranges), and pods of a node.
SMALLEST, PODS = 29, range(8, 257)
ANYWHERE = "0.0.0.0/0"


def check(ir: Ir, settings: GkeSettings, needs: Needs, report: Report, cni: str) -> None:
    at: Path = ("stacks", ir.stack, "cluster")
    if len(ir.cluster_name) > NAME_LIMIT:
        message = f"the cluster's name {ir.cluster_name} is longer than {NAME_LIMIT} characters"
        report.error("NS990", ("stacks", ir.stack), message, "a shorter metadata.name or stack name")
    if not any(addon.name == cni for addon in needs.addons):
        message = f"GKE brings its own CNI, and {ir.providers['cni']} is another"
        report.error("NS991", ("stacks", ir.stack, "cni"), message, f"set cni.provider: {cni}")
    for i, zone in enumerate(settings.zones):
        if zone in settings.zones[:i] or not zone.startswith(f"{settings.region}-"):
            message = f"{zone} is given twice, or is not in {settings.region}"
            report.error("NS992", (*at, "zones", i), message, "zones of the region, each once")
    _pools(settings, report, at)
    nodes = network(settings.node_cidr)
    if not isinstance(nodes, IPv4Network) or nodes.prefixlen > SMALLEST:
        message = f"{settings.node_cidr} is not a range that a subnet may have"
        report.error("NS992", (*at, "nodeCIDR"), message, f"IPv4, /{SMALLEST} or larger")
    if ("network", "maxPods") in ir.given and ir.network.max_pods not in PODS:
        message = f"maxPods of GKE is {PODS[0]} to {PODS[-1]}, and not {ir.network.max_pods}"
        report.error("NS994", ("network", "maxPods"), message, f"{PODS[0]} to {PODS[-1]}")
    _access(settings, report, at)


def _pools(settings: GkeSettings, report: Report, at: Path) -> None:
    seen: set[str] = set()
    for i, pool in enumerate(settings.node_pools):
        where = (*at, "nodePools", i)
        if pool.name in seen:
            report.error("NS993", (*where, "name"), f"two node pools are called {pool.name}", "rename one")
        seen.add(pool.name)
        if pool.min > pool.max:
            message = f"{pool.name} has at least {pool.min} and at most {pool.max} nodes in a zone"
            report.error("NS993", (*where, "max"), message, "max is min or more")
    if all(pool.taints or not pool.min for pool in settings.node_pools):
        message = "no pool without taints has a node at first, so the cluster's own pods run nowhere, DNS among them"
        report.error("NS993", (*at, "nodePools"), message, "a pool without taints, min: 1 or more")


def _access(settings: GkeSettings, report: Report, at: Path) -> None:
    if settings.private_endpoint and not settings.private_nodes:
        message = "an API server that is reached from inside alone is of a cluster with private nodes"
        report.error("NS995", (*at, "privateEndpoint"), message, "set privateNodes: true")
    if not settings.private_endpoint and not settings.authorized_networks:
        message = "the API server would be open to the whole internet"
        hint = f"say from where in authorizedNetworks, [{ANYWHERE}] where that is meant; or privateEndpoint: true"
        report.error("NS995", at, message, hint)
    if ANYWHERE in settings.authorized_networks and (settings.private_endpoint or settings.authorized_networks[1:]):
        message = f"{ANYWHERE} is everywhere, and something else is said besides"
        report.error("NS995", (*at, "authorizedNetworks"), message, "remove it, or the rest")
