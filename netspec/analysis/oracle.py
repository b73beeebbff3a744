"""The plain evaluator: one flow, every policy, straight from the API's text. The oracle of the fast engine.

Where Kubernetes leaves a choice open (does an ipBlock match a pod? is a host-network pod a pod? which address has
it?), every choice is a `World`; the flow is judged in each, and a verdict is Kubernetes' own only if it holds in all.
Where the input leaves out what a rule or a policy's subject asks for, it may match or not (None), each on its own.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import product

from netspec.analysis.departures import as_taken
from netspec.analysis.spaces import families
from netspec.analysis.verdict import Answer, End, RuleRef, Side, TierStep, Verdict
from netspec.analysis.worlds import Address, Party, World, is_world_of, party_of, worlds
from netspec.ir.model import (
    Action,
    Direction,
    Entity,
    Inventory,
    IpBlock,
    NetworkPolicy,
    Peer,
    PolicyPort,
    Protocol,
    Rule,
    Tier,
    TierPolicy,
    TierRule,
)
from netspec.ir.selectors import Labels, Selector


def evaluate(inventory: Inventory, source: End, destination: End, port: int, protocol: Protocol) -> Verdict:
    """The verdict on one flow to `port` of the destination.

    Two equal ends with one replica are one pod; with more, two pods of the workload. Raises Problem for a workload
    that is not in the inventory, ValueError when neither end is a pod.
    """
    versions = families(inventory)
    raw = judge(inventory, source, destination, port, protocol, versions)
    taken = as_taken(inventory)
    if taken is inventory:
        return raw
    return departed(raw, judge(taken, source, destination, port, protocol, versions), inventory)


def departed(raw: Verdict, taken: Verdict, inventory: Inventory) -> Verdict:
    """What the CNI does, and that it is the CNI's where Kubernetes would say something else."""
    if raw.expected == taken.expected or taken.expected is None or inventory.dialect is None:
        return taken
    return replace(taken, answer=Answer.DIALECT, note=inventory.dialect.departs)


def judge(
    inventory: Inventory, source: End, destination: End, port: int, protocol: Protocol, versions: tuple[int, ...]
) -> Verdict:
    """`evaluate`, for pods whose addresses may be of these IP `versions`."""
    parties = party_of(inventory, source), party_of(inventory, destination)
    if parties[0].workload is None and parties[1].workload is None:
        raise ValueError("a flow needs a pod at one end")
    if parties[0].workload is not None and source == destination and parties[0].workload.replicas <= 1:
        return Verdict(Answer.ALLOW, Side("Egress"), Side("Ingress"), "a pod always reaches itself")
    doubts: set[str] = set()
    judged = [
        (w, *sides)
        for w in worlds(inventory, versions, *parties)
        for sides in _judge(_Flow(inventory, w, port, protocol, doubts))
    ]
    dialect = inventory.dialect
    narrowed = [j for j in judged if dialect is None or is_world_of(dialect, j[0])]
    for answer, considered in ((None, judged), (Answer.DIALECT, narrowed)):
        outcomes = {_allows(egress, ingress) for _, egress, ingress in considered}
        if len(outcomes) == 1:
            _, egress, ingress = considered[0]
            kept = Answer.ALLOW if outcomes.pop() else Answer.DENY
            note = dialect.because if answer and dialect else ""
            return Verdict(answer or kept, egress, ingress, note)
    _, egress, ingress = next(j for j in narrowed if _allows(j[1], j[2]))
    return Verdict(Answer.UNDEFINED, egress, ingress, _why_open(parties, doubts))


_TIE = "two policies of one tier and priority match and disagree; either may be applied"


def _why_open(parties: tuple[Party, Party], doubts: set[str]) -> str:
    if doubts:
        return "; ".join(sorted(doubts))
    if any(p.host_network for p in parties):
        return "Kubernetes leaves open whether policies see a host-network pod as a pod or as its node"
    return "Kubernetes leaves open whether an ipBlock matches a pod's address"


# One world


def _judge(flow: "_Flow") -> list[tuple[Side, Side]]:
    """The two sides of the flow, in every way that a tie between tier policies may be broken and that what is not
    known may be."""
    source, destination = flow.world.source, flow.world.destination
    return list(product(_sides(flow, "Egress", source, destination), _sides(flow, "Ingress", destination, source)))


def _allows(egress: Side, ingress: Side) -> bool:
    return egress.allows and ingress.allows


@dataclass(frozen=True, slots=True)
class _Flow:
    """`doubts`: why it may be judged in several ways; filled in while it is."""

    inventory: Inventory
    world: World
    port: int
    protocol: Protocol
    doubts: set[str]


def _sides(flow: _Flow, direction: Direction, subject: Party, peer: Party) -> list[Side]:
    """The Admin tier, then NetworkPolicy, then, for a pod that none isolates, the Baseline tier."""
    if subject.workload is None or (
        flow.world.same_node and not flow.world.host_pods_are_pods and (peer.host_network or subject.host_network)
    ):
        return [Side(direction)]  # policies are about pods; a node and its own pods always reach each other
    sides = []
    for before in _before(flow, direction, subject, peer):
        if before and before[-1].action != "Pass":
            sides.append(Side(direction, tiers=before))
            continue
        isolating = [p for p in flow.inventory.policies if _isolates(p, direction, subject, flow.world)]
        if isolating:
            matching: dict[bool | None, list[RuleRef]] = {True: [], False: [], None: []}
            for policy in isolating:
                for index, rule in enumerate(policy.rules(direction)):
                    matches = _rule_matches(flow, policy.namespace, rule, peer)
                    matching[matches].append(RuleRef(policy.id, direction, index))
            names = tuple(p.id for p in isolating)
            sides.append(Side(direction, names, tuple(matching[True]), before))
            if matching[None] and not matching[True]:
                flow.doubts.update(_doubt(flow, rule, peer) for rule in matching[None])
                sides.append(Side(direction, names, tuple(matching[None]), before))
            continue
        for baseline in _tier_steps(flow, _of_tier(flow, "Baseline"), direction, subject, peer):
            sides.append(Side(direction, tiers=before if baseline is None else (*before, baseline)))
    return sides


def _of_tier(flow: _Flow, tier: Tier) -> list[TierPolicy]:
    return [policy for policy in flow.inventory.tiers if policy.tier == tier]


def _before(flow: _Flow, direction: Direction, subject: Party, peer: Party) -> list[tuple[TierStep, ...]]:
    """What the Admin tier may say: group by group, until one decides."""
    policies = _of_tier(flow, "Admin")
    found: list[tuple[TierStep, ...]] = [()]
    for group in sorted({p.group for p in policies}):
        own = [p for p in policies if p.group == group]
        more = _tier_steps(flow, own, direction, subject, peer)
        found = [
            (*steps, step) if step is not None else steps
            for steps in found
            for step in ([None] if steps and steps[-1].action != "Pass" else more)
        ]
    return found


def _tier_steps(
    flow: _Flow, policies: list[TierPolicy], direction: Direction, subject: Party, peer: Party
) -> list[TierStep | None]:
    """The first matching rule in priority order; of several policies with one priority, any may be it. Every rule that
    may match before one that does may be the first too, and so may none (None) where none surely does."""
    out: list[TierStep | None] = []
    for priority in sorted({p.priority for p in policies}):
        found = [_first_steps(flow, p, direction, subject, peer) for p in policies if p.priority == priority]
        if sum(bool(steps) for steps, _ in found) > 1:
            flow.doubts.add(_TIE)
        out += [step for steps, _ in found for step in steps]
        if any(is_decided for _, is_decided in found):
            return out
    return [*out, None]


def _first_steps(
    flow: _Flow, policy: TierPolicy, direction: Direction, subject: Party, peer: Party
) -> tuple[list[TierStep], bool]:
    """The rules of one policy that may be the first that matches, and whether one of them surely is."""
    selects = not subject.host_network and _is_in(policy.subject, subject)
    steps: list[TierStep] = []
    for index, rule in enumerate(policy.rules(direction) if selects is not False else ()):
        matches = _hits(flow, rule, peer)
        if matches is not False:
            ref = RuleRef(policy.id, direction, index)
            actions = _ANY_ACTION if rule.action == "Unread" else (rule.action,)
            steps += [TierStep(ref, action) for action in actions]
        if matches is None:
            flow.doubts.add(_doubt(flow, ref, peer, rule))
        elif rule.action == "Unread" and matches:
            flow.doubts.add(f"the action of {ref} could not be read")
        if selects is None and matches is not False:
            what = _labels_missing(subject)
            flow.doubts.add(f"whom {policy.id} is about could not be read" if policy.subject.unread else what)
        if matches:
            return steps, selects is True
    return steps, False


_ANY_ACTION: tuple[Action, ...] = ("Accept", "Deny", "Pass")


def _doubt(flow: _Flow, ref: RuleRef, peer: Party, rule: TierRule | None = None) -> str:
    """Why it is not known whether a rule matches."""
    if rule is not None and any(_is_in(p, peer) for p in rule.peers):
        decides = [p.l7 for p in rule.ports if p.l7 and _port_matches(flow, replace(p, l7=""))]
        if decides:
            return f"it passes at L4, and {ref} decides at L7 ({decides[0]})"
    if not peer.is_known:
        return _labels_missing(peer)
    return f"the input does not say whether {ref} matches"


def _labels_missing(party: Party) -> str:
    return f"the labels of namespace {party.namespace} are not known: its Namespace object was not given"


#: Whether something holds; None: it may.
_Maybe = bool | None


def _any(found: Iterable[_Maybe]) -> _Maybe:
    listed = list(found)
    return True if True in listed else None if None in listed else False


def _all(found: Iterable[_Maybe]) -> _Maybe:
    listed = list(found)
    return False if False in listed else None if None in listed else True


def _selects(selector: Selector, labels: Labels, is_known: bool = True) -> _Maybe:
    """Each requirement on a key that the labels have is judged; one on another may hold where they are not known."""
    wanted = [(k, labels.get(k) == v) for k, v in selector.match_labels]
    wanted += [(e.key, e.matches(labels)) for e in selector.expressions]
    return _all(holds if is_known or key in labels else None for key, holds in wanted)


def _hits(flow: _Flow, rule: TierRule, peer: Party) -> _Maybe:
    return _all((_any(_is_in(p, peer) for p in rule.peers), _ports_match(flow, rule)))


def _ports_match(flow: _Flow, rule: Rule | TierRule) -> _Maybe:
    return not rule.ports or _any(_port_matches(flow, p) for p in rule.ports)


def _is_in(wanted: Peer, party: Party) -> _Maybe:
    """Tier policies' subjects and peers: never a host-network pod; `networks` match pods as well."""
    if wanted.unread:
        return _unread(wanted, party)
    if wanted.unsure and _is_in(replace(wanted, unsure=False), party) is not False:
        return None
    if wanted.entity is not None:
        return _is_one_of(wanted.entity, party)
    if wanted.ip_block is not None:
        is_outside = party.workload is None and not party.is_node
        return (is_outside or not wanted.outside) and _block_holds(wanted.ip_block, party.address)
    if party.workload is None or party.host_network or wanted.namespaces is None:
        return False
    in_namespace = _selects(wanted.namespaces, party.namespace_labels, party.is_known)
    return _all((in_namespace, wanted.pods is None or _selects(wanted.pods, party.workload.labels)))


def _is_one_of(entity: Entity, party: Party) -> bool:
    if entity == "cluster":
        return party.workload is not None or party.is_node
    if entity == "world":
        return party.workload is None and not party.is_node
    return entity == "all" or (entity == "nodes" and party.is_node)


def _unread(wanted: Peer, party: Party) -> _Maybe:
    """A node's address belongs to no pod, except one on the host network; so does the API server's."""
    is_own_pod = party.workload is not None and not party.host_network
    return False if wanted.unread in ("nodes", "api-server") and is_own_pod else None


def _isolates(policy: NetworkPolicy, direction: Direction, subject: Party, world: World) -> bool:
    workload = subject.workload
    if workload is None or (workload.host_network and not world.host_pods_are_pods):
        return False
    return direction in policy.types and policy.namespace == workload.namespace and policy.pods.matches(workload.labels)


def _rule_matches(flow: _Flow, namespace: str, rule: Rule, peer: Party) -> _Maybe:
    who = not rule.peers or _any(_peer_matches(flow, p, namespace, peer) for p in rule.peers)
    return _all((who, _ports_match(flow, rule)))


def _peer_matches(flow: _Flow, wanted: Peer, namespace: str, peer: Party) -> _Maybe:
    if wanted.unread:
        return _unread(wanted, peer)
    workload, world, dialect = peer.workload, flow.world, flow.inventory.dialect
    is_pod = workload is not None and (not workload.host_network or world.host_pods_are_pods)
    if wanted.ip_block is not None:
        seen = world.blocks_match_pods if is_pod else world.blocks_match_nodes or workload is None
        if workload is None and peer.is_node and dialect is not None:
            seen = dialect.blocks_match_nodes
        return seen and _block_holds(wanted.ip_block, peer.address)
    if workload is None or not is_pod:
        return False
    if wanted.namespaces is None:
        in_namespace: _Maybe = workload.namespace == namespace
    else:
        in_namespace = _selects(wanted.namespaces, peer.namespace_labels, peer.is_known)
    return _all((in_namespace, wanted.pods is None or _selects(wanted.pods, workload.labels)))


def _block_holds(block: IpBlock, address: Address | None) -> bool:
    if address is None or address not in block.cidr:
        return False
    return not any(address in excluded for excluded in block.excluded)


def _port_matches(flow: _Flow, wanted: PolicyPort) -> _Maybe:
    if wanted.unread:
        return None
    if wanted.l7:  # what comes to the port passes or not by what it says
        return _port_matches(flow, replace(wanted, l7="")) and None
    if wanted.protocol != flow.protocol:
        return False
    if wanted.port is None:
        return True
    if isinstance(wanted.port, str):
        workload = flow.world.destination.workload
        return workload is not None and workload.port_named(wanted.port, flow.protocol) == flow.port
    return wanted.port <= flow.port <= (wanted.end_port or wanted.port)
