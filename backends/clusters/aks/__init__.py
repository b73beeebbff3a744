"""Azure Kubernetes Service: a resource group, a virtual network, an identity that may use it, and one managed cluster.

Sources: the AKS docs (MicrosoftDocs/azure-aks-docs), the provider's own classes (pulumi-azure). That provider,
and not azure-native: there the kubeconfig is the answer of a function, which a plan does not hold.
"""

from dataclasses import replace
from typing import Any

from netspec.backends.clusters.aks.capacity import limits
from netspec.backends.clusters.aks.checks import ANYWHERE, check
from netspec.backends.clusters.aks.pools import further_pools, group_traits, only_critical, pool_properties
from netspec.backends.clusters.aks.resource import CLUSTER_NODE, provider, resource
from netspec.backends.clusters.aks.settings import AksSettings
from netspec.diagnostics import Report
from netspec.ir.model import Ir
from netspec.plan import CLUSTER, NODES, Node, Ref, ResourceNode
from netspec.target import Backend, Feature, Limit, Needs, Range, Traits

#: The CNI that AKS installs, by its settings in the cluster's network profile.
CNI = "azure-cni"
#: Agents of AKS on each node: kube-proxy, cloud-node-manager, azure-ip-masq-agent, the two CSI drivers' nodes.
AGENTS = 5
EXAMPLE = {
    "region": "westeurope",
    "version": "1.35",
    "authorizedIPRanges": ["203.0.113.0/24"],
    "nodePools": [{"name": "system", "min": 3, "max": 3}],
}
#: By which AKS puts pods' addresses into a subnet (AKS docs, Azure CNI Pod Subnet).
DELEGATION = {
    "name": "aks",
    "serviceDelegation": {
        "name": "Microsoft.ContainerService/managedClusters",
        "actions": ["Microsoft.Network/virtualNetworks/subnets/join/action"],
    },
}


class Aks(Backend):
    name = "aks"
    settings = AksSettings
    example = EXAMPLE
    supports = frozenset({Feature.IPV4, Feature.PROXY_IPTABLES, Feature.MAX_PODS, Feature.LOAD_BALANCER})

    def traits(self, ir: Ir, settings: AksSettings, traits: Traits) -> Traits:
        vnet = ("stacks", ir.stack, "cluster", "vnet")
        pods = settings.vnet.pod_subnet
        return replace(
            traits,
            nodes=sum(pool.min for pool in settings.node_pools),
            open_nodes=sum(pool.min for pool in settings.node_pools if not pool.taints),
            node_networks=(Range(settings.vnet.node_subnet, (*vnet, "nodeSubnet")),),
            remote=True,
            brings_dns=True,
            dns_address=settings.dns_service_ip or "",
            node_shares=False,
            groups=tuple(map(group_traits, settings.node_pools)),
            node_pods=traits.node_pods + AGENTS,
            addons=frozenset({CNI}),
            outputs={"podSubnet": Range(pods, (*vnet, "podSubnet"))} if pods else {},
        )

    def check(self, ir: Ir, settings: AksSettings, needs: Needs, report: Report) -> None:
        check(ir, settings, needs, report, CNI)

    def capacity(self, ir: Ir, settings: AksSettings) -> tuple[Limit, ...]:
        return limits(ir)

    def lower(self, ir: Ir, settings: AksSettings, needs: Needs) -> tuple[Node, ...]:
        return (
            provider(settings.subscription),
            *_network(ir, settings),
            _cluster(ir, settings, needs),
            *further_pools(ir, settings, needs),
        )


def _network(ir: Ir, settings: AksSettings) -> tuple[ResourceNode, ...]:
    """The identity has its right on the network before the cluster, whose first load balancer needs it."""
    group = {"name": ir.cluster_name, "location": settings.region, "tags": {"netspec.dev/cluster": ir.cluster_name}}
    own = {"resourceGroupName": Ref("resource-group", "name")}
    within = {**own, "virtualNetworkName": Ref("vnet", "name")}
    vnet = {**own, "name": ir.cluster_name, "location": settings.region, "addressSpaces": [settings.vnet.cidr]}
    nodes = {**within, "name": "nodes", "addressPrefixes": [settings.vnet.node_subnet]}
    pods = {**within, "name": "pods", "addressPrefixes": [settings.vnet.pod_subnet], "delegations": [DELEGATION]}
    right = {
        "scope": Ref("vnet", "id"),
        "roleDefinitionName": "Network Contributor",
        "principalId": Ref("identity", "principalId"),
    }
    return (
        resource("resource-group", "core/resourceGroup:ResourceGroup", group, unique=True),
        resource("vnet", "network/virtualNetwork:VirtualNetwork", vnet, unique=True),
        resource("subnet-nodes", "network/subnet:Subnet", nodes, unique=True),
        *([resource("subnet-pods", "network/subnet:Subnet", pods, unique=True)] if settings.vnet.pod_subnet else []),
        resource(
            "identity",
            "authorization/userAssignedIdentity:UserAssignedIdentity",
            {**own, "name": ir.cluster_name, "location": settings.region},
            unique=True,
        ),
        resource("identity-network", "authorization/assignment:Assignment", right),
    )


def _cluster(ir: Ir, settings: AksSettings, needs: Needs) -> ResourceNode:
    first = settings.node_pools[0]
    profile: dict[str, Any] = {
        **next((addon.settings for addon in needs.addons if addon.name == CNI), {}),
        "serviceCidr": str(ir.network.service_cidrs[0]),
        "dnsServiceIp": ir.dns.address,
        "loadBalancerSku": "standard",
        "outboundType": "loadBalancer",
    }
    pool = pool_properties(ir, settings, first, needs)
    pool |= {"onlyCriticalAddonsEnabled": True} if only_critical(first) else {}
    ranges = [text for text in settings.authorized_ranges if text != ANYWHERE]
    properties = {
        "name": ir.cluster_name,
        "resourceGroupName": Ref("resource-group", "name"),
        "location": settings.region,
        "dnsPrefix": ir.cluster_name,
        "kubernetesVersion": settings.version,
        "skuTier": settings.tier,
        "identity": {"type": "UserAssigned", "identityIds": [Ref("identity", "id")]},
        "networkProfile": profile,
        "defaultNodePool": {key: value for key, value in pool.items() if value is not None},
        "privateClusterEnabled": settings.private_cluster,
        "apiServerAccessProfile": {"authorizedIpRanges": ranges} if ranges else None,
        "tags": {"netspec.dev/cluster": ir.cluster_name},
    }
    outputs = {
        "kubeconfig": Ref(CLUSTER_NODE, "kubeConfigRaw"),
        "identity": Ref(CLUSTER_NODE, "privateFqdn" if settings.private_cluster else "fqdn"),
    }
    return resource(
        CLUSTER_NODE,
        "containerservice/kubernetesCluster:KubernetesCluster",
        properties,
        ("identity-network",),
        unique=True,
        secrets=("kubeconfig",),
        provides=(CLUSTER,) if settings.node_pools[1:] else (CLUSTER, NODES),
        outputs=outputs,
    )
