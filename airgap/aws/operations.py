"""EKS's operations that moto lacks: each is called as botocore calls it, and answers in botocore's shape."""

import uuid
from collections.abc import Callable
from typing import Any

from moto.core.responses import ActionResult
from moto.core.utils import utcnow
from moto.ec2.models import ec2_backends
from moto.eks import urls
from moto.eks.exceptions import InvalidParameterException, ResourceInUseException
from moto.eks.responses import EKSResponse
from moto.kms.models import kms_backends
from moto.resourcegroupstaggingapi.responses import ResourceGroupsTaggingAPIResponse

from airgap.aws.records import WORLD, Json, extra, found_in, update_record

#: Names that EKS knows, and those of them that are pods which need nodes.
ADDONS = ("vpc-cni", "coredns", "kube-proxy", "eks-pod-identity-agent", "aws-ebs-csi-driver", "metrics-server")
NEED_NODES = ("coredns", "metrics-server")

Operation = Callable[[Any], ActionResult]
OPERATIONS: dict[str, Operation] = {}


def operation(function: Operation) -> Operation:
    OPERATIONS[function.__name__] = function
    return function


def install() -> None:
    """moto routes by botocore's model: a method of the operation's name is all that it needs."""
    for name, function in OPERATIONS.items():
        setattr(EKSResponse, name, function)
    urls.url_paths["{0}/clusters/(?P<rest>.+)$"] = urls.response.dispatch
    ResourceGroupsTaggingAPIResponse.get_resources = get_resources


def cluster_of(self: Any) -> Any:
    return self.eks_backend.describe_cluster(self._get_param("name") or self._get_param("clusterName"))


def arn(self: Any, kind: str, cluster: Any, *rest: str) -> str:
    return f"arn:aws:eks:{self.region}:{self.current_account}:{kind}/{cluster.name}/" + "/".join(rest)


def refused(cluster: Any, message: str, **of: str) -> InvalidParameterException:
    return InvalidParameterException(clusterName=cluster.name, message=message, **of)


# Add-ons


@operation
def create_addon(self: Any) -> ActionResult:
    cluster, name = cluster_of(self), self._get_param("addonName")
    if name not in ADDONS:
        raise refused(cluster, f"Addon {name} specified is not supported", addonName=name)
    if self._get_param("resolveConflicts") == "PRESERVE":
        message = "Resolve conflicts option preserve is not supported for operation CreateAddon"
        raise refused(cluster, message, addonName=name)
    if name in extra(cluster).addons:
        raise ResourceInUseException(clusterName=cluster.name, addonName=name, message="Addon already exists.")
    extra(cluster).addons[name] = {
        "addonName": name,
        "clusterName": cluster.name,
        "addonVersion": self._get_param("addonVersion"),
        "addonArn": arn(self, "addon", cluster, name, str(uuid.uuid4())),
        "createdAt": utcnow(),
        "modifiedAt": utcnow(),
        "tags": self._get_param("tags") or {},
        "configurationValues": self._get_param("configurationValues"),
        "podIdentityAssociations": [],
        "health": {"issues": []},
        "failed": WORLD.fails(name),
    }
    return ActionResult({"addon": addon_state(cluster, name)})


def addon_state(cluster: Any, name: str) -> Json:
    """Pods without nodes are DEGRADED until there are some."""
    found = dict(found_in(extra(cluster).addons, name, "addon"))
    if found.pop("failed"):
        message = "The add-on cannot be made."
        issues = [{"code": "AdmissionRequestDenied", "message": message, "resourceIds": []}]
        return {**found, "status": "CREATE_FAILED", "health": {"issues": issues}}
    issue, has_nodes = WORLD.issue(name), any(g.status != "CREATE_FAILED" for g in cluster.nodegroups.values())
    if issue is None and name in NEED_NODES and not has_nodes:
        message = "The add-on is unhealthy because it doesn't have the desired number of replicas."
        issue = {"code": "InsufficientNumberOfReplicas", "message": message, "resourceIds": []}
    return {**found, "status": "DEGRADED" if issue else "ACTIVE", "health": {"issues": [issue] if issue else []}}


@operation
def describe_addon(self: Any) -> ActionResult:
    return ActionResult({"addon": addon_state(cluster_of(self), self._get_param("addonName"))})


@operation
def list_addons(self: Any) -> ActionResult:
    return ActionResult({"addons": sorted(extra(cluster_of(self)).addons)})


@operation
def update_addon(self: Any) -> ActionResult:
    cluster = cluster_of(self)
    found = found_in(extra(cluster).addons, self._get_param("addonName"), "addon")
    for field in ("addonVersion", "configurationValues"):
        if self._get_param(field) is not None:
            found[field] = self._get_param(field)
    return ActionResult({"update": update_record(cluster, "AddonUpdate", AddonVersion=str(found["addonVersion"]))})


@operation
def delete_addon(self: Any) -> ActionResult:
    cluster, name = cluster_of(self), self._get_param("addonName")
    found_in(extra(cluster).addons, name, "addon")
    WORLD.heal(name)
    found = extra(cluster).addons.pop(name)
    del found["failed"]
    return ActionResult({"addon": {**found, "status": "DELETING"}})


# Who may enter


def entry_record(self: Any, cluster: Any, principal: str, kind: str, groups: list[str]) -> Json:
    own = principal if kind == "STANDARD" else "system:node:{{EC2PrivateDNSName}}"
    return {
        "clusterName": cluster.name,
        "principalArn": principal,
        "kubernetesGroups": groups,
        "username": own,
        "type": kind,
        "accessEntryArn": arn(self, "access-entry", cluster, "role", principal.rpartition("/")[2], str(uuid.uuid4())),
        "createdAt": utcnow(),
        "modifiedAt": utcnow(),
        "tags": self._get_param("tags") or {},
        "policies": {},
    }


@operation
def create_access_entry(self: Any) -> ActionResult:
    cluster, principal = cluster_of(self), self._get_param("principalArn")
    if principal in extra(cluster).entries:
        message = "The specified access entry resource is already in use on this cluster."
        raise ResourceInUseException(clusterName=cluster.name, message=message)
    kind = self._get_param("type") or "STANDARD"
    made = entry_record(self, cluster, principal, kind, self._get_param("kubernetesGroups") or [])
    extra(cluster).entries[principal] = made
    return ActionResult({"accessEntry": made})


def _entry(self: Any) -> Json:
    return found_in(extra(cluster_of(self)).entries, self._get_param("principalArn"), "access entry")


@operation
def describe_access_entry(self: Any) -> ActionResult:
    return ActionResult({"accessEntry": _entry(self)})


@operation
def list_access_entries(self: Any) -> ActionResult:
    return ActionResult({"accessEntries": sorted(extra(cluster_of(self)).entries)})


@operation
def update_access_entry(self: Any) -> ActionResult:
    found = _entry(self)
    if self._get_param("kubernetesGroups") is not None:
        found["kubernetesGroups"] = self._get_param("kubernetesGroups")
    return ActionResult({"accessEntry": found})


@operation
def delete_access_entry(self: Any) -> ActionResult:
    _entry(self)
    extra(cluster_of(self)).entries.pop(self._get_param("principalArn"))
    return ActionResult({})


@operation
def associate_access_policy(self: Any) -> ActionResult:
    found, policy = _entry(self), self._get_param("policyArn")
    scope = self._get_param("accessScope")
    made = {"policyArn": policy, "accessScope": scope, "associatedAt": utcnow(), "modifiedAt": utcnow()}
    found["policies"][policy] = made
    whose = {"clusterName": found["clusterName"], "principalArn": found["principalArn"]}
    return ActionResult({**whose, "associatedAccessPolicy": made})


@operation
def list_associated_access_policies(self: Any) -> ActionResult:
    found = _entry(self)
    whose = {"clusterName": found["clusterName"], "principalArn": found["principalArn"]}
    return ActionResult({**whose, "associatedAccessPolicies": list(found["policies"].values())})


@operation
def disassociate_access_policy(self: Any) -> ActionResult:
    _entry(self)["policies"].pop(self._get_param("policyArn"), None)
    return ActionResult({})


# Rights of pods


@operation
def create_pod_identity_association(self: Any) -> ActionResult:
    cluster, space, account = cluster_of(self), self._get_param("namespace"), self._get_param("serviceAccount")
    table = extra(cluster).identities
    if any((v["namespace"], v["serviceAccount"]) == (space, account) for v in table.values()):
        message = f"Association already exists: {space}/{account}"
        raise ResourceInUseException(clusterName=cluster.name, message=message)
    own = "a-" + uuid.uuid4().hex[:17]
    table[own] = {
        "clusterName": cluster.name,
        "namespace": space,
        "serviceAccount": account,
        "roleArn": self._get_param("roleArn"),
        "associationId": own,
        "associationArn": arn(self, "podidentityassociation", cluster, own),
        "tags": self._get_param("tags") or {},
        "createdAt": utcnow(),
        "modifiedAt": utcnow(),
    }
    return ActionResult({"association": table[own]})


def _identity(self: Any) -> Json:
    return found_in(extra(cluster_of(self)).identities, self._get_param("associationId"), "association")


@operation
def describe_pod_identity_association(self: Any) -> ActionResult:
    return ActionResult({"association": _identity(self)})


@operation
def list_pod_identity_associations(self: Any) -> ActionResult:
    return ActionResult({"associations": list(extra(cluster_of(self)).identities.values())})


@operation
def update_pod_identity_association(self: Any) -> ActionResult:
    found = _identity(self)
    found["roleArn"] = self._get_param("roleArn") or found["roleArn"]
    return ActionResult({"association": found})


@operation
def delete_pod_identity_association(self: Any) -> ActionResult:
    found = _identity(self)
    return ActionResult({"association": extra(cluster_of(self)).identities.pop(found["associationId"])})


# Updates


@operation
def describe_update(self: Any) -> ActionResult:
    return ActionResult({"update": found_in(extra(cluster_of(self)).updates, self._get_param("updateId"), "update")})


@operation
def update_cluster_version(self: Any) -> ActionResult:
    cluster = cluster_of(self)
    cluster.version = self._get_param("version")
    return ActionResult({"update": update_record(cluster, "VersionUpdate", Version=cluster.version)})


@operation
def update_nodegroup_version(self: Any) -> ActionResult:
    cluster = cluster_of(self)
    group = cluster.nodegroups[self._get_param("nodegroupName")]
    if self._get_param("launchTemplate"):
        group.launch_template = {**(group.launch_template or {}), **self._get_param("launchTemplate")}
    group.version = self._get_param("version") or group.version
    return ActionResult({"update": update_record(cluster, "VersionUpdate")})


def get_resources(self: Any) -> ActionResult:
    """Of the resource groups tagging API: moto knows few types by it, and here all of EC2 and KMS are wanted."""
    wanted = [(f["Key"], f["Values"]) for f in self._get_param("TagFilters") or []]
    ec2, kms = ec2_backends[self.current_account][self.region], kms_backends[self.current_account][self.region]
    tags = {ident: dict(of) for ident, of in ec2.tags.items()}
    tags |= {f"key/{ident}": kms.tagger.get_tag_dict_for_resource(ident) for ident in kms.keys}
    found = [ident for ident, of in tags.items() if all(of.get(key) in values for key, values in wanted)]
    arns = [f"arn:aws:any:{self.region}:{self.current_account}:any/{ident}" for ident in found]
    return ActionResult({"ResourceTagMappingList": [{"ResourceARN": arn, "Tags": []} for arn in arns]})
