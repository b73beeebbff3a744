"""EKS: internal/service/eks of the real provider."""

from collections.abc import Callable, Mapping
from typing import Any

from airgap.standin.aws_standin.types import Aws, Json, Type, given, offered, wait, wait_gone
from airgap.standin.kubernetes_standin.wire import Incomplete


def whole(kind: Type, aws: Aws, ident: str, found: Callable[[], Json], failed: str) -> str:
    """The id, once AWS says that it is ACTIVE. What is `failed`, or not ACTIVE in time, is made all the same."""
    state = wait(lambda: str(found()["status"]), "ACTIVE", (failed,))
    if state != "ACTIVE":
        issues = (found().get("health") or {}).get("issues") or ()
        said = "; ".join(f"{issue['code']}: {issue['message']}" for issue in issues)
        raise Incomplete(ident, kind.read(aws, ident) or {}, f"unexpected state {state!r}, wanted 'ACTIVE'. {said}")
    return ident


@offered
class Cluster(Type):
    token, autoname = "aws:eks/cluster:Cluster", "name"
    #: A field is replaced for by its dotted path; see `changed` in __main__.
    replaces = (
        "name",
        "roleArn",
        "bootstrapSelfManagedAddons",
        "kubernetesNetworkConfig.ipFamily",
        "kubernetesNetworkConfig.serviceIpv4Cidr",
        "accessConfig.bootstrapClusterCreatorAdminPermissions",
        "remoteNetworkConfig",
    )

    def create(self, aws: Aws, new: Json) -> str:
        logs = [{"types": new["enabledClusterLogTypes"], "enabled": True}] if new.get("enabledClusterLogTypes") else []
        encryption = new.get("encryptionConfig")
        aws.eks.create_cluster(
            **given(
                name=new["name"],
                version=new.get("version"),
                roleArn=new["roleArn"],
                resourcesVpcConfig=new["vpcConfig"],
                kubernetesNetworkConfig=new.get("kubernetesNetworkConfig"),
                accessConfig=new.get("accessConfig"),
                bootstrapSelfManagedAddons=new.get("bootstrapSelfManagedAddons"),
                logging={"clusterLogging": logs} if logs else None,
                encryptionConfig=[encryption] if encryption else None,
                upgradePolicy=new.get("upgradePolicy"),
                tags={**aws.tags, **(new.get("tags") or {})},
            )
        )
        return whole(self, aws, str(new["name"]), lambda: self._of(aws, new["name"]), "FAILED")

    def update(self, aws: Aws, ident: str, old: Json, new: Json) -> None:
        if new.get("version") != old.get("version"):
            updated(aws, ident, aws.eks.update_cluster_version(name=ident, version=new["version"]))
        if new.get("vpcConfig") != old.get("vpcConfig"):
            access = {k: v for k, v in new["vpcConfig"].items() if "Access" in k}
            updated(aws, ident, aws.eks.update_cluster_config(name=ident, resourcesVpcConfig=access))

    def read(self, aws: Aws, ident: str) -> Json | None:
        found = self._of(aws, ident)
        return {
            "name": ident,
            "arn": found["arn"],
            "endpoint": found["endpoint"],
            "certificateAuthority": {"data": found["certificateAuthority"]["data"]},
            "version": found["version"],
            "roleArn": found["roleArn"],
            "status": found["status"],
            "vpcConfig": found["resourcesVpcConfig"],
        }

    def delete(self, aws: Aws, ident: str, outputs: Json) -> None:
        aws.eks.delete_cluster(name=ident)
        wait_gone(lambda: self._of(aws, ident))

    @staticmethod
    def _of(aws: Aws, name: str) -> Json:
        return dict(aws.eks.describe_cluster(name=name)["cluster"])


def updated(aws: Aws, cluster: str, answer: Mapping[str, Any], **of: str) -> None:
    """Waits for an update of a cluster, or of a node group or add-on in it."""
    ident = answer["update"]["id"]

    def state() -> str:
        return str(aws.eks.describe_update(name=cluster, updateId=ident, **of)["update"]["status"])

    if (found := wait(state, "Successful", ("Failed", "Cancelled"))) != "Successful":
        raise RuntimeError(f"the update {ident} is {found}")


@offered
class AddOn(Type):
    token, replaces = "aws:eks/addon:Addon", ("addonName", "clusterName")

    def create(self, aws: Aws, new: Json) -> str:
        cluster, name = new["clusterName"], new["addonName"]
        aws.eks.create_addon(
            **given(
                clusterName=cluster,
                addonName=name,
                addonVersion=new.get("addonVersion"),
                configurationValues=new.get("configurationValues"),
                resolveConflicts=new.get("resolveConflictsOnCreate"),
                tags=aws.tags or None,
            )
        )
        ident = f"{cluster}:{name}"
        # CREATING and DEGRADED are waited through: a DEGRADED add-on may find its nodes yet.
        return whole(self, aws, ident, lambda: self._of(aws, ident), "CREATE_FAILED")

    def update(self, aws: Aws, ident: str, old: Json, new: Json) -> None:
        cluster, name = ident.split(":")
        answer = aws.eks.update_addon(
            **given(
                clusterName=cluster,
                addonName=name,
                addonVersion=new.get("addonVersion"),
                configurationValues=new.get("configurationValues"),
                resolveConflicts=new.get("resolveConflictsOnUpdate"),
            )
        )
        updated(aws, cluster, answer, addonName=name)

    def read(self, aws: Aws, ident: str) -> Json | None:
        found = self._of(aws, ident)
        values = given(addonVersion=found.get("addonVersion"), configurationValues=found.get("configurationValues"))
        return {
            "clusterName": found["clusterName"],
            "addonName": found["addonName"],
            "arn": found["addonArn"],
            **values,
        }

    def delete(self, aws: Aws, ident: str, outputs: Json) -> None:
        cluster, name = ident.split(":")
        aws.eks.delete_addon(clusterName=cluster, addonName=name)
        wait_gone(lambda: self._of(aws, ident))

    @staticmethod
    def _of(aws: Aws, ident: str) -> Json:
        cluster, name = ident.split(":")
        return dict(aws.eks.describe_addon(clusterName=cluster, addonName=name)["addon"])


@offered
class NodeGroup(Type):
    token, autoname = "aws:eks/nodeGroup:NodeGroup", "nodeGroupName"
    replaces = (
        "amiType",
        "capacityType",
        "clusterName",
        "diskSize",
        "instanceTypes",
        "launchTemplate.id",
        "launchTemplate.name",
        "nodeGroupName",
        "nodeRoleArn",
        "remoteAccess",
        "subnetIds",
    )

    def create(self, aws: Aws, new: Json) -> str:
        cluster, name = new["clusterName"], new["nodeGroupName"]
        aws.eks.create_nodegroup(
            **given(
                clusterName=cluster,
                nodegroupName=name,
                subnets=new["subnetIds"],
                nodeRole=new["nodeRoleArn"],
                scalingConfig=new["scalingConfig"],
                instanceTypes=new.get("instanceTypes"),
                amiType=new.get("amiType"),
                capacityType=new.get("capacityType"),
                labels=new.get("labels"),
                taints=new.get("taints"),
                updateConfig=new.get("updateConfig"),
                launchTemplate=new.get("launchTemplate"),
                version=new.get("version"),
                tags=aws.tags or None,
            )
        )
        ident = f"{cluster}:{name}"
        return whole(self, aws, ident, lambda: self._of(aws, ident), "CREATE_FAILED")

    def update(self, aws: Aws, ident: str, old: Json, new: Json) -> None:
        cluster, name = ident.split(":")
        of = {"clusterName": cluster, "nodegroupName": name}
        config: Json = {k: new[k] for k in ("scalingConfig", "updateConfig") if k in new and new[k] != old.get(k)}
        if new.get("labels") != old.get("labels"):
            gone = sorted(set(old.get("labels") or {}) - set(new.get("labels") or {}))
            config["labels"] = given(addOrUpdateLabels=new.get("labels"), removeLabels=gone or None)
        if config:
            updated(aws, cluster, aws.eks.update_nodegroup_config(**of, **config), nodegroupName=name)
        versions: Json = {k: new[k] for k in ("launchTemplate", "version") if k in new and new[k] != old.get(k)}
        if versions:
            updated(aws, cluster, aws.eks.update_nodegroup_version(**of, **versions), nodegroupName=name)

    def read(self, aws: Aws, ident: str) -> Json | None:
        found = self._of(aws, ident)
        groups = (found.get("resources") or {}).get("autoScalingGroups") or []
        return {
            "clusterName": found["clusterName"],
            "nodeGroupName": found["nodegroupName"],
            "arn": found["nodegroupArn"],
            "status": found["status"],
            "resources": [{"autoscalingGroups": groups}],
        }

    def delete(self, aws: Aws, ident: str, outputs: Json) -> None:
        cluster, name = ident.split(":")
        aws.eks.delete_nodegroup(clusterName=cluster, nodegroupName=name)
        wait_gone(lambda: self._of(aws, ident))

    @staticmethod
    def _of(aws: Aws, ident: str) -> Json:
        cluster, name = ident.split(":")
        return dict(aws.eks.describe_nodegroup(clusterName=cluster, nodegroupName=name)["nodegroup"])


@offered
class AccessEntry(Type):
    token, replaces = "aws:eks/accessEntry:AccessEntry", ("clusterName", "principalArn", "type")

    def create(self, aws: Aws, new: Json) -> str:
        fields = given(kubernetesGroups=new.get("kubernetesGroups"), type=new.get("type"), tags=aws.tags or None)
        aws.eks.create_access_entry(clusterName=new["clusterName"], principalArn=new["principalArn"], **fields)
        return f"{new['clusterName']}:{new['principalArn']}"

    def update(self, aws: Aws, ident: str, old: Json, new: Json) -> None:
        cluster, _, principal = ident.partition(":")
        groups = new.get("kubernetesGroups") or []
        aws.eks.update_access_entry(clusterName=cluster, principalArn=principal, kubernetesGroups=groups)

    def read(self, aws: Aws, ident: str) -> Json | None:
        cluster, _, principal = ident.partition(":")
        found = aws.eks.describe_access_entry(clusterName=cluster, principalArn=principal)["accessEntry"]
        return {"clusterName": cluster, "principalArn": principal, "accessEntryArn": found["accessEntryArn"]}

    def delete(self, aws: Aws, ident: str, outputs: Json) -> None:
        cluster, _, principal = ident.partition(":")
        aws.eks.delete_access_entry(clusterName=cluster, principalArn=principal)


@offered
class AccessPolicyAssociation(Type):
    token = "aws:eks/accessPolicyAssociation:AccessPolicyAssociation"
    replaces = ("clusterName", "principalArn", "policyArn", "accessScope")

    def create(self, aws: Aws, new: Json) -> str:
        of = {"clusterName": new["clusterName"], "principalArn": new["principalArn"]}
        aws.eks.associate_access_policy(**of, policyArn=new["policyArn"], accessScope=new["accessScope"])
        return "#".join((new["clusterName"], new["principalArn"], new["policyArn"]))

    def read(self, aws: Aws, ident: str) -> Json | None:
        cluster, principal, policy = ident.split("#")
        found = aws.eks.list_associated_access_policies(clusterName=cluster, principalArn=principal)
        is_there = any(p["policyArn"] == policy for p in found["associatedAccessPolicies"])
        return {"clusterName": cluster, "principalArn": principal, "policyArn": policy} if is_there else None

    def delete(self, aws: Aws, ident: str, outputs: Json) -> None:
        cluster, principal, policy = ident.split("#")
        aws.eks.disassociate_access_policy(clusterName=cluster, principalArn=principal, policyArn=policy)


@offered
class PodIdentityAssociation(Type):
    token = "aws:eks/podIdentityAssociation:PodIdentityAssociation"
    replaces = ("clusterName", "namespace", "serviceAccount")

    def create(self, aws: Aws, new: Json) -> str:
        fields = {key: new[key] for key in ("clusterName", "namespace", "serviceAccount", "roleArn")}
        made = aws.eks.create_pod_identity_association(**fields, **given(tags=aws.tags or None))
        return f"{new['clusterName']},{made['association']['associationId']}"

    def update(self, aws: Aws, ident: str, old: Json, new: Json) -> None:
        cluster, own = ident.split(",")
        aws.eks.update_pod_identity_association(clusterName=cluster, associationId=own, roleArn=new["roleArn"])

    def read(self, aws: Aws, ident: str) -> Json | None:
        cluster, own = ident.split(",")
        found = aws.eks.describe_pod_identity_association(clusterName=cluster, associationId=own)["association"]
        return {"clusterName": cluster, "associationId": own, "associationArn": found["associationArn"]}

    def delete(self, aws: Aws, ident: str, outputs: Json) -> None:
        cluster, own = ident.split(",")
        aws.eks.delete_pod_identity_association(clusterName=cluster, associationId=own)
