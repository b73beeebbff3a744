"""The control plane: its role, logs and key, the cluster, who may enter it, and the kubeconfig by which they do."""

from collections.abc import Sequence
from typing import Any

from netspec.backends.clusters.eks.addresses import Subnet, of
from netspec.backends.clusters.eks.resource import CLUSTER_NODE, ids, partition, resource, role
from netspec.backends.clusters.eks.settings import EksSettings
from netspec.ir.model import Ir
from netspec.plan import CLUSTER, Cut, Json, Ref, ResourceNode
from netspec.target import Address, Needs

ENDPOINT, NAME = Ref(CLUSTER_NODE, "endpoint"), Ref(CLUSTER_NODE, "name")
API_SERVER = Address(Ref(CLUSTER_NODE, "host"), 443)
#: The plan node that stands for interfaces that nodes left: they are gone before the cluster is, and after all in it.
LEFT = "left-interfaces"
#: EKS's own policy of an administrator, who is system:masters (EKS docs, "Review access policy permissions").
ADMIN = "AmazonEKSClusterAdminPolicy"


def control_plane(ir: Ir, settings: EksSettings, subnets: Sequence[Subnet], needs: Needs) -> tuple[ResourceNode, ...]:
    rights = dict.fromkeys(["AmazonEKSClusterPolicy", *(right for a in needs.addons for right in a.cluster_rights)])
    roles = role("cluster", "eks.amazonaws.com", settings.region, rights)
    logs, key = _logs(ir, settings), _key(settings)
    properties: dict[str, Any] = {
        "name": ir.cluster_name,
        "version": settings.version,
        "roleArn": Ref("role-cluster", "arn"),
        "vpcConfig": {
            "subnetIds": [s.reference for s in of(subnets, "private")],
            "endpointPrivateAccess": settings.endpoint_private_access,
            "endpointPublicAccess": settings.endpoint_public_access,
            **({"publicAccessCidrs": settings.public_access_cidrs} if settings.endpoint_public_access else {}),
        },
        "kubernetesNetworkConfig": {"ipFamily": "ipv4", "serviceIpv4Cidr": str(ir.network.service_cidrs[0])},
        # Whoever makes the cluster has no right in it but what is listed; EKS brings no CNI, kube-proxy or DNS that
        # would be there before ours. Both hold from the first day: a change of either makes a new cluster.
        "accessConfig": {"authenticationMode": "API", "bootstrapClusterCreatorAdminPermissions": False},
        "bootstrapSelfManagedAddons": False,
        "enabledClusterLogTypes": sorted(settings.logging) or None,
        "encryptionConfig": _encryption(settings),
        "upgradePolicy": {"supportType": settings.support},
        "deletionProtection": True if settings.deletion_protection else None,
        "tags": {"Name": ir.cluster_name},
    }
    after = (*ids(roles), *ids(logs))
    outputs = {"host": Cut(ENDPOINT, "https://")}
    cluster = resource(CLUSTER_NODE, "eks/cluster:Cluster", properties, after, unique=True, outputs=outputs)
    return (*roles, *logs, *key, cluster, *_access(settings))


def _logs(ir: Ir, settings: EksSettings) -> tuple[ResourceNode, ...]:
    """The group that EKS would make by itself, and keep for ever."""
    if not settings.logging:
        return ()
    group = {"name": f"/aws/eks/{ir.cluster_name}/cluster", "retentionInDays": settings.log_days}
    return (resource("logs", "cloudwatch/logGroup:LogGroup", group, unique=True),)


def _key(settings: EksSettings) -> tuple[ResourceNode, ...]:
    if settings.encryption_key != "own":
        return ()
    described = {"description": "Secrets of the cluster", "enableKeyRotation": True, "deletionWindowInDays": 30}
    return (resource("key", "kms/key:Key", described),)


def _encryption(settings: EksSettings) -> dict[str, Any] | None:
    if settings.encryption_key is None:
        return None
    key = Ref("key", "arn") if settings.encryption_key == "own" else settings.encryption_key
    return {"provider": {"keyArn": key}, "resources": ["secrets"]}


def _access(settings: EksSettings) -> tuple[ResourceNode, ...]:
    """Entries, then what they grant. The last of the administrators' stands for the cluster: behind it Kubernetes lets
    in who applies the plan."""
    granted = [(a.principal, a.policy, list(a.namespaces), list(a.groups)) for a in settings.access]
    asked: list[tuple[str, str | None, list[str], list[str]]] = [
        *granted,
        *((p, ADMIN, [], []) for p in settings.admins),
    ]
    made: list[ResourceNode] = []
    for number, (principal, policy, spaces, groups) in enumerate(asked, start=1):
        name = f"access-{principal.rpartition('/')[2]}"
        entry = {"clusterName": NAME, "principalArn": principal, "type": "STANDARD"}
        grouped = {"kubernetesGroups": groups} if groups else {}
        made.append(resource(name, "eks/accessEntry:AccessEntry", entry | grouped))
        if policy is None:
            continue
        grant = {
            "clusterName": NAME,
            "principalArn": Ref(name, "principalArn"),
            "policyArn": f"arn:{partition(settings.region)}:eks::aws:cluster-access-policy/{policy}",
            "accessScope": {"type": "namespace", "namespaces": spaces} if spaces else {"type": "cluster"},
        }
        barrier: dict[str, Any] = {}
        if number == len(asked):
            outputs = {"kubeconfig": Json(kubeconfig(settings.region)), "identity": ENDPOINT}
            barrier = {"provides": (CLUSTER,), "secrets": ("kubeconfig",), "outputs": outputs}
        before = (*ids(made[:-1]), LEFT) if barrier else ()
        token = "eks/accessPolicyAssociation:AccessPolicyAssociation"
        made.append(resource(f"{name}-policy", token, grant, before, **barrier))
    return tuple(made)


def kubeconfig(region: str) -> dict[str, Any]:
    """By which whoever holds AWS credentials of an access entry comes in: it holds no credential itself."""
    words = ["--region", region, "eks", "get-token", "--cluster-name", NAME, "--output", "json"]
    command = {
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "command": "aws",
        "args": words,
        "interactiveMode": "Never",
    }
    authority = Ref(CLUSTER_NODE, "certificateAuthority.data")
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": NAME, "cluster": {"server": ENDPOINT, "certificate-authority-data": authority}}],
        "users": [{"name": NAME, "user": {"exec": command}}],
        "contexts": [{"name": NAME, "context": {"cluster": NAME, "user": NAME}}],
        "current-context": NAME,
    }
