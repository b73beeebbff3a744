"""Which part of the whole a plan node belongs to: what a reader of the progress, or of `pulumi stack`, looks for."""

from netspec.plan import CNI_READY, KindClusterNode, ManifestNode, Node, Plan

#: In apply order, as far as there is one.
LAYERS = ("cluster", "cni", "dns", "policies", "workloads")


def layers(plan: Plan) -> dict[str, str]:
    """Node id -> layer.

    The CNI is the barrier behind which pods get an address and all that it waits for; policies are policies; what
    else is the cluster's own (kube-system, and what has no namespace) is DNS; the rest is what the spec is about.
    """
    cni = _upstream(plan, CNI_READY)
    return {node.id: _layer(node, cni) for node in plan.nodes}


def _layer(node: Node, cni: frozenset[str]) -> str:
    if isinstance(node, KindClusterNode):
        return "cluster"
    if node.id in cni or not isinstance(node, ManifestNode):
        return "cni"
    if node.manifest["kind"] == "NetworkPolicy":
        return "policies"
    namespace = node.manifest["metadata"].get("namespace")
    own = namespace == "kube-system" or (namespace is None and node.manifest["kind"] != "Namespace")
    return "dns" if own else "workloads"


def _upstream(plan: Plan, end: str) -> frozenset[str]:
    """`end` and everything it depends on; a plan is in dependency order."""
    found = {end}
    for node in reversed(plan.nodes):
        if node.id in found:
            found.update(node.depends_on)
    return frozenset(found)
