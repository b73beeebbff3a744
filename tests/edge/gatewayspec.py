"""A spec's Gateways: routes drawn at random on ports of their own, and one Gateway whose routes have a feature each;
and what is asked of them."""

import json
import random
from typing import Any

import yaml

from netspec.backends.registry import REGISTRY
from netspec.compiler import compile_spec
from netspec.ir.model import Ir
from netspec.spec.load import loads
from netspec.target import Feature
from tests.edge.features import GATEWAY_NAMES

FIRST, CASES, EACH = 8100, 24, 16
#: Of a case: routes, rules of each. A Service for each rule says which it was.
ROUTES, RULES = 3, 3
HOSTS = ("", "a.test.io", "b.a.test.io", "*.a.test.io", "*.test.io", "d.test.io")
ASKED_HOSTS = ("a.test.io", "b.a.test.io", "b.a.test.io", "c.b.a.test.io", "d.test.io", "else.org")
PATHS = ("/", "/", "/x", "/x/y", "/xy", "/x/y/z")
#: Not routes drawn, but one for each feature: its port.
FILTERS, GRPC, TCP, UDP, SECURE, SEALED = 8090, 8091, 8092, 8093, 8094, 8095
GRPC_SERVICES = ("calls", "carts")
#: Those that tell a method of gRPC from one whose name begins with it (NS970).
METHODS = frozenset({"envoy-gateway"})
#: Service -> what its pod speaks, where that is not HTTP.
KINDS = {**dict.fromkeys(GRPC_SERVICES, "grpc"), "sealed": "tls", "datagrams": "udp"}


def _match(draw: random.Random) -> dict[str, Any]:
    path = {"type": draw.choice(["Exact", "PathPrefix", "PathPrefix", "PathPrefix"]), "value": draw.choice(PATHS)}
    match: dict[str, Any] = {"path": path}
    if draw.random() < 0.3:
        match["method"] = draw.choice(["GET", "POST"])
    if draw.random() < 0.3:
        names = draw.sample(["H", "g"], draw.randint(1, 2))
        match["headers"] = [{"name": name, "value": "1"} for name in names]
    if draw.random() < 0.2:
        match["queryParams"] = [{"name": "q", "value": "1"}]
    return match


def _case(draw: random.Random, number: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Listeners on one port, and their routes."""
    port = FIRST + number
    listeners = [
        {"name": f"l{number}-{i}", "port": port, "protocol": "HTTP"} | ({"hostname": host} if host else {})
        for i, host in enumerate(
            dict.fromkeys([draw.choice(("", "*.test.io", "*.a.test.io")), *draw.sample(HOSTS, draw.randint(0, 1))])
        )
    ]
    routes = []
    for r in range(draw.randint(1, ROUTES)):
        rules = [
            {
                "matches": [_match(draw) for _ in range(draw.randint(1, 2))],
                "backendRefs": [{"name": f"b{r * RULES + n}", "port": 80}],
            }
            for n in range(draw.randint(1, RULES))
        ]
        hosts = draw.sample(HOSTS[1:], draw.choice((0, 0, 1, 2)))
        route = {"name": f"r{number}-{r}", "namespace": "shop", "parentRefs": [{"name": "drawn", "port": port}]}
        routes.append(route | {"rules": rules} | ({"hostnames": hosts} if hosts else {}))
    return listeners, routes


def _spec(
    controller: str, listeners: list[dict[str, Any]], routes: list[dict[str, Any]], features: bool = False
) -> dict[str, Any]:
    services = [(f"b{i}", "shop") for i in range(ROUTES * RULES)] + [("far", "bank"), ("copy", "shop")]
    services += [(name, "shop") for name in KINDS]
    gateways = [{"name": "drawn", "namespace": "shop", "listeners": listeners}]
    spec: dict[str, Any] = {
        "apiVersion": "netspec.dev/v1alpha1",
        "kind": "NetworkSpec",
        "metadata": {"name": "t"},
        "namespaces": [{"name": "shop"}, {"name": "bank"}],
        "workloads": [
            {"name": n, "namespace": ns, "labels": {"app": n}, "ports": [{"name": "http", "port": 9090} | _carried(n)]}
            for n, ns in services
        ],
        "services": [
            {"name": n, "namespace": ns, "selector": {"app": n}}
            | {"ports": [{"port": 80, "targetPort": "http"} | _carried(n)]}
            for n, ns in services
        ],
        "gateways": gateways,
        "httpRoutes": routes,
        "stacks": {
            "dev": {
                "cluster": {"type": "kind"},
                "cni": {"provider": "calico"},
                "gateway": {"controller": controller, "service": "ClusterIP"},
            }
        },
    }
    return spec | (_features(spec, controller) if features else {})


def _carried(service: str) -> dict[str, str]:
    return {"protocol": "UDP"} if KINDS.get(service) == "udp" else {}


def supported(controller: str) -> frozenset[Feature]:
    return REGISTRY.providers("gateway")[controller].supports


def _features(spec: dict[str, Any], controller: str) -> dict[str, Any]:
    """A Gateway whose routes have one filter each."""
    has = supported(controller)
    parent = [{"name": "features"}]

    def route(name: str, **rule: Any) -> dict[str, Any]:
        where = {"name": name, "namespace": "shop", "parentRefs": [parent[0] | {"sectionName": "filters"}]}
        return where | {
            "hostnames": [f"{name}.test.io"],
            "rules": [{"backendRefs": [{"name": "b0", "port": 80}]} | rule],
        }

    def filtered(name: str, kind: str, value: dict[str, Any], **rule: Any) -> dict[str, Any]:
        field = {"URLRewrite": "urlRewrite", "CORS": "cors"}.get(kind, kind[0].lower() + kind[1:])
        return route(name, filters=[{"type": kind, field: value}], **rule)

    prefix = {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}}
    api = {"matches": [{"path": {"value": "/api"}}]}
    routes = [
        filtered("redirect", "RequestRedirect", {"scheme": "https", "port": 8443, "statusCode": 308}, backendRefs=[]),
        filtered("moved", "RequestRedirect", {"hostname": "new.test.io", **prefix}, backendRefs=[], **api),
        filtered("rewrite", "URLRewrite", {"hostname": "inner.test.io", **prefix}, **api),
        filtered(
            "to",
            "RequestHeaderModifier",
            {"set": [{"name": "X-A", "value": "1"}], "add": [{"name": "X-B", "value": "2"}], "remove": ["X-C"]},
        ),
        filtered(
            "from", "ResponseHeaderModifier", {"set": [{"name": "X-Backend", "value": "hidden"}], "remove": ["X-User"]}
        ),
        filtered("mirror", "RequestMirror", {"backendRef": {"name": "copy", "port": 80}}),
        filtered("cors", "CORS", {"allowOrigins": ["https://app.example.com"], "allowMethods": ["PUT"], "maxAge": 60}),
        route("slow", timeouts={"request": "300ms"}),
        route("patient"),
        route("far", backendRefs=[{"name": "far", "namespace": "bank", "port": 80}]),
        route("weights", backendRefs=[{"name": "b1", "port": 80, "weight": 3}, {"name": "b2", "port": 80}]),
    ]
    method = {"method": "Say"} if controller in METHODS else {}
    calls = [
        {"matches": [{"method": {"service": "echo.Echo"} | method}], "backendRefs": [{"name": "calls", "port": 80}]},
        {
            "matches": [{"method": {"service": "echo.Echo"}, "headers": [{"name": "tier", "value": "gold"}]}],
            "backendRefs": [{"name": "carts", "port": 80}],
        },
    ]
    certificate = {"certificateRefs": [{"name": "tls"}]}
    listeners = [
        {"name": "filters", "port": FILTERS, "protocol": "HTTP"},
        {"name": "grpc", "port": GRPC, "protocol": "HTTP"},
        {"name": "tcp", "port": TCP, "protocol": "TCP"},
        {"name": "udp", "port": UDP, "protocol": "UDP"},
        {"name": "secure", "port": SECURE, "protocol": "HTTPS", "hostname": "*.test.io", "tls": certificate},
        {"name": "sealed", "port": SEALED, "protocol": "TLS", "tls": {"mode": "Passthrough"}},
    ]
    secure = route("secure") | {"parentRefs": [parent[0] | {"sectionName": "secure"}]}
    streams = {
        kind: [
            {"name": name, "namespace": "shop", "parentRefs": [parent[0] | {"sectionName": name}]}
            | {"rules": [{"backendRefs": [{"name": service, "port": 80}]}]}
        ]
        for kind, name, service in (
            ("tcpRoutes", "tcp", "b3"),
            ("udpRoutes", "udp", "datagrams"),
            ("tlsRoutes", "sealed", "sealed"),
        )
        if GATEWAY_NAMES[name] in has
    }
    if "tlsRoutes" in streams:
        streams["tlsRoutes"][0]["hostnames"] = ["sealed.test.io"]
    return {
        "gateways": [
            *spec["gateways"],
            {"name": "features", "namespace": "shop"}
            | {"listeners": [x for x in listeners if GATEWAY_NAMES.get(str(x["name"])) in (None, *has)]},
        ],
        "httpRoutes": [*spec["httpRoutes"], secure, *(r for r in routes if GATEWAY_NAMES[r["name"]] in has)],
        "grpcRoutes": [
            {"name": "calls", "namespace": "shop", "parentRefs": [parent[0] | {"sectionName": "grpc"}], "rules": calls}
        ],
        **streams,
    }


def _compiled(spec: dict[str, Any]) -> tuple[Ir, list[dict[str, Any]]] | None:
    result = compile_spec(loads(yaml.safe_dump(spec), "t.yaml"), "dev", REGISTRY)
    if result.plan is None or result.ir is None:
        return None
    return result.ir, [json.loads(json.dumps(m)) for m in result.plan.manifests()]


def drawn(controller: str) -> tuple[Ir, list[dict[str, Any]]]:
    """Cases without an error of the spec, in one."""
    draw, listeners, routes = random.Random(7), [], []
    number = 0
    while number < CASES:
        found = _case(draw, number)
        if _compiled(_spec(controller, *found)) is not None:
            listeners += found[0]
            routes += found[1]
            number += 1
    compiled = _compiled(_spec(controller, listeners, routes, features=True))
    assert compiled is not None
    return compiled


def requests() -> list[dict[str, Any]]:
    draw = random.Random(8)
    return [
        {
            "port": FIRST + number,
            "host": draw.choice(ASKED_HOSTS),
            "path": draw.choice((*PATHS, "/x/", "/z")),
            "method": draw.choice(("GET", "POST")),
            "headers": draw.choice(({}, {"h": "1"}, {"H": "1", "G": "1"}, {"g": "2"})),
            "query": draw.choice(({}, {"q": "1"}, {"q": "1"}, {"q": "2"})),
        }
        for number in range(CASES)
        for _ in range(EACH)
    ]


#: Name -> the requests of a feature.
FEATURES: dict[str, list[dict[str, Any]]] = {
    "redirect": [{"host": "redirect.test.io", "path": "/x"}],
    "moved": [{"host": "moved.test.io", "path": "/api/x"}],
    "rewrite": [{"host": "rewrite.test.io", "path": path} for path in ("/api/x", "/api", "/other")],
    "to": [{"host": "to.test.io", "headers": {"X-A": "0", "X-B": "0", "X-C": "0"}}],
    "from": [{"host": "from.test.io"}],
    "mirror": [{"host": "mirror.test.io", "path": "/copied"}],
    "cors": [
        {"host": "cors.test.io", "method": "OPTIONS"}
        | {"headers": {"Origin": origin, "Access-Control-Request-Method": "PUT"}}
        for origin in ("https://app.example.com", "https://else.example.com")
    ],
    "slow": [{"host": "slow.test.io", "path": "/slow/2"}],
    "patient": [{"host": "patient.test.io", "path": "/slow/1"}],
    "far": [{"host": "far.test.io"}],
    "weights": [{"host": "weights.test.io"}] * 80,
    "grpc": [
        {"grpc": True, "host": "calls.test.io", "port": GRPC, "path": "/echo.Echo/Say"},
        {"grpc": True, "host": "calls.test.io", "port": GRPC, "path": "/echo.Echo/Say", "headers": {"tier": "gold"}},
        {"grpc": True, "host": "calls.test.io", "port": GRPC, "path": "/echo.Other/Say"},
    ],
    "tcp": [{"host": "anything", "port": TCP}],
    "udp": [{"udp": "hello", "host": "", "port": UDP}],
    "secure": [
        {"host": "secure.test.io", "port": SECURE, "tls": True},
        {"host": "secure.test.io", "port": FILTERS},
    ],
    "sealed": [
        {"host": "sealed.test.io", "port": SEALED, "tls": True},
        {"host": "else.test.io", "port": SEALED, "tls": True},
    ],
}
