"""Paths as HAProxy Ingress, ingress-nginx and F5 NGINX are told them, read as they do: they choose as predicted."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netspec.analysis.routes import chosen, rules
from netspec.backends.edge import f5_nginx, haproxy, ingress_nginx
from netspec.ir.http import HttpBackend, HttpPath, HttpRoute
from netspec.ir.model import Dns, Ir, Network, Service, ServicePort
from tests.unit.test_http_routes import ASKED_HOSTS, SEGMENTS, routes
from tests.unit.test_http_routes import slashed as drawn_paths

_SPECIAL = re.compile(r"([\\.+*?()|\[\]{}^$])")
asked_paths = drawn_paths | st.lists(st.sampled_from((*SEGMENTS, "A", "")), max_size=4).map(lambda p: "/" + "/".join(p))


class Line(NamedTuple):
    """A path of an Ingress, and the Service that it leads to."""

    host: str
    path: str
    kind: str
    service: str
    regex: bool


def _ir(drawn: list[HttpRoute]) -> Ir:
    """Each path leads to a Service of its own."""
    made, services = [], []
    for route in drawn:
        paths = []
        for path in route.paths:
            services.append(Service("shop", f"s{len(services)}", ports=(ServicePort(80, 80, "TCP"),)))
            paths.append(replace(path, backends=(HttpBackend(services[-1].name, 80),)))
        made.append(replace(route, paths=tuple(paths)))
    return Ir("t", "dev", Network((), ()), Dns(), services=tuple(services), http=tuple(made))


def _lines(objects: list[dict[str, Any]], by_regex: str) -> Iterator[Line]:
    for obj in objects:
        said = {key.partition("/")[2]: value for key, value in obj["metadata"]["annotations"].items()}
        for rule in obj["spec"]["rules"]:
            for item in rule["http"]["paths"]:
                service = item["backend"]["service"]["name"]
                regex = f"{by_regex}={said.get(by_regex)}" in ("path-type=regex", "use-regex=true")
                yield Line(rule.get("host", ""), item["path"], item["pathType"], service, regex)


def _predicted(ir: Ir, host: str, path: str) -> str | None:
    rule = chosen(rules(ir.http), host, path)
    return None if rule is None else rule.path.backends[0].service


# HAProxy Ingress: pkg/haproxy/types/maps.go


def _haproxy(ir: Ir, host: str, path: str) -> str | None:
    found = list(_lines([obj for _, obj in haproxy.routes.ingresses(ir)], "path-type"))
    of_hosts, of_any = [line for line in found if line.host], [line for line in found if not line.host]
    taken = _of_maps(of_hosts, host, path)
    return taken if taken is not None else _of_maps([line._replace(host="<any>") for line in of_any], "<any>", path)


def _of_maps(lines: list[Line], host: str, path: str) -> str | None:
    """Exact paths of hosts, then their prefixes, then the expressions, the longest first."""
    whole = [line for line in lines if not line.host.startswith("*.") and line.kind != "ImplementationSpecific"]
    for line in whole:
        if line.kind == "Exact" and (line.host, line.path) == (host, path):
            return line.service
    below = [
        line
        for line in whole
        if (line.kind, line.host) == ("Prefix", host) and f"{path}/".startswith(f"{line.path.rstrip('/')}/")
    ]
    if below:
        return max(below, key=lambda line: len(line.path)).service
    keys = [(_key(line), line.service) for line in lines if line not in whole]
    taking = [(key, service) for key, service in keys if re.search(key, f"{host}#{path}")]
    return min(taking, key=lambda row: (-len(row[0]), row[0]))[1] if taking else None


def _key(line: Line) -> str:
    host = f"^[^.]+{_quoted(line.host[1:])}" if line.host.startswith("*.") else f"^{_quoted(line.host)}"
    if line.kind == "ImplementationSpecific":
        assert line.regex
        return f"{host}#{line.path}"
    text = _quoted(line.path)
    return f"{host}#{text}{'$' if line.kind == 'Exact' else '' if text.endswith('/') else '(/.*)?'}"


def _quoted(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", text)


# ingress-nginx: internal/ingress/controller


def _ingress_nginx(ir: Ir, host: str, path: str) -> str | None:
    """Of a host that has patterns; None else."""
    own = [line for line in _lines(list(ingress_nginx.objects(ir)), "use-regex") if line.host == host]
    if not any(line.regex for line in own):
        return None
    assert {line.kind for line in own} == {"ImplementationSpecific"}
    for line in sorted(sorted(own, key=lambda one: one.path, reverse=True), key=lambda one: -len(one.path)):
        if re.match(line.path, path, re.IGNORECASE):
            return line.service
    return "nobody"


# F5 NGINX: the locations of a host's server


def _f5(ir: Ir, host: str, path: str) -> str | None:
    """None for a host that has no server; ngx_http_core_find_location."""
    servers = [obj["spec"] for obj in f5_nginx.routes.objects(ir) if obj["kind"] == "VirtualServer"]
    spec = next((server for server in servers if server["host"] == host), None)
    if spec is None:
        return None
    services = {upstream["name"]: upstream["service"] for upstream in spec["upstreams"]}
    locations = {r["path"]: services.get(r["action"].get("pass"), "nobody") for r in spec["routes"]}
    assert len(locations) == len(spec["routes"])
    if f"={path}" in locations:
        return str(locations[f"={path}"])
    assert {f"{path}/", f"={path}/"}.isdisjoint(locations), "a redirect"
    for location, service in locations.items():
        if location.startswith("~ ") and re.search(location[2:], path):
            return str(service)
    prefixes = [p for p in locations if p.startswith("/") and path.startswith(p)]
    return str(locations[max(prefixes, key=len)]) if prefixes else "nobody"


def _by_host(drawn: list[HttpRoute]) -> list[HttpRoute]:
    """Of hosts alone: what takes no path of a host does not go on to a wildcard's (NS872)."""
    return [replace(route, hosts=hosts) for route in drawn if (hosts := tuple(h for h in route.hosts if "*" not in h))]


@settings(max_examples=400, deadline=None)
@given(routes(), st.sampled_from(ASKED_HOSTS), asked_paths)
def test_haproxy_goes_through_its_lists_to_the_predicted_route(drawn: list[HttpRoute], host: str, path: str) -> None:
    ir = _ir(drawn)
    assert _haproxy(ir, host, path) == _predicted(ir, host, path)


@pytest.mark.parametrize("read", [_ingress_nginx, _f5])
@settings(max_examples=400, deadline=None)
@given(routes(), st.sampled_from(ASKED_HOSTS), asked_paths)
def test_nginx_goes_through_its_locations_to_the_predicted_route(
    read: Callable[[Ir, str, str], str | None], drawn: list[HttpRoute], host: str, path: str
) -> None:
    ir = _ir(_by_host(drawn))
    if (found := read(ir, host, path)) is not None:
        assert found == (_predicted(ir, host, path) or "nobody")


def test_an_end_is_said_as_often_as_a_pattern_must_be_long() -> None:
    """And once where it is long enough by itself."""
    web = (HttpBackend("web", 80),)
    long = HttpPath("/v1/orders", False, web)
    paths = (HttpPath("/v[0-9]", False, web, True), long, HttpPath("/v1/[a-z]+/[a-z]+/x", False, web, True))
    ir = _ir([HttpRoute("shop", "r", ("a.test", "b.test"), paths), HttpRoute("shop", "p", ("c.test",), (long,))])
    (one, two), (three,) = ([r["http"]["paths"] for r in o["spec"]["rules"]] for _, o in haproxy.routes.ingresses(ir))
    assert [p["path"] for p in one] == ["/v[0-9]" + "$" * 11, "/v1/orders(/.*)?$", "/v1/[a-z]+/[a-z]+/x$"]
    assert two == one
    assert [(p["path"], p["pathType"]) for p in three] == [("/v1/orders", "Prefix")]


def test_letters_case_counts_and_a_pod_s_cookie_is_for_all_paths_of_ingress_nginx() -> None:
    web = (HttpBackend("web", 80),)
    paths = (HttpPath("/v[0-9]", False, web, True), HttpPath("/", False, web), HttpPath("/a", True, web))
    drawn = [HttpRoute("shop", "r", ("a.test",), paths, sticky="pod"), HttpRoute("shop", "p", ("b.test",), paths[1:])]
    patterned, plain = ingress_nginx.objects(_ir(drawn))
    said = {key.partition("/")[2]: value for key, value in patterned["metadata"]["annotations"].items()}
    assert (said["use-regex"], said["session-cookie-path"]) == ("true", "/")
    texts = [p["path"] for p in patterned["spec"]["rules"][0]["http"]["paths"]]
    assert texts == ["/{0}(?-i:/v[0-9])$", "/.*$", "/{0}(?-i:/a)" + "$" * 7]
    assert not any("regex" in key for key in plain["metadata"]["annotations"])
    assert {p["pathType"] for p in plain["spec"]["rules"][0]["http"]["paths"]} == {"Prefix", "Exact"}


def test_f5_nginx_s_location_of_a_prefix_alone_is_the_pattern_s_that_takes_it() -> None:
    """There NGINX would redirect to what is below the prefix before it asks any pattern."""
    web = (HttpBackend("web", 80),)
    ir = _ir([HttpRoute("shop", "r", ("a.test",), (HttpPath("/v1", False, web), HttpPath("/v.", False, web, True)))])
    (server,) = f5_nginx.routes.objects(ir)
    by_name = {upstream["name"]: upstream["service"] for upstream in server["spec"]["upstreams"]}
    found = [(route["path"], by_name[route["action"]["pass"]]) for route in server["spec"]["routes"]]
    assert found == [("/v1/", "s0"), ("=/v1", "s1"), ("~ ^(?:/v.)$", "s1")]
