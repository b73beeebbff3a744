"""Checks the cluster's addresses: canonical, disjoint, and enough of them."""

from ipaddress import IPv4Network

from netspec.diagnostics import Path
from netspec.ir.model import Ir
from netspec.ir.ranges import HINT, unusual
from netspec.passes.context import Context
from netspec.spec.types import network

#: kube-apiserver takes a Service range of at most 20 bits.
SERVICE_BITS = 20
#: kube-controller-manager's and kubeadm's limit between the pod range's mask and a node's.
NODE_MASK_BITS = 16
#: kubeadm's MinimumAddressesInServiceSubnet, which the DNS address (the tenth) needs too; rounded up to a mask.
SERVICE_MASK_MAX = 28
#: Addresses of no host, or of each host itself: pods at them would be refused as endpoints or never reached.
UNUSABLE = {
    IPv4Network("0.0.0.0/8"): "this network",
    IPv4Network("127.0.0.0/8"): "loopback",
    IPv4Network("169.254.0.0/16"): "link-local",
    IPv4Network("224.0.0.0/4"): "multicast",
}

PODS: Path = ("network", "podCIDRs")
SERVICES: Path = ("network", "serviceCIDRs")
NODE_MASK: Path = ("network", "nodeCIDRMask")
MAX_PODS: Path = ("network", "maxPods")


def addresses(ir: Ir, context: Context) -> Ir:
    ranges = [*_ranges(context), *((found.path, found.text) for found in ir.traits.node_networks)]
    if ir.traits.pod_networks:  # those of them that are the nodes' own overlap with these, and nothing else may
        nodes = {found.text for found in ir.traits.node_networks}
        ranges = [r for r in ranges if r[0][:2] != PODS]
        ranges += [(found.path, found.text) for found in ir.traits.pod_networks if found.text not in nodes]
    if ir.traits.service_networks:
        ranges = [r for r in ranges if r[0][:2] != SERVICES]
        ranges += [(found.path, found.text) for found in ir.traits.service_networks]
    usable = [(path, cidr) for path, text in ranges if (cidr := _ipv4(path, text, context))]
    for i, (_, first) in enumerate(usable):
        for path, other in usable[i + 1 :]:
            if first.overlaps(other):
                names = f"{other} overlaps {first}"
                context.report.error("NS102", path, names, "pods, Services and nodes need ranges of their own")
    for path, cidr in usable:
        said = unusual(cidr) if path[:2] == PODS else None
        if said:
            context.report.warning("NS114", path, f"{cidr} {said}", HINT)
    _balanced(ir, usable, context)
    _services(usable, context)
    _pods(ir, usable, context)
    return ir


def _balanced(ir: Ir, usable: list[tuple[Path, IPv4Network]], context: Context) -> None:
    """What LoadBalancer Services get their addresses from may be part of the nodes' network, and of no other."""
    nodes = {found.path for found in ir.traits.node_networks}
    for found in ir.traits.balancing.addresses if ir.traits.balancing else ():
        cidr = _ipv4(found.path, found.text, context)
        for path, other in usable:
            if cidr and path not in nodes and cidr.overlaps(other):
                message = f"{cidr} overlaps {other}"
                hint = "LoadBalancer Services need addresses that neither pods nor Services of the cluster have"
                context.report.error("NS102", found.path, message, hint)


def _ranges(context: Context) -> list[tuple[Path, str]]:
    spec = context.loaded.spec
    assert spec is not None
    found: list[tuple[Path, str]] = []
    for path, family in ((PODS, spec.network.pod_cidrs), (SERVICES, spec.network.service_cidrs)):
        if not context.is_given(*path):
            continue
        if len(family) > 1:
            hint = "keep one; dual-stack is not in this version"
            context.report.error("NS110", (*path, 1), "Kubernetes takes one CIDR of each family", hint)
        found += [((*path, i), text) for i, text in enumerate(family[:1])]
    return found


def _ipv4(path: Path, text: str, context: Context) -> IPv4Network | None:
    cidr = network(text)
    if not isinstance(cidr, IPv4Network):
        context.report.error("NS109", path, f"{text} is IPv6; the cluster's family is ipv4", "give an IPv4 CIDR")
        return None
    check_canonical(path, text, context)
    for unusable, what in UNUSABLE.items():
        if cidr.overlaps(unusable):
            message = f"{cidr} has {what} addresses, {unusable}"
            context.report.error("NS113", path, message, "take a private range: 10.0.0.0/8, 172.16.0.0/12")
    return cidr


def check_canonical(path: Path, text: str, context: Context) -> None:
    cidr = network(text)
    if str(cidr) != text:
        context.report.error("NS101", path, f"{text} is not canonical: it means {cidr}", f"write {cidr}")


def _services(usable: list[tuple[Path, IPv4Network]], context: Context) -> None:
    for path, cidr in usable:
        if path[:2] != SERVICES:
            continue
        if cidr.prefixlen < 32 - SERVICE_BITS:
            hint = f"take a part of it, for instance {cidr.network_address}/{32 - SERVICE_BITS}"
            context.report.error("NS103", path, f"{cidr} is too large: at most {SERVICE_BITS} bits for Services", hint)
        if cidr.prefixlen > SERVICE_MASK_MAX:
            hint = f"/{SERVICE_MASK_MAX} or larger: the DNS Service has the tenth address"
            context.report.error("NS103", path, f"{cidr} is too small for the cluster's own Services", hint)


def _pods(ir: Ir, usable: list[tuple[Path, IPv4Network]], context: Context) -> None:
    mask, nodes = ir.network.node_mask, ir.traits.nodes
    if not context.is_given(*NODE_MASK) or not ir.traits.node_shares:
        return
    for path, cidr in usable:
        if path[:2] != PODS:
            continue
        bits = mask - cidr.prefixlen
        if bits < 0:
            hint = f"the mask must be at least the pod CIDR's /{cidr.prefixlen}"
            context.report.error("NS104", NODE_MASK, f"a node's /{mask} is larger than the pod CIDR {cidr}", hint)
        elif bits > NODE_MASK_BITS:
            hint = f"at most {NODE_MASK_BITS}: use /{cidr.prefixlen + NODE_MASK_BITS} or a smaller pod CIDR"
            context.report.error("NS104", NODE_MASK, f"/{mask} is {bits} bits below the pod CIDR {cidr}", hint)
        elif context.stack and 2**bits < nodes:
            message = f"{cidr} has {2**bits} node CIDRs of /{mask}; stack {context.stack} has {nodes} nodes"
            context.report.error("NS105", NODE_MASK, message, "a larger pod CIDR, or a longer node mask")
    if context.is_given(*MAX_PODS):
        room = 2 ** (32 - mask) - 2
        if ir.network.max_pods > room:
            message = f"a node's /{mask} has {max(room, 0)} pod addresses; maxPods is {ir.network.max_pods}"
            context.report.error("NS106", MAX_PODS, message, "a shorter nodeCIDRMask, or fewer pods a node")
