"""HTTP routes: which of them takes a request, and what a controller is told so that it takes the same."""

import json
import re
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netspec.analysis.callees import service_port
from netspec.analysis.exposure import exposures
from netspec.analysis.routes import Rule, bare, chosen, rewritten, rules, takes_host, takes_path
from netspec.backends.edge.traefik.routes import _middlewares, match
from netspec.backends.registry import REGISTRY
from netspec.cli import OK, main
from netspec.compiler import compile_spec
from netspec.ir.http import HttpBackend, HttpPath, HttpRoute, Rewrite
from netspec.ir.model import Dns, Ir, Network
from netspec.spec.http import IngressRoute
from netspec.spec.load import loads

HOSTS = ("", "a.test", "b.test", "*.test", "*.a.test", "x.a.test")
ASKED_HOSTS = ("a.test", "b.test", "c.test", "x.a.test", "y.a.test", "z.y.a.test", "else.org")
SEGMENTS = ("a", "b", "ab")
paths = st.lists(st.sampled_from(SEGMENTS), max_size=3).map(lambda parts: "/" + "/".join(parts))
slashed = st.tuples(paths, st.sampled_from(("", "/"))).map(lambda p: p[0] if p[0] == "/" else p[0] + p[1])
WEB = (HttpBackend("web", 80),)
PATTERNS = (
    "/.",
    "/a.*",
    "/[ab]+",
    "/a|/b/ab",
    "/a/[ab]{2}",
    "/(a|ab)(/b)*",
    "/a/.*/(b|ab|a/)+",
    "/[ab]+/[ab]+(/[ab]+)?/?",
)
http_paths = st.builds(HttpPath, slashed, st.booleans(), st.just(WEB)) | st.builds(
    HttpPath, st.sampled_from(PATTERNS), st.just(False), st.just(WEB), st.just(True)
)


@st.composite
def routes(draw: st.DrawFn) -> list[HttpRoute]:
    """No two rules for one host and path, and no two patterns of one length: these are errors (NS842)."""
    out: list[HttpRoute] = []
    seen: set[tuple[str, str | int, bool]] = set()
    for number in range(draw(st.integers(1, 5))):
        hosts = tuple(draw(st.lists(st.sampled_from(HOSTS[1:]), max_size=2, unique=True)))
        own = []
        for path in draw(st.lists(http_paths, min_size=1, max_size=4)):
            what = len(path.path) if path.regex else bare(path)
            keys: set[tuple[str, str | int, bool]] = {(host, what, path.exact) for host in hosts or ("",)}
            if not keys & seen:
                seen |= keys
                own.append(path)
        if own:
            out.append(HttpRoute("shop", f"r{number}", hosts, tuple(own)))
    return out


def _plain(found: list[Rule], host: str, path: str) -> Rule | None:
    """The definition, word for word: hosts first, then paths of the host that won."""

    def host_takes(rule: Rule) -> bool:
        if rule.host.startswith("*."):
            labels = host.split(".")
            return len(labels) > 1 and labels[1:] == rule.host[2:].split(".")
        return not rule.host or rule.host == host

    def path_takes(rule: Rule) -> bool:
        if rule.path.regex:
            return re.fullmatch(rule.path.path, path) is not None
        if rule.path.exact:
            return path == rule.path.path
        wanted = [s for s in rule.path.path.split("/") if s]
        return path.split("/")[1:][: len(wanted)] == wanted

    taking = [rule for rule in found if host_takes(rule) and path_takes(rule)]
    for of_host in (
        [r for r in taking if r.host and not r.host.startswith("*.")],
        sorted((r for r in taking if r.host.startswith("*.")), key=lambda r: -len(r.host)),
        [r for r in taking if not r.host],
    ):
        exact = [r for r in of_host if r.path.exact]
        if exact:
            return exact[0]
        if patterns := [r for r in of_host if r.path.regex]:
            return max(patterns, key=lambda r: len(r.path.path))
        if of_host:
            return max(of_host, key=lambda r: len([s for s in r.path.path.split("/") if s]))
    return None


@settings(max_examples=300, deadline=None)
@given(routes(), st.sampled_from(ASKED_HOSTS), slashed)
def test_the_matcher_does_what_the_definition_says(given_routes: list[HttpRoute], host: str, path: str) -> None:
    found = list(rules(given_routes))
    assert chosen(found, host, path) == _plain(found, host, path)


@settings(max_examples=300, deadline=None)
@given(routes(), st.sampled_from(ASKED_HOSTS), slashed)
def test_traefik_s_rules_and_priorities_choose_the_same(given_routes: list[HttpRoute], host: str, path: str) -> None:
    """Read as Traefik reads them: of the rules that match, the one of the highest priority."""
    found = list(rules(given_routes))
    taking = [rule for rule in found if _traefik_takes(match(rule), host, path)]
    assert max(taking, key=lambda r: r.priority, default=None) == chosen(found, host, path)
    assert len({r.priority for r in taking}) == len(taking)


def _traefik_takes(text: str, host: str, path: str) -> bool:
    """Hosts and paths of a rule as `match` writes them: all of the first, any of the second."""
    calls = re.findall(r"(\w+)\(`([^`]*)`\)", text)
    hosts = [(name, value) for name, value in calls if name.startswith("Host")]
    ways = [(name, value) for name, value in calls if name.startswith("Path")]
    of_host = all(value == host if name == "Host" else re.search(value, host) for name, value in hosts)
    takes = {"Path": str.__eq__, "PathPrefix": str.startswith, "PathRegexp": lambda asked, p: re.search(p, asked)}
    return of_host and any(takes[name](path, value) for name, value in ways)


@settings(max_examples=300, deadline=None)
@given(st.lists(paths, min_size=1, max_size=3, unique=True), st.sampled_from(("/", "/v2", "/v2/")), slashed)
def test_traefik_rewrites_a_prefix_as_predicted(known: list[str], prefix: str, path: str) -> None:
    own = tuple(HttpPath(p, False, ()) for p in known)
    route = HttpRoute("shop", "r", (), own, rewrite=Rewrite(prefix, None))
    rule = chosen(rules([route]), "a.test", path)
    if rule is None:
        return
    ((_, _, spec),) = _middlewares(_ir(), route)
    replacement = re.sub(r"\$(\d)", r"\\g<\1>", spec["replacement"])
    assert re.sub(spec["regex"], replacement, path, count=1) == rewritten(rule, path)


def _ir() -> Ir:
    return Ir("t", "dev", Network((), ()), Dns())


def test_a_prefix_is_whole_segments_and_its_last_slash_says_nothing() -> None:
    """networking.k8s.io/v1 HTTPIngressPath, the table of examples."""
    examples = [
        ("/", "/anything", True),
        ("/foo", "/foo", True),
        ("/foo", "/foo/", True),
        ("/foo/", "/foo", True),
        ("/aaa/bb", "/aaa/bbb", False),
        ("/aaa/bbb/", "/aaa/bbb", True),
        ("/aaa/bbb", "/aaa/bbb/ccc", True),
        ("/aaa/bbb", "/aaa/bbbxyz", False),
    ]
    assert [takes_path(HttpPath(rule, False, ()), path) for rule, path, _ in examples] == [e[2] for e in examples]
    exact = [("/foo", "/foo", True), ("/foo", "/foo/", False), ("/foo/", "/foo", False)]
    assert [takes_path(HttpPath(rule, True, ()), path) for rule, path, _ in exact] == [e[2] for e in exact]


def test_a_wildcard_is_one_label() -> None:
    """networking.k8s.io/v1 IngressRule.host, the examples."""
    asked = ("bar.foo.com", "baz.bar.foo.com", "foo.com")
    assert [takes_host("*.foo.com", host) for host in asked] == [True, False, False]


def test_priorities_of_any_two_rules_differ_unless_they_are_one() -> None:
    """The longest host and path a spec can have included: a host always counts more than a path."""
    long = "/" + "x" * 511
    known = [HttpPath(p, exact, ()) for p, exact in product(("/", "/a", "/a/b", long), (True, False))]
    found = list(rules([HttpRoute("n", "r", (host,), tuple(known)) for host in ("a.test", "*.test", "*." + "y" * 251)]))
    found += list(rules([HttpRoute("n", "r", (), tuple(known))]))
    by_host = {host: [r.priority for r in found if r.host == host] for host in {r.host for r in found}}
    assert all(len(set(p)) == len(p) for p in by_host.values())
    assert min(by_host["a.test"]) > max(by_host["*.test"]) > min(by_host["*.test"]) > max(by_host[""])
    assert min(by_host["a.test"]) > max(by_host["*." + "y" * 251])


@pytest.mark.parametrize(("text", "size"), [("16Ki", 16384), ("1Mi", 1 << 20), ("2Gi", 2 << 30), (5, 5), ("7", 7)])
def test_sizes(text: object, size: int) -> None:
    data = {"name": "r", "namespace": "n", "paths": [{"backends": [{"service": "w", "port": 80}]}], "maxBodySize": text}
    assert IngressRoute.model_validate(data).max_body_size == size


def test_a_backend_of_a_service_that_is_not_there_has_no_port() -> None:
    assert service_port(_ir(), HttpRoute("n", "r", (), ()), HttpBackend("web", 80)) is None


# Through the controller's own pods

_SPEC = """\
apiVersion: netspec.dev/v1alpha1
kind: NetworkSpec
metadata: {name: t}
namespaces: [{name: shop, defaultDeny: [ingress]}]
workloads: [{name: web, namespace: shop, labels: {app: web}, ports: [{port: 8080}]}]
services: [{name: web, namespace: shop, selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}]
policies: [{name: front, from: {workload: traefik/traefik}, to: {workload: shop/web}, ports: [8080/TCP]}]
ingress:
  - {name: in, namespace: shop, allowFrom: [192.0.2.0/24], paths: [{backends: [{service: web, port: 80}]}]}
stacks:
  dev: {cluster: {type: kind}, cni: {provider: calico}, ingress: {controller: traefik, service: NodePort}}
"""


def test_a_route_is_as_open_as_the_controller_s_own_pods_are_let_in(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No other pod is, so nothing rests on a proxy that is any pod; and an allow-list says who uses it."""
    file = tmp_path / "t.yaml"
    file.write_text(_SPEC)
    assert main(["explain", "ingress", "shop/web", "8080", str(file), "--stack", "dev"]) == OK
    said = capsys.readouterr().out
    assert said.startswith("ingress through Ingress shop/in -> shop/web 8080/TCP: allowed")
    assert "a proxy's pods are not known" not in said and "shop/front-ingress" in said
    assert main(["exposure", str(file), "--stack", "dev", "--output", "json"]) == OK
    rows = json.loads(capsys.readouterr().out)["exposures"]
    (row,) = [r for r in rows if r["scope"] == "routes"]
    assert (row["workload"], row["peer"]) == ("shop/web", "192.0.2.0/24, through routes")


def test_a_route_that_policies_close_leads_nowhere() -> None:
    text = _SPEC.replace("ports: [8080/TCP]}]", "ports: [8081/TCP]}]").replace(
        "{port: 8080}", "{port: 8080}, {port: 8081}"
    )
    result = compile_spec(loads(text.encode(), "t.yaml"), "dev", REGISTRY)
    assert result.ir is not None and "NS845" in {d.code for d in result.diagnostics}
    assert not [e for e in exposures(result.ir.inventory) if e.scope == "routes"]


def test_a_route_to_a_service_that_could_not_be_read_is_no_second_error() -> None:
    text = _SPEC.replace("targetPort: 8080}]}]", "targetPort: 8080}], type: Clusterip}]")
    assert text != _SPEC
    result = compile_spec(loads(text.encode(), "t.yaml"), "dev", REGISTRY)
    assert [d.path[:2] for d in result.diagnostics] == [("services", 0)]
    gone = _SPEC.replace("services: [{name: web,", "services: [{name: wep,")
    found = compile_spec(loads(gone.encode(), "t.yaml"), "dev", REGISTRY).diagnostics
    assert {d.code for d in found} == {"NS841"}
