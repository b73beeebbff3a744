"""Where Traefik sends requests by another route of a Gateway than the API says: it adds up what a match has to one
number, so that a method may count for more than a longer path, and any path for more than a host.

Source: Traefik 3.7, pkg/provider/kubernetes/gateway (httproute.go: buildMatchRule, buildPathRule; grpcroute.go:
buildGRPCMatchRule), pkg/muxer/http (matcher.go: pathRegexp).
"""

import json
import re
from collections.abc import Iterator
from itertools import combinations

from netspec.analysis.attachment import meet
from netspec.analysis.gateway_routes import Entry, Listening, Request, hosts, specific, takes
from netspec.ir.gateways import Match
from netspec.ir.model import Ir

#: (the place, what is wrong, what to do)
Finding = tuple[tuple[str | int, ...], str, str]


def findings(ir: Ir) -> Iterator[Finding]:
    yield from _calls(ir)
    told = set()
    for one, other in combinations(Listening.of(ir).entries, 2):
        first, second = (one, other) if _first(one, other) else (other, one)
        if not _first(first, second) or not _same(one, other) or _priority(first) > _priority(second):
            continue
        what = (first.route.id, first.number, second.route.id, second.number)
        if what not in told:
            told.add(what)
            by = f"rule {second.number + 1} of {second.route.kind} {second.route.id}"
            message = f"Traefik serves by {by} requests that rule {first.number + 1} is for by the API's precedence"
            hint = "serve them by envoy-gateway, or on ports of their own"
            yield (*first.route.place.path, "rules", first.number), message, hint


def _calls(ir: Ir) -> Iterator[Finding]:
    """A method's name is an expression that is not ended: /shop.Cart/Add takes AddAll too."""
    for route in (r for r in ir.gateway_routes if r.kind == "GRPCRoute"):
        for number, rule in enumerate(route.rules):
            if any(match.bare.count("/") > 1 for match in rule.matches):
                message = "Traefik takes for a method of gRPC all whose names begin with its name"
                yield (*route.place.path, "rules", number), message, "match the service, or serve it by envoy-gateway"


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


def _priority(entry: Entry) -> int:
    """The number by which Traefik orders its routers, the highest first."""
    match, found = entry.match, list(hosts(entry.listener, entry.route))
    longest = max(len(host) for host, _ in found)
    if entry.route.kind == "GRPCRoute":
        return longest + len(_grpc(match))
    path = 1 if not match.bare else 10_000 + 100 * len(match.bare)
    return (
        (100_000 if match.exact else path)
        + (1_000 if match.method else 0)
        + 100 * len(match.headers)
        + 10 * len(match.query)
        + longest
        + len(entry.route.rules)
        - entry.number
    )


def _grpc(match: Match) -> str:
    """The rule of a GRPCRoute's match, whose length is what counts.

    >>> print(_grpc(Match("/shop.Cart", headers=(("tier", "gold"),))))
    PathRegexp("/shop\\\\.Cart/[^/]+") && Header("tier","gold")
    """
    service, _, method = match.bare[1:].partition("/")
    path = "/".join(("", re.escape(service) or "[^/]+", re.escape(method) or "[^/]+"))
    path_rule = f"PathRegexp({json.dumps(path)})" if service else 'PathPrefix("/")'
    return " && ".join((path_rule, *(f"Header({json.dumps(n)},{json.dumps(v)})" for n, v in match.headers)))
