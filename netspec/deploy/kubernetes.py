"""Kubernetes objects as Pulumi resources, through one explicit provider for each cluster."""

from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_kubernetes

from netspec.plan import ManifestNode

#: Annotation that tells the provider not to wait until an object is ready.
SKIP_AWAIT = "pulumi.com/skipAwait"


def provider(
    name: str, kubeconfig: pulumi.Output[str], opts: pulumi.ResourceOptions, gone_with: bool = True
) -> pulumi_kubernetes.Provider:
    """The provider of one cluster; `kubeconfig` is a secret output.

    The objects are netspec's own: one that a killed run made, but did not live to record, is taken over
    (upsert), and what somebody else changed in one is set back (force). `gone_with`: when the cluster cannot be
    reached, it is gone and so are they.
    """
    return pulumi_kubernetes.Provider(
        name,
        kubeconfig=kubeconfig,
        enable_server_side_apply=True,
        upsert_existing_objects=True,
        enable_patch_force=True,
        delete_unreachable=gone_with,
        opts=opts,
    )


class KubernetesObject(pulumi.CustomResource):
    """Any object by the plugin's type token for it, so that a plan may hold kinds that no SDK class exists for."""

    def __init__(self, node: ManifestNode, manifest: Mapping[str, Any], opts: pulumi.ResourceOptions) -> None:
        """`manifest`: the node's, with the outputs that it refers to."""
        super().__init__(token(node.manifest, node.patch), node.id, properties(manifest, node.wait), opts)


def token(manifest: Mapping[str, Any], patch: bool = False) -> str:
    """
    >>> token({"apiVersion": "v1", "kind": "Node"}, patch=True), token({"apiVersion": "apps/v1", "kind": "Deployment"})
    ('kubernetes:core/v1:NodePatch', 'kubernetes:apps/v1:Deployment')
    """
    version, suffix = manifest["apiVersion"], "Patch" if patch else ""
    return f"kubernetes:{version if '/' in version else f'core/{version}'}:{manifest['kind']}{suffix}"


def marked(manifest: Mapping[str, Any], annotation: str, value: str) -> dict[str, Any]:
    """
    >>> marked({"kind": "Service", "metadata": {"name": "web"}}, "a", "b")
    {'kind': 'Service', 'metadata': {'name': 'web', 'annotations': {'a': 'b'}}}
    """
    meta = manifest["metadata"]
    return {**manifest, "metadata": {**meta, "annotations": {**meta.get("annotations", {}), annotation: value}}}


def properties(given: Mapping[str, Any], wait: bool) -> dict[str, Any]:
    """The object itself, with the annotation not to wait where the plan says so; a Secret's content is secret."""
    manifest = dict(given)
    if not wait:
        manifest["metadata"] = manifest["metadata"] | {
            "annotations": manifest["metadata"].get("annotations", {}) | {SKIP_AWAIT: "true"}
        }
    if manifest["kind"] == "Secret":
        for key in manifest.keys() & {"data", "stringData"}:
            manifest[key] = pulumi.Output.secret(manifest[key])
    return manifest
