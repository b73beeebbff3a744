"""Ingresses of ingress-nginx as routes of a spec: what carries over, and that each annotation is accounted for."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from netspec.cli import FAILED, OK, USAGE, main
from netspec.migrating.ingress_nginx import PREFIX, Migrated, migrate
from netspec.migrating.nginx_options import READ
from netspec.migrating.nginx_words import PROTECTING, WORDS
from netspec.spec.http import IngressRoute

KNOWN = sorted(set(WORDS) | READ | {"rewrite-target", "use-regex", "canary", "canary-weight", "canary-weight-total"})


def ingress(
    annotations: dict[str, str] | None = None, name: str = "web", tls: bool = False, **spec: Any
) -> dict[str, Any]:
    backend = {"service": {"name": name, "port": {"number": 80}}}
    rule = {"host": "shop.test", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
    own = {PREFIX + key: value for key, value in (annotations or {}).items()}
    body: dict[str, Any] = {"ingressClassName": "nginx", "rules": [rule], **spec}
    if tls:
        body["tls"] = [{"hosts": ["shop.test"], "secretName": "shop-tls"}]
    metadata = {"name": name, "namespace": "shop", "annotations": own}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata, "spec": body}


def _texts(*items: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield "in.yaml", yaml.safe_dump_all(items)


def read(*items: dict[str, Any]) -> Migrated:
    return migrate(_texts(*items))


def route(annotations: dict[str, str], **more: Any) -> dict[str, Any]:
    (found,) = read(ingress(annotations, **more)).routes
    return found


def fates(found: Migrated) -> dict[str, str]:
    return {a.what.removeprefix(PREFIX): a.fate for a in found.accounts}


def test_a_plain_ingress_with_its_defaults_written_out() -> None:
    found = read(ingress(tls=True))
    assert found.routes == [
        {
            "name": "web",
            "namespace": "shop",
            "hosts": ["shop.test"],
            "tls": {"secret": "shop-tls"},
            "paths": [{"path": "/", "backends": [{"service": "web", "port": 80}]}],
            "redirectToHTTPS": True,
            "responseHeaders": {"set": {"Strict-Transport-Security": "max-age=31536000; includeSubDomains"}},
            "maxBodySize": 1 << 20,
        }
    ]
    assert fates(found) == {
        "ssl-redirect (default)": "changed",
        "hsts (default)": "carried",
        "proxy-body-size (default)": "carried",
    }


@pytest.mark.parametrize(
    ("annotations", "option"),
    [
        ({"proxy-body-size": "8m"}, {"maxBodySize": 8 << 20}),
        ({"proxy-body-size": "0"}, {"maxBodySize": None}),
        ({"whitelist-source-range": "10.0.0.0/8, 192.0.2.1"}, {"allowFrom": ["10.0.0.0/8", "192.0.2.1/32"]}),
        ({"limit-rps": "10"}, {"rateLimit": {"requests": 10, "per": "second", "burst": 50}}),
        (
            {"limit-rpm": "60", "limit-burst-multiplier": "2"},
            {"rateLimit": {"requests": 60, "per": "minute", "burst": 120}},
        ),
        (
            {"auth-type": "basic", "auth-secret": "users", "auth-realm": "the shop"},
            {"basicAuth": {"secret": "users", "realm": "the shop"}},
        ),
        (
            {"auth-url": "http://auth.shop.svc.cluster.local:4180/verify", "auth-response-headers": "X-User, X-Mail"},
            {
                "externalAuth": {
                    "service": "auth",
                    "port": 4180,
                    "path": "/verify",
                    "responseHeaders": ["X-User", "X-Mail"],
                }
            },
        ),
        ({"backend-protocol": "GRPC"}, {"protocol": "grpc", "maxBodySize": None}),
        ({"affinity": "cookie", "session-cookie-name": "pod"}, {"sticky": {"cookie": "pod"}}),
        (
            {"custom-http-errors": "404,503", "default-backend": "pages"},
            {"errorPages": {"statuses": ["404", "503"], "service": "pages", "port": 80}},
        ),
        ({"proxy-next-upstream-tries": "3"}, {"retries": 2}),
        ({"x-forwarded-prefix": "/shop"}, {"requestHeaders": {"set": {"X-Forwarded-Prefix": "/shop"}}}),
        ({"server-alias": "www.shop.test"}, {"hosts": ["shop.test", "www.shop.test"]}),
        ({"rewrite-target": "/v2"}, {"rewrite": {"path": "/v2"}}),
    ],
    ids=str,
)
def test_what_carries_over(annotations: dict[str, str], option: dict[str, Any]) -> None:
    found = route(annotations)
    assert {key: found.get(key) for key in option} == option
    IngressRoute.model_validate(found)


def test_cors_with_the_defaults_of_ingress_nginx() -> None:
    found = read(ingress({"enable-cors": "true", "cors-allow-credentials": "true", "cors-max-age": "1728000"}))
    cors = found.routes[0]["cors"]
    assert (cors["origins"], cors["credentials"], cors["maxAge"]) == (["*"], False, 86400)
    assert (
        cors["methods"] == ["GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS"] and "Authorization" in cors["headers"]
    )
    assert fates(found)["cors-allow-credentials"] == fates(found)["cors-max-age"] == "changed"


@pytest.mark.parametrize(
    ("path", "target", "expect"),
    [
        ("/api(/|$)(.*)", "/$2", ("/api", {"prefix": "/"})),
        ("/api(/|$)(.*)", "/v2/$2", ("/api", {"prefix": "/v2"})),
        ("/api/(.*)", "/$1", ("/api", {"prefix": "/"})),
        ("/api/(.*)", "/$2", None),
        ("/(a|b)/(.*)", "/$2", None),
        ("/api/(?!v1)", "/x", None),
    ],
)
def test_rewriting(path: str, target: str, expect: tuple[str, dict[str, str]] | None) -> None:
    item = ingress({"rewrite-target": target, "use-regex": "true"})
    item["spec"]["rules"][0]["http"]["paths"][0] |= {"path": path, "pathType": "ImplementationSpecific"}
    found = read(item)
    if expect is None:
        assert found.routes == [] and fates(found)["rewrite-target"] == "lost"
        return
    assert (found.routes[0]["paths"][0]["path"], found.routes[0]["rewrite"]) == expect
    assert fates(found)["rewrite-target"] == fates(found)["use-regex"] == "changed"


@pytest.mark.parametrize(
    ("path", "pattern"),
    [
        ("/v[0-9]+", "/v[0-9]+.*"),
        ("/v[0-9]+/cart$", "/v[0-9]+/cart"),
        ("/api(/|$)(.*)", "/api(/.*)?"),
        ("/a/.*", "/a/.*"),
    ],
)
def test_patterns_of_paths(path: str, pattern: str) -> None:
    """All of the Ingress, for they go by their lengths."""
    item = ingress({"use-regex": "true"})
    paths = item["spec"]["rules"][0]["http"]["paths"]
    paths.append(paths[0] | {"path": path, "pathType": "ImplementationSpecific"})
    found = read(item)
    (made,) = found.routes
    assert [(p["path"], p["type"]) for p in made["paths"]] == [(f"{paths[0]['path']}.*", "Regex"), (pattern, "Regex")]
    assert fates(found)["use-regex"] == "changed"


def test_a_pattern_that_is_rewritten_whole_and_one_that_cannot_be_said() -> None:
    item = ingress({"use-regex": "true", "rewrite-target": "/x"})
    item["spec"]["rules"][0]["http"]["paths"][0] |= {"path": "/api/.*"}
    found = read(item)
    assert (found.routes[0]["paths"][0]["path"], found.routes[0]["rewrite"]) == ("/api/.*", {"path": "/x"})
    odd = ingress({"use-regex": "true"})
    odd["spec"]["rules"][0]["http"]["paths"][0] |= {"path": "/api/(?!v1)"}
    assert fates(read(odd))["use-regex"] == "lost"


def test_a_canary_shares_the_paths_of_the_other_ingress() -> None:
    canary = ingress({"canary": "true", "canary-weight": "20"}, name="next")
    found = read(canary, ingress())
    (made,) = found.routes
    assert made["paths"][0]["backends"] == [
        {"service": "web", "port": 80, "weight": 80},
        {"service": "next", "port": 80, "weight": 20},
    ]
    assert fates(found)["canary-weight"] == "carried"
    assert fates(read(canary))["canary"] == "lost"


@pytest.mark.parametrize(
    "annotations",
    [
        {"auth-url": "https://sso.example.com/verify"},
        {"auth-url": "http://auth.other.svc.cluster.local/"},
        {"auth-type": "digest", "auth-secret": "users"},
        {"auth-type": "basic", "auth-secret": "other/users"},
        {"denylist-source-range": "10.0.0.0/8"},
        {"auth-tls-secret": "shop/ca"},
        {"configuration-snippet": "deny all;"},
        {"enable-modsecurity": "true"},
    ],
    ids=str,
)
def test_a_route_whose_protection_is_lost_is_left_out(annotations: dict[str, str]) -> None:
    found = read(ingress(annotations))
    assert found.routes == []
    assert any(a.what == "route web" and a.fate == "lost" and "open" in a.message for a in found.accounts)


def test_what_protects_nobody_is_lost_and_the_route_stays() -> None:
    found = read(ingress({"upstream-hash-by": "$uri", "configuration-snippet": "more_set_headers 'X: y';"}))
    assert len(found.routes) == 1 and fates(found)["upstream-hash-by"] == "lost"


@pytest.mark.parametrize(
    ("text", "seconds", "fate"),
    [
        ("300", 300, "changed"),
        ("30s", 30, "changed"),
        ("86400", 3600, "changed"),
        ("0", None, "lost"),
        ("x", None, "lost"),
    ],
)
def test_the_time_until_an_answer_begins(text: str, seconds: int | None, fate: str) -> None:
    found = read(ingress({"proxy-read-timeout": text, "proxy-send-timeout": text}))
    assert fates(found)["proxy-read-timeout"] == fate and fates(found)["proxy-send-timeout"] == "changed"
    assert found.routes[0].get("timeouts") == (None if seconds is None else {"firstByteSeconds": seconds})


@pytest.mark.parametrize(
    ("target", "port"),
    [
        ("http://copy.shop.svc.cluster.local:8080$request_uri", 8080),
        ("http://copy.shop$request_uri", 80),
        ("http://copy.shop", None),
        ("http://copy.else$request_uri", None),
        ("https://test.example.com$request_uri", None),
        ("http://$host$request_uri", None),
    ],
)
def test_copies_go_to_a_service_of_the_namespace(target: str, port: int | None) -> None:
    found = read(ingress({"mirror-target": target, "mirror-host": "x"}))
    assert found.routes[0].get("mirror") == (None if port is None else {"service": "copy", "port": port})
    assert {fates(found)[n] for n in ("mirror-target", "mirror-host")} == {"lost" if port is None else "changed"}


def test_what_is_passed_on_unread_meets_no_option() -> None:
    found = read(ingress({"ssl-passthrough": "true", "auth-type": "basic", "proxy-body-size": "1m"}, tls=True))
    (made,) = found.routes
    assert made["tls"] == {"passthrough": True} and made["redirectToHTTPS"] and "maxBodySize" not in made
    assert fates(found) == {"ssl-passthrough": "changed", "auth-type": "dropped", "proxy-body-size": "dropped"}
    item = ingress({"ssl-passthrough": "true"})
    item["spec"]["rules"][0]["http"]["paths"][0]["path"] = "/a"
    assert read(item).routes == [] and read(ingress({"ssl-passthrough": "false"})).routes[0].get("tls") is None


def test_backends_as_they_were_before_the_api_s_first_version() -> None:
    old = ingress()
    old["spec"]["rules"][0]["http"]["paths"] = [{"path": "/", "backend": {"serviceName": "web", "servicePort": 80}}]
    assert read(old).routes[0]["paths"][0]["backends"] == [{"service": "web", "port": 80}]


def test_what_cannot_be_read_and_has_no_ingress_is_passed_over() -> None:
    texts = [
        ("a.yaml", "kind: Deployment\n{{- toYaml .Values }}: ["),
        ("b.yaml", "kind: Ingress\n{{- toYaml .Values }}: ["),
    ]
    assert [a.position.file for a in migrate(iter(texts)).accounts if a.position] == ["b.yaml"]


def test_classes_hosts_and_default_backends() -> None:
    other = ingress(name="other") | {}
    other["spec"]["ingressClassName"] = "traefik"
    old = ingress(name="old")
    del old["spec"]["ingressClassName"]
    old["metadata"]["annotations"]["kubernetes.io/ingress.class"] = "nginx"
    bare = {**ingress(name="bare"), "spec": {"defaultBackend": {"service": {"name": "web", "port": {"name": "http"}}}}}
    found = read(other, old, bare)
    assert [r["name"] for r in found.routes] == ["old", "bare-default"]
    assert found.routes[1]["paths"] == [{"path": "/", "backends": [{"service": "web", "port": "http"}]}]
    assert found.ingresses == 2


def test_what_the_spec_would_not_take_is_said_with_its_place() -> None:
    item = ingress()
    item["spec"]["rules"][0]["host"] = "localhost"
    found = read(item)
    assert found.routes == []
    (lost,) = [a for a in found.accounts if a.fate == "lost"]
    assert "localhost" in lost.message and lost.position is not None and lost.position.file == "in.yaml"


values = st.sampled_from(
    ["", "true", "false", "0", "1", "10", "8m", "/", "/$2", "cookie", "basic", "users", "x y", "$http_x"]
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from([*KNOWN, "no-such-thing"]), values, max_size=6), st.booleans())
def test_every_annotation_is_accounted_for_once_and_every_route_is_valid(given_: dict[str, str], tls: bool) -> None:
    found = read(ingress(given_, tls=tls))
    told = [a.what.removeprefix(PREFIX) for a in found.accounts if a.what.startswith(PREFIX)]
    assert sorted(told) == sorted(given_)
    for made in found.routes:
        IngressRoute.model_validate(made)
    lost = {a.what.removeprefix(PREFIX) for a in found.accounts if a.fate == "lost"}
    assert not (lost & PROTECTING and found.routes)


@pytest.mark.parametrize(
    "text",
    [
        "kind: Ingress",
        "kind: Ingress\nspec: []\nmetadata: x",
        "kind: Ingress\nspec: {rules: {a: 1}, tls: 3}",
        "kind: Ingress\nspec: {rules: [1, {http: {paths: [3, {backend: 4}]}}], defaultBackend: {resource: {}}}",
        "kind: Ingress\nmetadata: {annotations: {nginx.ingress.kubernetes.io/proxy-body-size: 8}}",
        "kind: [",
        "kind: List\nitems: [{kind: Ingress}, 3]",
    ],
)
def test_malformed_input_gives_no_traceback(text: str) -> None:
    found = migrate(iter([("x.yaml", text)]))
    assert found.routes == [] and all(a.render() for a in found.accounts)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "in.yaml"
    file.write_text(yaml.safe_dump(ingress({"limit-rps": "10"})))
    assert main(["migrate", "--manifests", str(file), "--from", "ingress-nginx"]) == OK
    out, err = capsys.readouterr()
    assert yaml.safe_load(out)["ingress"][0]["rateLimit"]["requests"] == 10
    assert f"{file}:5:5: Ingress shop/web: {PREFIX}limit-rps: changed: " in err
    assert err.endswith("1 Ingresses, 1 routes: 1 carried, 1 changed, 0 dropped, 0 lost\n")
    file.write_text(yaml.safe_dump(ingress({"upstream-hash-by": "$uri"})))
    assert main(["migrate", "--manifests", str(file), "--from", "ingress-nginx", "--output", "json"]) == FAILED
    answer = json.loads(capsys.readouterr().out)
    assert [a["fate"] for a in answer["accounts"] if a["what"].endswith("hash-by")] == ["lost"]
    assert main(["migrate", "--manifests", str(file), "--from", "ingress-nginx", "--class", "x"]) == OK
    file.write_text("kind: Service")
    assert main(["migrate", "--manifests", str(file), "--from", "ingress-nginx"]) == USAGE
