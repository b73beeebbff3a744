"""Policy tiers: rules that never decide, and ties."""

from collections.abc import Iterator

from netspec.analysis.bits import Partition, cover, to_members
from netspec.analysis.lint.context import DIRECTIONS, Context, Finding
from netspec.ir.model import Direction, TierPolicy


def shadowed_tier_rules(context: Context) -> Iterator[Finding]:
    """NL010: earlier rules of the tier, for all of the same pods, match all of its flows. Rules with named ports are
    left out: their flows differ by destination."""
    for tier in context.inventory.tiers:
        subject = context.reach.pods.peer(tier.subject, None, True)
        before = [
            other
            for other in context.inventory.tiers
            if (other.tier, other.group) == (tier.tier, tier.group)
            and other.priority < tier.priority
            and not subject & ~context.reach.pods.peer(other.subject, None)
        ]
        # What is denied by default is for flows to come.
        for direction in DIRECTIONS if subject and tier.stage != "default" else ():
            above: Partition = {}
            for other in before:
                for ports, peers in _flows(context, other, direction, False):
                    above[ports] = above.get(ports, 0) | peers
            own = zip(*(_flows(context, tier, direction, perhaps) for perhaps in (True, False)), strict=True)
            for index, ((ports, peers), (surely, matched)) in enumerate(own):
                if peers and ports and not any(ports & ~have for have in cover(above, peers)):
                    message = f"{direction.lower()}[{index}] never decides: earlier rules match all of its flows"
                    yield Finding("NL010", tier.id, message, tier.rules(direction)[index].place)
                above[surely] = above.get(surely, 0) | matched


def _flows(context: Context, tier: TierPolicy, direction: Direction, perhaps: bool) -> Iterator[tuple[int, int]]:
    """(ports, peers) that each rule matches, or (`perhaps`) may match; none for a rule with named ports."""
    for rule in context.sides.rules(tier, direction):
        ports = rule.ports | rule.unread_ports if perhaps else rule.ports
        yield (0, 0) if rule.names or rule.unread_names else (ports, context.peers(rule, perhaps))


def ties(context: Context) -> Iterator[Finding]:
    """NL011: which of two policies with one priority is applied is not defined."""
    tiers = context.inventory.tiers
    for i, one in enumerate(tiers):
        for other in tiers[i + 1 :]:
            if (one.tier, one.place_in_tier) != (other.tier, other.place_in_tier) or one.stage:
                continue
            for direction in DIRECTIONS:
                if _disagree(context, one, other, direction):
                    message = (
                        f"has the priority of {other.id} ({one.priority}), and their {direction.lower()} disagrees"
                    )
                    yield Finding("NL011", one.id, message, one.place)


def _disagree(context: Context, one: TierPolicy, other: TierPolicy, direction: Direction) -> bool:
    """Whether their first matching rules do differ, on some port of some peer of pods that both select."""
    subjects = context.reach.pods.peer(one.subject, None) & context.reach.pods.peer(other.subject, None)
    keys = context.keys(direction)
    for key in dict.fromkeys(keys[number] for number in to_members(subjects)):
        mine, theirs = (context.sides.first_matches(policy, key) for policy in (one, other))
        for (accepted, denied, passed, _), peers in mine.items():
            for (accepts, denies, passes, _), others in theirs.items():
                agreed = accepted & accepts | denied & denies | passed & passes
                both = (accepted | denied | passed) & (accepts | denies | passes)
                if peers & others and both & ~agreed:
                    return True
    return False
