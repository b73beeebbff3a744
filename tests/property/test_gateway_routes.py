"""Which rule of a spec's Gateways takes a request, against a plain matcher written from the Gateway API's text: one for
each way to read what that leaves open. Where all agree the prediction is theirs, else it is all of theirs."""

from collections.abc import Iterator, Sequence
from itertools import permutations

from hypothesis import given, settings
from hypothesis import strategies as st

from netspec.analysis.attachment import GROUP
from netspec.analysis.gateway_routes import Contested, Entry, Listening, Request
from netspec.ir.gateways import Gateway, GatewayBackend, GatewayRoute, Listener, Match, Parent, RouteRule
from netspec.ir.model import Place

HOSTS = ("a.test", "b.a.test", "c.b.a.test", "d.test")
PATTERNS = ("", "a.test", "b.a.test", "*.a.test", "*.test", "*.b.a.test")
PATHS = ("/", "/x", "/x/y", "/xy", "/x/y/z")

matches = st.builds(
    Match,
    st.sampled_from(PATHS),
    st.booleans(),
    st.sampled_from(("", "", "GET", "POST")),
    st.sampled_from(((), (), (("h", "1"),), (("g", "1"), ("h", "1")))),
    st.sampled_from(((), (), (("q", "1"),))),
)
rules = st.builds(
    RouteRule, st.just((GatewayBackend("n", "s", 80),)), st.lists(matches, min_size=1, max_size=2).map(tuple)
)
hostnames = st.lists(st.sampled_from(PATTERNS[1:]), max_size=2, unique=True).map(tuple)
shapes = st.lists(st.tuples(hostnames, st.lists(rules, min_size=1, max_size=3)), min_size=1, max_size=3)
requests = st.builds(
    Request,
    st.sampled_from(HOSTS),
    st.sampled_from((*PATHS, "/x/", "/q")),
    st.sampled_from(("GET", "POST")),
    st.sampled_from(({}, {"h": "1"}, {"h": "1", "g": "1"})),
    st.sampled_from(({}, {"q": "1"}, {"q": "2"})),
)


def covers(pattern: str, host: str) -> bool:
    """ "A wildcard label matches one or more labels"; no pattern is every host."""
    return not pattern or pattern == host or (pattern.startswith("*.") and host.endswith(pattern[1:]))


def characters(pattern: str) -> tuple[int, int]:
    """ "Characters in a matching non-wildcard hostname", then "characters in a matching hostname"."""
    return (0 if pattern.startswith("*.") else len(pattern)), len(pattern)


def is_matched(match: Match, request: Request) -> bool:
    if match.exact:
        in_path = match.path == request.path
    else:  # by path elements, "split by the / separator"; trailing slashes are ignored
        wanted, given_ = [p for p in match.path.split("/") if p], request.path.split("/")[1:]
        in_path = given_[: len(wanted)] == wanted
    return (
        in_path
        and match.method in ("", request.method)
        and set(match.headers) <= set(request.headers.items())
        and set(match.query) <= set(request.query.items())
    )


def plain(
    listeners: Sequence[Listener],
    routes: Sequence[GatewayRoute],
    request: Request,
    *,
    effective: bool,
    falls: bool,
) -> tuple[str, int] | None:
    """(route, rule). `routes`: from the oldest on. `effective`: a route's host is that of the listener where that is
    the narrower; `falls`: a wider host is asked where the most specific has no match."""
    serving = [x for x in listeners if covers(x.hostname, request.host)]
    if not serving:
        return None
    listener = max(serving, key=lambda x: characters(x.hostname))
    levels: dict[tuple[int, int], list[tuple[tuple[int, ...], int, str, int]]] = {}
    for age, route in enumerate(routes):
        own = [h for h in route.hostnames if covers(h, request.host)]
        if route.hostnames and not own:
            continue
        for host in own or [""]:
            level = characters(host)
            if effective:
                level = max(level, characters(listener.hostname))
            here = levels.setdefault(level, [])
            for number, rule in enumerate(route.rules):
                for match in rule.matches:
                    if is_matched(match, request):
                        path = len(match.path.rstrip("/")) if not match.exact else len(match.path)
                        rank = (int(match.exact), path, int(bool(match.method)), len(match.headers), len(match.query))
                        here.append((rank, -age, route.name, number))
    for level in sorted(levels, reverse=True):
        if levels[level]:
            _, _, name, number = max(levels[level], key=lambda f: (f[0], f[1], -f[3]))
            return name, number
        if not falls:
            return None
    return None


def readings(
    listeners: Sequence[Listener], routes: Sequence[GatewayRoute], request: Request
) -> Iterator[tuple[str, int] | None]:
    for order in permutations(routes):
        for effective in (True, False):
            for falls in (True, False):
                yield plain(listeners, order, request, effective=effective, falls=falls)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=2, unique=True),
    shapes,
    st.lists(requests, min_size=4, max_size=8),
)
def test_the_prediction_is_what_every_reading_of_the_api_says(
    patterns: list[str], given_routes: list[tuple[tuple[str, ...], list[RouteRule]]], asked: list[Request]
) -> None:
    listeners = tuple(Listener(f"l{i}", 80, "HTTP", hostname=h, allowed="All") for i, h in enumerate(patterns))
    parents = (Parent(GROUP, "Gateway", "n", "g"),)
    routes = [
        GatewayRoute("HTTPRoute", "n", f"r{i}", parents, tuple(listed), names, Place(("httpRoutes", i)))
        for i, (names, listed) in enumerate(given_routes)
    ]
    listening = Listening([Gateway("n", "g", listeners)], routes, lambda _: {})
    for request in asked:
        wanted = set(readings(listeners, routes, request))
        found = listening.chosen(80, False, request)
        if found is None:
            seen: set[tuple[str, int] | None] = {None}
        elif isinstance(found, Entry):
            seen = {(found.route.name, found.number)}
        else:
            assert isinstance(found, Contested)
            seen = {(e.route.name, e.number) for e in found.entries} | ({None} if found.or_nobody else set())
        assert seen == wanted, request
