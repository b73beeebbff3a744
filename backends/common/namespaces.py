"""Namespaces."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from netspec.backends.objects import Manifest, node
from netspec.ir.model import NAME_LABEL, Ir, Namespace
from netspec.plan import CLUSTER, ManifestNode
from netspec.target import Needs

#: Namespaces that Kubernetes makes: netspec neither creates, labels nor deletes them.
BUILT_IN = frozenset({"default", "kube-system", "kube-public", "kube-node-lease"})


def namespaces(ir: Ir, needs: Needs) -> tuple[ManifestNode, ...]:
    """The declared ones, except those that Kubernetes makes, with the annotations that other backends want."""
    return tuple(
        node(namespace_manifest(namespace, needs.annotations.get(namespace.name, {})), CLUSTER)
        for namespace in ir.namespaces
        if not namespace.system and namespace.name not in BUILT_IN
    )


def namespace_manifest(namespace: Namespace, annotations: Mapping[str, str] = MappingProxyType({})) -> Manifest:
    """With the declared labels and no other: policies select by them. The API server sets the name label (KEP-2161)."""
    labels = {key: value for key, value in namespace.labels.items() if key != NAME_LABEL}
    metadata: dict[str, Any] = {"name": namespace.name} | ({"labels": labels} if labels else {})
    if annotations:
        metadata["annotations"] = dict(annotations)
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


def namespace_id(name: str) -> tuple[str, ...]:
    """What an object of this namespace depends on: the namespace's node, or the cluster where Kubernetes makes it."""
    return (CLUSTER,) if name in BUILT_IN else (f"namespace:{name}",)
