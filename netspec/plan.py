"""The plan: typed nodes in dependency order, what a backend lowers the IR to and what `deploy/` applies.

A value that exists only once a node is applied is a `Ref`; `deploy/` turns it into the node's output.
"""

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

#: Ids that backends of one layer depend on and another layer's backend provides: the cluster itself, and the barrier
#: behind which pods get an address.
CLUSTER = "cluster"
CNI_READY = "cni-ready"


@dataclass(frozen=True, slots=True)
class Ref:
    """An output of another node, known only when that node is applied."""

    node: str
    output: str


@dataclass(frozen=True, slots=True)
class KindClusterNode:
    """A kind cluster. `config` is kind's own v1alpha4 Cluster object. Outputs: kubeconfig (secret), network.

    `image` is every node's image. `network` (`network_cidr`) is the container network the nodes join. `outside_image`
    runs as a container beside the nodes (`outside_name`): the host that ipBlock and node-port probes talk to and from.
    `immutable`: settings that are not kind's, but that a running cluster cannot change either; another value of any of
    them replaces the cluster, as another `config`, `image` or `network_cidr` does.
    """

    id: str
    name: str
    image: str
    config: Mapping[str, Any]
    network: str
    network_cidr: str
    outside_name: str
    outside_image: str
    immutable: Mapping[str, Any] = field(default_factory=dict)
    depends_on: tuple[str, ...] = ()
    kind: Literal["kind-cluster"] = "kind-cluster"


@dataclass(frozen=True, slots=True)
class ManifestNode:
    """One Kubernetes object, applied through the cluster's kubeconfig.

    `wait` False: the apply does not wait for the object to be ready (something later in the plan makes it so).
    """

    id: str
    manifest: Mapping[str, Any]
    depends_on: tuple[str, ...] = ()
    wait: bool = True
    cluster: Ref = Ref(CLUSTER, "kubeconfig")
    kind: Literal["manifest"] = "manifest"


@dataclass(frozen=True, slots=True)
class Condition:
    """What must become true of objects that something else makes (an operator's DaemonSet, the nodes).

    `resource` is kubectl's name for the kind ("nodes", "tigerastatus/calico"); `condition` the condition type that
    must be True on all of them, of which at least `at_least` must exist.
    """

    resource: str
    condition: str
    namespace: str | None = None
    at_least: int = 1


@dataclass(frozen=True, slots=True)
class ReadyNode:
    """A barrier: done when every condition holds; `timeout` in seconds, then an error that names what is missing."""

    id: str
    conditions: tuple[Condition, ...]
    depends_on: tuple[str, ...] = ()
    timeout: int = 300
    cluster: Ref = Ref(CLUSTER, "kubeconfig")
    kind: Literal["ready"] = "ready"


Node = KindClusterNode | ManifestNode | ReadyNode


@dataclass(frozen=True, slots=True)
class Plan:
    """Nodes in apply order: dependencies first, ties by the order they were given."""

    name: str
    stack: str
    nodes: tuple[Node, ...] = field(default=())

    def manifests(self) -> tuple[Mapping[str, Any], ...]:
        return tuple(n.manifest for n in self.nodes if isinstance(n, ManifestNode))


def order(nodes: Iterable[Node]) -> tuple[Node, ...]:
    """Stable topological order. A duplicate id, an unknown dependency or a cycle is a backend's bug: ValueError."""
    listed = list(nodes)
    index = {n.id: i for i, n in enumerate(listed)}
    if len(index) != len(listed):
        raise ValueError("two plan nodes share an id")
    waiting = {i: {index[d] for d in n.depends_on} for i, n in enumerate(listed) if not _unknown(n, index)}
    dependents: dict[int, list[int]] = {}
    for i, needs in waiting.items():
        for need in needs:
            dependents.setdefault(need, []).append(i)
    ready = [i for i, needs in waiting.items() if not needs]
    heapq.heapify(ready)
    out: list[Node] = []
    while ready:
        i = heapq.heappop(ready)
        out.append(listed[i])
        for j in dependents.get(i, ()):
            waiting[j].discard(i)
            if not waiting[j]:
                heapq.heappush(ready, j)
    if len(out) != len(listed):
        raise ValueError("the plan's dependencies form a cycle")
    return tuple(out)


def _unknown(node: Node, index: Mapping[str, int]) -> bool:
    for dependency in node.depends_on:
        if dependency not in index:
            raise ValueError(f"{node.id} depends on {dependency}, which is not in the plan")
    return False


def manifest_id(manifest: Mapping[str, Any]) -> str:
    """The id of a manifest's node: "<kind>:<namespace>/<name>", lower-case kind, no namespace for cluster scope."""
    meta = manifest["metadata"]
    name = f"{meta['namespace']}/{meta['name']}" if meta.get("namespace") else meta["name"]
    return f"{manifest['kind'].lower()}:{name}"
