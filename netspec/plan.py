"""The plan: typed nodes in dependency order, what a backend lowers the IR to and what `netspec.deploy` applies.

A value that exists only once a node is applied is a `Ref`; `netspec.deploy` turns it into the node's output.
"""

import heapq
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

#: Barriers that backends of one layer depend on and another layer's backend provides: the cluster answers, its nodes
#: have joined, and pods get an address and policies are enforced.
CLUSTER = "cluster"
NODES = "nodes"
CNI_READY = "cni-ready"
#: Where Traits.balancers_stay: on the way down, what others made beside the cluster is gone with it.
UNBALANCED = "load-balancers"

#: The token of a node that configures a provider: this and the provider's name.
PROVIDER = "pulumi:providers:"


@dataclass(frozen=True, slots=True)
class Ref:
    """An output of another node, known only when that node is applied. It may stand anywhere in a node's values."""

    node: str
    output: str

    def __str__(self) -> str:
        return f"${{{self.node}.{self.output}}}"


@dataclass(frozen=True, slots=True)
class Json:
    """The JSON text of a value in which Refs may stand: for inputs that are text (a policy, an agent's settings)."""

    value: Any

    def __str__(self) -> str:
        return json.dumps(self.value, default=str)


@dataclass(frozen=True, slots=True)
class Cut:
    """The text of an output without what it begins with: the host of a URL."""

    value: Ref
    prefix: str

    def __str__(self) -> str:
        return str(self.value)


@dataclass(frozen=True, slots=True)
class Health:
    """How a resource's provider says it is: `words` is a command that prints JSON; in that, `state` is the dotted path
    of a word, of which `failed` are those that a change of the resource does not heal, and `passing` those that only
    have to be waited for; `issues` is that of a list of {code, message}."""

    words: tuple[Any, ...]
    state: str
    failed: tuple[str, ...]
    passing: tuple[str, ...]
    issues: str


@dataclass(frozen=True, slots=True)
class Found:
    """How a resource that was made, and not recorded since the run was cut, is found again: by `id`, which is made of
    its inputs ("{clusterName}:{addonName}"), as `pulumi import` takes it. {0} in it, and the default, is what a command
    says: `words`, in which inputs may stand too; it prints JSON, in which `items` is the dotted path of a list, and
    `name` in the first item that has what `only` says that of the id, or of an ARN that ends with it."""

    id: str = "{0}"
    words: tuple[str, ...] = ()
    items: str = ""
    name: str = ""
    only: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Leftover:
    """What others make beside a stack, and what would keep it from being destroyed. `find` is a command that prints
    JSON, `items` the dotted path of the list in it; those count that have at a path what `only` says. `remove`: the
    command that removes one, in which {0}, {1} are what is at the paths `names`. `what`: for a reader."""

    what: str
    find: tuple[Any, ...]
    items: str
    names: tuple[str, ...]
    remove: tuple[Any, ...]
    only: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ResourceNode:
    """A resource of a provider: Pulumi's type `token` and its inputs, by the provider's own names.

    `secrets` are outputs that are never shown. `provides`: the barriers that are reached with this node. `files`:
    inputs that `netspec compile` writes as YAML files of their own, input -> file name. `found_again`: one that was
    made and not recorded is found by its inputs when it is made once more, and taken over or replaced: say so only
    where that is tested, for anything else would be made twice.

    `provider`: the node that configures the provider (token PROVIDER + its name), whose `version` is that of its
    plugin. `outputs` are made of other outputs; `identity` among them tells this cluster from another of the same name,
    and names the resource with which all that is on the cluster goes. `unique`: two of it cannot be there at a time,
    so it is deleted before it is made again. `ignores`: inputs that count when it is made and never after. `cluster`:
    it is made on that cluster, through its kubeconfig, and goes with it (a Helm release). `health`: how one asks
    whether it is whole; if not, it is made again. `lookup`: how it is found when it was made and not recorded. `fixed`:
    inputs that cannot change while anything of the provider that this configures is there.
    """

    id: str
    token: str
    properties: Mapping[str, Any]
    depends_on: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    provides: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    found_again: bool = False
    provider: str = ""
    version: str = ""
    outputs: Mapping[str, Any] = field(default_factory=dict)
    unique: bool = False
    ignores: tuple[str, ...] = ()
    cluster: Ref | None = None
    outlives: bool = False
    health: Health | None = None
    lookup: Found | None = None
    fixed: tuple[str, ...] = ()
    kind: Literal["resource"] = "resource"


@dataclass(frozen=True, slots=True)
class ManifestNode:
    """One Kubernetes object, applied through the cluster's kubeconfig. One that is there already is taken over.

    `wait` False: the apply does not wait for the object to be ready (something later in the plan makes it so).
    `outlives`: it makes something beside the cluster that only its own deletion takes away, so it is deleted before the
    cluster is and not with it.
    `patch`: the object is somebody else's and must be there; the manifest holds fields of it that are ours, which alone
    go when the node goes.
    """

    found_again: ClassVar[bool] = True

    id: str
    manifest: Mapping[str, Any]
    depends_on: tuple[str, ...] = ()
    wait: bool = True
    outlives: bool = False
    patch: bool = False
    cluster: Ref = Ref(CLUSTER, "kubeconfig")
    kind: Literal["manifest"] = "manifest"


@dataclass(frozen=True, slots=True)
class Condition:
    """What must become true of objects that something else makes (an operator's DaemonSet, the nodes).

    `resource` is kubectl's name for the kind ("nodes", "deployments/web"); `condition` the condition type that
    must be True on all of them, of which at least `at_least` must exist. `selector`: only those with these labels.
    """

    resource: str
    condition: str
    namespace: str | None = None
    at_least: int = 1
    selector: str = ""


@dataclass(frozen=True, slots=True)
class ReadyNode:
    """A barrier: done when every condition holds; `timeout` in seconds, then an error that names what is missing."""

    found_again: ClassVar[bool] = True

    id: str
    conditions: tuple[Condition, ...]
    depends_on: tuple[str, ...] = ()
    timeout: int = 300
    cluster: Ref = Ref(CLUSTER, "kubeconfig")
    kind: Literal["ready"] = "ready"


@dataclass(frozen=True, slots=True)
class SweepNode:
    """Nothing on the way up. On the way down, when all is gone that depends on it: what others left is removed.
    `cluster`: where kubectl looks, None where it has no part in that."""

    found_again: ClassVar[bool] = True

    id: str
    leftovers: tuple[Leftover, ...]
    depends_on: tuple[str, ...] = ()
    cluster: Ref | None = None
    kind: Literal["sweep"] = "sweep"


Node = ResourceNode | ManifestNode | ReadyNode | SweepNode


@dataclass(frozen=True, slots=True)
class Plan:
    """Nodes in apply order: dependencies first, ties by the order they were given. `network`: what a later plan needs
    to know of this one to say what it changes: podCIDRs and cni. `images`: every container image that is to run."""

    name: str
    stack: str
    nodes: tuple[Node, ...] = field(default=())
    network: Mapping[str, Any] = field(default_factory=dict)
    images: tuple[str, ...] = ()

    @property
    def found_again(self) -> bool:
        """Whether an apply that was cut converges when nothing of it was recorded: everything that it made is found
        again by what the plan says of it (a name, a label), and taken over or replaced."""
        return all(node.found_again for node in self.nodes)

    def manifests(self) -> tuple[Mapping[str, Any], ...]:
        return tuple(n.manifest for n in self.nodes if isinstance(n, ManifestNode))


def refs(value: Any) -> Iterator[Ref]:
    """Every Ref in a value, at whatever depth."""
    if isinstance(value, Ref):
        yield value
    elif isinstance(value, Json | Cut):
        yield from refs(value.value)
    elif isinstance(value, Leftover):
        yield from refs((value.find, value.remove))
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from refs(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from refs(inner)


def images_of(value: Any) -> Iterator[str]:
    """The images of the containers in a manifest, or in any part of one (core/v1 PodSpec)."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key in ("containers", "initContainers") and isinstance(inner, list):
                yield from (c["image"] for c in inner if isinstance(c, Mapping) and isinstance(c.get("image"), str))
            yield from images_of(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from images_of(inner)


def needs_of(node: Node) -> dict[str, None]:
    """The ids, or barriers, that must come before a node: those it names and those whose outputs it uses."""
    if isinstance(node, ResourceNode):
        used = refs((node.properties, node.outputs, node.cluster))
        return dict.fromkeys(
            (
                *node.depends_on,
                *([node.provider] if node.provider else ()),
                *(ref.node for ref in used if ref.node != node.id),
            )
        )
    elif isinstance(node, ManifestNode):
        used = refs((node.cluster, node.manifest))
    elif isinstance(node, SweepNode):
        used = refs((node.cluster, node.leftovers))
    else:
        used = refs(node.cluster)
    return dict.fromkeys((*node.depends_on, *(ref.node for ref in used)))


def providers(nodes: Iterable[Node]) -> dict[str, str]:
    """Id or barrier -> the id of the node that stands for it. ValueError where two do."""
    out: dict[str, str] = {}
    for node in nodes:
        for name in (node.id, *(node.provides if isinstance(node, ResourceNode) else ())):
            if name in out:
                raise ValueError(f"two plan nodes share the id {name}")
            out[name] = node.id
    return out


def order(nodes: Iterable[Node]) -> tuple[Node, ...]:
    """Stable topological order. A duplicate id, an unknown dependency or a cycle is a backend's bug: ValueError."""
    listed = list(nodes)
    standing = providers(listed)
    index = {n.id: i for i, n in enumerate(listed)}
    waiting: dict[int, set[int]] = {}
    for i, node in enumerate(listed):
        for need in (needs := needs_of(node)):
            if need not in standing:
                raise ValueError(f"{node.id} depends on {need}, which is not in the plan")
        waiting[i] = {index[standing[need]] for need in needs}
    dependents: dict[int, list[int]] = {}
    for i, before in waiting.items():
        for j in before:
            dependents.setdefault(j, []).append(i)
    ready = [i for i, before in waiting.items() if not before]
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


def manifest_id(manifest: Mapping[str, Any]) -> str:
    """The id of a manifest's node: "<kind>:<namespace>/<name>", lower-case kind, no namespace for cluster scope."""
    meta = manifest["metadata"]
    name = f"{meta['namespace']}/{meta['name']}" if meta.get("namespace") else meta["name"]
    return f"{manifest['kind'].lower()}:{name}"
