"""An ingress controller and a gateway controller of one stack: each has its own routes, pods, Service and features."""

from collections.abc import Mapping
from typing import Any

import yaml

from netspec.analysis.doors import doors
from netspec.analysis.gateway_routes import Request
from netspec.analysis.requests import walk
from netspec.backends.registry import REGISTRY
from netspec.compiler import CompileResult, compile_spec
from netspec.probes import FactProbe
from netspec.spec.load import loads

TRAEFIK, ENVOY = "traefik/traefik", "envoy-gateway-system/envoy"


def compiled(**changes: Any) -> CompileResult:
    ports = [{"name": "http", "port": 8080}]
    spec: dict[str, Any] = {
        "apiVersion": "netspec.dev/v1alpha1",
        "kind": "NetworkSpec",
        "metadata": {"name": "t"},
        "namespaces": [{"name": "shop", "defaultDeny": ["ingress"]}],
        "workloads": [
            {"name": n, "namespace": "shop", "labels": {"app": n}, "ports": ports, "standIn": True}
            for n in ("web", "api")
        ],
        "services": [
            {"name": n, "namespace": "shop", "selector": {"app": n}, "ports": [{"port": 80, "targetPort": "http"}]}
            for n in ("web", "api")
        ],
        "policies": [
            {"name": "web", "from": {"workload": TRAEFIK}, "to": {"service": "shop/web"}},
            {"name": "api", "from": {"workload": ENVOY}, "to": {"service": "shop/api"}},
        ],
        "ingress": [route("web")],
        "gateways": [
            {"name": "public", "namespace": "shop", "listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}]}
        ],
        "httpRoutes": [
            {
                "name": "api",
                "namespace": "shop",
                "parentRefs": [{"name": "public"}],
                "hostnames": ["api.test.io"],
                "rules": [{"backendRefs": [{"name": "api", "port": 80}]}],
            }
        ],
        "stacks": {
            "dev": {
                "cluster": {"type": "kind"},
                "cni": {"provider": "calico"},
                "ingress": {"controller": "traefik", "service": "NodePort"},
                "gateway": {"controller": "envoy-gateway", "service": "NodePort"},
            }
        },
    }
    return compile_spec(loads(yaml.safe_dump(spec | changes), "t.yaml"), "dev", REGISTRY)


def route(service: str, **more: Any) -> Mapping[str, Any]:
    paths = [{"path": "/", "backends": [{"service": service, "port": 80}]}]
    return {"name": service, "namespace": "shop", "hosts": ["web.test.io"], "paths": paths, **more}


def test_each_has_objects_of_its_own_routes() -> None:
    result = compiled()
    assert result.plan is not None and result.ir is not None
    made = {(m["kind"], m["metadata"]["name"]) for m in result.plan.manifests()}
    assert {("IngressRoute", "web"), ("HTTPRoute", "api"), ("Gateway", "public")} <= made
    # Envoy Gateway's own Gateway, which serves `ingress` where it is alone, is not there.
    assert not made & {("HTTPRoute", "web"), ("Gateway", "netspec")}
    assert {s.id for s in result.ir.services if s.system} >= {"traefik/traefik", "envoy-gateway-system/envoy"}
    asked = {(p.peer, p.request.host) for p in result.probes if isinstance(p, FactProbe) and p.request}
    assert (TRAEFIK, "web.test.io") in asked and (ENVOY, "api.test.io") in asked
    assert not asked & {(ENVOY, "web.test.io"), (TRAEFIK, "api.test.io")}


def test_policies_count_for_the_one_that_serves_the_route() -> None:
    result = compiled()
    assert result.ir is not None
    ways = {(d.workload.id, d.proxy) for d in doors(result.ir.inventory) if d.way == "routes"}
    assert ways == {("shop/web", TRAEFIK), ("shop/api", ENVOY)}
    swapped = compiled(policies=[{"name": "api", "from": {"workload": TRAEFIK}, "to": {"namespace": "shop"}}])
    (error,) = [d for d in swapped.diagnostics if d.code == "NS845"]
    assert error.message.startswith(f"policies keep {ENVOY} from shop/api")


def test_a_feature_of_the_gateway_controller_serves_no_ingress_route() -> None:
    result = compiled(ingress=[route("web", timeouts={"lastByteSeconds": 3})])
    (error,) = [d for d in result.diagnostics if d.severity == "error"]
    assert error.code == "NS901" and "http-last-byte-timeout" in error.message


def test_a_request_goes_by_the_door_whose_routes_take_it() -> None:
    ir = compiled().ir
    assert ir is not None
    for host, proxy in (("web.test.io", TRAEFIK), ("api.test.io", ENVOY)):
        found = walk(ir, 80, False, Request(host, "/", "GET", {}, {}))
        assert found.served and found.steps[-1].why == f"allow from {proxy}"
    nobody = walk(ir, 80, False, Request("else.test.io", "/", "GET", {}, {}))
    assert (nobody.served, nobody.answer) == (False, "404")
