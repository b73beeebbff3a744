"""What the whole cluster, the outside, and pods that are not there yet can reach."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

from netspec.analysis.doors import Passing, doors
from netspec.analysis.engine import Reachability
from netspec.analysis.sides import SideKey
from netspec.analysis.spaces import Ranges
from netspec.analysis.unknown import is_every_pod, rule_ports, unknown_reach, walk_of_any
from netspec.analysis.verdict import RuleRef
from netspec.analysis.walk import AnyPolicy, AnyRule, numbered, ranks, walk
from netspec.analysis.why import rules_between
from netspec.analysis.words import peer_text
from netspec.ir.model import NAME_LABEL, Entrance, Inventory, NetworkPolicy, Peer, Place, Workload
from netspec.ir.selectors import Selector

#: Who can reach: every pod that is or may come; addresses outside; the outside through routes, node ports, load
#: balancers or external IPs; pods as a rule describes them.
Scope = Literal["cluster", "outside", "routes", Entrance, "pods"]


@dataclass(frozen=True, slots=True)
class Exposure:
    """`peer` says who, for a reader; `present` how many workloads are like that now (where a rule describes them, and
    labels are known); `by` is the rule, or what opens the way in; `place` that of the rule."""

    workload: str
    scope: Scope
    peer: str
    ports: Ranges
    present: int | None
    by: str
    place: Place


def exposures(inventory: Inventory) -> Iterator[Exposure]:
    """By workload, widest scope first."""
    reach = Reachability(inventory)
    entrances = _entrances(reach)
    described = cache(lambda key: list(_described(reach, key)))
    for peer, workload in enumerate(reach.workloads):
        number = reach.class_of(peer)
        key = reach.ingress_keys[number]
        yield from _cluster(reach, workload, key)
        yield from _outside(reach, workload, number)
        yield from entrances.get(workload.id, ())
        for peer_said, ports, present, by, place in described(key):
            yield Exposure(workload.id, "pods", peer_said, reach.ranges(ports), present, str(by), place)


def _cluster(reach: Reachability, workload: Workload, key: SideKey) -> Iterator[Exposure]:
    """Every pod, and on more ports those that only rules for every pod match."""
    found, every = walk_of_any(reach, key, is_every_pod), unknown_reach(reach, key).every
    rows: tuple[tuple[Scope, str, int], ...] = (
        ("cluster", "every pod of the cluster", every),
        ("pods", "every pod that no rule denies", found.allowed & ~every),
    )
    for scope, who, ports in rows:
        if ports:
            by = _by(found.behind(ports))
            yield Exposure(workload.id, scope, who, reach.ranges(ports), None, by, workload.place)


def _outside(reach: Reachability, workload: Workload, number: int) -> Iterator[Exposure]:
    """One row for each set of ports that some addresses may use."""
    for ports, peers in sorted(reach.ingress[number].lower.items(), reverse=True):
        places = [p - len(reach.workloads) for p in reach.peers_in(peers & reach.sides.externals)]
        intervals = [reach.externals[p] for p in places]
        if not ports or not intervals:
            continue
        whole = len(intervals) == len(reach.externals)
        ranges = ", ".join(f"{low}-{high}" for external in intervals for low, high in external.ranges)
        who = "every address" if whole else ranges
        by = _by(
            rules_between(reach, reach.ingress_keys[number], reach.class_of(len(reach.workloads) + places[0]), ports)
        )
        yield Exposure(workload.id, "outside", who, reach.ranges(ports), None, by, workload.place)


def _entrances(reach: Reachability) -> dict[str, list[Exposure]]:
    """Workload -> a row for each door that may let the outside in."""
    found: dict[tuple[str, Scope, str, str], tuple[int, Place]] = {}
    passes = Passing(reach)
    for door in doors(reach.inventory):
        if passes(door) is not False:
            at = (door.workload.id, door.way, door.who, door.by)
            have, place = found.get(at, (0, door.place))
            found[at] = have | passes.mask(door), place
    out: dict[str, list[Exposure]] = {}
    for (workload, scope, who, by), (ports, place) in found.items():
        out.setdefault(workload, []).append(Exposure(workload, scope, who, reach.ranges(ports), None, by, place))
    return out


def _described(reach: Reachability, key: SideKey) -> Iterator[tuple[str, int, int | None, RuleRef, Place]]:
    """For each rule's peer that describes pods, as far as no rule before it decides for all of them: the peer in words,
    ports, how many are there, the rule."""
    rules = [
        (ref, policy, rule)
        for _, policies in ranks(reach, key)
        for policy in policies
        for ref, rule in numbered(policy, key.direction)
    ]
    peers = {
        (policy.id, ref.index): [_anywhere(p, policy) for p in rule.peers if p.describes_pods]
        for ref, policy, rule in rules
    }
    ports: dict[tuple[RuleRef, Peer], int] = {}
    for peer in dict.fromkeys(p for found in peers.values() for p in found if not is_every_pod(p)):

        def matched(policy: AnyPolicy, index: int, rule: AnyRule, peer: Peer = peer) -> tuple[int, int]:
            surely, listed = rule_ports(reach, key, rule), peers[policy.id, index]
            possibly = rule_ports(reach, key, rule, True)
            is_held = any(not p.unsure and _holds(p, peer) for p in listed)
            return surely if is_held else 0, possibly if is_held or peer in listed else 0

        for asked in walk(reach, key, matched).asked:
            if asked.action in ("Accept", "Unread"):
                ports[asked.ref, peer] = asked.ports
    for ref, policy, rule in rules:
        home = policy.namespace if isinstance(policy, NetworkPolicy) else None
        for given in rule.peers:
            mask = ports.get((ref, _anywhere(given, policy)), 0) if given.describes_pods else 0
            if mask:
                yield peer_text(given, home), mask, _present(reach, given, home), ref, rule.place


def _present(reach: Reachability, peer: Peer, home: str | None) -> int | None:
    """None where that depends on labels of namespaces that were not given."""
    found = reach.pods.peer(peer, home)
    return len(reach.peers_in(found)) if found == reach.pods.peer(peer, home, True) else None


def _anywhere(peer: Peer, policy: AnyPolicy) -> Peer:
    """A peer that describes pods, with both of its selectors."""
    namespaces = peer.namespaces
    if namespaces is None and isinstance(policy, NetworkPolicy):
        namespaces = Selector.of({NAME_LABEL: policy.namespace})
    return replace(peer, pods=peer.pods or Selector(), namespaces=namespaces)


def _holds(wide: Peer, narrow: Peer) -> bool:
    """Whether one peer asks nothing of a pod that the other does not ask."""
    return all(
        a is not None
        and b is not None
        and set(a.match_labels) <= set(b.match_labels)
        and set(a.expressions) <= set(b.expressions)
        for a, b in ((wide.pods, narrow.pods), (wide.namespaces, narrow.namespaces))
    )


def _by(rules: Sequence[str]) -> str:
    return ", ".join(rules) or "not isolated"
