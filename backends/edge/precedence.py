"""Where a controller sends requests by another route of a Gateway than the API says."""

from collections.abc import Callable, Iterator
from itertools import combinations

from netspec.analysis.attachment import meet
from netspec.analysis.gateway_routes import Entry, Listening, Request, specific, takes
from netspec.ir.gateways import Match
from netspec.ir.model import Ir

#: (the place, what is wrong, what to do)
Finding = tuple[tuple[str | int, ...], str, str]


def departures(ir: Ir, controller: str, hint: str, first: Callable[[Entry, Entry], bool]) -> Iterator[Finding]:
    """Of each two rules one finding at most. `first`: whether the controller too puts one before the other."""
    told = set()
    for one, other in combinations(Listening.of(ir).entries, 2):
        before, after = (one, other) if _first(one, other) else (other, one)
        if not _first(before, after) or not _same(one, other) or first(before, after):
            continue
        what = (before.route.id, before.number, after.route.id, after.number)
        if what not in told:
            told.add(what)
            by = f"rule {after.number + 1} of {after.route.kind} {after.route.id}"
            message = (
                f"{controller} serves by {by} requests that rule {before.number + 1} is for by the API's precedence"
            )
            yield (*before.route.place.path, "rules", before.number), message, hint


def _first(one: Entry, other: Entry) -> bool:
    """Whether the API surely puts one before the other: not where it goes by the routes' ages."""
    if one.route is other.route and one.host == other.host and one.rank == other.rank:
        return one.number < other.number
    return all(
        (specific(mine), one.rank) > (specific(theirs), other.rank)
        for mine, theirs in ((one.host, other.host), (one.own, other.own))
    )


def _same(one: Entry, other: Entry) -> bool:
    """Whether there is a request for both."""
    where = [(e.listener.port, e.listener.protocol) for e in (one, other)]
    if where[0] != where[1] or (one.host and other.host and not meet(one.host, other.host)):
        return False
    mine, theirs = one.match, other.match
    if mine.method and theirs.method and mine.method != theirs.method:
        return False
    headers, query = dict(mine.headers), dict(mine.query)
    if any(headers.get(n, v) != v for n, v in theirs.headers) or any(query.get(n, v) != v for n, v in theirs.query):
        return False
    paths = (m.path if m.exact else m.bare or "/" for m in (mine, theirs))
    return any(takes(_bare(mine), Request("", path)) and takes(_bare(theirs), Request("", path)) for path in paths)


def _bare(match: Match) -> Match:
    return Match(match.path, match.exact)
