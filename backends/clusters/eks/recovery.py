"""What AWS is asked besides, by its own command line, where Pulumi's state does not say: how an add-on or a group of
nodes is, where a resource is that a cut run made, and what others left that would keep a destroy from ending.

Sources: the AWS CLI's reference (describe-addon, describe-nodegroup, describe-tags, describe-network-interfaces);
terraform-provider-aws, "Import" of each resource; amazon-vpc-cni-k8s README, "ENI tags related to Allocation".
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from netspec.backends.clusters.eks.control import LEFT, NAME
from netspec.backends.clusters.eks.network import vpc_id
from netspec.backends.clusters.eks.settings import EksSettings
from netspec.backends.objects import balancers
from netspec.ir.model import Ir
from netspec.plan import Found, Health, Json, Leftover, Node, Ref, ResourceNode, SweepNode

#: The tag that tells a cluster's resources from each other.
NODE_TAG, CLUSTER_TAG = "netspec.dev/node", "netspec.dev/cluster"
#: States that no change heals. One that fails to be changed is still as it was, and Pulumi changes it once more.
FAILED = ("CREATE_FAILED", "DEGRADED", "DELETE_FAILED")
PASSING = ("CREATING", "UPDATING")
#: The class of Ingresses that AWS Load Balancer Controller makes load balancers for, whoever installed it.
ALB = "alb"
#: Resources whose import's id is made of their inputs.
IDS = {
    "aws:cloudwatch/logGroup:LogGroup": "{name}",
    "aws:ec2/route:Route": "{routeTableId}_{destinationCidrBlock}",
    "aws:ec2/routeTableAssociation:RouteTableAssociation": "{subnetId}/{routeTableId}",
    "aws:eks/accessEntry:AccessEntry": "{clusterName}:{principalArn}",
    "aws:eks/accessPolicyAssociation:AccessPolicyAssociation": "{clusterName}#{principalArn}#{policyArn}",
    "aws:eks/addon:Addon": "{clusterName}:{addonName}",
    "aws:eks/cluster:Cluster": "{name}",
    "aws:eks/nodeGroup:NodeGroup": "{clusterName}:{nodeGroupName}",
    "aws:iam/role:Role": "{name}",
    "aws:iam/rolePolicy:RolePolicy": "{role}:{name}",
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": "{role}/{policyArn}",
}
#: Those that carry tags from the moment they are made, and where AWS's answer lists them.
TAGGED_ITEMS = "ResourceTagMappingList"
TAGGED = frozenset(
    f"aws:ec2/{name[0].lower()}{name[1:]}:{name}"
    for name in (
        *("Vpc", "Subnet", "InternetGateway", "Eip", "NatGateway", "RouteTable", "SecurityGroup"),
        *("VpcEndpoint", "LaunchTemplate", "FlowLog", "EgressOnlyInternetGateway"),
    )
) | {"aws:kms/key:Key"}


def recoverable(ir: Ir, settings: EksSettings, nodes: Iterable[Node]) -> tuple[Node, ...]:
    """The same nodes, each with what it takes to find it, and those that can ail with how to ask after them."""
    return tuple(_recoverable(ir, settings, n) if isinstance(n, ResourceNode) and n.provider else n for n in nodes)


def _recoverable(ir: Ir, settings: EksSettings, node: ResourceNode) -> ResourceNode:
    asked = ("aws", "--region", settings.region, "--output", "json")
    found = _lookup(ir, node, asked)
    if found is not None and found.items == TAGGED_ITEMS:
        node = replace(node, properties={**node.properties, "tags": {**_tags(node), NODE_TAG: node.id}})
    return replace(node, lookup=found, health=_health(ir, node, asked))


def _tags(node: ResourceNode) -> dict[str, Any]:
    return dict(node.properties.get("tags") or {})


def _lookup(ir: Ir, node: ResourceNode, asked: tuple[str, ...]) -> Found | None:
    cluster, token = ir.cluster_name, node.token
    if token in IDS:
        return Found(IDS[token])
    if token in TAGGED:
        filters = [f"Key={CLUSTER_TAG},Values={cluster}", f"Key={NODE_TAG},Values={node.id}"]
        words = (*asked, "resourcegroupstaggingapi", "get-resources", "--tag-filters", *filters)
        return Found(words=words, items=TAGGED_ITEMS, name="ResourceARN")
    if token.endswith(":PodIdentityAssociation"):
        of = ("--namespace", "{namespace}", "--service-account", "{serviceAccount}")
        words = (*asked, "eks", "list-pod-identity-associations", "--cluster-name", cluster, *of)
        return Found("{clusterName},{0}", words, "associations", "associationId")
    if token.endswith(":VpcIpv4CidrBlockAssociation"):
        words = (*asked, "ec2", "describe-vpcs", "--vpc-ids", "{vpcId}")
        only = {"CidrBlock": node.properties["cidrBlock"]}
        return Found("{0}", words, "Vpcs.0.CidrBlockAssociationSet", "AssociationId", only)
    if token.endswith(":SubnetCidrReservation"):
        words = (*asked, "ec2", "get-subnet-cidr-reservations", "--subnet-id", "{subnetId}")
        only = {"Cidr": node.properties["cidrBlock"]}
        return Found("{subnetId}:{0}", words, "SubnetIpv4CidrReservations", "SubnetCidrReservationId", only)
    return None


def _health(ir: Ir, node: ResourceNode, asked: tuple[str, ...]) -> Health | None:
    if node.token.endswith(":Cluster"):
        words: tuple[Any, ...] = (*asked, "eks", "describe-cluster", "--name", ir.cluster_name)
        return Health(words, "cluster.status", ("FAILED",), PASSING, "cluster.health.issues")
    if node.token.endswith(":Addon"):
        of = ("--addon-name", node.properties["addonName"])
        words = (*asked, "eks", "describe-addon", "--cluster-name", ir.cluster_name, *of)
        return Health(words, "addon.status", FAILED, PASSING, "addon.health.issues")
    if node.token.endswith(":NodeGroup"):
        named = ("--nodegroup-name", Ref(node.id, "nodeGroupName"))
        words = (*asked, "eks", "describe-nodegroup", "--cluster-name", ir.cluster_name, *named)
        return Health(words, "nodegroup.status", FAILED, PASSING, "nodegroup.health.issues")
    return None


def sweeps(ir: Ir, settings: EksSettings) -> tuple[SweepNode, ...]:
    """Load balancers before nodes go, while what made them still runs; interfaces that nodes left, before the cluster
    goes, whose security group they are in."""
    # Whoever gives nodes interfaces tags them: the VPC CNI, and Cilium as netspec has it do.
    tags = {"cluster.k8s.amazonaws.com/name": ir.cluster_name, CLUSTER_TAG: ir.cluster_name}
    left = tuple(_interfaces(settings, key, value) for key, value in tags.items())
    return balancers(ALB), SweepNode(LEFT, left, (NAME.node,))


def _interfaces(settings: EksSettings, key: str, value: str) -> Leftover:
    """Those that are in no node any more: of others AWS refuses the deletion, and they are not looked for."""
    wanted = {"vpc-id": vpc_id(settings), "status": "available", f"tag:{key}": value}
    filters = Json([{"Name": name, "Values": [given]} for name, given in wanted.items()])
    asked = ("aws", "--region", settings.region, "--output", "json", "ec2")
    return Leftover(
        what="network interface",
        find=(*asked, "describe-network-interfaces", "--filters", filters),
        items="NetworkInterfaces",
        names=("NetworkInterfaceId",),
        remove=(*asked, "delete-network-interface", "--network-interface-id", "{0}"),
    )
