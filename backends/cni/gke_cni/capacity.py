"""GKE's limits: a node's range of pod addresses follows from its pods, and the subnet holds the nodes."""

from netspec.diagnostics import Path
from netspec.ir.model import Ir
from netspec.target import Limit

#: Pods of a node of a Standard cluster, where nothing else is said.
DEFAULT_PODS = 110
#: Addresses of a subnet's own range that Google keeps (VPC docs, Unusable addresses in IPv4 subnet ranges).
RESERVED = 4


def share(pods: int) -> int:
    """The prefix length of a node's range: at least twice as many addresses as pods.

    >>> [share(n) for n in (8, 9, 16, 17, 32, 33, 64, 65, 110, 128, 129, 256)]
    [28, 27, 27, 26, 26, 25, 25, 24, 24, 24, 23, 23]
    """
    return 32 - (2 * pods - 1).bit_length()


def limits(ir: Ir) -> tuple[Limit, ...]:
    groups = ir.traits.groups
    nodes = sum(g.most + g.surge for g in groups)
    how = " + ".join(f"{g.most} and {g.surge} while they are replaced, of {g.name}" for g in groups)
    pods = ir.network.max_pods if ("network", "maxPods") in ir.given else DEFAULT_PODS
    cidr, mask = ir.network.pod_cidrs[0], share(pods)
    room = 2 ** (mask - cidr.prefixlen) if cidr.prefixlen <= mask else 0
    message = f"{cidr} has {room} ranges of /{mask} (for {pods} pods), one a node; there may be {nodes} nodes: {how}"
    at: Path = ("network", "podCIDRs", 0)
    hint = "a larger pod CIDR, or a smaller maxPods"
    sum_ = f"2^({mask} - {cidr.prefixlen}), /{mask} for {pods} pods; {how}"
    found = [Limit(room, "NS997", at, message, hint, "nodes with a range for pods", nodes, sum_)]
    for subnet in ir.traits.node_networks:
        room = subnet.network.num_addresses - RESERVED
        have = f"{subnet.network} has {subnet.network.num_addresses} - {RESERVED}"
        message = f"{have} addresses, and there may be {nodes} nodes: {how}"
        what = "addresses of nodes"
        found.append(Limit(room, "NS998", subnet.path, message, "a larger nodeCIDR", what, nodes, f"{have}; {how}"))
    return tuple(found)
