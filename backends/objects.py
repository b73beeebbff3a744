"""Builders of Kubernetes objects that more than one backend needs. Objects are plain data in the API's own shape."""

from collections.abc import Mapping, Sequence
from typing import Any

from netspec.ir.model import Ir, Workload
from netspec.plan import (
    CLUSTER,
    CNI_READY,
    NODES,
    UNBALANCED,
    Leftover,
    ManifestNode,
    Ref,
    ResourceNode,
    SweepNode,
    manifest_id,
)

Manifest = dict[str, Any]

#: On every object that netspec makes.
MANAGED_BY = {"app.kubernetes.io/managed-by": "netspec"}

#: Annotation with the digest of a pod's configuration: a change of the configuration rolls the pods.
CHECKSUM = "netspec.dev/config-sha256"


def manifest(
    api_version: str,
    kind: str,
    name: str,
    namespace: str | None = None,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    **body: Any,
) -> Manifest:
    """One object; `body` holds its other top-level fields (spec, rules, data, ...)."""
    metadata: dict[str, Any] = {"name": name}
    if namespace:
        metadata["namespace"] = namespace
    metadata["labels"] = MANAGED_BY | dict(labels or {})
    if annotations:
        metadata["annotations"] = dict(annotations)
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **body}


def node(obj: Manifest, *depends_on: str, wait: bool = True) -> ManifestNode:
    return ManifestNode(id=manifest_id(obj), manifest=obj, depends_on=tuple(dict.fromkeys(depends_on)), wait=wait)


def release(
    name: str,
    namespace: str,
    chart: str,
    version: str,
    values: Mapping[str, Any],
    *depends_on: str,
    repository: str = "",
    outlives: bool = False,
) -> ResourceNode:
    """A Helm release on the cluster. Nothing waits for its objects here: a barrier says what must be ready, and why it
    is not. `chart` is a directory, the name of one in `repository`, or an oci:// address."""
    properties: dict[str, Any] = {"name": name, "namespace": namespace, "chart": chart, "version": version}
    if repository:
        properties["repositoryOpts"] = {"repo": repository}
    return ResourceNode(
        id=f"release:{namespace}/{name}",
        token="kubernetes:helm.sh/v3:Release",
        properties={**properties, "values": dict(values), "skipAwait": True},
        depends_on=tuple(dict.fromkeys(depends_on)),
        files={"values": f"{name}-values.yaml"},
        found_again=True,  # by helm's record of it (netspec.deploy.releases)
        cluster=Ref(CLUSTER, "kubeconfig"),
        outlives=outlives,
    )


def balancers(*classes: str) -> SweepNode:
    """For Traits.balancers_stay: Services of type LoadBalancer, and Ingresses of these classes, that somebody else made
    go before nodes do, while what made their load balancers still runs. Their deletion waits for it (finalizers)."""
    services = _balanced("Service of type LoadBalancer", "services", {"spec.type": "LoadBalancer"})
    kind, field = "ingresses.networking.k8s.io", "spec.ingressClassName"
    routes = (_balanced(f"Ingress of class {name}", kind, {field: name}) for name in classes)
    return SweepNode(UNBALANCED, (services, *routes), (NODES, CNI_READY), Ref(CLUSTER, "kubeconfig"))


def _balanced(what: str, kind: str, only: Mapping[str, str]) -> Leftover:
    return Leftover(
        what=what,
        find=("kubectl", "get", kind, "--all-namespaces", "--output=json", "--request-timeout=20s"),
        items="items",
        names=("metadata.namespace", "metadata.name"),
        remove=("kubectl", "delete", kind, "{1}", "--namespace={0}", "--ignore-not-found", "--timeout=50s"),
        only=only,
    )


def rule(groups: Sequence[str], resources: Sequence[str], verbs: Sequence[str], **names: Sequence[str]) -> Manifest:
    """One RBAC rule; `resourceNames=[...]` narrows it."""
    out: Manifest = {"apiGroups": list(groups), "resources": list(resources), "verbs": list(verbs)}
    return out | {key: list(value) for key, value in names.items()}


def cluster_role_binding(role: str, account: str, namespace: str) -> Manifest:
    """Grants the ClusterRole `role` to a ServiceAccount."""
    return manifest(
        "rbac.authorization.k8s.io/v1",
        "ClusterRoleBinding",
        role,
        roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        subjects=[{"kind": "ServiceAccount", "name": account, "namespace": namespace}],
    )


def guards(ir: Ir, workload: Workload) -> tuple[str, ...]:
    """The policies that select a workload: its pods depend on them, so that no pod ever runs without them."""
    return tuple(
        f"networkpolicy:{policy.id}"
        for policy in ir.policies
        if policy.namespace == workload.namespace and policy.pods.matches(workload.labels)
    )
