"""Where Traefik would send a request elsewhere than the Gateway API says, a spec is refused; and nowhere else."""

import random
from typing import Any

import pytest
import yaml

from netspec.analysis.gateway_routes import Contested, Entry, Listening, Request, hosts, takes, takes_host
from netspec.backends.edge.traefik.precedence import findings
from netspec.backends.registry import REGISTRY
from netspec.compiler import CompileResult, compile_spec
from netspec.ir.model import Ir
from netspec.spec.load import loads
from tests.edge.gatewayspec import ASKED_HOSTS, PATHS, _case, _spec


def compiled(routes: list[dict[str, Any]], kind: str = "httpRoutes") -> CompileResult:
    listeners = [{"name": "l", "port": 8000, "protocol": "HTTP"}]
    for route in routes:
        route |= {"namespace": "shop", "parentRefs": [{"name": "drawn"}]}
    spec = _spec("traefik-gateway", listeners, []) | {kind: routes}
    return compile_spec(loads(yaml.safe_dump(spec), "t.yaml"), "dev", REGISTRY)


def rule(to: str, **match: Any) -> dict[str, Any]:
    return {"matches": [match], "backendRefs": [{"name": to, "port": 80}]}


def said(result: CompileResult) -> list[str]:
    return [d.message for d in result.diagnostics if d.severity == "error"]


LONGER, METHOD = rule("b0", path={"value": "/x/y"}), rule("b1", path={"value": "/x"}, method="GET")
EXACT = rule("b1", path={"value": "/x", "type": "Exact"})


def test_a_longer_path_that_loses_to_a_method() -> None:
    (error,) = said(compiled([{"name": "r", "rules": [METHOD, LONGER]}]))
    by = "by rule 1 of HTTPRoute shop/r"
    assert error == f"Traefik serves {by} requests that rule 2 is for by the API's precedence"
    # A method is worth ten characters of a path.
    assert not said(compiled([{"name": "r", "rules": [METHOD, rule("b0", path={"value": "/x/0123456789"})]}]))


def test_a_host_that_loses_to_a_path_of_a_wider_one() -> None:
    routes = [
        {"name": "narrow", "hostnames": ["a.test.io"], "rules": [rule("b0", path={"value": "/"})]},
        {"name": "wide", "hostnames": ["*.test.io"], "rules": [EXACT]},
    ]
    (error,) = said(compiled(routes))
    assert "by rule 1 of HTTPRoute shop/wide requests that rule 1 is for" in error
    apart = [routes[0], routes[1] | {"hostnames": ["*.other.io"]}]
    assert not said(compiled(apart))


def test_a_method_of_grpc_is_one_whose_name_begins_so() -> None:
    calls = {"name": "calls", "hostnames": ["calls.test.io"]}
    one = {
        "matches": [{"method": {"service": "pkg.Shop", "method": "Buy"}}],
        "backendRefs": [{"name": "b0", "port": 80}],
    }
    all_ = one | {"matches": [{"method": {"service": "pkg.Shop"}}]}
    assert said(compiled([calls | {"rules": [one]}], "grpcRoutes")) == [
        "Traefik takes for a method of gRPC all whose names begin with its name"
    ]
    assert not said(compiled([calls | {"rules": [all_]}], "grpcRoutes"))


def traefik(listening: Listening, request: Request) -> list[Entry]:
    """What its routers of the highest number are, by its source."""

    def number(entry: Entry) -> int:
        match, longest = entry.match, max(len(h) for h, _ in hosts(entry.listener, entry.route))
        path = 100_000 if match.exact else 1 if match.path == "/" else 10_000 + len(match.bare) * 100
        rest = 1_000 * bool(match.method) + 100 * len(match.headers) + 10 * len(match.query)
        return path + rest + longest + len(entry.route.rules) - entry.number

    found = [e for e in listening.entries if takes_host(e.host, request.host) and takes(e.match, request)]
    highest = max((number(e) for e in found), default=None)
    return [e for e in found if number(e) == highest]


def asked(draw: random.Random) -> Request:
    headers = draw.choice(({}, {"h": "1"}, {"h": "1", "g": "1"}))
    query = draw.choice(({}, {"q": "1"}))
    return Request(draw.choice(ASKED_HOSTS), draw.choice((*PATHS, "/x/")), draw.choice(("GET", "POST")), headers, query)


@pytest.mark.parametrize("seed", range(3))
def test_what_is_not_refused_goes_where_the_api_says(seed: int) -> None:
    draw = random.Random(seed)
    kept = refused = 0
    for _ in range(12):
        listeners, routes = _case(draw, 0)
        result = compile_spec(
            loads(yaml.safe_dump(_spec("envoy-gateway", listeners[:1], routes)), "t.yaml"), "dev", REGISTRY
        )
        if result.ir is None or said(result):
            continue
        wrong = [request for request in (asked(draw) for _ in range(60)) if not _as_the_api(result.ir, request)]
        told = list(findings(result.ir))
        assert told or not wrong, wrong[:3]
        kept, refused = kept + (not told), refused + bool(told)
    assert kept and refused


def _as_the_api(ir: Ir, request: Request) -> bool:
    """Also where the API leaves open which rule takes the request."""
    listening = Listening.of(ir)
    wanted = listening.chosen(8100, False, request)
    found = [e.rule for e in traefik(listening, request)] if listening.listener(8100, False, request.host) else []
    if isinstance(wanted, Contested):
        return True
    if wanted is None:
        return not found
    return all(rule is wanted.rule for rule in found)
