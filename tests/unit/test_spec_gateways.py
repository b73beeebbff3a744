"""A spec's Gateways and routes: objects that a reader of manifests takes for the same, and what becomes of requests."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from netspec.analysis.gateway_routes import Contested, Entry, Listening, Request, location, new_path
from netspec.backends.registry import REGISTRY
from netspec.compiler import CompileResult, compile_spec
from netspec.ir.gateways import Match, NewPath
from netspec.ir.model import Ir
from netspec.manifests.read import read_texts
from netspec.spec.load import loads

SPEC = Path(__file__).parent.parent / "golden" / "gateways" / "spec.yaml"
#: Kinds that netspec makes and that say nothing of who reaches whom, or are the cluster's.
ROUTES = {"HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute", "UDPRoute"}


def compiled(text: str = "") -> CompileResult:
    return compile_spec(loads(text or SPEC.read_text(), "gates.yaml"), "gate", REGISTRY)


def manifests(result: CompileResult) -> list[dict[str, Any]]:
    assert result.plan is not None, [d.render() for d in result.diagnostics]
    return [json.loads(json.dumps(m)) for m in result.plan.manifests()]


def ir_of(result: CompileResult) -> Ir:
    assert result.ir is not None
    return result.ir


def seen(objects: list[dict[str, Any]]) -> dict[tuple[str, str], set[tuple[str, str, int | str | None]]]:
    """Each route that a Gateway takes, with the Services that it is let to."""
    reading = read_texts([("plan", yaml.safe_dump_all(objects))])
    assert all(r.certain for r in reading.inventory.routes)
    return {(r.kind, r.id): {(b.namespace, b.service, b.port) for b in r.backends} for r in reading.inventory.routes}


def test_the_objects_are_read_as_the_routes_that_the_spec_has() -> None:
    result = compiled()
    wanted = {
        (r.kind, r.id): {(b.namespace, b.service, b.port) for b in r.backends} for r in ir_of(result).inventory.routes
    }
    assert seen(manifests(result)) == wanted
    assert {kind for kind, _ in wanted} == ROUTES


def test_without_a_grant_its_backends_are_not_reached() -> None:
    objects = manifests(compiled())
    without = [o for o in objects if not (o["kind"] == "ReferenceGrant" and o["metadata"]["namespace"] == "bank")]
    assert ("bank", "api", 80) in seen(objects)["HTTPRoute", "shop/shop"]
    assert ("bank", "api", 80) not in seen(without)["HTTPRoute", "shop/shop"]


def test_grants_let_in_no_more_than_is_used() -> None:
    made = [o for o in manifests(compiled()) if o["kind"] == "ReferenceGrant"]
    let_in = {
        (f["kind"], f["namespace"], o["metadata"]["namespace"], t["kind"], t["name"])
        for o in made
        for f in o["spec"]["from"]
        for t in o["spec"]["to"]
    }
    assert let_in == {
        ("Gateway", "edge", "shop", "Secret", "wild"),
        ("HTTPRoute", "shop", "bank", "Service", "api"),
    }


@pytest.fixture(scope="module")
def listening() -> Listening:
    return Listening.of(ir_of(compiled()))


def asked(listening: Listening, request: Request, port: int = 80, secure: bool = False) -> Entry:
    found = listening.chosen(port, secure, request)
    assert isinstance(found, Entry)
    return found


def test_a_request_goes_by_method_headers_and_query(listening: Listening) -> None:
    whole = Request("shop.example.com", "/api/x", "GET", {"x-ver": "2"}, {"q": "a"})
    backends = {
        "whole": asked(listening, whole),
        "other method": asked(listening, whole._replace(method="POST")),
        "other version": asked(listening, whole._replace(headers={"x-ver": "1"})),
        "no query": asked(listening, whole._replace(query={})),
    }
    assert {name: entry.number for name, entry in backends.items()} == {
        "whole": 1,
        "other method": 0,
        "other version": 0,
        "no query": 0,
    }


def test_redirects_and_rewritten_paths(listening: Listening) -> None:
    request = Request("shop.example.com", "/old")
    assert location(asked(listening, request), request) == "https://shop.example.com/old"
    api = asked(listening, Request("shop.example.com", "/api/x", "GET", {"x-ver": "2"}, {"q": "a"}))
    assert api.rule.rewrite is not None and api.rule.rewrite.path is not None
    assert new_path(api.match, api.rule.rewrite.path, "/api/x") == "/x"
    assert new_path(Match("/api"), NewPath("/v2/", False), "/api") == "/v2"


def test_a_call_of_grpc_goes_by_service_and_method(listening: Listening) -> None:
    calls = {
        path: asked(listening, Request("calls.example.com", path, "POST", headers), 443, True).number
        for path, headers in (
            ("/shop.Cart/Add", {"tier": "gold"}),
            ("/shop.Cart/Drop", {"tier": "gold"}),
            ("/shop.Order/Add", {}),
        )
    }
    assert calls == {"/shop.Cart/Add": 0, "/shop.Cart/Drop": 1, "/shop.Order/Add": 2}


def test_what_nobody_takes_and_what_is_left_open(listening: Listening) -> None:
    assert listening.chosen(80, False, Request("other.example.com")) is None
    assert listening.chosen(8080, False, Request("shop.example.com")) is None
    # By the other port the listener for *.example.com has it, and takes the route too.
    assert asked(listening, Request("shop.example.com"), 443, True).number == 0
    data = yaml.safe_load(SPEC.read_text())
    for name, header in (("late", "a"), ("more", "e")):
        match = {"path": {"value": "/"}, "headers": [{"name": header, "value": "yes"}]}
        rule = {"matches": [match], "backendRefs": [{"name": "web", "port": 80}]}
        parents = [{"name": "public", "namespace": "edge"}]
        route = {"name": name, "namespace": "shop", "parentRefs": parents, "hostnames": ["shop.example.com"]}
        data["httpRoutes"].append(route | {"rules": [rule]})
    result = compiled(yaml.safe_dump(data))
    assert {d.code for d in result.diagnostics} == {"NS856"}
    request = Request("shop.example.com", "/", "GET", {"a": "yes", "e": "yes"})
    both = Listening.of(ir_of(result)).chosen(80, False, request)
    assert isinstance(both, Contested) and {e.route.name for e in both.entries} == {"late", "more"}


def test_the_proxy_listens_where_the_listeners_say() -> None:
    front = ir_of(compiled()).traits.front
    assert front is not None
    found = {(p.name, p.port, p.target_port, p.protocol) for p in front.service.ports}
    assert found == {
        ("http-80", 80, 10080, "TCP"),
        ("https-443", 443, 10443, "TCP"),
        ("tcp-5432", 5432, 5432, "TCP"),
        ("udp-53", 53, 10053, "UDP"),
        ("tls-8443", 8443, 8443, "TCP"),
    }
