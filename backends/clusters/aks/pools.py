"""Node pools: the first is part of the cluster's resource, each further one a resource of its own."""

from typing import Any

from netspec.backends.clusters.aks.resource import CLUSTER_NODE, resource
from netspec.backends.clusters.aks.settings import AksNodePool, AksSettings
from netspec.ir.model import Ir
from netspec.plan import NODES, Ref, ResourceNode
from netspec.target import Needs, NodeGroup

#: The one taint that the resource has for the pool that it holds.
CRITICAL = ("CriticalAddonsOnly", "true", "NoSchedule")


def only_critical(pool: AksNodePool) -> bool:
    return [(t.key, t.value, t.effect) for t in pool.taints] == [CRITICAL]


def group_traits(pool: AksNodePool) -> NodeGroup:
    return NodeGroup(pool.name, pool.min, pool.max, pool.max_surge, (pool.vm_size,))


def max_pods(ir: Ir, pool: AksNodePool, needs: Needs) -> int:
    given = ("network", "maxPods") in ir.given
    return ir.network.max_pods if given else needs.max_pods.get(pool.name, ir.network.max_pods)


def pool_properties(ir: Ir, settings: AksSettings, pool: AksNodePool, needs: Needs) -> dict[str, Any]:
    """What the two kinds of pool have alike."""
    scaled = pool.max > pool.min
    return {
        "name": pool.name,
        "vmSize": pool.vm_size,
        "orchestratorVersion": settings.version,
        "maxPods": max_pods(ir, pool, needs),
        "osDiskSizeGb": pool.disk_gib,
        "vnetSubnetId": Ref("subnet-nodes", "id"),
        "podSubnetId": Ref("subnet-pods", "id") if settings.vnet.pod_subnet else None,
        "zones": sorted(pool.zones) or None,
        "nodeLabels": {"netspec.dev/group": pool.name, **pool.labels},
        "upgradeSettings": {"maxSurge": str(pool.max_surge)},
        **(
            {"autoScalingEnabled": True, "minCount": pool.min, "maxCount": pool.max}
            if scaled
            else {"nodeCount": pool.min}
        ),
    }


def further_pools(ir: Ir, settings: AksSettings, needs: Needs) -> tuple[ResourceNode, ...]:
    """The last stands for all nodes, so it comes after the others."""
    made: list[ResourceNode] = []
    pools = settings.node_pools[1:]
    for number, pool in enumerate(pools, start=1):
        last = number == len(pools)
        taints = [f"{t.key}={t.value}:{t.effect}" for t in pool.taints]
        properties = {
            "kubernetesClusterId": Ref(CLUSTER_NODE, "id"),
            **pool_properties(ir, settings, pool, needs),
            "mode": pool.mode.title(),
            "nodeTaints": taints or None,
        }
        token = "containerservice/kubernetesClusterNodePool:KubernetesClusterNodePool"
        after = tuple(node.id for node in made) if last else ()
        name = f"node-pool-{pool.name}"
        made.append(resource(name, token, properties, after, unique=True, provides=(NODES,) if last else ()))
    return tuple(made)
