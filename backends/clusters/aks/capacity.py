"""How many nodes an AKS cluster has at most. What nodes and pods take of the subnets is the CNI's sum."""

from netspec.ir.model import Ir
from netspec.target import Limit

#: AKS docs, "Quotas, virtual machine size restrictions, and region availability": nodes a cluster, and a pool.
CLUSTER_NODES, POOL_NODES = 5000, 1000


def limits(ir: Ir) -> tuple[Limit, ...]:
    groups = ir.traits.groups
    at = ("stacks", ir.stack, "cluster", "nodePools")
    most = sum(group.most + group.surge for group in groups)
    how = " + ".join(f"{g.most} + {g.surge} of {g.name}" for g in groups)
    message = f"AKS has {CLUSTER_NODES} nodes in a cluster at most, and the pools may have {most}: {how}"
    hint = "smaller pools, or another cluster"
    return (Limit(CLUSTER_NODES, "NS978", at, message, hint, "nodes of the cluster at most", most, how),)
