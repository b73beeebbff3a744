"""The Pulumi program: one resource for each node of a plan, one component for each layer."""

import pulumi

from netspec.deploy.cluster import KindCluster
from netspec.deploy.kubernetes import KubernetesObject, provider
from netspec.deploy.layers import LAYERS, layers
from netspec.deploy.ready import Ready
from netspec.plan import KindClusterNode, ManifestNode, Node, Plan, ReadyNode, Ref


class Layer(pulumi.ComponentResource):
    """What belongs together: the cluster, its CNI, its DNS, the policies, the workloads."""

    def __init__(self, name: str) -> None:
        super().__init__("netspec:network:Layer", name)


def apply(plan: Plan) -> None:
    """Declare the plan's resources and the stack's outputs: `cluster` (name) and `kubeconfig` (secret)."""
    _Program(plan).declare()


class _Program:
    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._layer_of = layers(plan)
        self._layers = {name: Layer(name) for name in LAYERS if name in self._layer_of.values()}
        self._resources: dict[str, pulumi.Resource] = {}
        self._clusters: dict[str, KindCluster] = {}
        self._providers: dict[str, pulumi.ProviderResource] = {}

    def declare(self) -> None:
        for node in self._plan.nodes:
            self._resources[node.id] = self._resource(node)
        for name, layer in self._layers.items():
            layer.register_outputs({"resources": sum(found == name for found in self._layer_of.values())})

    def _resource(self, node: Node) -> pulumi.Resource:
        opts = pulumi.ResourceOptions(
            parent=self._layers[self._layer_of[node.id]],
            depends_on=[self._resources[dependency] for dependency in node.depends_on],
        )
        match node:
            case KindClusterNode():
                return self._cluster(node, opts)
            case ReadyNode():
                after = [n for n in self._plan.nodes if n.id in node.depends_on and isinstance(n, ManifestNode)]
                opts = pulumi.ResourceOptions.merge(opts, self._bound(node.cluster))
                return Ready(node, self._clusters[node.cluster.node], after, opts)
            case ManifestNode():
                on = pulumi.ResourceOptions(provider=self._providers[node.cluster.node])
                opts = pulumi.ResourceOptions.merge(opts, self._bound(node.cluster))
                return KubernetesObject(node, pulumi.ResourceOptions.merge(opts, on))

    def _cluster(self, node: KindClusterNode, opts: pulumi.ResourceOptions) -> KindCluster:
        cluster = KindCluster(node, self._plan.stack, opts)
        self._clusters[node.id] = cluster
        parent = pulumi.ResourceOptions(parent=opts.parent)
        self._providers[node.id] = provider(f"{node.id}-kubernetes", cluster.kubeconfig, parent)
        pulumi.export("cluster", node.name)
        pulumi.export("kubeconfig", cluster.kubeconfig)
        return cluster

    def _bound(self, cluster: Ref) -> pulumi.ResourceOptions:
        """What is on a cluster goes with it, without a word to its API server, and is made again on another one.

        A trigger in each resource's own state, rather than `replace_with`: a replacement that was cut goes on later.
        """
        resource = self._clusters[cluster.node]
        return pulumi.ResourceOptions(deleted_with=resource, replacement_trigger=resource.id)
