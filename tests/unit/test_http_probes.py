"""Requests through the front door: what is asked, what is expected, and how an answer is read."""

import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
import yaml

from netspec.backends.registry import REGISTRY
from netspec.compiler import compile_spec
from netspec.ir.model import Ir
from netspec.probes import REDIRECT, FactProbe, HttpAsk
from netspec.probing.http import http_answers
from netspec.spec.load import loads
from netspec.verify.about import About
from netspec.verify.causes import Causes
from netspec.verify.judge import Judge
from netspec.verify.model import Observation, Status
from netspec.verify.resolve import Asker, Resolver, Unresolved
from netspec.verify.script import Question, Reply, replies, script
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
        ({"externalAuth": {"service": "api", "port": 80}}, None),
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
    assert _answers(ir)["POST:a.test/"] == {"status": 413}
    (probe,) = [p for p in http_answers(ir) if p.request and p.request.size]
    assert probe.request == HttpAsk("POST", "a.test", "/", 101, "shop/r0")


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
        (target,) = resolver.targets(probe, Asker("out", None, ""))
        return target.question.target

    assert door(_service("LoadBalancer", "172.30.255.1")) == "172.30.255.1:80"
    assert door(_service("NodePort"), front, *nodes) == "172.30.0.4:30001"
    with pytest.raises(Unresolved):
        door(_service("NodePort"), _pod("traefik", "traefik-1", {"app.kubernetes.io/name": "traefik"}, ""), *nodes)
    with pytest.raises(Unresolved):
        door(_service("LoadBalancer"))


@pytest.mark.parametrize(
    ("expect", "output", "status"),
    [
        ({"status": 200}, "  HTTP/1.1 200 OK||NOW: 2026", Status.PASS),
        ({"status": 200}, "  HTTP/1.1 404 Not Found|wget: server returned error: HTTP/1.1 404", Status.WRONG),
        ({"status": 404}, "  HTTP/1.1 404 Not Found|", Status.PASS),
        ({"status": 200, "from": ["shop/web"]}, "  HTTP/1.1 200 OK|  X: y||web-1|", Status.PASS),
        ({"status": 200, "from": ["shop/web"]}, "  HTTP/1.1 200 OK||web-1-     100% |****|", Status.PASS),
        ({"status": 200, "from": ["shop/web"]}, "  HTTP/1.1 200 OK||web-10|", Status.WRONG),
        ({"status": 200, "from": ["shop/web"]}, "  HTTP/1.1 200 OK||api-1|", Status.WRONG),
        ({"status": 200, "from": ["shop/web"]}, "  HTTP/1.1 200 OK||nobody|", Status.WRONG),
        ({"status": 200, "from": ["shop/api", "shop/web"]}, "  HTTP/1.1 200 OK||api-1|", Status.PASS),
        (
            {"status": REDIRECT, "location": "https://a.test/"},
            "HTTP/1.1 308 P|  Location: https://a.test/|",
            Status.PASS,
        ),
        (
            {"status": REDIRECT, "location": "https://a.test/"},
            "HTTP/1.1 301 P|  Location: http://a.test/|",
            Status.WRONG,
        ),
        ({"status": REDIRECT, "location": "https://a.test/"}, "HTTP/1.1 200 OK|", Status.WRONG),
        ({"status": 404}, "wget: can't connect to remote host: Connection refused", Status.CHECK_FAILED),
    ],
)
def test_an_answer_is_read(expect: dict[str, Any], output: str, status: Status) -> None:
    ir = _ir({"hosts": ["a.test"], "paths": [{"backends": WEB}]})
    pods = [_pod("shop", f"{n}-1", {"netspec.dev/workload": n}) for n in ("web", "api")]
    judge = Judge(ir, parse_state(pods), {})
    probe = FactProbe(
        "f", "http-answer", "outside", expect, "traefik/traefik", 80, request=HttpAsk("GET", "a.test", "/")
    )
    reply = Reply(0, "http", 0.0, 0.1, 0, output)
    assert judge.pod_fact(probe, Asker("out", None, ""), [reply], (), 1).status is status


class _Proxy(BaseHTTPRequestHandler):
    def _any(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self.rfile.read(length)
        host = self.headers["Host"]
        status = {"moved.test": 301, "none.test": 404}.get(host, 413 if length > 100 else 200)
        self.send_response(status)
        if status == 301:
            self.send_header("Location", f"https://moved.test{self.path}")
        self.end_headers()
        self.wfile.write(f"web-1 {host} {self.path}\n".encode())

    do_GET = do_POST = _any

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def proxy() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), _Proxy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.mark.skipif(shutil.which("busybox") is None, reason="not run: there is no busybox")
def test_the_script_asks_with_the_host_s_name_and_shows_the_answer(proxy: str) -> None:
    asks = [
        HttpAsk("GET", "shop.test", "/a/b"),
        HttpAsk("GET", "none.test", "/"),
        HttpAsk("GET", "moved.test", "/x"),
        HttpAsk("POST", "shop.test", "/", 101),
    ]
    questions = [Question(i, "http", proxy, request=ask) for i, ask in enumerate(asks)]
    text = script([], questions, agnhost="/bin/false")
    done = subprocess.run(["busybox", "sh", "-c", text], capture_output=True, text=True, timeout=60, check=False)
    got = replies(done.stdout)
    seen = [got[i][0].output for i in range(len(asks))]
    assert "200 OK" in seen[0] and "web-1 shop.test /a/b" in seen[0]
    assert "404" in seen[1] and "https://moved.test/x" in seen[2] and "413" in seen[3]


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
