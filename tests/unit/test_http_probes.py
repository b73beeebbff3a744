"""Requests through the front door: what is asked, what is expected, and how an answer is read."""

from dataclasses import replace
from typing import Any

import pytest
import yaml

from netspec.backends.registry import REGISTRY
from netspec.compiler import compile_spec
from netspec.ir.model import Ir
from netspec.probes import KEPT, REDIRECT, SUCCESS, HttpAsk
from netspec.probing.http import http_answers
from netspec.spec.load import loads
from netspec.verify.about import About
from netspec.verify.causes import Causes
from netspec.verify.client import Answer
from netspec.verify.door import judged
from netspec.verify.model import Observation, Status
from netspec.verify.resolve import Resolver, Unresolved
from netspec.verify.sites import Outside
from netspec.verify.state import parse_state

WEB = [{"service": "web", "port": 80}]


def _ir(*ingress: dict[str, Any], **front: Any) -> Ir:
    data = {
        "apiVersion": "netspec.dev/v1alpha1",
        "kind": "NetworkSpec",
        "metadata": {"name": "t"},
        "namespaces": [{"name": "shop"}],
        "workloads": [
            {"name": n, "namespace": "shop", "labels": {"app": n}, "ports": [{"port": 8080}], "standIn": n != "real"}
            for n in ("web", "api", "real")
        ],
        "services": [
            {"name": n, "namespace": "shop", "selector": {"app": n}, "ports": [{"port": 80, "targetPort": 8080}]}
            for n in ("web", "api", "real")
        ],
        "ingress": [{"name": f"r{i}", "namespace": "shop", **route} for i, route in enumerate(ingress)],
        "stacks": {
            "dev": {
                "cluster": {"type": "kind"},
                "cni": {"provider": "calico"},
                "loadBalancer": {"provider": "metallb"},
                "ingress": {"controller": "traefik", **front},
            }
        },
    }
    result = compile_spec(loads(yaml.safe_dump(data), "t.yaml"), "dev", REGISTRY)
    assert result.ir is not None and result.plan is not None, [d.render() for d in result.diagnostics]
    return result.ir


def _answers(ir: Ir) -> dict[str, Any]:
    return {p.id.removeprefix("fact:http-answer:"): p.expect for p in http_answers(ir)}


def test_hosts_paths_what_is_below_and_beside_them_and_nobody() -> None:
    ir = _ir(
        {
            "hosts": ["a.test"],
            "paths": [{"backends": WEB}, {"path": "/api", "backends": [{"service": "api", "port": 80}]}],
        },
        {"hosts": ["*.b.test"], "paths": [{"path": "/x", "type": "Exact", "backends": WEB}]},
    )
    assert _answers(ir) == {
        "GET:a.test/": {"status": 200},
        "GET:a.test/hostname": {"status": 200, "from": ["shop/web"]},
        "GET:a.test/api": {"status": 200},
        "GET:a.test/api/hostname": {"status": 200},
        "GET:a.test/apix": {"status": 200},
        "GET:netspec.b.test/x": {"status": 200},
        "GET:netspec.b.test/xx": {"status": 404},
        "GET:nobody.netspec.invalid/": {"status": 404},
    }


def test_a_rewritten_path_says_which_pod_it_is_and_none_that_does_something_is_asked_for() -> None:
    ir = _ir(
        {"hosts": ["a.test"], "rewrite": {"prefix": "/"}, "paths": [{"path": "/api", "backends": WEB}]},
        {"hosts": ["b.test"], "paths": [{"path": "/exit", "type": "Exact", "backends": WEB}]},
        {"hosts": ["c.test"], "rewrite": {"path": "/shutdown"}, "paths": [{"backends": WEB}]},
    )
    found = _answers(ir)
    assert found["GET:a.test/api/hostname"] == {"status": 200, "from": ["shop/web"]}
    assert "GET:b.test/exit" not in found and not any("c.test" in ask for ask in found)


@pytest.mark.parametrize(
    ("option", "expect"),
    [
        ({"tls": {}, "redirectToHTTPS": True}, {"status": REDIRECT, "location": "https://a.test/"}),
        ({"allowFrom": ["192.0.2.0/24"]}, {"status": 403}),
        ({"allowFrom": ["172.30.0.0/16"]}, {"status": 200}),
        ({"allowFrom": ["172.30.4.0/24"]}, None),
        ({"basicAuth": {"secret": "users"}}, {"status": 401}),
        ({"externalAuth": {"service": "api", "port": 80}}, {"status": 401}),
        ({"externalAuth": {"service": "real", "port": 80}}, None),
        ({"rateLimit": {"requests": 1, "per": "hour"}}, None),
        ({"rateLimit": {"requests": 100, "burst": 100}}, {"status": 200}),
        ({"protocol": "grpc"}, None),
        ({"paths": [{"backends": [{"service": "real", "port": 80}]}]}, None),
        ({"paths": [{"backends": [*WEB, {"service": "real", "port": 80, "weight": 0}]}]}, {"status": 200}),
    ],
    ids=str,
)
def test_options_decide_the_answer(option: dict[str, Any], expect: dict[str, Any] | None) -> None:
    assert _answers(_ir({"hosts": ["a.test"], "paths": [{"backends": WEB}], **option})).get("GET:a.test/") == expect


def test_a_body_over_the_limit() -> None:
    ir = _ir({"hosts": ["a.test"], "maxBodySize": 100, "paths": [{"backends": WEB}]})
    assert _answers(ir)["POST:a.test/:100"] == {"status": 200} and _answers(ir)["POST:a.test/:101"] == {"status": 413}
    asks = [p.request for p in http_answers(ir) if p.request and p.request.size]
    assert asks == [HttpAsk("POST", "a.test", "/", size, "shop/r0") for size in (100, 101)]


def test_nothing_is_asked_where_the_outside_does_not_get_in() -> None:
    route = {"hosts": ["a.test"], "paths": [{"backends": WEB}]}
    assert _answers(_ir(route, service="ClusterIP")) == {}
    ir = _ir(route)
    assert ir.traits.balancing is not None and _answers(ir) != {}
    assert _answers(replace(ir, traits=replace(ir.traits, balancing=None))) == {}


# On the cluster


def _service(kind: str, *addresses: str) -> dict[str, Any]:
    spec = {"type": kind, "clusterIP": "10.96.0.9", "ports": [{"port": 80, "nodePort": 30001}]}
    status = {"loadBalancer": {"ingress": [{"ip": a} for a in addresses]}}
    return {"kind": "Service", "metadata": {"namespace": "traefik", "name": "traefik"}, "spec": spec, "status": status}


def _pod(namespace: str, name: str, labels: dict[str, str], node: str = "w2") -> dict[str, Any]:
    status = {"podIP": "10.244.1.2", "conditions": [{"type": "Ready", "status": "True"}]}
    metadata = {"namespace": namespace, "name": name, "labels": labels}
    return {"kind": "Pod", "metadata": metadata, "spec": {"nodeName": node}, "status": status}


def _node(name: str, address: str) -> dict[str, Any]:
    return {
        "kind": "Node",
        "metadata": {"name": name},
        "spec": {},
        "status": {"addresses": [{"type": "InternalIP", "address": address}]},
    }


def test_the_door_is_the_balancer_s_address_or_a_node_with_a_pod() -> None:
    ir = _ir({"hosts": ["a.test"], "paths": [{"backends": WEB}]})
    probe = next(http_answers(ir))
    nodes = [_node("w1", "172.30.0.3"), _node("w2", "172.30.0.4")]
    front = _pod("traefik", "traefik-1", {"app.kubernetes.io/name": "traefik"})

    def door(*items: dict[str, Any]) -> str:
        resolver = Resolver(ir, parse_state(list(items)), Outside("out", None, ("172.30.0.5",)))  # type: ignore[arg-type]
        return "{}:{}".format(*resolver.door(probe))

    assert door(_service("LoadBalancer", "172.30.255.1")) == "172.30.255.1:80"
    assert door(_service("NodePort"), front, *nodes) == "172.30.0.4:30001"
    with pytest.raises(Unresolved):
        door(_service("NodePort"), _pod("traefik", "traefik-1", {"app.kubernetes.io/name": "traefik"}, ""), *nodes)
    with pytest.raises(Unresolved):
        door(_service("LoadBalancer"))


def _says(status: int, body: str = "", **headers: str) -> Answer:
    return Answer(status, headers, body)


ELSEWHERE = {"status": REDIRECT, "location": "https://a.test/"}


@pytest.mark.parametrize(
    ("expect", "answer", "ok"),
    [
        ({"status": 200}, _says(200), True),
        ({"status": 200}, _says(404), False),
        ({"status": SUCCESS}, _says(204), True),
        ({"status": SUCCESS}, _says(301), False),
        ({"status": 200, "from": ["shop/web"]}, _says(200, "web-1\n"), True),
        ({"status": 200, "from": ["shop/web"]}, _says(200, "web-10"), False),
        ({"status": 200, "from": ["shop/web"]}, _says(200, "api-1"), False),
        ({"status": 200, "from": ["shop/api", "shop/web"]}, _says(200, "api-1"), True),
        (ELSEWHERE, _says(308, location="https://a.test/"), True),
        (ELSEWHERE, _says(301, location="http://a.test/"), False),
        (ELSEWHERE, _says(200), False),
        ({"headers": {"X-Answer": "edge"}}, _says(200, **{"x-answer": "edge"}), True),
        ({"headers": {"X-Answer": "edge"}}, _says(200), False),
        ({"status": 200, "text": ""}, _says(200), True),
        ({"status": 200, "text": ""}, _says(200, "1"), False),
        ({"status": 503, "own": False}, _says(503, "sorry"), True),
        ({"status": 503, "own": False}, _says(503, "netspec"), False),
        ({"status": 200, "client": KEPT}, _says(200, "172.30.0.5"), True),
        ({"status": 200, "client": KEPT}, _says(200, "172.30.0.2, 172.30.0.5"), False),
        ({"allows": True}, _says(200, **{"access-control-allow-origin": "https://o.test"}), True),
        ({"allows": False}, _says(200, **{"access-control-allow-origin": "https://p.test"}), True),
        ({"allows": False}, _says(200, **{"access-control-allow-origin": "*"}), False),
    ],
)
def test_an_answer_is_judged(expect: dict[str, Any], answer: Answer, ok: bool) -> None:
    ask = HttpAsk("GET", "a.test", "/", headers=(("Origin", "https://o.test"),))
    workloads = {"web-1": "shop/web", "api-1": "shop/api"}
    assert judged(expect, answer, ask, workloads, "172.30.0.5")[0] is ok


def test_answers_of_one_route_have_one_cause() -> None:
    """A route that is gone is told from a proxy that is gone: that has no route which still answers."""
    ir = _ir({"hosts": ["a.test"], "paths": [{"backends": WEB}]}, {"hosts": ["b.test"], "paths": [{"backends": WEB}]})
    about = About(ir, parse_state([]))

    def told(broken: tuple[str, ...]) -> list[str]:
        seen = [
            Observation(
                p, Status.WRONG if p.request and p.request.route in broken else Status.PASS, {"status": 404}, "", "out"
            )
            for p in http_answers(ir)
        ]
        return [cause.what for cause in Causes(about).of(seen)]

    assert told(("shop/r0",)) == ["route shop/r0 does not answer as the spec has it"]
    assert told(("shop/r0", "shop/r1")) == ["traefik/traefik is not reached by outside"]
