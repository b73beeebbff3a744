"""NGINX Gateway Fabric: pods of NGINX in the Gateway's namespace, and all that it would do otherwise is refused."""

import random
from typing import Any

import pytest
import yaml

from netspec.analysis.gateway_routes import Contested, Entry, Listening, Request, specific, takes, takes_host
from netspec.analysis.requests import walk
from netspec.backends.edge.nginx_fabric.install import labels
from netspec.backends.registry import REGISTRY
from netspec.compiler import CompileResult, compile_spec
from netspec.plan import ReadyNode, ResourceNode
from netspec.spec.load import loads
from netspec.target import Feature
from tests.conformance.toys import STACK_OF
from tests.edge.gatewayspec import ASKED_HOSTS, PATHS, _case, _spec

PROXY = "edge/public-nginx"
HTTP = {"name": "http", "port": 80, "protocol": "HTTP", "allowedRoutes": {"namespaces": {"from": "All"}}}
TO = [{"name": "web", "port": 80}]
STREAM: dict[str, Any] = {"backendRefs": TO}
EGRESS = [
    {
        "to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "nginx-gateway"}}}],
        "ports": [{"port": 8443}],
    }
]


def compiled(*rules: dict[str, Any], kind: str = "httpRoutes", stack: Any = None, **changes: Any) -> CompileResult:
    """A Gateway of one listener, and one route with these rules."""
    route = {"name": "r", "namespace": "shop", "parentRefs": [{"name": "public", "namespace": "edge"}]}
    route |= {"rules": list(rules) or [{"backendRefs": TO}]}
    spec: dict[str, Any] = {
        "apiVersion": "netspec.dev/v1alpha1",
        "kind": "NetworkSpec",
        "metadata": {"name": "t"},
        "namespaces": [{"name": "edge", "labels": {"team": "edge"}}, {"name": "shop"}],
        "workloads": [
            {"name": "web", "namespace": "shop", "labels": {"app": "web"}, "ports": [{"name": "http", "port": 8080}]}
        ],
        "services": [
            {
                "name": "web",
                "namespace": "shop",
                "selector": {"app": "web"},
                "ports": [{"port": 80, "targetPort": "http"}],
            }
        ],
        "gateways": [{"name": "public", "namespace": "edge", "listeners": [HTTP]}],
        kind: [route],
        "stacks": {
            "dev": {
                "cluster": {"type": "kind"},
                "cni": {"provider": "calico"},
                "gateway": {"controller": "nginx-gateway-fabric", "service": "NodePort", **(stack or {})},
            }
        },
    }
    return compile_spec(loads(yaml.safe_dump(spec | changes), "t.yaml"), "dev", REGISTRY)


def said(result: CompileResult) -> list[str]:
    return [f"{d.code} {d.message}" for d in result.diagnostics if d.severity == "error"]


def rule(path: str = "/", exact: bool = False, filters: Any = (), **match: Any) -> dict[str, Any]:
    match["path"] = {"value": path, "type": "Exact" if exact else "PathPrefix"}
    return {"matches": [match], "backendRefs": TO, "filters": list(filters)}


def headers(what: str, **change: Any) -> dict[str, Any]:
    return {"type": f"{what}HeaderModifier", f"{what[0].lower()}{what[1:]}HeaderModifier": change}


def redirect(at: str = "/", /, **given: Any) -> dict[str, Any]:
    found = rule(at, filters=[{"type": "RequestRedirect", "requestRedirect": given}])
    return {key: found[key] for key in ("matches", "filters")}


def calls(*methods: str | None, filters: Any = ()) -> dict[str, Any]:
    matches = []
    for called in methods:
        names = dict(zip(("service", "method"), (called or "").split("/"), strict=False))
        matches.append({"method": names} if called else {"headers": [{"name": "tier", "value": "gold"}]})
    return {"matches": matches, "backendRefs": TO, "filters": list(filters)}


PREFIX = {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/new"}
WHOLE = {"type": "ReplaceFullPath", "replaceFullPath": "/b"}
SET = [{"name": "X-A", "value": "1"}]


def test_its_pods_are_a_workload_of_the_gateways_namespace() -> None:
    result = compiled(stack={"replicas": 3})
    assert result.ir is not None and result.ir.traits.gates is not None, said(result)
    gates = result.ir.traits.gates
    assert (gates.workload.id, gates.service.id, gates.workload.replicas) == (PROXY, PROXY, 3)
    assert gates.workload.labels == labels(result.ir.gateways[0])
    assert gates.workload.labels["app.kubernetes.io/managed-by"] == "nginx-gateway-fabric-nginx"
    assert [(p.name, p.port, p.target_port) for p in gates.service.ports] == [("port-80", 80, 80)]
    # The namespace stays the spec's, with its labels, and is made.
    (edge,) = [n for n in result.ir.namespaces if n.name == "edge"]
    assert edge.labels["team"] == "edge" and not edge.system
    assert result.plan is not None and "namespace:edge" in {n.id for n in result.plan.nodes}
    assert walk(result.ir, 80, False, Request("a.test.io", "/", "GET", {}, {})).steps[-1].why == f"allow from {PROXY}"


def test_policies_of_that_namespace_hold_for_them() -> None:
    closed = [{"name": "edge", "defaultDeny": ["egress"]}, {"name": "shop"}]
    front = {"name": "front", "from": {"workload": PROXY}, "to": {"workload": "shop/web"}}
    assert [s.partition(":")[0] for s in said(compiled(namespaces=closed))] == [
        f"NS970 policies keep {PROXY} from kube-system/coredns at 53/UDP",
        f"NS970 policies keep {PROXY} from nginx-gateway/nginx-gateway-fabric at 8443/TCP",
        f"NS845 policies keep {PROXY} from shop/web at 8080/TCP",
    ]
    opened = [{"name": "edge", "defaultDeny": ["egress"], "allowDNS": True}, {"name": "shop"}]
    egress = {"podSelector": {}, "policyTypes": ["Egress"], "egress": EGRESS}
    policy = {"name": "agent", "namespace": "edge", "spec": egress}
    assert not said(compiled(namespaces=opened, policies=[front], networkPolicies=[policy]))


def test_what_is_made() -> None:
    result = compiled(stack={"service": "ClusterIP"})
    assert result.plan is not None
    nodes = {n.id: n for n in result.plan.nodes}
    chart = nodes["release:nginx-gateway/nginx-gateway-fabric"]
    assert isinstance(chart, ResourceNode)
    # It makes the class, whose definition it does not bring.
    assert {"gateway-api", "cni-ready"} <= set(chart.depends_on) and isinstance(nodes["gateway-api"], ReadyNode)
    assert chart.properties["values"]["nginx"]["service"] == {"type": "ClusterIP"}
    made = {m["kind"]: m for m in result.plan.manifests() if m["kind"] not in ("CustomResourceDefinition",)}
    assert "GatewayClass" not in made and made["Gateway"]["spec"]["gatewayClassName"] == "nginx"
    assert made["ClientSettingsPolicy"]["spec"]["body"] == {"maxSize": "0"}
    assert made["ProxySettingsPolicy"]["spec"]["timeout"] == {"read": "24h"}
    served = nodes["nginx"]
    assert isinstance(served, ReadyNode) and served.conditions[0].resource == "deployments/public-nginx"
    facts = {(f.name, f.subject) for f in result.facts}
    assert {("gateway-proxy", PROXY), ("gateway-policy", "ClientSettingsPolicy edge/public")} <= facts


def test_annotations_for_a_load_balancer_are_the_gateways_to_say() -> None:
    """The chart has none for the Service, and what the Gateway says gets there."""
    stack = {"cluster": STACK_OF["eks"], "cni": {"provider": "vpc-cni"}, "loadBalancer": {"provider": "aws-nlb"}}
    result = compiled(stacks={"dev": stack | {"gateway": {"controller": "nginx-gateway-fabric"}}})
    assert result.plan is not None, said(result)
    assert result.ir is not None and result.ir.traits.balancing is not None
    (made,) = [m for m in result.plan.manifests() if m["kind"] == "Gateway"]
    wanted = dict(result.ir.traits.balancing.annotations)
    assert wanted and made["spec"]["infrastructure"] == {"annotations": wanted}
    chart = next(n for n in result.plan.nodes if n.id == "release:nginx-gateway/nginx-gateway-fabric")
    assert isinstance(chart, ResourceNode) and "annotations" not in chart.properties["values"]["nginx"]["service"]


@pytest.mark.parametrize(
    ("feature", "result"),
    [
        (Feature.GATEWAY_TIMEOUTS, lambda: compiled(rule() | {"timeouts": {"request": "1s"}})),
        (
            Feature.GATEWAY_TCP,
            lambda: compiled({"backendRefs": TO}, kind="tcpRoutes", gateways=gateway(protocol="TCP")),
        ),
    ],
)
def test_what_it_has_not_is_told_with_who_has_it(feature: Feature, result: Any) -> None:
    (error,) = said(result())
    assert error.startswith("NS901") and feature.value in error


def gateway(**listener: Any) -> list[dict[str, Any]]:
    return [{"name": "public", "namespace": "edge", "listeners": [HTTP | listener]}]


LONG = "a" * 58
TAKEN = {"name": "public-nginx", "namespace": "edge", "labels": {"a": "b"}}
ANOTHER = {"name": "b", "namespace": "shop", "listeners": [HTTP | {"port": 81}]}
TLS = {"protocol": "TLS", "port": 443, "hostname": "a.test.io"}
TERMINATED = {"mode": "Terminate", "certificateRefs": [{"name": "c"}]}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"gateways": [*gateway(), ANOTHER]}, "makes a proxy for each"),
        ({"gateways": gateway(port=8081)}, "port 8081 is of NGINX's readiness"),
        ({"gateways": gateway(port=9113)}, "port 9113 is of NGINX's metrics"),
        ({"gateways": [{**gateway()[0], "name": LONG}], "httpRoutes": []}, "would have 64 characters"),
        (
            {"workloads": [TAKEN], "services": [], "httpRoutes": []},
            "is what NGINX Gateway Fabric calls",
        ),
        ({"namespaces": [{"name": n} for n in ("edge", "shop", "nginx-gateway")]}, "own namespace"),
        (
            {"gateways": [{**gateway()[0], "listeners": [HTTP, HTTP | {"name": "b", "hostname": "a.test.io"}]}]},
            "does not keep the hosts of edge/public/b from edge/public/http (every host)",
        ),
        (
            {
                "gateways": [
                    {
                        **gateway()[0],
                        "listeners": [
                            HTTP | TLS | {"tls": {"mode": "Passthrough"}},
                            HTTP | TLS | {"name": "b", "protocol": "HTTPS", "hostname": "*.test.io", "tls": TERMINATED},
                        ],
                    }
                ],
                "httpRoutes": [],
            },
            "does not keep the hosts",
        ),
        ({"gateways": gateway(**TLS, tls=TERMINATED), "httpRoutes": []}, "passes TLS through"),
    ],
)
def test_gateways_that_are_refused(changes: dict[str, Any], words: str) -> None:
    (error,) = said(compiled(**changes))
    assert words in error


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ([rule("/a%20b")], "would not take /a%20b"),
        ([rule("/a+b")], "would not take /a+b"),
        ([rule("/_ngf-internal-x")], "would not take /_ngf-internal-x"),
        ([redirect("/a", scheme="https", path=WHOLE | {"replaceFullPath": "/a%20b"})], "would not take"),
        ([rule(method="TRACE"), rule()], "NGINX answers TRACE with 405"),
        ([rule(headers=[{"name": "H", "value": "a,b"}]), rule()], "between the commas"),
        ([rule(filters=[headers("Request", set=[{"name": "host", "value": "a"}])])], "has the header host itself"),
        ([rule(filters=[headers("Request", remove=["X-Forwarded-For"])])], "has the header X-Forwarded-For itself"),
        ([rule(filters=[headers("Response", add=[{"name": "Server", "value": "a"}])])], "has the header Server itself"),
        ([rule(filters=[headers("Response", remove=["X-Accel-Expires"])])], "has the header X-Accel-Expires itself"),
        ([rule(filters=[headers("Request", add=[SET[0] | {"value": "$host"}])])], "in the value of X-A as its own"),
        ([rule("/x", method="GET"), rule()], "answers 404 to what no rule for /x takes, and does not ask rule 2"),
        ([rule("/x", exact=True, method="GET"), rule("/x")], "answers 404 to what no rule for /x takes"),
        ([rule("/x", headers=SET), rule(method="GET")], "answers 404 to what no rule for /x takes"),
        ([redirect(hostname="a.test.io")], "writes the port 80 into a redirect"),
        ([redirect(hostname="a.test.io", port=80)], "writes the port 80 into a redirect"),
        ([redirect("/a", scheme="https", path=PREFIX), rule("/a", method="GET")], "replaces no prefix in a redirect"),
    ],
)
def test_rules_that_are_refused(rules: list[dict[str, Any]], words: str) -> None:
    (error,) = said(compiled(*rules))
    assert words in error


@pytest.mark.parametrize(
    "rules",
    [
        [rule("/x", method="GET"), rule(method="GET")],
        [rule("/x", method="GET"), rule("/x"), rule()],
        [rule("/x", method="GET"), rule("/y")],
        [rule("/x", exact=True, headers=SET), rule("/x", exact=True), rule("/x", method="GET"), rule("/x")],
        [redirect(hostname="a.test.io", scheme="http"), rule("/x")],
        [redirect(hostname="a.test.io", port=8080)],
        [redirect("/a", scheme="https", path=PREFIX)],
        [redirect("/a", scheme="https", path=WHOLE), rule("/a", method="GET")],
        [rule(filters=[headers("Response", set=SET, remove=["X-B"])])],
    ],
)
def test_rules_that_go_where_the_api_says(rules: list[dict[str, Any]]) -> None:
    assert not said(compiled(*rules))


@pytest.mark.parametrize(
    ("called", "words"),
    [
        (calls("shop.Cart"), "wants the method beside the service"),
        (calls("shop.Cart/Add", None), "mixes up matches"),
        (calls("shop.Cart/Add", filters=[headers("Response", remove=["X-A"])]), "takes no header away"),
        (calls("shop.Cart/Add", filters=[headers("Response", set=SET)]), "takes no header away"),
        (
            calls("shop.Cart/Add", filters=[{"type": "RequestMirror", "requestMirror": {"backendRef": TO[0]}}]),
            "not known to copy calls",
        ),
        (calls("shop.Cart/Add", filters=[headers("Response", add=SET), headers("Request", set=SET)]), ""),
        (calls(None), ""),
    ],
)
def test_calls_of_grpc(called: dict[str, Any], words: str) -> None:
    assert [words in s for s in said(compiled(called, kind="grpcRoutes"))] == [True] * bool(words)


def test_a_tls_route_has_one_backend() -> None:
    listening = gateway(**TLS, tls={"mode": "Passthrough"})
    route = {"name": "r", "namespace": "shop", "parentRefs": [{"name": "public", "namespace": "edge"}]}
    for backends, words in ((TO, []), ([*TO, {"name": "web", "port": 80, "weight": 2}], ["has one backend"])):
        route |= {"hostnames": ["a.test.io"], "rules": [{"backendRefs": backends}]}
        found = said(compiled(gateways=listening, httpRoutes=[], tlsRoutes=[route]))
        assert len(found) == len(words) and all(w in s for w, s in zip(words, found, strict=True))


def nginx(listening: Listening, request: Request) -> Entry | None:
    """What takes the request by its source: a server by the host, in it a location by the path, in that the first
    match of those with a method, most headers, most parameters."""
    found = [e for e in listening.entries if takes_host(e.host, request.host)]
    server = max((specific(e.host) for e in found), default=None)
    found = [e for e in found if specific(e.host) == server]
    located = [e for e in found if e.match.exact and e.match.path == request.path]
    if not located:
        below = [e for e in found if not e.match.exact and f"{request.path}/".startswith(f"{e.match.bare}/")]
        longest = max((len(e.match.bare) for e in below), default=None)
        located = [e for e in below if len(e.match.bare) == longest]
    return next((e for e in sorted(located, key=lambda e: e.rank[2:], reverse=True) if takes(e.match, request)), None)


@pytest.mark.parametrize("seed", range(3))
def test_what_is_not_refused_goes_where_the_api_says(seed: int) -> None:
    draw = random.Random(seed)
    kept = refused = 0
    for _ in range(24):
        listeners, routes = _case(draw, 0)
        spec = _spec("nginx-gateway-fabric", listeners[:1], routes)
        result = compile_spec(loads(yaml.safe_dump(spec), "t.yaml"), "dev", REGISTRY)
        errors = said(result)
        if result.ir is None or any("answers 404" not in e for e in errors):
            continue
        listening = Listening.of(result.ir)
        wrong = [request for request in (_asked(draw) for _ in range(60)) if not _as_the_api(listening, request)]
        assert errors or not wrong, wrong[:3]
        kept, refused = kept + (not errors), refused + bool(wrong)
    assert kept and refused


def _asked(draw: random.Random) -> Request:
    headers, query = draw.choice(({}, {"h": "1"}, {"h": "1", "g": "1"})), draw.choice(({}, {"q": "1"}))
    return Request(draw.choice(ASKED_HOSTS), draw.choice((*PATHS, "/x/")), draw.choice(("GET", "POST")), headers, query)


def _as_the_api(listening: Listening, request: Request) -> bool:
    """Also where the API leaves open which rule takes the request."""
    wanted = listening.chosen(8100, False, request)
    found = nginx(listening, request) if listening.listener(8100, False, request.host) else None
    return isinstance(wanted, Contested) or (found and found.rule) is (wanted and wanted.rule)
