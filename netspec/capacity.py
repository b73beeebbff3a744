"""What fits: the limits that hold for any cluster, and those of the stack's backends, as one list."""

from collections.abc import Sequence

from netspec.ir.model import Ir, Workload
from netspec.target import Limit, Needs, Part

#: A Service CIDR's addresses that no Service gets: its own and, with IPv4, the last (kubernetes, ipallocator).
_KEPT = 2
#: What the cluster has besides: the Service `kubernetes`.
_OWN_SERVICES = 1


def limits(ir: Ir, parts: Sequence[Part], needs: Needs) -> tuple[Limit, ...]:
    """In the order of the layers; what holds for any cluster comes last."""
    own = [limit for part in parts for limit in part.backend.capacity(ir, part.settings)]
    return (*own, *_pods(ir, needs), *_shares(ir), _services(ir))


def needed(limit: Limit, ir: Ir) -> int:
    return ir.traits.nodes if limit.needed is None else limit.needed


def is_short(limit: Limit, ir: Ir) -> bool:
    return limit.room < needed(limit, ir)


def _pods(ir: Ir, needs: Needs) -> tuple[Limit, ...]:
    """On the nodes that are there at first, each of which runs agents besides: what netspec runs by itself, and all
    that the spec speaks of, which somebody else may run elsewhere (the spec of an imported cluster does)."""
    groups = [g for g in ir.traits.groups if g.count]
    if not groups:
        return ()
    nodes = sum(g.count for g in groups)
    given = ("network", "maxPods") in ir.given
    each = {g.name: ir.network.max_pods if given else needs.max_pods.get(g.name, ir.network.max_pods) for g in groups}
    room = sum(g.count * max(each[g.name] - ir.traits.node_pods, 0) for g in groups)
    own = sum(_count(w, nodes) for w in ir.workloads if w.stand_in or w.system)
    wanted = sum(_count(w, nodes) for w in ir.workloads)
    how = " + ".join(f"{g.count} nodes of {g.name} x ({each[g.name]} - {ir.traits.node_pods} agents)" for g in groups)
    message = f"the nodes have room for {room} pods; the spec runs {own}: {how}"
    at, lift = ("workloads",), "more nodes, or more pods a node"
    runs = Limit(room, "NS131", at, message, lift, "pods that netspec runs", own, how)
    return (runs, Limit(room, "", at, "", lift, "pods of all workloads", wanted, how))


def _count(workload: Workload, nodes: int) -> int:
    return nodes if workload.kind == "DaemonSet" else workload.replicas


def _shares(ir: Ir) -> tuple[Limit, ...]:
    """Where each node has a share of the pod CIDR. That there are enough, a pass has checked (NS105)."""
    if not ir.traits.node_shares:
        return ()
    mask = ir.network.node_mask
    found = []
    for cidr in (c for c in ir.network.pod_cidrs if c.version == 4 and c.prefixlen <= mask):
        how = f"{cidr} in shares of /{mask}: 2^({mask} - {cidr.prefixlen})"
        lift = "a larger pod CIDR, or a longer nodeCIDRMask"
        room, what = 2 ** (mask - cidr.prefixlen), "nodes with a share of the pod CIDR"
        found.append(Limit(room, "", ("network", "nodeCIDRMask"), "", lift, what, None, how))
    return tuple(found)


def _services(ir: Ir) -> Limit:
    cidr = ir.network.service_cidrs[0]
    room = cidr.num_addresses - (_KEPT if cidr.version == 4 else 1)
    wanted = _OWN_SERVICES + sum(not s.headless and s.type != "ExternalName" for s in ir.services)
    how = f"{cidr}: {cidr.num_addresses} addresses - {cidr.num_addresses - room}"
    message = f"{cidr} has {room} Service addresses; {wanted} are needed"
    path = ("network", "serviceCIDRs", 0)
    return Limit(room, "NS132", path, message, "a larger Service CIDR", "Service addresses", wanted, how)
