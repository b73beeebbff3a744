"""Namespaces."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from netspec.backends.objects import Manifest, node
from netspec.ir.model import NAME_LABEL, Ir, Namespace
from netspec.plan import CLUSTER, ManifestNode
from netspec.target import Needs

#: Namespaces that Kubernetes makes: netspec neither creates, labels nor deletes them.
BUILT_IN = frozenset({"default", "kube-system", "kube-public", "kube-node-lease"})


def namespaces(ir: Ir, needs: Needs) -> tuple[ManifestNode, ...]:
    """The declared ones, except those that Kubernetes makes, with the annotations that other backends want. Of those
    that somebody else made, labels and annotations alone."""
    there = ir.traits.there.namespaces if ir.traits.there else frozenset()
    return tuple(
        replace(node(namespace_manifest(n, needs.annotations.get(n.name, {})), CLUSTER), patch=n.name in there)
        for n in ir.namespaces
        if not n.system and n.name not in BUILT_IN
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
