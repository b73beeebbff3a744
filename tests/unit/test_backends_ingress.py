"""What becomes of a route with the controllers that are told by annotations, and what they cannot be told."""

from typing import Any

import pytest
import yaml

from netspec.backends.edge.haproxy.routes import reference
from netspec.backends.registry import REGISTRY
from netspec.compiler import CompileResult, compile_spec
from netspec.ir.model import Service, ServicePort
from netspec.plan import ManifestNode, ResourceNode, needs_of
from netspec.spec.load import loads

WEB = {"name": "web", "namespace": "shop", "labels": {"app": "web"}, "ports": [{"name": "http", "port": 8080}]}
PATHS = [{"backends": [{"service": "web", "port": 80}]}]


def compiled(controller: str, *routes: dict[str, Any], **settings: Any) -> CompileResult:
    """Each route is of one host and leads to Service web, where it does not say otherwise."""
    whole = [
        {"name": f"r{i}", "namespace": "shop", "hosts": ["shop.example.com"], "paths": PATHS, **route}
        for i, route in enumerate(routes)
    ]
    data = {
        "apiVersion": "netspec.dev/v1alpha1",
        "kind": "NetworkSpec",
        "metadata": {"name": "probe"},
        "namespaces": [{"name": "shop"}],
        "workloads": [WEB],
        "services": [
            {
                "name": name,
                "namespace": "shop",
                "selector": {"app": "web"},
                "ports": [{"name": "http", "port": 80, "targetPort": "http"}],
            }
            for name in ("web", "next", "third")
        ],
        "ingress": whole,
        "stacks": {
            "dev": {
                "cluster": {"type": "kind"},
                "cni": {"provider": "calico"},
                "ingress": {"controller": controller, "service": "NodePort", **settings},
            }
        },
    }
    return compile_spec(loads(yaml.safe_dump(data), "probe.yaml"), "dev", REGISTRY)


def objects(result: CompileResult, kind: str = "Ingress") -> dict[str, Any]:
    assert result.plan is not None, [d.render() for d in result.diagnostics]
    found = [n.manifest for n in result.plan.nodes if isinstance(n, ManifestNode) and n.manifest["kind"] == kind]
    return {obj["metadata"]["name"]: obj for obj in found}


def annotations(obj: dict[str, Any]) -> dict[str, str]:
    return {key.partition("/")[2]: value for key, value in obj["metadata"]["annotations"].items()}


def errors(result: CompileResult) -> list[tuple[str, str]]:
    found = [d for d in result.diagnostics if d.severity == "error"]
    assert (result.plan is None) == bool(found)
    return [(d.code, ".".join(map(str, d.path))) for d in found]


OTHER = {"hosts": ["b.example.com"]}
#: A route that leads elsewhere, below a path of its own.
NEXT = {"paths": [{"path": "/next", "backends": [{"service": "next", "port": 80}]}]}
CORS = {"origins": ["https://a.example"]}
TWO_A_SECOND = {"requests": 2, "burst": 2}


PATTERN = PATHS[0] | {"path": "/v[0-9]+", "type": "Regex"}


def exactly(path: str) -> dict[str, Any]:
    return PATHS[0] | {"path": path, "type": "Exact"}


@pytest.mark.parametrize(
    ("controller", "routes", "expected"),
    [
        ("haproxy", [{"sticky": {}}, OTHER], [("NS870", "ingress.1")]),
        ("haproxy", [{"sticky": {}}, OTHER | {"sticky": {}}], []),
        ("haproxy", [{"protocol": "grpc"}, OTHER], [("NS870", "ingress.1")]),
        ("haproxy", [{"rateLimit": {"requests": 5, "burst": 5}}, OTHER], [("NS870", "ingress.1")]),
        ("haproxy", [{"rateLimit": {"requests": 5}}], [("NS871", "ingress.0.rateLimit")]),
        ("haproxy", [{"rateLimit": {"requests": 5, "burst": 5, "per": "hour"}}], [("NS871", "ingress.0.rateLimit")]),
        ("haproxy", [{"rewrite": {"path": "/x"}}], [("NS871", "ingress.0.rewrite")]),
        ("haproxy", [{"rewrite": {"path": "/x"}, "paths": [PATHS[0] | {"path": "/a", "type": "Exact"}]}], []),
        (
            "haproxy",
            [{"rateLimit": TWO_A_SECOND}, OTHER | {"rateLimit": TWO_A_SECOND}],
            [("NS870", "ingress.1.rateLimit")],
        ),
        (
            "haproxy",
            [
                {
                    "rateLimit": TWO_A_SECOND,
                    "paths": [*PATHS, {"path": "/a", "backends": [{"service": "next", "port": 80}]}],
                }
            ],
            [("NS871", "ingress.0.rateLimit")],
        ),
        ("haproxy", [{"rewrite": {"path": "/x"}, "paths": [exactly("/a/")]}], [("NS871", "ingress.0.rewrite")]),
        ("haproxy", [{"rewrite": {"path": "/x/"}, "paths": [exactly("/a/")]}], []),
        ("haproxy", [{"cors": {"origins": ["https://a.example", "https://b.example"]}}], []),
        ("haproxy", [{"cors": {"origins": ['https://a"']}}], [("NS871", "ingress.0.cors.origins.0")]),
        ("haproxy", [{"cors": CORS | {"methods": ["GET", "A B"]}}], [("NS871", "ingress.0.cors.methods.1")]),
        ("haproxy", [{"basicAuth": {"secret": "u", "realm": 'a"b'}}], [("NS871", "ingress.0.basicAuth.realm")]),
        ("haproxy", [{"basicAuth": {"secret": "u"}, "cors": CORS}], []),
        ("haproxy", [{"basicAuth": {"secret": "u"}}, OTHER | {"cors": CORS}], [("NS870", "ingress.0.basicAuth")]),
        ("haproxy", [{"externalAuth": {"service": "next", "port": 80}}, NEXT | {"hosts": ["b.example.com"]}], []),
        (
            "haproxy",
            [{"externalAuth": {"service": "next", "port": 80}}, NEXT | {"allowFrom": ["10.0.0.0/8"]}],
            [("NS870", "ingress.0.externalAuth")],
        ),
        ("haproxy", [{"externalAuth": {"service": "web", "port": 80}}], [("NS870", "ingress.0.externalAuth")]),
        ("haproxy", [{"hosts": [], "tls": {}}], [("NS871", "ingress.0.tls")]),
        ("haproxy", [{"paths": [PATHS[0] | {"path": "/a"}]}, {"hosts": ["*.example.com"]}], []),
        ("ingress-nginx", [{"hosts": [], "tls": {}}], [("NS871", "ingress.0.tls")]),
        ("ingress-nginx", [{"protocol": "grpc"}], [("NS871", "ingress.0.protocol")]),
        ("ingress-nginx", [{"basicAuth": {"secret": "u", "realm": "a;b"}}], [("NS871", "ingress.0.basicAuth.realm")]),
        (
            "ingress-nginx",
            [{"paths": [PATHS[0] | {"path": "/a"}]}, {"hosts": ["*.example.com"]}],
            [("NS872", "ingress.0.paths")],
        ),
        ("ingress-nginx", [{"paths": [PATHS[0] | {"path": "/a"}]}, {"hosts": []}], [("NS872", "ingress.0.paths")]),
        ("ingress-nginx", [{}, {"hosts": ["*.example.com"]}, {"hosts": []}], []),
        ("ingress-nginx", [{"paths": [PATHS[0] | {"path": "/a"}]}, {"hosts": ["*.other.example"]}], []),
        ("ingress-nginx", [{"sticky": {}}, OTHER], []),
        ("ingress-nginx", [{"paths": [PATTERN, *PATHS], "rewrite": {"path": "/x"}}], [("NS901", "ingress.0")]),
        ("ingress-nginx", [{"paths": [exactly("/a/")]}], [("NS871", "ingress.0.paths.0.path")]),
        ("ingress-nginx", [{"paths": [exactly("/a/"), PATHS[0] | {"path": "/a"}]}], []),
        ("ingress-nginx", [{"paths": [exactly("/a/"), PATTERN]}], []),
        ("ingress-nginx", [{"paths": [exactly("/a%20b"), *PATHS]}], [("NS871", "ingress.0.paths.0.path")]),
        # A prefix beside patterns is a pattern too; what another host has is not.
        ("haproxy", [{"paths": [PATTERN]}, {"rewrite": {"prefix": "/v2"}}], [("NS871", "ingress.1.rewrite")]),
        ("haproxy", [{"paths": [PATTERN]}, OTHER | {"rewrite": {"prefix": "/v2"}}], []),
        ("haproxy", [{"paths": [PATTERN], "rewrite": {"path": "/x"}}], []),
        ("haproxy", [{"paths": [PATTERN, *PATHS], "rewrite": {"path": "/x"}}], [("NS871", "ingress.0.rewrite")]),
    ],
)
def test_what_a_controller_cannot_be_told_is_an_error(
    controller: str, routes: list[dict[str, Any]], expected: list[tuple[str, str]]
) -> None:
    assert errors(compiled(controller, *routes)) == expected


def test_more_than_two_backends_have_no_canary() -> None:
    three = [{"service": name, "port": 80} for name in ("web", "next", "third")]
    found = compiled("ingress-nginx", {"paths": [{"backends": three}]})
    assert errors(found) == [("NS871", "ingress.0.paths.0.backends")]


def test_a_canary_is_an_ingress_of_its_own_for_its_path_and_every_host() -> None:
    shared = [{"service": "web", "port": 80, "weight": 9}, {"service": "next", "port": "http", "weight": 1}]
    paths = [{"path": "/a", "backends": PATHS[0]["backends"]}, {"path": "/b", "backends": shared}]
    found = objects(compiled("ingress-nginx", {"hosts": ["a.example.com", "b.example.com"], "paths": paths, "tls": {}}))
    assert set(found) == {"r0", "r0.canary-1"}
    canary = found["r0.canary-1"]
    assert annotations(canary) == {"canary": "true", "canary-weight": "1", "canary-weight-total": "10"}
    named = {"service": {"name": "next", "port": {"name": "http"}}}
    assert [(r["host"], [(p["path"], p["backend"]) for p in r["http"]["paths"]]) for r in canary["spec"]["rules"]] == [
        ("a.example.com", [("/b", named)]),
        ("b.example.com", [("/b", named)]),
    ]
    assert [p["path"] for p in found["r0"]["spec"]["rules"][0]["http"]["paths"]] == ["/a", "/b"]


def test_the_retired_one_says_so_and_nothing_of_it_is_a_snippet() -> None:
    found = compiled("ingress-nginx", {})
    assert [(d.code, d.severity) for d in found.diagnostics if d.code == "NS873"] == [("NS873", "warning")]
    assert annotations(objects(found)["r0"]) == {
        "ssl-redirect": "false",
        "force-ssl-redirect": "false",
        "proxy-body-size": "0",
    }
    chart = _release(found, "ingress-nginx")
    assert chart["allowSnippetAnnotations"] is False and chart["admissionWebhooks"] == {"enabled": False}


def _release(result: CompileResult, name: str) -> dict[str, Any]:
    assert result.plan is not None
    (found,) = [n for n in result.plan.nodes if isinstance(n, ResourceNode) and n.id == f"release:{name}/{name}"]
    assert f"namespace:{name}" in needs_of(found)
    controller: dict[str, Any] = found.properties["values"]["controller"]
    return controller


def test_defaults_of_haproxy_that_no_route_asked_for_are_taken_away() -> None:
    found = compiled("haproxy", {"tls": {}}, replicas=2, externalTrafficPolicy="Cluster")
    service = objects(found, "Service")["haproxy-ingress"]["spec"]
    assert (service["type"], service["externalTrafficPolicy"]) == ("NodePort", "Cluster")
    assert objects(found, "Deployment")["haproxy-ingress"]["spec"]["replicas"] == 2
    config = objects(found, "ConfigMap")["haproxy-ingress"]["data"]
    assert config["hsts"] == "false" and config["ssl-redirect-code"] == "301"
    assert annotations(objects(found)["r0"]) == {"ssl-redirect": "false"}
    assert objects(found)["r0"]["spec"]["tls"] == [{"hosts": ["shop.example.com"]}]


def test_no_header_of_the_asked_service_is_copied_unless_named_and_none_of_the_client_s_then() -> None:
    """By the port's target, by which the controller knows the backend."""
    asked: dict[str, Any] = {"service": "next", "port": 80, "path": "/verify"}
    bare = annotations(objects(compiled("haproxy", {"externalAuth": asked}))["r0"])
    named = annotations(
        objects(compiled("haproxy", {"externalAuth": asked | {"responseHeaders": ["X-User", "X-Role"]}}))["r0"]
    )
    assert bare["auth-url"] == named["auth-url"] == "svc://next:http/verify"
    assert (bare["auth-headers-succeed"], named["auth-headers-succeed"]) == ("-", "X-User,X-Role")
    assert "headers" not in bare
    assert [line.partition(":")[0] for line in named["headers"].splitlines()] == ["X-User", "X-Role"]


def test_below_a_wildcard_a_prefix_of_haproxy_is_itself_and_what_is_below_it() -> None:
    """There it is a regular expression without an end: /a would take /ab."""
    paths = [exactly("/a"), PATHS[0] | {"path": "/a"}, PATHS[0] | {"path": "/b/"}, PATHS[0] | {"path": "/"}]
    found = objects(compiled("haproxy", {"hosts": ["*.example.com", "b.example.com"], "paths": paths}))["r0"]
    wild, whole = ([(p["path"], p["pathType"]) for p in r["http"]["paths"]] for r in found["spec"]["rules"])
    assert wild == [("/a", "Exact"), ("/a/", "Prefix"), ("/b", "Exact"), ("/b/", "Prefix"), ("/", "Prefix")]
    assert whole == [("/a", "Exact"), ("/a", "Prefix"), ("/b", "Prefix"), ("/", "Prefix")]


def _ports(*ports: tuple[int, str | None, int | str]) -> Service:
    made = tuple(ServicePort(number, target, name=name) for number, name, target in ports)
    return Service("shop", "web", ports=made)


@pytest.mark.parametrize(
    ("ports", "said"),
    [
        (((80, None, "http"), (8080, None, 9090)), [80, 8080]),
        # The number of the second is the target of the first.
        (((80, "web", 8080), (8080, "more", 9090)), [80, "more"]),
        (((80, None, 8080), (8080, None, 9090)), [80, None]),
        (((80, None, "more"), (8080, "more", 80)), [None, 8080]),
    ],
)
def test_a_port_is_told_to_haproxy_as_it_finds_it(
    ports: tuple[tuple[int, str | None, int | str], ...], said: list[int | str | None]
) -> None:
    service = _ports(*ports)
    assert [reference(service, port) for port in service.ports] == said


B, TWO = "b.example.com", [{"service": "web", "port": 80, "weight": 1}, {"service": "next", "port": 80, "weight": 2}]

HALVES = [backend | {"weight": 1} for backend in TWO]


@pytest.mark.parametrize(
    ("routes", "expected"),
    [
        ([{"hosts": []}], [("NS871", "ingress.0")]),
        ([{"tls": {}}], [("NS901", "ingress.0")]),
        ([{"tls": {"secret": "s"}, "protocol": "grpc"}], []),
        ([{"protocol": "grpc"}], [("NS871", "ingress.0.protocol")]),
        ([{"rateLimit": {"requests": 5, "per": "hour"}}], [("NS871", "ingress.0.rateLimit")]),
        ([{"hosts": ["a.example.com", B], "rateLimit": {"requests": 5}}], [("NS871", "ingress.0.rateLimit")]),
        ([{"rewrite": {"path": "/x"}}], [("NS871", "ingress.0.rewrite")]),
        ([{"paths": [{"backends": TWO}]}], [("NS871", "ingress.0.paths.0.backends")]),
        ([{"paths": [PATTERN, PATHS[0] | {"path": "/a%20b"}]}], [("NS871", "ingress.0.paths.1.path")]),
        ([{"paths": [PATTERN], "rewrite": {"path": "/x"}}], []),
        ([{"paths": [PATTERN | {"backends": HALVES}], "rewrite": {"path": "/x"}}], [("NS871", "ingress.0.rewrite")]),
        ([{"requestHeaders": {"set": {"X-A": "${host}"}}}], [("NS871", "ingress.0.requestHeaders")]),
        ([{"responseHeaders": {"remove": ["Server"]}}], [("NS871", "ingress.0.responseHeaders")]),
        ([{"tls": {"secret": "s"}}, {"paths": [PATHS[0] | {"path": "/a"}]}], [("NS874", "ingress.1.hosts")]),
        (
            [{"hosts": [B], "paths": [PATHS[0] | {"path": "/a"}]}, {"hosts": ["*.example.com"]}],
            [("NS872", "ingress.0.paths"), ("NS901", "ingress.1")],
        ),
    ],
)
def test_what_f5_nginx_cannot_be_told_is_an_error(
    routes: list[dict[str, Any]], expected: list[tuple[str, str]]
) -> None:
    assert errors(compiled("f5-nginx", *routes)) == expected


def test_a_host_s_routes_are_one_server_and_a_given_exact_path_counts() -> None:
    exact = PATHS[0] | {"path": "/api", "type": "Exact"}
    routes = [
        {"paths": [PATHS[0] | {"path": "/api/"}], "rewrite": {"prefix": "/"}, "allowFrom": ["192.0.2.0/24"]},
        {"hosts": ["shop.example.com", B], "paths": [exact, *PATHS], "maxBodySize": "1Ki"},
    ]
    result = compiled("f5-nginx", *routes)
    found = objects(result, "VirtualServer")
    assert {name: obj["spec"]["host"] for name, obj in found.items()} == {"r0.h0": "shop.example.com", "r1.h1": B}
    served = {r["path"]: r for r in found["r0.h0"]["spec"]["routes"]}
    assert set(served) == {"/", "/api/", "=/api"}
    assert served["/api/"]["action"]["proxy"]["rewritePath"] == "/" and "pass" in served["=/api"]["action"]
    assert served["/api/"]["policies"] == [{"name": "r0.allow"}] and "policies" not in served["=/api"]
    sizes = {u["name"]: u["client-max-body-size"] for u in found["r0.h0"]["spec"]["upstreams"]}
    assert (sizes[served["=/api"]["action"]["pass"]], sizes[served["/api/"]["action"]["proxy"]["upstream"]]) == (
        "1024",
        "0",
    )
    assert objects(result, "Policy")["r0.allow"]["spec"]["accessControl"] == {"allow": ["192.0.2.0/24"]}


@pytest.mark.parametrize(("burst", "said"), [(1, (None, None)), (5, (4, True))])
def test_f5_nginx_s_burst_is_beyond_the_first(burst: int, said: tuple[int | None, bool | None]) -> None:
    result = compiled("f5-nginx", {"rateLimit": {"requests": 10, "per": "minute", "burst": burst}})
    limit = objects(result, "Policy")["r0.rate"]["spec"]["rateLimit"]
    assert (limit["rate"], limit["rejectCode"], limit.get("burst"), limit.get("noDelay")) == ("10r/m", 429, *said)


def test_weights_become_percents_of_f5_nginx() -> None:
    shares = [TWO[0] | {"weight": 1}, TWO[1] | {"weight": 3}]
    server = objects(compiled("f5-nginx", {"paths": [{"backends": shares}]}), "VirtualServer")["r0.h0"]["spec"]
    (only,) = server["routes"]
    by_name = {u["name"]: u["service"] for u in server["upstreams"]}
    assert [(s["weight"], by_name[s["action"]["pass"]]) for s in only["splits"]] == [(25, "web"), (75, "next")]
