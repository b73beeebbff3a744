"""Azure CNI's limits: the overlay's /24 a node, and the addresses of subnets when every node is full.

Sources: AKS docs, "IP address planning", "Azure CNI Overlay", "Azure CNI Pod Subnet".
"""

from netspec.backends.cni.azure_cni.choice import choice
from netspec.backends.cni.azure_cni.settings import AzureCniSettings
from netspec.diagnostics import Path
from netspec.ir.model import Ir
from netspec.target import Limit, NodeGroup, Range

#: Pods a node, where nothing else is said.
DEFAULT_PODS = {"overlay": 250, "podSubnet": 110, "nodeSubnet": 30}
#: A node's share of the overlay, which no setting changes.
SHARE = 24
#: Addresses of a subnet that Azure keeps (Virtual Network FAQ), and of all networks together that it hands out.
RESERVED, VNET = 5, 65536
#: A node takes the pod subnet's addresses in batches, and one more while fewer than so many are free.
BATCH, SPARE = 16, 8
#: Beyond that Azure's own policy engine is not supported (AKS docs, "Limitations of Azure Network Policy Manager").
NPM_NODES = 250
LIFT = "a larger subnet, a smaller maxPods, or mode: overlay"


def pods_of(ir: Ir, settings: AzureCniSettings) -> int:
    return ir.network.max_pods if ("network", "maxPods") in ir.given else DEFAULT_PODS[settings.mode]


def taken(pods: int) -> int:
    """Addresses of the pod subnet that a node has when it runs so many pods.

    >>> taken(0), taken(8), taken(9), taken(110), taken(250)
    (16, 16, 32, 128, 272)
    """
    return max(-(-(pods + SPARE) // BATCH), 1) * BATCH


def limits(ir: Ir, settings: AzureCniSettings) -> tuple[Limit, ...]:
    groups, pods = ir.traits.groups, pods_of(ir, settings)
    nodes = sum(map(_most, groups))
    how = " + ".join(f"{g.most} and {g.surge} while they are replaced, of {g.name}" for g in groups)
    found = []
    for subnet in ir.traits.node_networks:
        each = 1 + pods if settings.mode == "nodeSubnet" else 1
        of = f"a node and {pods} pods" if settings.mode == "nodeSubnet" else "a node"
        found.append(_subnet(subnet, nodes * each, f"{nodes} x {each} ({of}): {how}", "addresses of nodes"))
    own = ir.traits.outputs.get("podSubnet")
    if settings.mode == "podSubnet" and own is not None:
        each = taken(pods)
        what = f"{nodes} nodes x {each} (batches of {BATCH} for {pods} pods, {SPARE} of them free): {how}"
        found.append(_subnet(own, nodes * each, what, "addresses of pods"))
    if settings.mode == "overlay":
        found += _shares(ir, nodes, how)
    else:
        total = sum(limit.needed or 0 for limit in found)
        message = f"a virtual network has {VNET} addresses in use at most; {total} are needed"
        at: Path = ("stacks", ir.stack, "cni", "mode")
        found.append(Limit(VNET, "NS983", at, message, "mode: overlay", "addresses in use", total, how))
    if choice(ir, settings).policy == "azure":
        message = f"Azure's policy engine is for {NPM_NODES} nodes at most, and there may be {nodes}: {how}"
        at = ("stacks", ir.stack, "cni", "policy")
        found.append(
            Limit(NPM_NODES, "NS984", at, message, "policy: cilium", "nodes with Azure's policies", nodes, how)
        )
    return tuple(found)


def _most(group: NodeGroup) -> int:
    return group.most + group.surge


def _shares(ir: Ir, nodes: int, how: str) -> list[Limit]:
    cidr = ir.network.pod_cidrs[0]
    room = 2 ** max(SHARE - cidr.prefixlen, 0) if cidr.prefixlen <= SHARE else 0
    message = f"{cidr} has {room} shares of /{SHARE}, one a node, and there may be {nodes} nodes: {how}"
    sum_ = f"2^({SHARE} - {cidr.prefixlen})" if room else f"a /{cidr.prefixlen} has none"
    at: Path = ("network", "podCIDRs", 0)
    return [Limit(room, "NS982", at, message, "a larger pod CIDR", "nodes with a /24", nodes, f"{sum_}; {how}")]


def _subnet(subnet: Range, needed: int, how: str, what: str) -> Limit:
    room = subnet.network.num_addresses - RESERVED
    have = f"{subnet.network} has {subnet.network.num_addresses} - {RESERVED}"
    message = f"{have} addresses; {needed} are needed: {how}"
    return Limit(room, "NS983", subnet.path, message, LIFT, what, needed, f"{have}; {how}")
