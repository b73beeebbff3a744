"""AWS's refusals, and what it makes by itself: without them a wrong order would pass, and nothing would be left."""

import uuid
from collections.abc import Callable
from ipaddress import ip_network
from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.exceptions import DependencyViolationError
from moto.ec2.models import ec2_backends
from moto.ec2.models.instance_types import INSTANCE_TYPES
from moto.ec2.models.internet_gateways import InternetGatewayBackend
from moto.ec2.models.nat_gateways import NatGatewayBackend
from moto.ec2.models.security_groups import SecurityGroupBackend
from moto.ec2.models.subnets import SubnetBackend
from moto.eks.exceptions import InvalidParameterException
from moto.eks.responses import EKSResponse
from moto.iam.models import iam_backends

from airgap.aws.operations import cluster_of, entry_record, refused
from airgap.aws.records import WORLD, extra, update_record

#: What EKS installs by itself unless it is told not to.
BOOTSTRAPPED = ("vpc-cni", "kube-proxy", "coredns")
VERSIONS = ("1.32", "1.33", "1.34", "1.35", "1.36")
#: The description of an interface that the VPC CNI attached.
OF_CNI = "aws-K8S-i-0123456789abcdef0"


def ec2_of(self: Any) -> Any:
    return ec2_backends[self.current_account][self.region]


def install() -> None:
    _clusters()
    _node_groups()
    _network()


def _clusters() -> None:
    create, change, delete = EKSResponse.create_cluster, EKSResponse.update_cluster_config, EKSResponse.delete_cluster

    def create_cluster(self: Any) -> Any:
        name, ec2 = self._get_param("name"), ec2_of(self)
        if self._get_param("version") not in VERSIONS:
            raise InvalidParameterException(clusterName=name, message="unsupported Kubernetes version")
        subnets = [ec2.get_subnet(s) for s in self._get_param("resourcesVpcConfig").get("subnetIds", [])]
        if len({s.availability_zone for s in subnets}) < 2:
            message = "Subnets specified must be in at least two different AZs"
            raise InvalidParameterException(clusterName=name, message=message)
        vpc = ec2.get_vpc(subnets[0].vpc_id)
        services = ip_network(
            (self._get_param("kubernetesNetworkConfig") or {}).get("serviceIpv4Cidr", "172.20.0.0/16")
        )
        if services.overlaps(ip_network(vpc.cidr_block)):
            message = "The specified IPv4 CIDR range overlaps with a CIDR of the VPC"
            raise InvalidParameterException(clusterName=name, message=message)
        create(self)
        cluster = self.eks_backend.describe_cluster(name)
        group = ec2.create_security_group(f"eks-cluster-sg-{name}-{uuid.uuid4().int % 10**9}", "EKS created", vpc.id)
        cluster.resources_vpc_config |= {"vpcId": vpc.id, "clusterSecurityGroupId": group.id}
        cluster.access_config = self._get_param("accessConfig") or {"authenticationMode": "CONFIG_MAP"}
        cluster.upgrade_policy = self._get_param("upgradePolicy") or {"supportType": "EXTENDED"}
        cluster.endpoint = WORLD.endpoint or cluster.endpoint
        if WORLD.authority:
            cluster.certificate_authority = {"data": WORLD.authority}
        own = extra(cluster)
        own.bootstrapped = self._get_param("bootstrapSelfManagedAddons") is not False
        for addon in BOOTSTRAPPED if own.bootstrapped else ():
            WORLD.log(f"EKS installs {addon} by itself")
        if cluster.access_config.get("bootstrapClusterCreatorAdminPermissions", True):
            who = f"arn:aws:iam::{self.current_account}:role/netspec"
            own.entries[who] = entry_record(self, cluster, who, "STANDARD", [])
        return ActionResult({"cluster": cluster})

    def update_cluster_config(self: Any) -> Any:
        """moto takes what is not given as taken away."""
        cluster = cluster_of(self)
        before = dict(cluster.resources_vpc_config)
        change(self)
        cluster.resources_vpc_config = before | (self._get_param("resourcesVpcConfig") or {})
        return ActionResult({"update": update_record(cluster, "EndpointAccessUpdate")})

    def delete_cluster(self: Any) -> Any:
        cluster = cluster_of(self)
        answer = delete(self)
        ec2_of(self).delete_security_group(group_id=cluster.resources_vpc_config["clusterSecurityGroupId"])
        return answer

    for function in (create_cluster, update_cluster_config, delete_cluster):
        setattr(EKSResponse, function.__name__, function)


def _node_groups() -> None:
    create, describe = EKSResponse.create_nodegroup, EKSResponse.describe_nodegroup
    change, delete = EKSResponse.update_nodegroup_config, EKSResponse.delete_nodegroup

    def create_nodegroup(self: Any) -> Any:
        """Nodes are ready only where something gives them a network; each subnet's node has an interface of the CNI."""
        cluster, ec2, own = cluster_of(self), ec2_of(self), extra(cluster_of(self))
        subnets = [ec2.get_subnet(s) for s in self._get_param("subnets") or []]
        _version(cluster, self._get_param("launchTemplate"))
        _known_types(cluster, self._get_param("instanceTypes") or [])
        create(self)
        group = cluster.nodegroups[self._get_param("nodegroupName")]
        group.update_config = self._get_param("updateConfig") or {"maxUnavailable": 1}
        group.resources.pop("remoteAccessSecurityGroup", None)
        lacking = [s.availability_zone for s in subnets if s.availability_zone == WORLD.lacking]
        has_network = own.bootstrapped or "vpc-cni" in own.addons or WORLD.foreign_cni
        proxied = own.bootstrapped or "kube-proxy" in own.addons
        if not (has_network and proxied) or WORLD.fails(group.nodegroup_name):
            group.status = "CREATE_FAILED"
            message = "Unhealthy nodes in the kubernetes cluster"
            issue = {"code": "NodeCreationFailure", "message": message, "resourceIds": ["i-0123456789abcdef0"]}
            group.health = {"issues": [issue]}
        elif lacking:
            group.status = "CREATE_FAILED"
            types = ", ".join(self._get_param("instanceTypes") or [])
            message = f"Your requested instance type ({types}) is not supported in your requested Availability Zone "
            issue = {"code": "AsgInstanceLaunchFailures", "message": f"{message}({lacking[0]}).", "resourceIds": []}
            group.health = {"issues": [issue]}
        elif not WORLD.foreign_cni:
            tags = {"cluster.k8s.amazonaws.com/name": cluster.name, "node.k8s.amazonaws.com/instance_id": "i-0"}
            made = [ec2.create_network_interface(s, None, description=OF_CNI, tags=tags) for s in subnets]
            for interface in made:
                interface.status = "in-use"
            group.netspec_interfaces = [interface.id for interface in made]
        principal = self._get_param("nodeRole")
        own.entries.setdefault(principal, entry_record(self, cluster, principal, "EC2_LINUX", ["system:nodes"]))
        return ActionResult({"nodegroup": group})

    def describe_nodegroup(self: Any) -> Any:
        group = cluster_of(self).nodegroups.get(self._get_param("nodegroupName"))
        if group is not None and group.status in ("ACTIVE", "DEGRADED"):
            issue = WORLD.issue(group.nodegroup_name)
            group.status, group.health = "DEGRADED" if issue else "ACTIVE", {"issues": [issue] if issue else []}
        return describe(self)

    def update_nodegroup_config(self: Any) -> Any:
        change(self)
        return ActionResult({"update": update_record(cluster_of(self), "ConfigUpdate")})

    def delete_nodegroup(self: Any) -> Any:
        """Its interfaces go with it, if the CNI and its rights are still there; else they stay behind."""
        cluster, own = cluster_of(self), extra(cluster_of(self))
        group = cluster.nodegroups.get(self._get_param("nodegroupName"))
        WORLD.heal(self._get_param("nodegroupName"))
        interfaces = getattr(group, "netspec_interfaces", [])
        for interface in interfaces:
            ec2_of(self).enis[interface].status = "available"
        if "vpc-cni" in own.addons and _has_rights(self, own):
            for interface in interfaces:
                ec2_of(self).delete_network_interface(interface)
        return delete(self)

    for function in (create_nodegroup, describe_nodegroup, update_nodegroup_config, delete_nodegroup):
        setattr(EKSResponse, function.__name__, function)


def _version(cluster: Any, template: dict[str, str] | None) -> None:
    version = (template or {}).get("version", "1")
    if not (version.isdigit() or version in ("$Latest", "$Default")):
        raise refused(cluster, f"Launch template version {version} is not a number")


def _known_types(cluster: Any, types: list[str]) -> None:
    for name in types:
        if name not in INSTANCE_TYPES:
            raise refused(cluster, f"The following supplied instance types do not exist: [{name}]")


def _has_rights(self: Any, own: Any) -> bool:
    """Whether the role that the CNI's pods take still has its policy."""
    roles = [v["roleArn"].rpartition("/")[2] for v in own.identities.values() if v["serviceAccount"] == "aws-node"]
    found = iam_backends[self.current_account][self.partition].roles.values()
    attached = {r.name: [p.name for p in r.managed_policies.values()] for r in found}
    return any("AmazonEKS_CNI_Policy" in attached.get(role, ()) for role in roles)


def _network() -> None:
    def uses_subnet(ec2: Any, subnet_id: str) -> str | None:
        used = any(e.subnet.id == subnet_id for e in ec2.enis.values())
        return f"The subnet '{subnet_id}' has dependencies and cannot be deleted." if used else None

    def uses_group(ec2: Any, name: Any = None, group_id: Any = None) -> str | None:
        used = any(group_id in [g.id for g in e.group_set] for e in ec2.enis.values())
        return f"resource {group_id} has a dependent object" if used else None

    def uses_gateway(ec2: Any, internet_gateway_id: str, vpc_id: str) -> str | None:
        used = any(n.vpc_id == vpc_id and n.state == "available" for n in ec2.nat_gateways.values())
        return f"Network {vpc_id} has some mapped public address(es)." if used else None

    _refuse(SubnetBackend, "delete_subnet", uses_subnet)
    _refuse(SecurityGroupBackend, "delete_security_group", uses_group)
    _refuse(InternetGatewayBackend, "detach_internet_gateway", uses_gateway)
    delete = NatGatewayBackend.delete_nat_gateway

    def delete_nat_gateway(self: Any, nat_gateway_id: str) -> Any:
        """moto leaves the gateway's interface."""
        gateway = delete(self, nat_gateway_id)
        self.enis.pop(gateway._eni.id, None)
        return gateway

    NatGatewayBackend.delete_nat_gateway = delete_nat_gateway


def _refuse(cls: Any, name: str, why: Callable[..., str | None]) -> None:
    original = getattr(cls, name)

    def guarded(self: Any, *args: Any, **kwargs: Any) -> Any:
        if reason := why(self, *args, **kwargs):
            raise DependencyViolationError(reason)
        return original(self, *args, **kwargs)

    setattr(cls, name, guarded)
