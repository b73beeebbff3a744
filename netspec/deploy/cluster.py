"""The kind cluster as a Pulumi resource.

Inputs: those of the plan's node (netspec.backends.clusters.kind), and stack; nothing of a machine is among them.
Outputs besides: kubeconfig (secret), and owner, the label by which what was made can be told from what is not ours.

A replacement creates before it deletes, as far as Pulumi goes: `create` removes the old cluster itself, and `delete`
leaves alone what has another identity. So Pulumi never asks the old cluster's API server to delete its objects.
"""

from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi.dynamic import (
    ConfigureRequest,
    CreateResult,
    DiffResult,
    ReadResult,
    Resource,
    ResourceProvider,
    UpdateResult,
)

from netspec.deploy import containers, kind
from netspec.deploy.containers import Network
from netspec.deploy.plainly import speak_plainly
from netspec.plan import ResourceNode
from netspec.toolchain import engine, project

#: The type of the plan's nodes that this makes.
TOKEN = "netspec:kind:Cluster"
#: A change of one of these makes a new cluster: kind cannot change a cluster that exists.
REPLACING = ("name", "image", "config", "network", "networkCidr", "networkRange", "immutable", "stack")
#: A change of one of these starts the host beside the nodes again.
IN_PLACE = ("outsideName", "outsideImage", "outsideAddress")
#: The property that a replacement is put down to when the nodes themselves are the reason.
NODES = "nodes"


def say(line: str) -> None:
    """Into Pulumi's log: the engine forwards what a plugin prints."""
    print(line, flush=True)


class KindProvider(ResourceProvider):
    """State holds a reference to this class by name, nothing else of it."""

    serialize_as_secret_always = False

    def configure(self, req: ConfigureRequest) -> None:
        speak_plainly()

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        """What the spec changed, and what happened to the containers: nodes that are gone are made again."""
        replaces = changed(_olds, _news)
        in_place = [key for key in IN_PLACE if _olds.get(key) != _news.get(key)]
        if not replaces:
            if wrong := kind.broken(_olds["name"], size_of(_olds), identity_of(_id)):
                say(f"cluster {_olds['name']}: {wrong}; it is created again")
                replaces = [NODES]
            elif not _runs(_olds["outsideName"]):
                in_place.append("outsideName")
        return DiffResult(changes=bool(replaces or in_place), replaces=replaces, delete_before_replace=False)

    def create(self, props: dict[str, Any]) -> CreateResult:
        cluster = cluster_of(props)
        engine.record(props["stack"], containers.engine_id())
        made = kind.create(cluster, say)
        outs = _inputs(props) | {"kubeconfig": made.kubeconfig, "owner": cluster.network.owner}
        return CreateResult(f"{cluster.name}/{made.identity}", outs)

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """Gone when nothing of it is left. What is broken stays in the state, for `diff` or `delete` to deal with."""
        if kind.gone(props["name"], cluster_of(props, props["owner"]).network, identity_of(id_)):
            return ReadResult(None, {})
        return ReadResult(id_, props)

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        cluster = cluster_of(_news, _olds["owner"])
        if _olds["outsideName"] != cluster.outside_name:
            containers.remove_named(_olds["outsideName"], cluster.network)
        kind.run_outside_host(cluster)
        return UpdateResult(_inputs(_news) | {key: _olds[key] for key in ("kubeconfig", "owner")})

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        cluster = cluster_of(_props, _props["owner"])
        kind.remove(cluster.name, cluster.network, identity_of(_id), say)
        if not kind.left_of(cluster.network.owner):  # what replaces it may be there already
            engine.forget(_props["stack"])


class KindCluster(Resource, module="netspec", name="KindCluster"):
    """Outputs: `kubeconfig` (secret), `network`."""

    kubeconfig: pulumi.Output[str]
    network: pulumi.Output[str]
    owner: pulumi.Output[str]

    def __init__(self, node: ResourceNode, stack: str, opts: pulumi.ResourceOptions | None = None) -> None:
        props = inputs(node, stack) | {"kubeconfig": None, "owner": None}
        secret = pulumi.ResourceOptions(additional_secret_outputs=list(node.secrets))
        super().__init__(KindProvider(), node.id, props, pulumi.ResourceOptions.merge(secret, opts))


def inputs(node: ResourceNode, stack: str) -> dict[str, Any]:
    return {**node.properties, "stack": stack}


def cluster_of(props: Mapping[str, Any], owner: str | None = None) -> kind.Cluster:
    """`owner`: the recorded one; a cluster to be made is owned by this checkout's stack."""
    owner = owner or f"{project.owner()}/{props['stack']}"
    return kind.Cluster(
        name=props["name"],
        image=props["image"],
        config=props["config"],
        network=Network(props["network"], props["name"], owner),
        network_cidr=props["networkCidr"],
        network_range=props.get("networkRange"),
        outside_name=props["outsideName"],
        outside_image=props["outsideImage"],
        outside_address=props.get("outsideAddress"),
        kernel=props.get("kernel") or {},
    )


def size_of(props: Mapping[str, Any]) -> int:
    """How many nodes it has: kind makes one control-plane node when the config lists none."""
    return len(props["config"].get("nodes") or [{}])


def identity_of(id_: str) -> str:
    return id_.rpartition("/")[2]


def changed(olds: Mapping[str, Any], news: Mapping[str, Any]) -> list[str]:
    """The properties whose change makes a new cluster, as paths into the config for the reader of a preview.

    >>> changed({"config": {"networking": {"ipFamily": "ipv4"}}}, {"config": {"networking": {"ipFamily": "ipv6"}}})
    ['config.networking.ipFamily']
    """
    return [path for key in REPLACING for path in _paths(key, olds.get(key), news.get(key))]


def _paths(path: str, old: Any, new: Any) -> list[str]:
    if old == new:
        return []
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        keys = dict.fromkeys((*old, *new))
        return [found for key in keys for found in _paths(f"{path}.{key}", old.get(key), new.get(key))]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [found for i, (a, b) in enumerate(zip(old, new, strict=True)) for found in _paths(f"{path}[{i}]", a, b)]
    return [path]


def _inputs(props: Mapping[str, Any]) -> dict[str, Any]:
    return {key: props[key] for key in (*REPLACING, *IN_PLACE) if key in props}


def _runs(name: str) -> bool:
    found = containers.named(name)
    return found is not None and found.state == "running"
