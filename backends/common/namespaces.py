"""Namespaces."""

from netspec.backends.objects import Manifest, node
from netspec.ir.model import NAME_LABEL, Ir, Namespace
from netspec.plan import CLUSTER, ManifestNode

#: Namespaces that Kubernetes makes: netspec neither creates, labels nor deletes them.
BUILT_IN = frozenset({"default", "kube-system", "kube-public", "kube-node-lease"})


def namespaces(ir: Ir) -> tuple[ManifestNode, ...]:
    """The declared ones, except those that Kubernetes makes."""
    return tuple(
        node(namespace_manifest(namespace), CLUSTER)
        for namespace in ir.namespaces
        if not namespace.system and namespace.name not in BUILT_IN
    )


def namespace_manifest(namespace: Namespace) -> Manifest:
    """With the declared labels and no other: policies select by them. The API server sets the name label (KEP-2161)."""
    labels = {key: value for key, value in namespace.labels.items() if key != NAME_LABEL}
    metadata = {"name": namespace.name} | ({"labels": labels} if labels else {})
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


def namespace_id(name: str) -> tuple[str, ...]:
    """What an object of this namespace depends on: the namespace's node, or the cluster where Kubernetes makes it."""
    return (CLUSTER,) if name in BUILT_IN else (f"namespace:{name}",)
