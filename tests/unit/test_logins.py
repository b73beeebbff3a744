"""Logins at a provider of OpenID Connect that is a Service of the cluster: what is compiled, what is asked, and what a
browser sees of a front door that does it right and of some that do not. The provider is the program that pods run."""

import base64
import hashlib
import secrets
import threading
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from http.client import HTTPConnection
from http.server import ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode

import pytest
import yaml

from netspec.backends.common import server
from netspec.backends.registry import REGISTRY
from netspec.compiler import CompileResult, compile_spec
from netspec.ir.http import RateLimit
from netspec.plan import ManifestNode
from netspec.probes import FactProbe, HttpAsk
from netspec.probing.door import door_facts
from netspec.probing.http import http_answers
from netspec.spec.load import loads
from netspec.verify.client import Answer
from netspec.verify.login import login_seen

WEB, ID = [{"service": "web", "port": 80}], [{"service": "id", "port": 80}]
OIDC: dict[str, Any] = {
    "issuer": "https://id.test",
    "authorizationEndpoint": "https://id.test/authorize",
    "tokenEndpoint": "https://id.test/token",
    "secret": "client",
    "standIn": True,
    "provider": {"service": "id", "port": 80, "namespace": "people"},
}
SECURE = {"tls": {"secret": "tls", "standIn": True}, "redirectToHTTPS": True}
SPEC: dict[str, Any] = {
    "apiVersion": "netspec.dev/v1alpha1",
    "kind": "NetworkSpec",
    "metadata": {"name": "t"},
    "namespaces": [{"name": "shop"}, {"name": "people"}],
    "workloads": [
        {"name": name, "namespace": of, "labels": {"app": name}, "ports": [{"port": 8080}], "standIn": True}
        for name, of in (("web", "shop"), ("id", "people"))
    ],
    "services": [
        {"name": name, "namespace": of, "selector": {"app": name}, "ports": [{"port": 80, "targetPort": 8080}]}
        for name, of in (("web", "shop"), ("id", "people"))
    ],
    "ingress": [
        {"name": "in", "namespace": "shop", "hosts": ["in.test"], **SECURE, "oidc": OIDC, "paths": [{"backends": WEB}]},
        {"name": "id", "namespace": "people", "hosts": ["id.test"], **SECURE, "paths": [{"backends": ID}]},
    ],
    "stacks": {
        "dev": {
            "cluster": {"type": "kind"},
            "cni": {"provider": "calico"},
            "loadBalancer": {"provider": "metallb"},
            "gateway": {"controller": "envoy-gateway"},
        }
    },
}
EXPECT = {
    "logs in at": "https://id.test/authorize",
    "comes back to": "https://in.test/hostname",
    "from": ["shop/web"],
    "made-up code": "refused",
    "made-up session": "sent to log in",
    "cookies": "of HTTPS, and not for scripts",
}


def compiled(*path: Any, value: Any = None) -> CompileResult:
    """With one thing of the spec otherwise; without it where there is no value."""
    spec = deepcopy(SPEC)
    at: Any = spec
    for key in path[:-1]:
        at = at[key]
    if value is not None:
        at[path[-1]] = value
    elif path:
        del at[path[-1]]
    return compile_spec(loads(yaml.safe_dump(spec), "t.yaml"), "dev", REGISTRY)


def logins(result: CompileResult) -> dict[str, Any]:
    assert result.ir is not None and result.plan is not None, [d.render() for d in result.diagnostics]
    return {p.id: p.expect for p in door_facts(result.ir) if p.fact == "http-login"}


def said(result: CompileResult, code: str) -> list[str]:
    return [f"{d.message}; {d.hint}" for d in result.diagnostics if d.code == code]


# What is compiled


def test_the_provider_is_asked_in_clear_and_lets_itself_be_asked() -> None:
    result = compiled()
    plan = result.plan
    assert plan is not None
    objects = {node.id: node.manifest for node in plan.nodes if isinstance(node, ManifestNode)}
    (policy,) = [m for m in objects.values() if m["kind"] == "SecurityPolicy"]
    assert policy["spec"]["oidc"]["provider"] == {
        "issuer": "https://id.test",
        "authorizationEndpoint": "https://id.test/authorize",
        "tokenEndpoint": "https://id.test/token",
        "backendRefs": [{"group": "", "kind": "Service", "name": "id", "namespace": "people", "port": 80}],
    }
    (grant,) = [m for m in objects.values() if m["kind"] == "ReferenceGrant" and "provider" in m["metadata"]["name"]]
    assert grant["metadata"]["namespace"] == "people"
    assert grant["spec"] == {
        "from": [{"group": "gateway.envoyproxy.io", "kind": "SecurityPolicy", "namespace": "shop"}],
        "to": [{"group": "", "kind": "Service", "name": "id"}],
    }
    facts = {probe.id: probe.expect for probe in result.probes if isinstance(probe, FactProbe)}
    assert facts["fact:reference-grant:people/netspec-provider-id"] == grant["spec"]
    assert {key: base64.b64decode(text) for key, text in objects["secret:shop/client"]["data"].items()} == {
        "client-id": b"netspec",
        "client-secret": b"netspec",
    }
    (served,) = objects["deployment:people/id"]["spec"]["template"]["spec"]["containers"][1:]
    assert served["command"] == ["python3", "-u", "/program/server.py", "provider", "8080"]


def test_a_provider_of_the_own_namespace_needs_no_leave() -> None:
    plan = compiled("ingress", 0, "oidc", "provider", value={"service": "web", "port": 80}).plan
    assert plan is not None
    assert not [node.id for node in plan.nodes if "netspec-provider" in node.id]


def test_what_cannot_be() -> None:
    (missing,) = compiled("ingress", 0, "oidc", "provider", "service", value="idd").diagnostics
    assert (missing.code, missing.message) == ("NS841", "there is no Service people/idd")
    assert "ingress[0].oidc.provider.service" in missing.render()
    (no_port,) = said(compiled("ingress", 0, "oidc", "provider", "port", value=81), "NS841")
    assert "Service people/id has no TCP port 81" in no_port
    (unread,) = said(compiled("ingress", 0, "oidc", "tokenEndpoint"), "NS970")
    assert "give authorizationEndpoint and tokenEndpoint" in unread
    closed = [{"name": "shop"}, {"name": "people", "defaultDeny": ["ingress"]}]
    cut_off = said(compiled("namespaces", value=closed), "NS845")
    assert any("nobody could log in" in message for message in cut_off)


# What is asked


def test_who_is_not_logged_in_is_sent_to_the_provider() -> None:
    result = compiled()
    assert result.ir is not None
    answers = {p.id.removeprefix("fact:http-answer:GET:"): p.expect for p in http_answers(result.ir)}
    sent = {"status": "redirect", "login": "https://id.test/authorize"}
    assert (answers["https://in.test/"], answers["https://in.test/hostname"]) == (sent, sent)
    assert "https://id.test/hostname" not in answers, "a provider says nothing of itself"


def test_a_whole_login_is_asked_for_where_all_of_it_stands_in() -> None:
    assert logins(compiled()) == {"fact:http-login:https://in.test/hostname": EXPECT}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("ingress", 0, "oidc", "standIn"), False),
        (("ingress", 0, "oidc", "provider"), None),
        (("ingress", 0, "oidc", "authorizationEndpoint"), "https://elsewhere.test/authorize"),
        (("ingress", 0, "oidc", "authorizationEndpoint"), "https://id.test:8443/authorize"),
        (("ingress", 0, "oidc", "authorizationEndpoint"), "https://id.test/authorise"),
        (("ingress", 1, "basicAuth"), {"secret": "users", "standIn": True}),
        (("ingress", 1, "rewrite"), {"path": "/x"}),
        (("workloads", 1, "standIn"), False),
        (("workloads", 1, "replicas"), 2),
    ],
    ids=str,
)
def test_and_nowhere_else(path: tuple[Any, ...], value: Any) -> None:
    assert logins(compiled(*path, value=value)) == {}


def test_nor_where_a_few_requests_are_too_many() -> None:
    ir = compiled().ir
    assert ir is not None
    limited = tuple(replace(route, rate_limit=RateLimit(1, "second", 1)) for route in ir.http)
    assert not [p for p in door_facts(replace(ir, http=limited)) if p.fact == "http-login"]


# What a browser sees


class FrontDoor:
    """It has people log in as a client of the provider does, or not quite: `never` names what it leaves out."""

    def __init__(self, provider: int, never: str = "") -> None:
        self._provider, self._never = provider, never
        self._begun: dict[str, tuple[str, str]] = {}
        self._sessions: set[str] = set()

    def get(self, host: str, target: str, cookies: str) -> Answer:
        if host == "id.test":
            return self._asked("GET", target, {})
        path, _, query = target.partition("?")
        kept = dict(cookie.split("=", 1) for cookie in cookies.split("; ") if cookie)
        if path == "/callback":
            return self._back({key: values[0] for key, values in parse_qs(query).items()}, kept)
        if kept.get("session") in self._sessions or (self._never == "knows sessions" and "session" in kept):
            return Answer(200, {}, "web-1")
        return Answer(200, {}, "web-1") if self._never == "asks" else self._sent(path)

    def _sent(self, path: str) -> Answer:
        state, verifier = secrets.token_hex(8), secrets.token_hex(32)
        self._begun[state] = (path, verifier)
        proof = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            **{"client_id": "netspec", "response_type": "code", "scope": "openid", "state": state},
            **{"redirect_uri": "https://in.test/callback", "code_challenge": proof, "code_challenge_method": "S256"},
        }
        cookie = f"nonce={state}; Path=/callback; Secure; HttpOnly"
        at = "https://other.test/authorize" if self._never == "names the provider" else "https://id.test/authorize"
        return Answer(302, {"location": f"{at}?{urlencode(query)}"}, "", (cookie,))

    def _back(self, given: dict[str, str], kept: dict[str, str]) -> Answer:
        if kept.get("nonce") != given["state"]:
            return Answer(401, {}, "")
        path, verifier = self._begun[given["state"]]
        form = {"code": given["code"], "code_verifier": verifier, "redirect_uri": "https://in.test/callback"}
        if self._never == "changes codes" or self._asked("POST", "/token", form).status == 200:
            self._sessions.add(session := secrets.token_hex(16))
            rest = "" if self._never == "hides cookies" else "; Secure; HttpOnly"
            old = "nonce=; Path=/callback; Max-Age=0"
            to = "https://in.test/" if self._never == "remembers" else f"https://in.test{path}"
            return Answer(302, {"location": to}, "", (f"session={session}; Path=/{rest}", old))
        return Answer(401, {}, "")

    def _asked(self, method: str, target: str, form: dict[str, str]) -> Answer:
        who = base64.b64encode(b"netspec:netspec").decode()
        connection = HTTPConnection("127.0.0.1", self._provider, timeout=10)
        headers = {"Host": "id.test", "Authorization": f"Basic {who}"}
        connection.request(method, target, urlencode(form), headers)
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, text)


@pytest.fixture(scope="module")
def provider() -> Iterator[int]:
    made = ThreadingHTTPServer(("127.0.0.1", 0), server.Provider)
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield made.server_address[1]
    made.shutdown()
    made.server_close()


@pytest.mark.parametrize(
    ("never", "wrong"),
    [
        ("", {}),
        ("asks", {"logs in at": 200}),
        ("names the provider", {"logs in at": "https://other.test/authorize"}),
        ("remembers", {"comes back to": "https://in.test/"}),
        ("changes codes", {"made-up code": 302}),
        ("knows sessions", {"made-up session": 200}),
        ("hides cookies", {"cookies": "session may be had"}),
    ],
)
def test_a_login(provider: int, never: str, wrong: dict[str, Any]) -> None:
    ask = HttpAsk("GET", "in.test", "/hostname", tls=True)
    door = FrontDoor(provider, never)
    is_right, seen, _ = login_seen(EXPECT, ask, door.get, lambda answer: {"web-1": "shop/web"}[answer.body])
    assert is_right is (not never)
    asked = {key: value for key, value in seen.items() if value != "not asked"}
    assert asked == {**{key: EXPECT[key] for key in asked}, **wrong}


def test_a_login_that_another_pod_answers(provider: int) -> None:
    ask = HttpAsk("GET", "in.test", "/hostname", tls=True)
    is_right, seen, _ = login_seen(EXPECT, ask, FrontDoor(provider).get, lambda _: "shop/next")
    assert not is_right and seen["from"] == ["shop/next"]
