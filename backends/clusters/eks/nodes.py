"""Node groups: the role of their nodes, a launch template each, and the barrier behind which all have joined."""

import base64
from collections.abc import Iterable, Sequence
from typing import Any

from netspec.backends.clusters.eks.addresses import Subnet, of
from netspec.backends.clusters.eks.control import NAME
from netspec.backends.clusters.eks.resource import ids, resource, role
from netspec.backends.clusters.eks.settings import EksNodeGroup, EksSettings
from netspec.ir.model import Ir
from netspec.plan import NODES, Condition, Json, Node, ReadyNode, Ref, ResourceNode
from netspec.target import Needs

#: What a node does by itself: to describe itself and to pull images. The CNI's rights are the CNI's pods' own.
RIGHTS = ("AmazonEKSWorkerNodeMinimalPolicy", "AmazonEC2ContainerRegistryPullOnly")
EFFECTS = {"NoSchedule": "NO_SCHEDULE", "PreferNoSchedule": "PREFER_NO_SCHEDULE", "NoExecute": "NO_EXECUTE"}
#: Seconds that nodes may take to join: a group of several, one after another, at AWS's pace.
PATIENCE = 1800
_BOUNDARY = "==NETSPEC=="


def node_groups(
    ir: Ir, settings: EksSettings, subnets: Sequence[Subnet], needs: Needs, before: Iterable[str]
) -> tuple[Node, ...]:
    """`before`: what must be there when the first node starts, and still there when the last one ends."""
    roles = role("node", "ec2.amazonaws.com", settings.region, RIGHTS)
    nodes: list[Node] = [*roles]
    groups = []
    for group in settings.node_groups:
        nodes.append(_template(ir, group, needs))
        groups.append(_group(settings, group, subnets, needs, [*ids(roles), *before]))
    conditions = (Condition("nodes", "Ready", at_least=ir.traits.nodes),)
    joined = ReadyNode(NODES, conditions, tuple(ids(groups)), timeout=PATIENCE)
    return (*nodes, *groups, joined)


def size(group: EksNodeGroup) -> int:
    return group.min if group.desired is None else group.desired


def max_pods(group: EksNodeGroup, ir: Ir, needs: Needs) -> int | None:
    """The kubelet's limit: the group's own, the spec's, or what the CNI has room for."""
    if group.max_pods is not None:
        return group.max_pods
    given = ir.network.max_pods if ("network", "maxPods") in ir.given else None
    return given or needs.max_pods.get(group.name)


def _template(ir: Ir, group: EksNodeGroup, needs: Needs) -> ResourceNode:
    """IMDSv2 alone, and one hop: no pod of the pod network reaches its node's credentials."""
    pods = max_pods(group, ir, needs)
    text = user_data(group, pods) if pods else None
    disk = "/dev/xvdb" if group.ami_type.startswith("BOTTLEROCKET") else "/dev/xvda"
    volume = {"volumeSize": group.disk_gib, "volumeType": "gp3", "encrypted": "true", "deleteOnTermination": "true"}
    properties = {
        "metadataOptions": {"httpEndpoint": "enabled", "httpTokens": "required", "httpPutResponseHopLimit": 1},
        "blockDeviceMappings": [{"deviceName": disk, "ebs": volume}],
        "userData": base64.b64encode(text.encode()).decode() if text else None,
        "updateDefaultVersion": True,
        "tagSpecifications": [
            {"resourceType": kind, "tags": {"Name": f"{ir.cluster_name}-{group.name}"}}
            for kind in ("instance", "network-interface", "volume")
        ],
    }
    return resource(f"launch-template-{group.name}", "ec2/launchTemplate:LaunchTemplate", properties)


def user_data(group: EksNodeGroup, pods: int) -> str:
    """EKS merges its own part with this one. Amazon Linux takes a NodeConfig, Bottlerocket its settings."""
    if group.ami_type.startswith("BOTTLEROCKET"):
        return f"[settings.kubernetes]\nmax-pods = {pods}\n"
    config = (
        f"apiVersion: node.eks.aws/v1alpha1\nkind: NodeConfig\nspec:\n  kubelet:\n    config:\n      maxPods: {pods}\n"
    )
    head = f'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="{_BOUNDARY}"\n'
    return f"{head}\n--{_BOUNDARY}\nContent-Type: application/node.eks.aws\n\n{config}\n--{_BOUNDARY}--\n"


def _group(
    settings: EksSettings, group: EksNodeGroup, subnets: Sequence[Subnet], needs: Needs, after: Iterable[str]
) -> ResourceNode:
    """Without a name of its own a group that must be made again is there before the old one goes."""
    template = f"launch-template-{group.name}"
    taints = [(t.key, t.value, t.effect) for t in group.taints]
    taints += [(t.key, t.value, t.effect) for t in needs.taints]
    properties: dict[str, Any] = {
        "clusterName": NAME,
        "nodeRoleArn": Ref("role-node", "arn"),
        "subnetIds": [s.reference for s in of(subnets, "private")],
        "version": settings.version,
        "amiType": group.ami_type,
        "capacityType": group.capacity_type,
        "instanceTypes": list(group.instance_types),
        "scalingConfig": {"minSize": group.min, "maxSize": group.max, "desiredSize": size(group)},
        "updateConfig": {"maxUnavailable": group.max_unavailable},
        "launchTemplate": {"id": Ref(template, "id"), "version": Json(Ref(template, "latestVersion"))},
        "labels": {"netspec.dev/group": group.name, **group.labels},
        "taints": [
            {"key": key, "effect": EFFECTS[effect], **({"value": value} if value else {})}
            for key, value, effect in taints
        ]
        or None,
    }
    free = () if group.desired is not None else ("scalingConfig.desiredSize",)
    return resource(f"node-group-{group.name}", "eks/nodeGroup:NodeGroup", properties, after, ignores=free)
