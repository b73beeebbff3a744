"""What excludes what on GKE. Each rule's source is in docs/rules.md."""

from ipaddress import IPv4Network

from netspec.backends.clusters.gke.settings import GkeSettings
from netspec.backends.clusters.managed import check_cni, check_name, check_pools
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
    check_name(ir, NAME_LIMIT, "NS990", report)
    check_cni(ir, needs, cni, "NS991", report)
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
    check_pools(settings.node_pools, "node pool", "NS993", (*at, "nodePools"), report)
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
