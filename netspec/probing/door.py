"""What the front door does besides leading to pods: certificates, shares, clients that stay, limits, logins, headers,
CORS and error pages; each with its negative, where one request can show it.
"""

from collections.abc import Iterator

from netspec.analysis.routes import Rule, chosen, rules, sample
from netspec.ir.http import HttpRoute
from netspec.ir.model import Ir
from netspec.probes import (
    CERTIFICATE,
    GRPC,
    KEPT,
    LIMIT,
    OLD_TLS,
    SHARES,
    STAYS,
    FactProbe,
    HttpAsk,
)
from netspec.probing.exchanges import NO_METHOD, calls, exchanges, method_below, passed_on, preflights
from netspec.probing.http import (
    BURST,
    ECHO,
    HEADER,
    TELLS,
    answer,
    behind,
    behind_rule,
    door_fact,
    host_of,
    is_reached,
    leading_to,
    login,
    way_in,
)
from netspec.probing.logins import logins

#: A limit of more requests at once is not tried, nor one of more in a second: no client would reach it one by one.
_LARGEST_BURST, _FASTEST = 100, 20
_SECONDS = {"second": 1, "minute": 60, "hour": 3600}
#: What a backend is told to say.
_SAID = "netspec"


def door_facts(ir: Ir) -> Iterator[FactProbe]:
    """Of each route, each once."""
    if not is_reached(ir):
        return
    found = list(rules(ir.http))
    yield from _certificates(ir, found)
    for route in ir.http:
        if not _is_limited(route):
            yield from logins(ir, found, route)
        headers = way_in(ir, route)
        if headers is None:
            continue
        own = list(rules([route]))
        if route.passthrough:
            yield from passed_on(ir, route)
            continue
        if route.grpc:
            yield from _grpc(ir, found, own, headers)
            continue
        if _is_limited(route):
            yield from _limit(ir, own[0], headers)
            continue
        for rule in own:
            yield from _shares(ir, found, rule, headers)
        telling = next((rule for rule in own if leading_to(found, rule, TELLS) and behind_rule(ir, rule)), own[0])
        yield from _options(ir, found, telling, headers)
    yield from _client(ir, found)


def _is_limited(route: HttpRoute) -> bool:
    """Whether the few requests that other questions take would be too many."""
    return route.rate_limit is not None and route.rate_limit.burst < BURST


def _certificates(ir: Ir, found: list[Rule]) -> Iterator[FactProbe]:
    """Of each host that has HTTPS; TLS older than 1.2 (RFC 8996) is asked of one, for it is the controller's."""
    hosts = {host_of(r): r for r in found if r.host and r.route.tls is not None}
    for host, rule in hosts.items():
        route = rule.route
        made_by = f"Secret {route.namespace}/{route.tls}" if route.tls else "the controller"
        expect = {"from": made_by, "problem": ""}
        yield door_fact(ir, CERTIFICATE, HttpAsk("GET", host, "/", tls=True), route, expect, host)
    for host, rule in list(hosts.items())[:1]:
        ask = HttpAsk("GET", host, "/", tls=True)
        yield door_fact(ir, OLD_TLS, ask, rule.route, {"TLSv1.1": "refused", "TLSv1.2": "accepted"}, host)


def _shares(ir: Ir, found: list[Rule], rule: Rule, headers: tuple[tuple[str, str], ...]) -> Iterator[FactProbe]:
    """Workload -> its weight, where one answers for one backend alone."""
    backends = [b for b in rule.path.backends if b.weight]
    ask = leading_to(found, rule, TELLS)
    if len(backends) < 2 or ask is None:
        return
    each = [behind(ir, rule.route, [b]) for b in backends]
    if any(len(one) != 1 for one in each) or len({one[0] for one in each}) < len(each):
        return
    expect = {one[0]: b.weight for one, b in zip(each, backends, strict=True)}
    yield door_fact(ir, SHARES, ask._replace(headers=headers), rule.route, expect)


def _options(ir: Ir, found: list[Rule], rule: Rule, headers: tuple[tuple[str, str], ...]) -> Iterator[FactProbe]:
    """Of a route, by its first rule that a request gets through."""
    route = rule.route
    told = leading_to(found, rule, TELLS)
    pods = behind_rule(ir, rule)
    if route.basic_auth is not None and told is not None and pods:
        yield answer(ir, told._replace(headers=headers), route, {"status": 200, "from": pods}, ":logged in")
        wrong = (login("not-the-password"),)
        yield answer(ir, told._replace(headers=wrong), route, {"status": 401}, ":wrong password")
    if route.sticky and told is not None and pods:
        many = sum(ir.workloads_by_id[w].replicas for w in pods) > 1
        expect = {"cookie": route.sticky, "with": "one pod", "without": "several pods" if many else "one pod"}
        yield door_fact(ir, STAYS, told._replace(headers=headers), route, expect)
    if pods:
        yield from _cors(ir, rule)
        yield from _headers(ir, found, rule, headers)
        yield from _error_pages(ir, found, rule, headers)
        yield from exchanges(ir, found, rule, headers)


def _cors(ir: Ir, rule: Rule) -> Iterator[FactProbe]:
    tls = rule.route.tls is not None
    for origin, headers, expect in preflights(rule.route.cors):
        ask = HttpAsk("OPTIONS", host_of(rule), sample(rule.path) or "/", tls=tls, headers=headers)
        yield answer(ir, ask, rule.route, expect, f":{origin}")


def _headers(ir: Ir, found: list[Rule], rule: Rule, headers: tuple[tuple[str, str], ...]) -> Iterator[FactProbe]:
    """Those that the backend gets, and those that the client does. Which ones a backend sends is not known, so of those
    taken from answers nothing is asked."""
    route = rule.route
    given = leading_to(found, rule, HEADER)
    if given is not None:
        rows = [*route.request_headers.set, *((name, "") for name in route.request_headers.remove)]
        for name, value in rows:
            sent = (*headers, (name, _SAID))
            ask = given._replace(path=f"{given.path}?key={name}", headers=sent)
            yield answer(ir, ask, route, {"status": 200, "text": value})
    ask_any = leading_to(found, rule, TELLS)
    if route.response_headers.set and ask_any is not None:
        expect = {"status": 200, "headers": dict(route.response_headers.set)}
        yield answer(ir, ask_any._replace(headers=headers), route, expect, ":headers of the answer")


def _error_pages(ir: Ir, found: list[Rule], rule: Rule, headers: tuple[tuple[str, str], ...]) -> Iterator[FactProbe]:
    """What a backend is told to answer with a status that has a page, and with one that has none."""
    pages = rule.route.error_pages
    echo = leading_to(found, rule, ECHO)
    ranges = [status.partition("-")[::2] for status in pages.statuses] if pages else []
    code = next((c for c in (503, 404, 500, 400) if any(int(a) <= c <= int(b or a) for a, b in ranges)), None)
    other = next((c for c in (418, 599) if not any(int(a) <= c <= int(b or a) for a, b in ranges)), None)
    if pages is None or echo is None or code is None:
        return
    servers = behind(ir, rule.route, [pages.backend])
    says_who = pages.path.replace("{status}", str(code)) == TELLS and bool(servers)
    expect: dict[str, object] = {"status": code, "from": servers} if says_who else {"status": code, "own": False}
    path = f"{echo.path}?msg={_SAID}&code="
    yield answer(ir, echo._replace(path=f"{path}{code}", headers=headers), rule.route, expect)
    if other is not None:
        kept = {"status": other, "text": _SAID}
        yield answer(ir, echo._replace(path=f"{path}{other}", headers=headers), rule.route, kept)


def _limit(ir: Ir, rule: Rule, headers: tuple[tuple[str, str], ...]) -> Iterator[FactProbe]:
    """How many requests at once are let through, and that the next is not."""
    limit = rule.route.rate_limit
    if limit is not None and limit.burst <= _LARGEST_BURST and limit.requests <= _FASTEST * _SECONDS[limit.per]:
        tls = rule.route.tls is not None
        if tls and not rule.host:
            return
        ask = HttpAsk("GET", host_of(rule), sample(rule.path) or "/", tls=tls, headers=headers)
        expect = {"requests": limit.requests, "per": limit.per, "burst": limit.burst, "then": 429}
        yield door_fact(ir, LIMIT, ask, rule.route, expect)


def _grpc(ir: Ir, found: list[Rule], own: list[Rule], headers: tuple[tuple[str, str], ...]) -> Iterator[FactProbe]:
    """A method of each path; and one that no rule has, if there is such."""
    for rule in own:
        pods, tls = behind_rule(ir, rule), rule.route.tls is not None
        ask = HttpAsk("POST", host_of(rule), method_below(sample(rule.path)), tls=tls, headers=headers)
        if pods and chosen(found, ask.host, ask.path) == rule and (rule.host or not tls):
            yield door_fact(ir, GRPC, ask, rule.route, calls(pods, chosen(found, ask.host, NO_METHOD) is None))


def _client(ir: Ir, found: list[Rule]) -> Iterator[FactProbe]:
    """What backends are told of the client (X-Forwarded-For), by one route: it is the controller's."""
    front, balancing = ir.traits.front, ir.traits.balancing
    assert front is not None
    keeps = front.service.type != "LoadBalancer" or (balancing is not None and balancing.keeps_client)
    if front.service.external_traffic_policy != "Local" or not keeps:
        return
    for rule in found:
        headers, ask = way_in(ir, rule.route), leading_to(found, rule, HEADER)
        is_read = not rule.route.grpc and not rule.route.passthrough
        is_open = headers is not None and is_read and not _is_limited(rule.route)
        if is_open and headers is not None and ask is not None and behind_rule(ir, rule):
            ask = ask._replace(path=f"{ask.path}?key=X-Forwarded-For", headers=headers)
            yield answer(ir, ask, rule.route, {"status": 200, "client": KEPT})
            return
