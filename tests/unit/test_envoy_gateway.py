"""Routes as objects of the Gateway API, read as that API and Envoy read them, mean what the spec predicts."""

import re
from collections.abc import Sequence
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from netspec.analysis.routes import bare, chosen, rewritten, rules
from netspec.backends.registry import REGISTRY
from netspec.compiler import CompileResult, compile_spec
from netspec.spec.load import loads
from netspec.verify.drift import compare
from netspec.verify.objects import Objects
from netspec.verify.readers import parse_conditions
from tests.edge.gatewayspec import _spec

HOSTS = ("a.test", "b.test", "c.test")
paths = st.lists(st.sampled_from(("a", "b", "ab")), max_size=3).map(lambda parts: "/" + "/".join(parts))
path_rules = st.lists(
    st.tuples(paths, st.booleans()), min_size=1, max_size=4, unique_by=lambda p: (p[0].rstrip("/"), p[1])
)


def compiled(routes: list[dict[str, Any]], **settings_: Any) -> CompileResult:
    spec = {
        "apiVersion": "netspec.dev/v1alpha1",
        "kind": "NetworkSpec",
        "metadata": {"name": "t"},
        "namespaces": [{"name": "shop"}, {"name": "bank"}],
        "workloads": [{"name": "web", "namespace": n, "labels": {"app": "web"}, "ports": [{"port": 8080}]} for n in NS],
        "services": [
            {
                "name": "web",
                "namespace": n,
                "selector": {"app": "web"},
                "ports": [{"name": "h", "port": 80, "targetPort": 8080}],
            }
            for n in NS
        ],
        "ingress": routes,
        "stacks": {
            "dev": {
                "cluster": {"type": "kind"},
                "cni": {"provider": "calico"},
                "gateway": {"controller": "envoy-gateway", "service": "NodePort", **settings_},
            }
        },
    }
    return compile_spec(loads(yaml.safe_dump(spec), "t.yaml"), "dev", REGISTRY)


NS = ("shop", "bank")


def route(name: str, *hosts: str, at: Sequence[tuple[str, bool]] = (("/", False),), **options: Any) -> dict[str, Any]:
    kinds = {True: "Exact", False: "Prefix"}
    backends = [{"service": "web", "port": "h"}]
    ways = [{"path": p, "type": kinds[exact], "backends": backends} for p, exact in at]
    return {"name": name, "namespace": "shop", "hosts": list(hosts), "paths": ways, **options}


def made(result: CompileResult, kind: str) -> dict[str, dict[str, Any]]:
    assert result.plan is not None, [d.render() for d in result.diagnostics]
    return {m["metadata"]["name"]: dict(m) for m in result.plan.manifests() if m["kind"] == kind}


def taken(objects: dict[str, dict[str, Any]], host: str, path: str) -> tuple[str, dict[str, Any]] | None:
    """Envoy: the virtual host is the request's own, else the one without hosts; of its rules the exact path, else the
    longest prefix. No other virtual host is tried."""
    named = {h for obj in objects.values() for h in obj["spec"].get("hostnames", ())}
    own = host if host in named else None
    found = []
    for name, obj in objects.items():
        hosts = obj["spec"].get("hostnames")
        if (own in hosts) if own and hosts else (not own and not hosts):
            found += [(name, rule, rule["matches"][0]["path"]) for rule in obj["spec"]["rules"]]
    exact = [(n, r) for n, r, m in found if m["type"] == "Exact" and m["value"] == path]
    if exact:
        return exact[0]
    whole = [
        (n, r, m["value"])
        for n, r, m in found
        if m["type"] == "PathPrefix" and (m["value"] == "/" or f"{path}/".startswith(m["value"] + "/"))
    ]
    best = max(whole, key=lambda f: len(f[2]), default=None)
    return None if best is None else best[:2]


@settings(max_examples=30, deadline=None)
@given(path_rules, path_rules, path_rules, st.booleans(), st.sampled_from((*HOSTS, "else.org")), paths)
def test_the_api_s_precedence_chooses_what_is_predicted(
    first: list[tuple[str, bool]],
    second: list[tuple[str, bool]],
    rest: list[tuple[str, bool]],
    anywhere: bool,
    host: str,
    path: str,
) -> None:
    given_routes = [route("first", "a.test", "b.test", at=first), route("second", "c.test", at=second)]
    given_routes += [route("rest", at=rest)] if anywhere else []
    result = compiled(given_routes)
    assert result.ir is not None
    if result.plan is None:  # a host that lets paths fall through to the route without hosts
        assert {d.code for d in result.diagnostics if d.severity == "error"} == {"NS872"} and anywhere
        return
    predicted = chosen(rules(result.ir.http), host, path)
    found = taken(made(result, "HTTPRoute"), host, path)
    assert (found and found[0]) == (predicted and predicted.route.name)
    if predicted is not None and found is not None:
        match = found[1]["matches"][0]["path"]
        assert (match["value"], match["type"] == "Exact") == (bare(predicted.path) or "/", predicted.path.exact)


def envoy_s(rule: dict[str, Any], regexes: dict[str, dict[str, Any]], path: str) -> str:
    """The path after a rule's filters, as Envoy Gateway has Envoy replace it (internal/xds/translator/route.go)."""
    for filter_ in rule.get("filters", ()):
        if filter_["type"] == "ExtensionRef":
            new = regexes[filter_["extensionRef"]["name"]]["spec"]["urlRewrite"]["path"]["replaceRegexMatch"]
            return re.sub(new["pattern"], new["substitution"], path, count=1)
        if filter_["type"] != "URLRewrite":
            continue
        new = filter_["urlRewrite"]["path"]
        if new["type"] == "ReplaceFullPath":
            return str(new["replaceFullPath"])
        prefix, replacement = rule["matches"][0]["path"]["value"], new["replacePrefixMatch"]
        if replacement == "/":
            return re.sub(rf"^{re.escape(prefix)}/*", "/", path, count=1)
        return replacement.removesuffix("/") + path[len(prefix) :]
    return path


@settings(max_examples=30, deadline=None)
@given(
    st.lists(paths, min_size=1, max_size=3, unique=True),
    st.sampled_from(({"prefix": "/"}, {"prefix": "/v2"}, {"prefix": "/v2/x/"}, {"path": "/whole"})),
    paths,
)
def test_a_path_is_rewritten_as_predicted(known: list[str], rewrite: dict[str, str], path: str) -> None:
    result = compiled([route("r", "a.test", at=[(p, False) for p in known], rewrite=rewrite)])
    assert result.ir is not None
    predicted = chosen(rules(result.ir.http), "a.test", path)
    found = taken(made(result, "HTTPRoute"), "a.test", path)
    if predicted is None or found is None:
        assert predicted is None and found is None
        return
    assert envoy_s(found[1], made(result, "HTTPRouteFilter"), path) == rewritten(predicted, path)


def test_a_gateway_reads_the_certificates_of_routes_and_no_other_secret() -> None:
    bank = route("bank", "bank.test", tls={"secret": "bank-tls"}) | {"namespace": "bank"}
    result = compiled([route("shop", "a.test", "b.test", tls={"secret": "shop-tls"}), bank, route("plain", "c.test")])
    (gateway,) = made(result, "Gateway").values()
    found = {
        listener.get("hostname", listener["name"]): [
            (ref["namespace"], ref["name"]) for ref in listener.get("tls", {}).get("certificateRefs", ())
        ]
        for listener in gateway["spec"]["listeners"]
    }
    shop = [("shop", "shop-tls")]
    assert found == {"http": [], "a.test": shop, "b.test": shop, "bank.test": [("bank", "bank-tls")]}
    assert result.plan is not None
    grants = [m for m in result.plan.manifests() if m["kind"] == "ReferenceGrant"]
    granted = {m["metadata"]["namespace"]: [to["name"] for to in m["spec"]["to"]] for m in grants}
    assert granted == {"shop": ["shop-tls"], "bank": ["bank-tls"]}
    assert all(m["spec"]["from"][0]["namespace"] == "envoy-gateway-system" for m in grants)


def test_every_route_is_on_listeners_that_there_are() -> None:
    """And where plain HTTP is redirected, the redirect alone is on its listener."""
    result = compiled(
        [
            route("both", "a.test", tls={"secret": "t"}),
            route("moved", "b.test", tls={"secret": "t"}, redirectToHTTPS=True),
            route("plain", "c.test"),
        ]
    )
    (gateway,) = made(result, "Gateway").values()
    known = {listener["name"] for listener in gateway["spec"]["listeners"]}
    on = {
        name: [parent["sectionName"] for parent in obj["spec"]["parentRefs"]]
        for name, obj in made(result, "HTTPRoute").items()
    }
    assert on == {
        "both": ["http", "https.a.test"],
        "moved": ["https.b.test"],
        "moved.http": ["http"],
        "plain": ["http"],
    }
    assert {section for sections in on.values() for section in sections} <= known


def test_who_may_at_all_is_asked_first_and_policies_are_on_the_route_itself() -> None:
    options = {"tls": {"secret": "t"}, "redirectToHTTPS": True, "basicAuth": {"secret": "users"}}
    result = compiled([route("r", "a.test", allowFrom=["192.0.2.0/24"], retries=3, **options)])
    (proxy,) = made(result, "EnvoyProxy").values()
    assert proxy["spec"]["filterOrder"] == [{"name": "envoy.filters.http.rbac", "before": "envoy.filters.http.cors"}]
    (security,) = made(result, "SecurityPolicy").values()
    assert [ref["name"] for ref in security["spec"]["targetRefs"]] == ["r"]
    rule = security["spec"]["authorization"]
    assert (rule["defaultAction"], rule["rules"][0]["principal"]) == ("Deny", {"clientCIDRs": ["192.0.2.0/24"]})
    (sent_again,) = made(result, "BackendTrafficPolicy").values()
    assert sent_again["spec"]["retry"]["numRetries"] == 3


@pytest.mark.parametrize(
    ("option", "feature"),
    [
        ({"tls": {}}, "http-self-signed"),
        ({"hosts": ["*.example.com"]}, "http-wildcard-hosts"),
        ({"maxBodySize": "1Mi"}, "http-max-body-size"),
        ({"rateLimit": {"requests": 5, "burst": 5}}, "http-rate-limit"),
        ({"externalAuth": {"service": "web", "port": 80}}, "http-external-auth"),
        ({"errorPages": {"statuses": ["503"], "service": "web", "port": 80}}, "http-error-pages"),
    ],
)
def test_what_it_would_do_otherwise_is_an_error_that_names_who_has_it(option: dict[str, Any], feature: str) -> None:
    (error,) = [d for d in compiled([route("r", "a.test") | option]).diagnostics if d.severity == "error"]
    assert error.code == "NS901" and feature in error.message and error.hint and "traefik" in error.hint


@pytest.mark.parametrize(
    ("endpoints", "told"),
    [
        ({"issuer": "https://id.test/", "tokenEndpoint": "https://10.1.2.3:8443/token"}, "https://10.1.2.3:8443/token"),
        ({"issuer": "https://10.1.2.3", "tokenEndpoint": "https://id.test/token"}, ""),
        ({"issuer": "https://id.test", "tokenEndpoint": "https://10.1.2.3.example.com/token"}, ""),
    ],
)
def test_a_provider_s_tokens_are_fetched_by_name(endpoints: dict[str, str], told: str) -> None:
    """Its translator refuses an address (validateTokenEndpoint), and no request of the route would be let through."""
    login = route("a", "a.test", tls={"secret": "s"}, redirectToHTTPS=True, oidc={"secret": "c", **endpoints})
    said = [d.message for d in compiled([login]).diagnostics if d.code == "NS970"]
    assert said == ([f"{told!r} is an address, and Envoy Gateway takes a provider's name alone"] if told else [])


def test_each_condition_of_a_route_and_of_its_policies_is_a_fact() -> None:
    result = compiled(
        [route("r", "a.test", retries=1, allowFrom=["192.0.2.0/24"]), route("g", "g.test", protocol="grpc")]
    )
    facts = {(f.name, f.subject): f.expect for f in result.facts if f.name.startswith("gateway")}
    ready = {"Accepted": "True", "ResolvedRefs": "True"}
    assert facts["gateway-route", "HTTPRoute shop/r"] == facts["gateway-route", "GRPCRoute shop/g"] == ready
    assert facts["gateway-policy", "SecurityPolicy shop/r"] == {"Accepted": "True"}
    assert facts["gateway-policy", "BackendTrafficPolicy shop/r"] == {"Accepted": "True"}
    assert facts["gateway", "envoy-gateway-system/netspec"] == {"Accepted": "True", "Programmed": "True"}


def test_conditions_of_one_object_and_of_several_parents() -> None:
    accepted = {"type": "Accepted", "status": "True"}
    assert parse_conditions([accepted, {"type": "Programmed", "status": "False"}]) == {
        "Accepted": "True",
        "Programmed": "False",
    }
    parents = [{"conditions": [accepted]}, {"conditions": [{"type": "Accepted", "status": "Unknown"}]}]
    assert parse_conditions(parents) == {"Accepted": "Unknown"}
    assert parse_conditions(None) == {}


def _refused_rules(*matches: dict[str, Any]) -> list[str]:
    """Of a route with one rule for each."""
    rules = [{"matches": [m], "backendRefs": [{"name": f"b{n}", "port": 80}]} for n, m in enumerate(matches)]
    route = {"name": "r", "namespace": "shop", "parentRefs": [{"name": "drawn"}], "rules": rules}
    spec = _spec("envoy-gateway", [{"name": "l", "port": 8000, "protocol": "HTTP"}], [route])
    result = compile_spec(loads(yaml.safe_dump(spec), "t.yaml"), "dev", REGISTRY)
    return [d.message for d in result.diagnostics if d.severity == "error"]


def test_a_method_that_loses_to_headers() -> None:
    """The API puts a method before any number of headers; Envoy Gateway counts it as one (seen, of 384 requests)."""
    method, header = {"method": "POST"}, {"headers": [{"name": "h", "value": "1"}]}
    two = {"headers": [{"name": "h", "value": "1"}, {"name": "g", "value": "1"}]}
    (error,) = _refused_rules(method, two)
    said = "by rule 2 of HTTPRoute shop/r requests that rule 1 is for by the API's precedence"
    assert error == f"Envoy Gateway serves {said}"
    # One header weighs as much, and then the order of the rules counts; a longer path goes before either.
    assert not _refused_rules(method, header)
    assert _refused_rules(header, method)
    assert not _refused_rules(method | {"path": {"value": "/x"}}, two)
    assert not _refused_rules(method, two | {"method": "GET"})


def test_http2_is_offered_where_grpc_comes_by_https() -> None:
    """Hosts that share a certificate are offered HTTP/1.1 alone by default."""
    secret = {"secret": "all"}
    routes = [route("pages", "a.test", tls=secret), route("calls", "b.test", tls=secret, protocol="grpc")]
    offered = made(compiled(routes), "ClientTrafficPolicy")
    (policy,) = offered.values()
    (target,) = policy["spec"]["targetRefs"]
    assert (target["name"], target["sectionName"]) == ("netspec", "https.b.test")
    assert policy["spec"]["tls"] == {"alpnProtocols": ["h2", "http/1.1"]}
    assert not made(compiled([routes[0]]), "ClientTrafficPolicy")


def test_its_policies_on_routes_are_no_strangers_to_the_cluster() -> None:
    ir = compiled([route("login", "a.test", basicAuth={"secret": "users"})]).ir
    assert ir is not None

    def found(name: str) -> tuple[str, ...]:
        meta = {"name": name, "namespace": "shop"}
        item = {"apiVersion": "gateway.envoyproxy.io/v1alpha1", "kind": "SecurityPolicy", "metadata": meta, "spec": {}}
        return compare(ir, Objects((item,))).policies

    assert "SecurityPolicy shop/other is not in the spec, and not analysed" in found("other")
    assert not [said for said in found("login") if "SecurityPolicy" in said]
