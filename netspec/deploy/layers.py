"""Which part of the whole a plan node belongs to: what a reader of the progress, or of `pulumi stack`, looks for."""

from netspec.plan import CLUSTER, CNI_READY, NODES, ManifestNode, Node, Plan, needs_of, providers

#: In apply order, as far as there is one.
LAYERS = ("cluster", "cni", "dns", "policies", "workloads")


def layers(plan: Plan) -> dict[str, str]:
    """Node id -> layer.

    The cluster is its nodes and all that they wait for; the CNI is the barrier behind which pods get an address and
    what else that waits for; policies are policies; what else is the cluster's own (kube-system, and what has no
    namespace) is DNS; the rest is what the spec is about.
    """
    cluster, cni = _upstream(plan, CLUSTER, NODES), _upstream(plan, CNI_READY)
    return {n.id: "cluster" if n.id in cluster else "cni" if n.id in cni else _layer(n) for n in plan.nodes}


def _layer(node: Node) -> str:
    if not isinstance(node, ManifestNode):
        return "cni"
    if node.manifest["kind"] == "NetworkPolicy":
        return "policies"
    namespace = node.manifest["metadata"].get("namespace")
    own = namespace == "kube-system" or (namespace is None and node.manifest["kind"] != "Namespace")
    return "dns" if own else "workloads"


def _upstream(plan: Plan, *ends: str) -> frozenset[str]:
    """The nodes that stand for `ends` and everything they depend on; a plan is in dependency order."""
    standing = providers(plan.nodes)
    found = {standing[end] for end in ends if end in standing}
    for node in reversed(plan.nodes):
        if node.id in found:
            found.update(standing[need] for need in needs_of(node))
    return frozenset(found)
