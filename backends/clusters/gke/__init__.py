"""Google Kubernetes Engine: a network, a way out for private nodes, a VPC-native cluster, and its node pools.

Sources: the GKE and VPC documentation, the provider's own classes (pulumi-gcp).
"""

from dataclasses import replace
from typing import Any

from netspec.backends.clusters.gke.checks import ANYWHERE, check
from netspec.backends.clusters.gke.resource import CLUSTER_NODE, provider, resource
from netspec.backends.clusters.gke.settings import GkeNodePool, GkeSettings
from netspec.backends.objects import balancers
from netspec.diagnostics import Report
from netspec.ir.model import Ir
from netspec.plan import CLUSTER, NODES, Json, Node, Ref, ResourceNode
from netspec.target import Backend, Feature, Needs, NodeGroup, Range, Traits

#: The CNI that GKE brings, by its settings in the cluster's resource.
CNI = "gke-cni"
#: Agents of GKE on each node: fluentbit, gke-metrics-agent, the disk's CSI driver, the metadata server.
AGENTS = 4
EXAMPLE = {
    "project": "example-project",
    "region": "europe-west1",
    "zones": ["europe-west1-b"],
    "version": "1.35",
    "authorizedNetworks": ["203.0.113.0/24"],
    "nodePools": [{"name": "general", "min": 3, "max": 3}],
}
EFFECTS = {"NoSchedule": "NO_SCHEDULE", "PreferNoSchedule": "PREFER_NO_SCHEDULE", "NoExecute": "NO_EXECUTE"}
PODS, SERVICES = "pods", "services"
NAME = Ref(CLUSTER_NODE, "name")


class Gke(Backend):
    name = "gke"
    settings = GkeSettings
    example = EXAMPLE
    supports = frozenset({Feature.IPV4, Feature.PROXY_IPTABLES, Feature.MAX_PODS, Feature.LOAD_BALANCER})

    def traits(self, ir: Ir, settings: GkeSettings, traits: Traits) -> Traits:
        zones = len(settings.zones)
        return replace(
            traits,
            nodes=sum(pool.min for pool in settings.node_pools) * zones,
            open_nodes=sum(pool.min for pool in settings.node_pools if not pool.taints) * zones,
            node_networks=(Range(settings.node_cidr, ("stacks", ir.stack, "cluster", "nodeCIDR")),),
            remote=True,
            brings_dns=True,
            node_shares=False,
            balancers_stay=True,
            groups=tuple(
                NodeGroup(p.name, p.min * zones, p.max * zones, p.max_surge, (p.machine_type,))
                for p in settings.node_pools
            ),
            node_pods=traits.node_pods + AGENTS,
            addons=frozenset({CNI}),
        )

    def check(self, ir: Ir, settings: GkeSettings, needs: Needs, report: Report) -> None:
        check(ir, settings, needs, report, CNI)

    def lower(self, ir: Ir, settings: GkeSettings, needs: Needs) -> tuple[Node, ...]:
        return (
            provider(settings.project, settings.region),
            *_network(ir, settings),
            _cluster(ir, settings, needs),
            *_pools(settings),
            balancers(),
        )


def location(settings: GkeSettings) -> str:
    return settings.zones[0] if len(settings.zones) == 1 else settings.region


def _network(ir: Ir, settings: GkeSettings) -> tuple[ResourceNode, ...]:
    """Pods and Services have ranges of the subnet besides its own: alias addresses, which the network routes."""
    name = ir.cluster_name
    subnet = {
        "name": name,
        "region": settings.region,
        "network": Ref("network", "id"),
        "ipCidrRange": settings.node_cidr,
        "secondaryIpRanges": [
            {"rangeName": PODS, "ipCidrRange": str(ir.network.pod_cidrs[0])},
            {"rangeName": SERVICES, "ipCidrRange": str(ir.network.service_cidrs[0])},
        ],
        "privateIpGoogleAccess": True,
    }
    nat = {
        "name": name,
        "region": settings.region,
        "router": Ref("router", "name"),
        "natIpAllocateOption": "AUTO_ONLY",
        "sourceSubnetworkIpRangesToNat": "ALL_SUBNETWORKS_ALL_IP_RANGES",
    }
    router = {"name": name, "region": settings.region, "network": Ref("network", "id")}
    way_out = (
        resource("router", "compute/router:Router", router, unique=True),
        resource("nat", "compute/routerNat:RouterNat", nat, unique=True),
    )
    return (
        resource("network", "compute/network:Network", {"name": name, "autoCreateSubnetworks": False}, unique=True),
        resource("subnet", "compute/subnetwork:Subnetwork", subnet, unique=True),
        *(way_out if settings.private_nodes else ()),
    )


def _cluster(ir: Ir, settings: GkeSettings, needs: Needs) -> ResourceNode:
    """The pool that GKE makes with the cluster is removed: ours come after it."""
    inside = {"enablePrivateNodes": True, "enablePrivateEndpoint": settings.private_endpoint}
    ranges = [{"cidrBlock": text} for text in settings.authorized_networks if text != ANYWHERE]
    properties: dict[str, Any] = {
        "name": ir.cluster_name,
        "location": location(settings),
        "nodeLocations": sorted(settings.zones) if len(settings.zones) > 1 else None,
        "network": Ref("network", "id"),
        "subnetwork": Ref("subnet", "id"),
        "networkingMode": "VPC_NATIVE",
        "ipAllocationPolicy": {"clusterSecondaryRangeName": PODS, "servicesSecondaryRangeName": SERVICES},
        **next((addon.settings for addon in needs.addons if addon.name == CNI), {}),
        "defaultMaxPodsPerNode": ir.network.max_pods if ("network", "maxPods") in ir.given else None,
        "minMasterVersion": settings.version,
        "releaseChannel": {"channel": settings.channel},
        "privateClusterConfig": inside if settings.private_nodes else None,
        "masterAuthorizedNetworksConfig": {"cidrBlocks": ranges} if ranges or settings.private_endpoint else None,
        "initialNodeCount": 1,
        "removeDefaultNodePool": True,
        "deletionProtection": settings.deletion_protection,
    }
    outputs = {"kubeconfig": Json(kubeconfig()), "identity": Ref(CLUSTER_NODE, "endpoint")}
    return resource(
        CLUSTER_NODE,
        "container/cluster:Cluster",
        properties,
        ("nat",) if settings.private_nodes else (),
        unique=True,
        secrets=("kubeconfig",),
        provides=(CLUSTER,),
        outputs=outputs,
    )


def kubeconfig() -> dict[str, Any]:
    """It holds no credential: Google's plugin gives one to whoever is logged in. The endpoint is an address without a
    scheme, which with an authority is https (client-go, rest.DefaultServerURL)."""
    command = {
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "command": "gke-gcloud-auth-plugin",
        "provideClusterInfo": True,
        "interactiveMode": "Never",
    }
    authority = Ref(CLUSTER_NODE, "masterAuth.clusterCaCertificate")
    server = {"server": Ref(CLUSTER_NODE, "endpoint"), "certificate-authority-data": authority}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": NAME, "cluster": server}],
        "users": [{"name": NAME, "user": {"exec": command}}],
        "contexts": [{"name": NAME, "context": {"cluster": NAME, "user": NAME}}],
        "current-context": NAME,
    }


def _pools(settings: GkeSettings) -> tuple[ResourceNode, ...]:
    """The last stands for all nodes, so it comes after the others."""
    made: list[ResourceNode] = []
    for number, pool in enumerate(settings.node_pools, start=1):
        last = number == len(settings.node_pools)
        after = tuple(node.id for node in made) if last else ()
        properties = _pool(settings, pool)
        name, provides = f"node-pool-{pool.name}", (NODES,) if last else ()
        made.append(resource(name, "container/nodePool:NodePool", properties, after, unique=True, provides=provides))
    return tuple(made)


def _pool(settings: GkeSettings, pool: GkeNodePool) -> dict[str, Any]:
    config = {
        "machineType": pool.machine_type,
        "diskSizeGb": pool.disk_gib,
        "labels": {"netspec.dev/group": pool.name, **pool.labels},
        "oauthScopes": ["https://www.googleapis.com/auth/cloud-platform"],
        **(
            {"taints": [{"key": t.key, "value": t.value, "effect": EFFECTS[t.effect]} for t in pool.taints]}
            if pool.taints
            else {}
        ),
    }
    scaled = {"minNodeCount": pool.min, "maxNodeCount": pool.max} if pool.max > pool.min else None
    return {
        "name": pool.name,
        "cluster": NAME,
        "location": location(settings),
        "autoscaling": scaled,
        "nodeCount": None if scaled else pool.min,
        "nodeConfig": config,
        "management": {"autoRepair": True, "autoUpgrade": True},
        "upgradeSettings": {"maxSurge": pool.max_surge, "maxUnavailable": 0},
    }
