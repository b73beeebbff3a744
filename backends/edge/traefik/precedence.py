"""Where Traefik sends requests by another route of a Gateway than the API says: it adds up what a match has to one
number, so that a method may count for more than a longer path, and any path for more than a host.

Source: Traefik 3.7, pkg/provider/kubernetes/gateway (httproute.go: buildMatchRule, buildPathRule; grpcroute.go:
buildGRPCMatchRule), pkg/muxer/http (matcher.go: pathRegexp).
"""

import json
import re
from collections.abc import Iterator

from netspec.analysis.gateway_routes import Entry, hosts
from netspec.backends.edge.precedence import Finding, departures
from netspec.ir.gateways import Match
from netspec.ir.model import Ir


def findings(ir: Ir) -> Iterator[Finding]:
    yield from _calls(ir)
    hint = "serve them by envoy-gateway, or on ports of their own"
    yield from departures(ir, "Traefik", hint, lambda one, other: _priority(one) > _priority(other))


def _calls(ir: Ir) -> Iterator[Finding]:
    """A method's name is an expression that is not ended: /shop.Cart/Add takes AddAll too."""
    for route in (r for r in ir.gateway_routes if r.kind == "GRPCRoute"):
        for number, rule in enumerate(route.rules):
            if any(match.bare.count("/") > 1 for match in rule.matches):
                message = "Traefik takes for a method of gRPC all whose names begin with its name"
                yield (*route.place.path, "rules", number), message, "match the service, or serve it by envoy-gateway"


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
