"""The Pulumi program: one resource for each node of a plan, one component for each layer."""

import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeGuard

import pulumi

from netspec.deploy import cluster, existing
from netspec.deploy.kubernetes import KubernetesObject, marked, provider
from netspec.deploy.layers import LAYERS, layers
from netspec.deploy.ready import Ready
from netspec.deploy.sweep import SweepResource, given
from netspec.plan import (
    PROVIDER,
    Cut,
    Json,
    ManifestNode,
    Node,
    Plan,
    ReadyNode,
    Ref,
    ResourceNode,
    SweepNode,
    needs_of,
    providers,
    refs,
)


class Layer(pulumi.ComponentResource):
    """What belongs together: the cluster, its CNI, its DNS, the policies, the workloads."""

    def __init__(self, name: str) -> None:
        super().__init__("netspec:network:Layer", name)


class ProviderResource(pulumi.CustomResource):
    """Any resource of any provider by its type token. `outputs` are those that other nodes use."""

    def __init__(
        self, node: ResourceNode, properties: Mapping[str, Any], outputs: set[str], opts: pulumi.ResourceOptions
    ) -> None:
        own = pulumi.ResourceOptions(
            additional_secret_outputs=list(node.secrets),
            delete_before_replace=node.unique or None,
            ignore_changes=list(node.ignores) or None,
            version=node.version or None,
        )
        props = {**dict.fromkeys(outputs), **properties}
        super().__init__(node.token, node.id, props, pulumi.ResourceOptions.merge(opts, own))


class ConfiguredProvider(pulumi.ProviderResource):
    """What configures a provider, for the resources that name it."""

    def __init__(self, node: ResourceNode, properties: Mapping[str, Any], opts: pulumi.ResourceOptions) -> None:
        version = pulumi.ResourceOptions(version=node.version or None)
        merged = pulumi.ResourceOptions.merge(opts, version)
        super().__init__(node.token.removeprefix(PROVIDER), node.id, dict(properties), merged)


def apply(plan: Plan) -> None:
    """Declare the plan's resources and the stack's outputs: `cluster` (name), `network` (what the next plan is compared
    with) and `kubeconfig` (secret)."""
    _Program(plan).declare()


class _Program:
    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._layer_of = layers(plan)
        self._layers = {name: Layer(name) for name in LAYERS if name in self._layer_of.values()}
        self._standing = providers(plan.nodes)
        self._outputs: dict[str, set[str]] = defaultdict(set)
        for node in plan.nodes:
            for ref in _refs_of(node):
                self._outputs[self._standing[ref.node]].add(ref.output.partition(".")[0])
        self._nodes = {node.id: node for node in plan.nodes}
        self._resources: dict[str, pulumi.Resource] = {}
        self._providers: dict[Ref, pulumi.ProviderResource] = {}

    def declare(self) -> None:
        for node in self._plan.nodes:
            opts = pulumi.ResourceOptions(
                parent=self._layers[self._layer_of[node.id]],
                depends_on=[self._resource(needed) for needed in needs_of(node)],
            )
            self._resources[node.id] = _BUILDERS[type(node)](self, node, opts)
        for name, layer in self._layers.items():
            layer.register_outputs({"resources": sum(found == name for found in self._layer_of.values())})
        pulumi.export("cluster", f"{self._plan.name}-{self._plan.stack}")
        pulumi.export("network", dict(self._plan.network))
        for ref in list(self._providers)[:1]:
            pulumi.export("kubeconfig", self.resolved(ref))

    def _resource(self, name: str) -> pulumi.Resource:
        return self._resources[self._standing[name]]

    def resolved(self, value: Any) -> Any:
        """`value` with the outputs that it refers to, at whatever depth."""
        if isinstance(value, Ref):
            return self._output(value)
        if isinstance(value, Json):
            return pulumi.Output.from_input(self.resolved(value.value)).apply(_json)
        if isinstance(value, Cut):
            return pulumi.Output.from_input(self._output(value.value)).apply(partial(_without, value.prefix))
        if isinstance(value, Mapping):
            return {key: self.resolved(inner) for key, inner in value.items()}
        return [self.resolved(inner) for inner in value] if isinstance(value, list | tuple) else value

    def _output(self, ref: Ref) -> Any:
        """An output that the plan makes of others, or the resource's own, at whatever depth ("vpcConfig.vpcId")."""
        node = self._nodes[self._standing[ref.node]]
        if isinstance(node, ResourceNode) and ref.output in node.outputs:
            made = self.resolved(node.outputs[ref.output])
            return pulumi.Output.secret(made) if ref.output in node.secrets else made
        name, *deeper = ref.output.split(".")
        found = getattr(self._resource(ref.node), name)
        for key in deeper:
            found = found.apply(partial(_inner, key))
        return found

    def resource(self, node: ResourceNode, opts: pulumi.ResourceOptions) -> pulumi.Resource:
        if node.token == cluster.TOKEN:
            return cluster.KindCluster(node, self._plan.stack, opts)
        if node.token == existing.TOKEN:
            return existing.ExistingCluster(node, self._plan, opts)
        if node.provider:
            provided = self._resources[node.provider]
            assert isinstance(provided, pulumi.ProviderResource)
            opts = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(provider=provided))
        if node.cluster:
            on = pulumi.ResourceOptions(provider=self._kubernetes(node.cluster))
            bound = self._bound(node.cluster, node.outlives)
            opts = pulumi.ResourceOptions.merge(pulumi.ResourceOptions.merge(opts, bound), on)
        if node.token.startswith(PROVIDER):
            return ConfiguredProvider(node, self.resolved(node.properties), opts)
        return ProviderResource(node, self.resolved(node.properties), self._outputs[node.id], opts)

    def manifest(self, node: ManifestNode, opts: pulumi.ResourceOptions) -> pulumi.Resource:
        on = pulumi.ResourceOptions(provider=self._kubernetes(node.cluster))
        opts = pulumi.ResourceOptions.merge(opts, self._bound(node.cluster, node.outlives))
        manifest = self.resolved(node.manifest)
        if self._is_foreign(node.cluster) and not node.patch:
            manifest = marked(manifest, existing.STACK, existing.owner_of(self._plan))
        return KubernetesObject(node, manifest, pulumi.ResourceOptions.merge(opts, on))

    def ready(self, node: ReadyNode, opts: pulumi.ResourceOptions) -> pulumi.Resource:
        after = [n for n in self._plan.nodes if n.id in node.depends_on and _is_on_a_cluster(n)]
        opts = pulumi.ResourceOptions.merge(opts, self._bound(node.cluster))
        return Ready(node, self.resolved(node.cluster), after, opts)

    def sweep(self, node: SweepNode, opts: pulumi.ResourceOptions) -> pulumi.Resource:
        """It outlives what is on the cluster, and is done anew for another one."""
        kubeconfig: Any = ""
        if node.cluster is not None:
            opts = pulumi.ResourceOptions.merge(opts, self._bound(node.cluster, outlives=True))
            kubeconfig = self.resolved(node.cluster)
        return SweepResource(node, self.resolved(given(node)), kubeconfig, opts)

    def _kubernetes(self, kubeconfig: Ref) -> pulumi.ProviderResource:
        if kubeconfig not in self._providers:
            parent = pulumi.ResourceOptions(parent=self._layers[self._layer_of[self._standing[kubeconfig.node]]])
            name = f"{kubeconfig.node}-kubernetes"
            gone_with = not self._is_foreign(kubeconfig)
            self._providers[kubeconfig] = provider(name, self.resolved(kubeconfig), parent, gone_with)
        return self._providers[kubeconfig]

    def _bound(self, kubeconfig: Ref, outlives: bool = False) -> pulumi.ResourceOptions:
        """What is on a cluster goes with it, without a word to its API server, and is made again on another one. A
        cluster that somebody else made stays: there each object is deleted.

        A trigger in each resource's own state, rather than `replace_with`: a replacement that was cut goes on later.
        """
        node = self._nodes[self._standing[kubeconfig.node]]
        identity = node.outputs.get("identity") if isinstance(node, ResourceNode) else None
        resource = self._resource(identity.node if isinstance(identity, Ref) else kubeconfig.node)
        assert isinstance(resource, pulumi.CustomResource)
        trigger = self.resolved(identity) if identity is not None else resource.id
        stays = outlives or self._is_foreign(kubeconfig)
        return pulumi.ResourceOptions(deleted_with=None if stays else resource, replacement_trigger=trigger)

    def _is_foreign(self, kubeconfig: Ref) -> bool:
        node = self._nodes[self._standing[kubeconfig.node]]
        return isinstance(node, ResourceNode) and node.token == existing.TOKEN


def _is_on_a_cluster(node: Node) -> TypeGuard[ManifestNode | ResourceNode]:
    return isinstance(node, ManifestNode) or (isinstance(node, ResourceNode) and node.cluster is not None)


def _json(value: Any) -> str:
    """Numbers of Pulumi's protocol are all floats: the third version of something is 3, and not 3.0."""
    return json.dumps(_whole(value), sort_keys=True)


def _whole(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _whole(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_whole(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _inner(key: str, value: Any) -> Any:
    """Of an output that is a mapping, or a list of one; None while it is not known."""
    value = value[0] if isinstance(value, list) and value else value
    return value.get(key) if isinstance(value, Mapping) else None


def _without(prefix: str, text: str | None) -> str | None:
    return None if text is None else text.removeprefix(prefix)


def _refs_of(node: Node) -> list[Ref]:
    values: tuple[Any, ...] = (node.cluster, getattr(node, "manifest", None), getattr(node, "leftovers", None))
    if isinstance(node, ResourceNode):
        values = (node.properties, node.outputs, node.cluster)
    return list(refs(values))


_BUILDERS: dict[type[Node], Callable[[_Program, Any, pulumi.ResourceOptions], pulumi.Resource]] = {
    ResourceNode: _Program.resource,
    ManifestNode: _Program.manifest,
    ReadyNode: _Program.ready,
    SweepNode: _Program.sweep,
}
