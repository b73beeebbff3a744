"""Gateways as Application Load Balancers: read back as AWS Load Balancer Controller and they do, requests go where the
prediction says; what they would do otherwise is refused."""

import re
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from netspec.analysis.exposure import exposures
from netspec.analysis.gateway_routes import Contested, Entry, Listening, Request, new_path
from netspec.analysis.requests import walk
from netspec.backends.edge.aws_lbc.gatewaychecks import _replaced
from netspec.backends.edge.aws_lbc.install import ACCOUNT
from netspec.backends.edge.gatewayapi import DEFINITIONS_READY, route_objects
from netspec.backends.registry import REGISTRY
from netspec.compiler import CompileResult, compile_spec
from netspec.ir.gateways import Gateway, GatewayBackend, GatewayRoute, Listener, Match, NewPath, Parent, RouteRule
from netspec.ir.model import Dns, Ir, Network
from netspec.plan import ManifestNode, ResourceNode, needs_of
from netspec.spec.load import loads
from netspec.verify.undeclared import _door

SPEC = yaml.safe_load((Path(__file__).parent.parent / "golden" / "gateways-aws-alb" / "spec.yaml").read_text())
CERTIFICATE = "arn:aws:acm:eu-west-1:123456789012:certificate/"


def compiled(spec: dict[str, Any]) -> CompileResult:
    return compile_spec(loads(yaml.safe_dump(spec).encode(), "spec.yaml"), "prod", REGISTRY)


@pytest.fixture(scope="module")
def golden() -> CompileResult:
    result = compiled(SPEC)
    assert result.plan is not None and result.ir is not None, [d.render() for d in result.diagnostics]
    return result


def objects(result: CompileResult, kind: str) -> dict[str, ManifestNode]:
    assert result.plan is not None, [d.render() for d in result.diagnostics]
    found = [n for n in result.plan.nodes if isinstance(n, ManifestNode) and n.manifest["kind"] == kind]
    return {n.manifest["metadata"]["name"]: n for n in found}


# Read back

hosts = st.lists(st.sampled_from(("a.test", "b.a.test", "*.test", "*.a.test")), max_size=2, unique=True).map(tuple)
paths = st.sampled_from(("/", "/a", "/a/", "/a/b", "/ab"))
headers = st.dictionaries(st.sampled_from(("x-one", "x-two")), st.sampled_from(("1", "2")), max_size=1)
matches = st.builds(
    lambda path, exact, method, pairs: Match(path, exact, method, tuple(pairs.items())),
    paths,
    st.booleans(),
    st.sampled_from(("", "GET", "POST")),
    headers,
)
to = (GatewayBackend("shop", "web", 80),)
rules = st.lists(matches, min_size=1, max_size=2).map(lambda found: RouteRule(to, matches=tuple(found)))


@st.composite
def drawn(draw: st.DrawFn) -> Ir:
    listener = Listener("l", 80, "HTTP", hostname=draw(st.sampled_from(("", "*.test", "*.a.test"))))
    parent = (Parent("gateway.networking.k8s.io", "Gateway", "shop", "g"),)
    routes = [
        GatewayRoute(
            "HTTPRoute", "shop", name, parent, tuple(draw(st.lists(rules, min_size=1, max_size=3))), draw(hosts)
        )
        for name in ("one", "two")
    ]
    gateway = Gateway("shop", "g", (listener,))
    return Ir("t", "dev", Network((), ()), Dns(), gateways=(gateway,), gateway_routes=tuple(routes))


def _host_key(host: str) -> tuple[bool, bool, int, int]:
    """First: given whole, then with a wildcard, then any; of these the one with more dots, then the longer."""
    return not host, host.startswith("*."), -host.count("."), -len(host)


def _met(ir: Ir, request: Request) -> tuple[str, int] | None:
    """Route and rule of the first of the load balancer's rules that takes it, in the order of the controller's."""
    (listener,) = ir.gateways[0].listeners
    found = []
    for route in route_objects(ir):
        of_route = route["spec"].get("hostnames") or [""]
        for host in {h for name in of_route if (h := _both(listener.hostname, name)) is not None}:
            for number, rule in enumerate(route["spec"]["rules"]):
                for index, match in enumerate(rule["matches"]):
                    is_exact, value = match["path"]["type"] == "Exact", match["path"]["value"]
                    key = (-is_exact, -len(value), -("method" in match), -len(match.get("headers", ())))
                    name = route["metadata"]["name"]
                    found.append((*_host_key(host), *key, name, number, index, host, match))
    for *_, name, number, _, host, match in sorted(found, key=lambda row: row[:-1]):
        value = match["path"]["value"]
        patterns = [value] if match["path"]["type"] == "Exact" else ["/*"] if value == "/" else [value, f"{value}/*"]
        if host and not _like(host, request.host):
            continue
        if match.get("method", request.method) != request.method or not any(_like(p, request.path) for p in patterns):
            continue
        if all(h["value"].lower() == request.headers.get(h["name"], "").lower() for h in match.get("headers", ())):
            return name, number
    return None


def _both(listener: str, route: str) -> str | None:
    if not listener or not route:
        return listener or route
    within = [a for a, b in ((listener, route), (route, listener)) if a == b or (b[0] == "*" and a.endswith(b[1:]))]
    return within[0] if within else None


def _like(pattern: str, text: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text) is not None


@settings(max_examples=400, deadline=None)
@given(
    drawn(),
    st.sampled_from(("a.test", "b.a.test", "c.b.a.test", "x.test", "other.io")),
    st.sampled_from(("/", "/a", "/a/", "/a/b", "/a/b/c", "/ab", "/abc")),
    st.sampled_from(("GET", "POST")),
    headers,
)
def test_requests_go_where_the_prediction_says(ir: Ir, host: str, path: str, method: str, sent: dict[str, str]) -> None:
    request = Request(host, path, method, sent)
    expected = Listening.of(ir).chosen(80, False, request)
    met = _met(ir, request)
    if isinstance(expected, Contested):
        return
    assert met == (None if expected is None else (expected.route.name, expected.number))


@given(st.sampled_from(("/", "/a", "/a.b", "/a+b")), st.sampled_from(("/", "/v2", "/v2/", "/v2/x")), st.booleans())
def test_a_path_that_is_not_refused_is_replaced_as_the_api_says(prefix: str, value: str, whole: bool) -> None:
    new, match = NewPath(value, whole), Match(prefix)
    rule, route = RouteRule(to, matches=(match,)), GatewayRoute("HTTPRoute", "shop", "r", (), ())
    entry = Entry(Gateway("shop", "g", ()), Listener("l", 80, "HTTP"), route, "", "", 0, rule, match)
    if list(_replaced(entry, new)):
        return
    regex, replacement = (r"^([^?]*)", value) if whole else (f"(^{prefix}(/)?)", value + r"\2" * (value[-1] != "/"))
    for path in (match.bare or "/", f"{match.bare}/x", f"{match.bare}//x"):
        url = re.sub(regex, replacement, f"{path}?q=/a", count=1)
        assert url == f"{new_path(match, new, path)}?q=/a"


# What is made


def test_certificates_are_the_stack_s_and_no_object_names_a_secret(golden: CompileResult) -> None:
    gateways = objects(golden, "Gateway")
    assert all("tls" not in x for n in gateways.values() for x in n.manifest["spec"]["listeners"])
    assert {g["kind"] for n in objects(golden, "ReferenceGrant").values() for g in n.manifest["spec"]["from"]} == {
        "HTTPRoute"
    }
    own = gateways["public"].manifest["spec"]["infrastructure"]["parametersRef"]
    assert own == {"group": "gateway.k8s.aws", "kind": "LoadBalancerConfiguration", "name": "public"}
    configured = objects(golden, "LoadBalancerConfiguration")["public"].manifest
    assert configured["metadata"]["namespace"] == gateways["public"].manifest["metadata"]["namespace"]
    (listener,) = configured["spec"]["listenerConfigurations"]
    assert listener["protocolPort"] == "HTTPS:443"
    given = [listener["defaultCertificate"], *listener["certificates"]]
    assert given == [f"{CERTIFICATE}0a1b2c3d", f"{CERTIFICATE}4e5f6a7b"]
    assert "infrastructure" not in gateways["inside"].manifest["spec"]


def test_load_balancers_go_before_the_controller_does(golden: CompileResult) -> None:
    assert golden.plan is not None
    needs = {n.id: needs_of(n) for n in golden.plan.nodes}
    for gateway in objects(golden, "Gateway").values():
        assert gateway.outlives and gateway.wait  # the end of what is not waited for is not either
        (kind,) = {n for n in needs[gateway.id] if n.startswith("gatewayclass:")}
        assert all("aws-load-balancers" in needs[n] for n in needs[kind] if "configuration:" in n)
        assert all(gateway.id in needs[n.id] for n in objects(golden, "HTTPRoute").values())


def test_pods_are_called_themselves(golden: CompileResult) -> None:
    kind = objects(golden, "GatewayClass")["netspec"].manifest["spec"]
    assert kind["controllerName"] == "gateway.k8s.aws/alb"
    reference = kind["parametersRef"]
    balancers = objects(golden, "LoadBalancerConfiguration")[reference["name"]].manifest
    assert balancers["metadata"]["namespace"] == reference["namespace"]
    assert balancers["spec"]["scheme"] == "internet-facing"
    targets = objects(golden, "TargetGroupConfiguration")[balancers["spec"]["defaultTargetGroupConfiguration"]["name"]]
    assert targets.manifest["metadata"]["namespace"] == reference["namespace"]
    assert targets.manifest["spec"]["defaultConfiguration"]["targetType"] == "ip"


@pytest.mark.parametrize("balancer", [None, {"provider": "aws-nlb"}])
@pytest.mark.parametrize("ingress", [None, {"controller": "aws-alb"}, {"controller": "traefik"}])
def test_one_controller_is_installed_after_the_definitions_that_it_looks_for(
    balancer: dict[str, str] | None, ingress: dict[str, str] | None
) -> None:
    spec = deepcopy(SPEC)
    stack = spec["stacks"]["prod"]
    for layer, said in (("loadBalancer", balancer), ("ingress", ingress)):
        stack.pop(layer, None)
        stack |= {layer: said} if said else {}
    spec |= {} if ingress else {"ingress": []}
    result = compiled(spec)
    assert result.plan is not None, [d.render() for d in result.diagnostics]
    (chart,) = [n for n in result.plan.nodes if n.id.endswith("/aws-load-balancer-controller") and "release" in n.id]
    assert isinstance(chart, ResourceNode) and DEFINITIONS_READY in needs_of(chart)
    gates = chart.properties["values"]["controllerConfig"]["featureGates"]
    assert gates == {"ALBGatewayAPI": True, "NLBGatewayAPI": False, "GatewayListenerSet": False}
    assert len([n for n in result.plan.nodes if n.id == ACCOUNT.node]) == 1


def test_definitions_come_with_gateways_alone() -> None:
    spec = {k: v for k, v in deepcopy(SPEC).items() if k not in ("gateways", "httpRoutes", "grpcRoutes")}
    del spec["stacks"]["prod"]["gateway"]
    result = compiled(spec)
    assert result.plan is not None, [d.render() for d in result.diagnostics]
    (chart,) = [n for n in result.plan.nodes if isinstance(n, ResourceNode) and n.token.endswith(":Release")]
    assert "controllerConfig" not in chart.properties["values"]
    assert not objects(result, "CustomResourceDefinition")


# What is predicted


def test_pods_are_as_open_as_policies_let_the_load_balancers_subnets_in(golden: CompileResult) -> None:
    assert golden.ir is not None
    rows = [e for e in exposures(golden.ir.inventory) if e.scope == "routes"]
    assert {e.workload for e in rows} == {"shop/web", "bank/api", "bank/quotes"}
    spec = deepcopy(SPEC)
    spec["policies"][0]["from"]["cidr"] = "10.1.0.0/16"
    (error,) = [d for d in compiled(spec).diagnostics if d.code == "NS845"]
    assert error.message.startswith("policies keep 10.0.") and "from shop/web at 8080/TCP" in error.message
    assert error.path[:2] == ("httpRoutes", 1)


def test_a_request_is_followed_to_the_pods(golden: CompileResult) -> None:
    assert golden.ir is not None
    found = walk(golden.ir, 443, True, Request("shop.example.com", "/old/x"))
    assert (found.answer, found.served) == ("what shop/web says", True)
    assert found.steps[-1].why.startswith("allow from 10.0.")
    by_ingress = walk(golden.ir, 81, False, Request("health.example.com", "/health"))
    assert (by_ingress.answer, by_ingress.served) == ("what bank/api says", True)


@pytest.mark.parametrize(
    ("cidr", "answer"), [("10.1.0.0/16", "an error of the proxy (503 or 504)"), ("10.0.192.0/20", "left open")]
)
def test_a_request_that_policies_stop_in_all_subnets_or_in_one(cidr: str, answer: str) -> None:
    spec = deepcopy(SPEC)
    spec["policies"][0]["from"]["cidr"] = cidr
    result = compiled(spec)
    assert result.ir is not None
    found = walk(result.ir, 443, True, Request("shop.example.com", "/old"))
    assert (found.answer, found.served) == (answer, False)


def test_gateways_with_pods_beside_an_ingress_without_are_judged_by_their_pods() -> None:
    spec = deepcopy(SPEC)
    spec["stacks"]["prod"]["gateway"] = {"controller": "envoy-gateway"}
    spec["policies"][0]["from"]["cidr"] = "192.0.2.0/24"
    said = [d.message for d in compiled(spec).diagnostics if d.code == "NS845"]
    assert said and all(m.startswith("policies keep envoy-gateway-system/envoy from shop/web") for m in said)


def test_nothing_is_asked_through_a_load_balancer_and_its_objects_are_read(golden: CompileResult) -> None:
    facts = [p for p in golden.probes if getattr(p, "fact", "").startswith(("gateway", "http-"))]
    assert {p.fact for p in facts} == {
        *("gateway", "gateway-listeners", "gateway-route", "gateway-route-spec", "gateway-settings")
    }
    assert all(p.request is None for p in facts)


def test_a_route_of_somebody_else_s_does_not_come_in_by_the_ingress_controller() -> None:
    spec = deepcopy(SPEC)
    spec["stacks"]["prod"]["ingress"] = {"controller": "traefik"}
    ir = compiled(spec).ir
    assert ir is not None and ir.traits.front is not None
    assert (_door(ir, "HTTPRoute"), _door(ir, "IngressRoute")) == ("", ir.traits.front.service.id)


# What is refused

RULE = {"backendRefs": [{"name": "api", "port": 80}]}


def _errors(rule: dict[str, Any], *names: str, **listener: Any) -> list[tuple[str, str]]:
    """Of one rule of Gateway `inside`."""
    spec = deepcopy(SPEC)
    spec["gateways"][1]["listeners"][0] |= listener
    spec["httpRoutes"][2] |= {"rules": [rule], **({"hostnames": list(names)} if names else {})}
    return [(d.code, d.message) for d in compiled(spec).diagnostics if d.severity == "error"]


def _redirect(**said: Any) -> dict[str, Any]:
    return {"filters": [{"type": "RequestRedirect", "requestRedirect": said}]}


def _rewrite(prefix: str, to: str, kind: str = "ReplacePrefixMatch") -> dict[str, Any]:
    path = {"type": kind, f"{kind[0].lower()}{kind[1:]}": to}
    filters = [{"type": "URLRewrite", "urlRewrite": {"path": path}}]
    return RULE | {"matches": [{"path": {"value": prefix}}], "filters": filters}


def _match(**said: Any) -> dict[str, Any]:
    return RULE | {"matches": [said]}


FOUR = [{"name": f"x-{n}", "value": "1"} for n in range(4)]
WHOLE = {"type": "ReplaceFullPath", "replaceFullPath": "/x"}
PREFIX = {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/x"}


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (_match(path={"value": "/a%20b"}), "is not a path of"),
        (_match(path={"value": "/" + "a" * 127}), "is not a path of"),
        (_match(queryParams=[{"name": "v", "value": "1"}]), "compares parameters of a query"),
        (_match(headers=[{"name": "x-v", "value": "canary"}]), "does not compare x-v with 'canary'"),
        (_match(headers=[{"name": "x-v", "value": "1,2"}]), "does not compare x-v with '1,2'"),
        (_match(headers=[{"name": "x" * 41, "value": "1"}]), "does not compare xxx"),
        (_match(path={"value": "/a"}, headers=FOUR), "compares 5 values, and this one has 6"),
        (_redirect(scheme="https", statusCode=308), "redirects by 301 or 302"),
        (_redirect(statusCode=301), "for a loop"),
        (_redirect(port=8080), "for a loop"),
        (_redirect(path=PREFIX) | {"matches": [{"path": {"value": "/a"}}]}, "for a loop"),
        (_redirect(scheme="https", path=PREFIX), "before a path without a slash"),
        (_rewrite("/", "/v2"), "before a path without a slash"),
        (_rewrite("/a+b", "/v2"), "is an operator"),
        (_rewrite("/a", "/v2/"), "keeps the slash"),
        (_rewrite("/a", "/%20"), "in place of another"),
        (RULE | {"backendRefs": [{"name": "api", "port": 80, "weight": 1000}]}, "weights of at most 999"),
        (RULE | {"backendRefs": [{"name": "api", "port": 80}, {"name": "api", "port": 80}]}, "is one target"),
    ],
)
def test_what_it_would_not_do_exactly(rule: dict[str, Any], said: str) -> None:
    assert [(code, said in message) for code, message in _errors(rule)] == [("NS970", True)]


@pytest.mark.parametrize(
    "rule",
    [
        _match(path={"value": "/a", "type": "Exact"}, method="GET", headers=FOUR[:3]),
        _match(path={"value": "/"}, headers=FOUR),
        _redirect(scheme="https"),
        _redirect(hostname="other.example.com", statusCode=301),
        _redirect(path=WHOLE),
        _redirect(port=9000, path=PREFIX) | {"matches": [{"path": {"value": "/a"}}]},
        _rewrite("/a", "/"),
        _rewrite("/", "/v2", "ReplaceFullPath"),
    ],
)
def test_what_it_does(rule: dict[str, Any]) -> None:
    assert not _errors(rule)


@pytest.mark.parametrize(
    ("names", "listener", "codes"),
    [
        (("web.x1",), {}, ["NS970"]),
        ((), {"hostname": "a.x1"}, ["NS970"]),
        ((), {"allowedRoutes": {"kinds": [{"kind": "HTTPRoute"}, {"kind": "TCPRoute"}]}}, ["NS970"]),
        ((), {"port": 80, "hostname": "x.example.com"}, ["NS970"]),  # Gateway public has every host there
        ((), {"hostname": "x.example.com"}, []),
    ],
)
def test_listeners_and_hosts(names: tuple[str, ...], listener: dict[str, Any], codes: list[str]) -> None:
    assert [code for code, _ in _errors(RULE, *names, **listener)] == codes


def test_streams_are_another_load_balancer_s() -> None:
    spec = deepcopy(SPEC)
    spec["gateways"][1]["listeners"].append(
        {"name": "tls", "port": 9000, "protocol": "TLS", "tls": {"mode": "Passthrough"}}
    )
    (error,) = [d for d in compiled(spec).diagnostics if d.severity == "error"]
    assert (error.code, error.path[-1]) == ("NS970", "protocol")


def test_grpc_is_for_https() -> None:
    spec = deepcopy(SPEC)
    spec["grpcRoutes"][0]["parentRefs"] = [{"name": "inside"}]
    errors = [d for d in compiled(spec).diagnostics if d.severity == "error"]
    assert [(d.code, "speaks gRPC for listeners of HTTPS only" in d.message) for d in errors] == [("NS970", True)]


def test_so_is_http_2_to_pods() -> None:
    spec = deepcopy(SPEC)
    spec["services"][1]["ports"][0]["appProtocol"] = "kubernetes.io/h2c"
    errors = [d for d in compiled(spec).diagnostics if d.severity == "error"]
    assert [(d.code, d.path[:2], "HTTP/2 in clear" in d.message) for d in errors] == [
        ("NS970", ("httpRoutes", 2), True)  # by a listener of HTTP, and not those of httpRoutes[1]
    ]


def test_a_certificate_that_stands_for_no_secret() -> None:
    spec = deepcopy(SPEC)
    spec["stacks"]["prod"]["gateway"]["certificates"] = {
        "shop/shops": f"{CERTIFICATE}0",
        "bank/bank": f"{CERTIFICATE}1",
    }
    found = [(d.code, d.path[-3:], d.hint) for d in compiled(spec).diagnostics if d.code in ("NS881", "NS882")]
    assert found == [
        ("NS881", ("tls", "certificateRefs", 0), "did you mean shop/shops?"),
        ("NS882", ("gateway", "certificates", "shop/shops"), "did you mean shop/shop?"),
    ]
