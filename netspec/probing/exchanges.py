"""What the front door does that a request and its answer do not show: WebSockets, answers that come late, copies,
traces, calls of gRPC; and who may where a Service says so, or where the pods end HTTPS themselves. Each with its
negative.
"""

from collections.abc import Iterator

from netspec.analysis.callees import own_certificate
from netspec.analysis.routes import Rule, chosen, sample
from netspec.ir.http import Cors, HttpRoute
from netspec.ir.model import Ir
from netspec.probes import (
    CERTIFICATE,
    COPIES,
    SOCKET,
    STAND_IN_SAYS,
    SUCCESS,
    TIMES,
    TRACES,
    FactProbe,
    HttpAsk,
)
from netspec.probing.http import (
    ECHO,
    HEADER,
    NOBODY,
    TELLS,
    answer,
    authorizers,
    bearer,
    behind,
    behind_rule,
    door_fact,
    host_of,
    leading_to,
)

#: How long a time may be to be waited for, in seconds, and by how much an answer is too late.
LONGEST, TOO_LATE = 5, 2
#: Requests of which copies are counted.
COPIED = 5
#: Where a stand-in waits for as long as it is told.
SHELL = "/shell"
#: A method of gRPC that no spec names; how many messages are sent, each in a call and all in one.
NO_METHOD, _MESSAGES = "/netspec.Nobody/Call", 2
#: An origin that no spec names.
_STRANGER = "https://elsewhere.netspec.invalid"
_Headers = tuple[tuple[str, str], ...]


def exchanges(ir: Ir, found: list[Rule], rule: Rule, headers: _Headers) -> Iterator[FactProbe]:
    """Of a route, by a rule of it whose pods answer. `headers`: with which a request gets through to them."""
    yield from _external(ir, found, rule)
    yield from _socket(ir, found, rule, headers)
    yield from _times(ir, found, rule, headers)
    yield from _copies(ir, found, rule, headers)
    yield from _traces(ir, found, rule, headers)


def passed_on(ir: Ir, route: HttpRoute) -> Iterator[FactProbe]:
    """The pods' own certificate is what a client sees, and one of them answers. (Plain HTTP is asked with the rest.)"""
    pods = behind_rule(ir, Rule(route, route.hosts[0], route.paths[0])) if route.passthrough else []
    for host in route.hosts if pods else ():
        ask = HttpAsk("GET", host, TELLS, tls=True)
        yield answer(ir, ask, route, {"status": 200, "from": pods})
        if len(pods) == 1:
            namespace, _, name = pods[0].partition("/")
            expect = {"from": f"Secret {namespace}/{own_certificate(name)}", "problem": ""}
            yield door_fact(ir, CERTIFICATE, ask._replace(path="/"), route, expect, host)


def preflights(cors: Cors | None) -> Iterator[tuple[str, _Headers, dict[str, object]]]:
    """Origin, headers and what must come of a preflight request (Fetch standard) of a page that may, and of one that
    may not; none where any may."""
    if cors is None or "*" in "".join(cors.origins):
        return
    method = next((m for m in cors.methods if m not in ("GET", "HEAD", "POST")), cors.methods[0])
    for origin, expect in ((cors.origins[0], {"status": SUCCESS, "allows": True}), (_STRANGER, {"allows": False})):
        yield origin, (("Origin", origin), ("Access-Control-Request-Method", method)), dict(expect)


def method_below(path: str) -> str:
    """A method of gRPC that a path takes.

    >>> method_below(""), method_below("/shop.Cart"), method_below("/shop.Cart/Add")
    ('/netspec.Echo/Call', '/shop.Cart/Call', '/shop.Cart/Add')
    """
    return path if path.count("/") > 1 else f"{path or '/netspec.Echo'}/Call"


def calls(pods: list[str], is_bounded: bool) -> dict[str, object]:
    """What must be seen of calls that `pods` answer. `is_bounded`: NO_METHOD is called too, which nobody serves."""
    expect: dict[str, object] = {"from": pods, "calls": _MESSAGES, "in one call": _MESSAGES}
    return expect | ({"of no rule": "UNIMPLEMENTED"} if is_bounded else {})


def _external(ir: Ir, found: list[Rule], rule: Rule) -> Iterator[FactProbe]:
    """That nobody gets in without credentials is asked with the rest. What is said of a request replaces what the
    client says."""
    route = rule.route
    if route.external_auth is None or not authorizers(ir, route) or route.basic_auth is not None:
        return
    told, given = leading_to(found, rule, TELLS), leading_to(found, rule, HEADER)
    good = bearer("netspec")
    if told is not None:
        expect = {"status": 200, "from": behind_rule(ir, rule)}
        yield answer(ir, told._replace(headers=(good,)), route, expect, ":admitted")
        yield answer(ir, told._replace(headers=(bearer("other"),)), route, {"status": 403}, ":refused")
    for name in route.external_auth.response_headers if given is not None else ():
        assert given is not None
        ask = given._replace(path=f"{given.path}?key={name}", headers=(good, (name, "forged")))
        yield answer(ir, ask, route, {"status": 200, "text": STAND_IN_SAYS})


def _plain_path(rule: Rule) -> HttpAsk | None:
    """A request that the rule takes; None where no client could make it."""
    tls = rule.route.tls is not None
    return None if tls and not rule.host else HttpAsk("GET", host_of(rule), sample(rule.path) or "/", tls=tls)


def _socket(ir: Ir, found: list[Rule], rule: Rule, headers: _Headers) -> Iterator[FactProbe]:
    """A pod's echo comes back through it, twice. For a host of nobody there is none."""
    ask = _plain_path(rule)
    if not rule.route.web_socket or ask is None:
        return
    expect: dict[str, object] = {"status": 101, "from": behind_rule(ir, rule), "echoes": 2}
    if not ask.tls and chosen(found, NOBODY, ask.path) is None:
        expect["of nobody"] = 404
    yield door_fact(ir, SOCKET, ask._replace(headers=headers), rule.route, expect)


def _times(ir: Ir, found: list[Rule], rule: Rule, headers: _Headers) -> Iterator[FactProbe]:
    """An answer that begins within the time comes, a later one is 504; and one pod was asked for it, once."""
    given = (rule.route.timeouts.first_byte, rule.route.timeouts.last_byte)
    limit = min((seconds for seconds in given if seconds is not None), default=None)
    ask = leading_to(found, rule, SHELL)
    if limit is not None and limit <= LONGEST and ask is not None:
        expect = {
            "seconds": limit,
            "in time": 200,
            "too late": 504,
            "pods asked": 1,
            "of": behind_rule(ir, rule),
        }
        yield door_fact(ir, TIMES, ask._replace(headers=headers), rule.route, expect)


def _copies(ir: Ir, found: list[Rule], rule: Rule, headers: _Headers) -> Iterator[FactProbe]:
    """By what the pods that get copies say of requests; of a route without a mirror, they get none."""
    mirrored = next((r for r in ir.http if r.mirror is not None and not r.grpc), None)
    ask = leading_to(found, rule, ECHO)
    if mirrored is None or mirrored.mirror is None or ask is None:
        return
    to = rule.route if rule.route.mirror is not None else mirrored
    assert to.mirror is not None
    pods = behind(ir, to, [to.mirror])
    is_first = rule.route == next((r for r in ir.http if _is_asked_plainly(r)), None)
    if not pods or set(pods) & set(behind_rule(ir, rule)) or not (rule.route.mirror is not None or is_first):
        return
    expect = {"answers": COPIED, "copies": COPIED if rule.route.mirror is not None else 0, "to": pods}
    yield door_fact(ir, COPIES, ask._replace(headers=headers), rule.route, expect)


def _is_asked_plainly(route: HttpRoute) -> bool:
    """Whether it may serve to show that no copies are made, as well as any other."""
    return not (route.mirror or route.grpc or route.passthrough or route.rate_limit or route.allow_from)


def _traces(ir: Ir, found: list[Rule], rule: Rule, headers: _Headers) -> Iterator[FactProbe]:
    """A request of a trace: the collector is told of a span below the client's, and the backend gets one of that trace
    as its parent. Of a trace that is not recorded nothing is told."""
    tracing = rule.route.tracing
    ask = leading_to(found, rule, HEADER)
    if tracing is None or ask is None:
        return
    told = behind(ir, rule.route, [tracing.collector], frozenset({"collector"}))
    if told:
        expect = {
            "parent of the span": "the client's",
            "parent of the backend's": "the span",
            "not recorded": "not told",
            "to": told,
        }
        ask = ask._replace(path=f"{ask.path}?key=Traceparent", headers=headers)
        yield door_fact(ir, TRACES, ask, rule.route, expect)
