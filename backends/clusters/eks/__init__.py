"""Amazon EKS: a VPC, a managed control plane, managed node groups, and the add-ons that make the cluster's network.

Sources: the EKS and VPC user guides, the provider's own resource documentation (pulumi-aws, terraform-provider-aws).
Order: the network, the control plane, who may enter it, the agent that gives pods their rights, kube-proxy and the CNI,
and only then nodes; DNS after them. A destroy goes the other way, so nodes end while the CNI still has its rights.
"""

from collections.abc import Mapping
from dataclasses import replace

from netspec.backends.clusters.eks import addons as add_ons
from netspec.backends.clusters.eks.addresses import of, path, pod_ranges, subnets
from netspec.backends.clusters.eks.capacity import subnet_limits
from netspec.backends.clusters.eks.checks import check
from netspec.backends.clusters.eks.control import API_SERVER, NAME, control_plane
from netspec.backends.clusters.eks.groups import group_traits
from netspec.backends.clusters.eks.network import network, vpc_id, way_out
from netspec.backends.clusters.eks.nodes import node_groups, size
from netspec.backends.clusters.eks.recovery import recoverable, sweeps
from netspec.backends.clusters.eks.resource import CLUSTER_NODE, provider, tags
from netspec.backends.clusters.eks.settings import EksSettings
from netspec.backends.corefile import FEATURES, dns_facts
from netspec.diagnostics import Report
from netspec.ir.model import Ir
from netspec.plan import CLUSTER, Node, Ref
from netspec.target import Backend, Balancing, Fact, Feature, Limit, Needs, Range, Traits

#: Minor versions of Kubernetes: the first whose kube-proxy has nftables as stable, the last that has ipvs on EKS.
NFTABLES_SINCE, IPVS_UNTIL = 33, 35
#: Kubernetes that serves MutatingAdmissionPolicy as v1, without being told to (KEP-3962). EKS lets nobody set more.
ADMISSION_SINCE = (1, 36)
#: Add-ons' versions are of that Kubernetes version.
EXAMPLE = {
    "region": "eu-west-1",
    "zones": ["eu-west-1a", "eu-west-1b"],
    "version": "1.35",
    "addons": {
        "vpc-cni": "v1.21.1-eksbuild.3",
        "kube-proxy": "v1.35.0-eksbuild.2",
        "coredns": "v1.13.2-eksbuild.1",
        "eks-pod-identity-agent": "v1.3.10-eksbuild.2",
    },
    "admins": ["arn:aws:iam::123456789012:role/netspec"],
    "nodeGroups": [{"name": "general", "min": 3, "max": 4}],
}


class Eks(Backend):
    name = "eks"
    settings = EksSettings
    example = EXAMPLE
    supports = frozenset(
        {
            Feature.IPV4,
            Feature.PROXY_IPTABLES,
            Feature.PROXY_NFTABLES,
            Feature.PROXY_IPVS,
            Feature.MAX_PODS,
            Feature.LOAD_BALANCER,
            Feature.DNS_REPLICAS,
            Feature.DNS_BUDGET,
            Feature.DNS_SPREAD,
            *FEATURES,
        }
    )

    def lacks(self, ir: Ir, settings: EksSettings) -> Mapping[Feature, str]:
        """What kube-proxy of the add-on no longer has, or not yet in a form for use (EKS docs, kube-proxy add-on)."""
        minor = int(settings.version.partition(".")[2])
        found = {}
        if minor < NFTABLES_SINCE:
            found[Feature.PROXY_NFTABLES] = f"Kubernetes 1.{NFTABLES_SINCE} or newer, or iptables"
        if minor > IPVS_UNTIL:
            found[Feature.PROXY_IPVS] = f"EKS has it up to Kubernetes 1.{IPVS_UNTIL}; use nftables"
        return found

    def traits(self, ir: Ir, settings: EksSettings, traits: Traits) -> Traits:
        found = subnets(settings, ir.network.pod_cidrs)
        private, pods = of(found, "private"), of(found, "pods")
        return replace(
            traits,
            nodes=sum(map(size, settings.node_groups)),
            node_networks=tuple(Range(str(s.cidr), path(ir, s)) for s in private),
            remote=True,
            admission="v1" if tuple(map(int, settings.version.split("."))) >= ADMISSION_SINCE else "",
            brings_dns=True,
            api_server=API_SERVER,
            node_shares=False,
            nodes_wait=True,
            balancers_stay=True,
            # By the cloud controller, which nothing but annotations tells to make another: it connects anew.
            balancing=Balancing("a Classic Load Balancer", answered=False, keeps_client=False),
            groups=tuple(group_traits(group, settings) for group in settings.node_groups),
            node_pods=traits.node_pods + 2,  # kube-proxy, the agent of pod identities
            addons=frozenset({"vpc-cni"}),
            outputs={
                "region": settings.region,
                "cluster": NAME,
                "vpc": vpc_id(settings),
                "zones": tuple(settings.zones),
                "podSubnets": {s.zone: s.reference for s in pods},
                "privateSubnets": {s.zone: s.reference for s in private},
                "tags": tags(ir.cluster_name),
                "podRanges": pod_ranges(ir, pods),
                "subnets": tuple((s.role, s.zone, Range(str(s.cidr), path(ir, s))) for s in found),
                "nodeSecurityGroup": Ref(CLUSTER_NODE, "vpcConfig.clusterSecurityGroupId"),
            },
        )

    def check(self, ir: Ir, settings: EksSettings, needs: Needs, report: Report) -> None:
        check(ir, settings, needs, report)

    def capacity(self, ir: Ir, settings: EksSettings) -> tuple[Limit, ...]:
        return subnet_limits(ir, settings)

    def lower(self, ir: Ir, settings: EksSettings, needs: Needs) -> tuple[Node, ...]:
        found = subnets(settings, ir.network.pod_cidrs)
        chosen = add_ons.wanted(ir, settings, needs)
        first = [a.node for a in chosen if a.before_nodes]
        before = (*first, *(a.node for a in needs.accounts), *needs.before_nodes, *way_out(settings, found), CLUSTER)
        made = (
            *network(ir, settings, found),
            *control_plane(ir, settings, found, needs),
            *add_ons.addons(ir, settings, chosen, needs),
            *node_groups(ir, settings, found, needs, before),
        )
        return provider(settings.region, ir.cluster_name), *recoverable(ir, settings, made), *sweeps(ir, settings)

    def facts(self, ir: Ir, settings: EksSettings) -> tuple[Fact, ...]:
        return dns_facts(ir.dns)
