"""Which routes a Gateway takes, by the Gateway API's own rules, and which Services they may then send to.

The rules are the descriptions of the fields in gateway-api, apis/v1 (gateway_types.go, shared_types.go,
httproute_types.go) and apis/v1beta1/referencegrant_types.go."""

import json
from typing import Any

import pytest

from netspec.analysis.exposure import exposures
from netspec.analysis.matrix import INGRESS, Matrix
from netspec.manifests.missing import missing
from netspec.manifests.read import Reading, read_texts

GROUP = "gateway.networking.k8s.io"
Obj = dict[str, Any]


def made(version: str, kind: str, name: str, namespace: str, spec: Obj, **metadata: Any) -> Obj:
    return {
        "apiVersion": version,
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace, **metadata},
        "spec": spec,
    }


def pod(namespace: str) -> Obj:
    spec = {"containers": [{"name": "c", "ports": [{"containerPort": 8080}]}]}
    return made("v1", "Pod", "web", namespace, spec, labels={"app": "web"})


def service(namespace: str, protocol: str = "TCP") -> Obj:
    ports = [{"port": 80, "targetPort": 8080, "protocol": protocol}]
    return made("v1", "Service", "web", namespace, {"selector": {"app": "web"}, "ports": ports})


def gateway(*listeners: Obj) -> Obj:
    return made(f"{GROUP}/v1", "Gateway", "edge", "infra", {"gatewayClassName": "gc", "listeners": list(listeners)})


def listener(**more: Any) -> Obj:
    return {"name": "main", "port": 80, "protocol": "HTTP", **more}


def namespaces(**wanted: Any) -> Obj:
    return {"allowedRoutes": {"namespaces": wanted}}


def route(
    namespace: str = "team", kind: str = "HTTPRoute", parent: Obj | None = None, backend: Obj | None = None, **spec: Any
) -> Obj:
    parents = [{"name": "edge", "namespace": "infra", **(parent or {})}]
    reference = {"name": "web", "port": 80, **(backend or {})}
    return made(
        f"{GROUP}/v1", kind, "r", namespace, {"parentRefs": parents, "rules": [{"backendRefs": [reference]}], **spec}
    )


def namespace(name: str, **labels: str) -> Obj:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def read(*objects: Obj) -> Reading:
    reading = read_texts([("in.json", json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}))])
    assert reading.diagnostics == ()
    return reading


def led_in(*objects: Obj, protocol: str = "TCP") -> dict[str, str]:
    """Workload -> allow or undefined, of what the routes of the objects lead to."""
    pods = [pod("team"), pod("infra"), service("team", protocol), service("infra", protocol)]
    document = json.loads("".join(Matrix(read(*pods, *objects).inventory).to_json()))
    rows = [c for c in document["connections"] if c["source"] == INGRESS]
    return {c["destination"]: "allow" if "allow" in c else "undefined" for c in rows}


YES, NO, PERHAPS = {"team/web": "allow"}, {}, {"team/web": "undefined"}
ALL = namespaces(**{"from": "All"})
SELECTED = namespaces(**{"from": "Selector", "selector": {"matchLabels": {"edge": "yes"}}})
BY_NAME = namespaces(**{"from": "Selector", "selector": {"matchLabels": {"kubernetes.io/metadata.name": "team"}}})


@pytest.mark.parametrize(
    ("listeners", "more", "wanted"),
    [
        ([listener()], [], NO),  # absent is Same
        ([listener(allowedRoutes={})], [], NO),
        ([listener(allowedRoutes=None)], [], NO),
        ([listener(**namespaces())], [], NO),
        ([listener(**namespaces(**{"from": "Same"}))], [], NO),
        ([listener(**namespaces(**{"from": "None"}))], [], NO),
        ([listener(**ALL)], [], YES),
        ([listener(), listener(name="other", port=8080, **ALL)], [], YES),
        ([listener(**SELECTED)], [namespace("team", edge="yes")], YES),
        ([listener(**SELECTED)], [namespace("team")], NO),
        ([listener(**SELECTED)], [], PERHAPS),  # its Namespace was not given
        ([listener(**BY_NAME)], [], YES),
        ([listener(**namespaces(**{"from": "Selector"}))], [], NO),
        ([], [], NO),
    ],
)
def test_a_listener_takes_routes_of_the_namespaces_that_it_allows(
    listeners: list[Obj], more: list[Obj], wanted: dict[str, str]
) -> None:
    assert led_in(gateway(*listeners), route(), *more) == wanted


def test_a_route_of_the_gateways_own_namespace_is_taken_by_default() -> None:
    assert led_in(gateway(listener()), route("infra")) == {"infra/web": "allow"}


@pytest.mark.parametrize(
    ("parent", "wanted"),
    [
        ({"sectionName": "main"}, YES),
        ({"sectionName": "closed"}, NO),
        ({"sectionName": "none"}, NO),
        ({"port": 80}, YES),
        ({"port": 81}, NO),
        ({"port": 82}, NO),
        ({"sectionName": "main", "port": 80}, YES),
        ({"sectionName": "main", "port": 81}, NO),
        ({"group": GROUP, "kind": "Gateway"}, YES),
        ({"group": None, "kind": None}, YES),
        ({"group": "", "kind": "Service", "name": "web"}, NO),  # a mesh's
        ({"name": "absent"}, PERHAPS),
        ({"kind": "ListenerSet"}, PERHAPS),  # not read
        ({"group": "example.com"}, PERHAPS),
    ],
)
def test_a_parent_names_listeners_by_section_and_port(parent: Obj, wanted: dict[str, str]) -> None:
    listeners = [listener(**ALL), listener(name="closed", port=81)]
    assert led_in(gateway(*listeners), route(parent=parent)) == wanted


@pytest.mark.parametrize(
    ("kind", "protocol", "tls", "kinds", "taken"),
    [
        ("HTTPRoute", "HTTP", None, None, True),
        ("HTTPRoute", "HTTPS", None, None, True),
        ("GRPCRoute", "HTTPS", None, None, True),
        ("TCPRoute", "HTTP", None, None, False),
        ("TCPRoute", "TCP", None, None, True),
        ("HTTPRoute", "TCP", None, None, False),
        ("UDPRoute", "UDP", None, None, True),
        ("UDPRoute", "TCP", None, None, False),
        ("TLSRoute", "TLS", "Passthrough", None, True),
        ("TCPRoute", "TLS", "Passthrough", None, False),
        ("TCPRoute", "TLS", "Terminate", None, True),
        ("HTTPRoute", "TLS", "Terminate", None, False),
        ("HTTPRoute", "HTTP", None, [{"kind": "HTTPRoute"}], True),
        ("HTTPRoute", "HTTP", None, [{"kind": "GRPCRoute"}], False),
        ("HTTPRoute", "HTTP", None, [{"group": "example.com", "kind": "HTTPRoute"}], False),
        ("GRPCRoute", "HTTP", None, [{"kind": "HTTPRoute"}, {"group": GROUP, "kind": "GRPCRoute"}], True),
        ("TCPRoute", "HTTP", None, [{"kind": "TCPRoute"}], False),
    ],
)
def test_a_listener_takes_the_kinds_that_its_protocol_carries_and_it_allows(
    kind: str, protocol: str, tls: str | None, kinds: list[Obj] | None, taken: bool
) -> None:
    allowed = {"namespaces": {"from": "All"}, **({"kinds": kinds} if kinds else {})}
    more = {"tls": {"mode": tls}} if tls else {}
    found = listener(protocol=protocol, allowedRoutes=allowed, **more)
    target = "UDP" if kind == "UDPRoute" else "TCP"
    assert led_in(gateway(found), route(kind=kind), protocol=target) == (YES if taken else NO)


def test_of_a_protocol_of_the_implementations_own_it_is_not_known() -> None:
    assert led_in(gateway(listener(protocol="example.com/proto", **ALL)), route()) == PERHAPS


@pytest.mark.parametrize(
    ("hostname", "hostnames", "taken"),
    [
        (None, ["a.example.com"], True),
        ("a.example.com", None, True),
        ("a.example.com", ["a.example.com"], True),
        ("A.example.com", ["a.EXAMPLE.com"], True),
        ("a.example.com", ["b.example.com"], False),
        ("a.example.com", ["b.example.com", "*.example.com"], True),
        ("*.example.com", ["a.example.com"], True),
        ("*.example.com", ["a.b.example.com"], True),
        ("*.example.com", ["example.com"], False),
        ("*.example.com", ["*.example.com"], True),
        ("*.example.com", ["*.a.example.com"], True),
        ("*.a.example.com", ["*.example.com"], True),
        ("*.example.com", ["a.example.net"], False),
        ("*.example.com", ["badexample.com"], False),
    ],
)
def test_a_hostname_of_the_route_must_be_one_of_the_listener(
    hostname: str | None, hostnames: list[str] | None, taken: bool
) -> None:
    found = listener(**ALL, **({"hostname": hostname} if hostname else {}))
    more = {"hostnames": hostnames} if hostnames else {}
    assert led_in(gateway(found), route(**more)) == (YES if taken else NO)


def test_of_several_parents_one_is_enough() -> None:
    found = route()
    found["spec"]["parentRefs"] = [
        {"name": "web", "kind": "Service", "group": ""},
        {"name": "edge", "namespace": "infra"},
    ]
    assert led_in(gateway(listener(**ALL)), found) == YES
    assert led_in(gateway(listener()), found) == NO


# Backends and grants


@pytest.mark.parametrize(
    ("backend", "led"),
    [
        ({}, True),
        ({"group": "", "kind": "Service"}, True),
        ({"group": None, "kind": None}, True),
        ({"group": "core"}, False),
        ({"group": "example.com", "kind": "Service"}, False),
        ({"group": "multicluster.x-k8s.io", "kind": "ServiceImport"}, False),
        ({"kind": "Bucket"}, False),
        ({"weight": 0}, False),
    ],
)
def test_a_backend_is_a_service_of_the_core_group(backend: Obj, led: bool) -> None:
    assert led_in(gateway(listener(**ALL)), route(backend=backend)) == (YES if led else NO)


def grant(source: Obj, target: Obj, namespace: str = "infra") -> Obj:
    came = {"group": GROUP, "kind": "HTTPRoute", "namespace": "team", **source}
    goes = {"group": "", "kind": "Service", **target}
    return made(f"{GROUP}/v1beta1", "ReferenceGrant", "g", namespace, {"from": [came], "to": [goes]})


@pytest.mark.parametrize(
    ("source", "target", "home", "granted"),
    [
        ({}, {}, "infra", True),
        ({}, {"name": "web"}, "infra", True),
        ({}, {"name": "other"}, "infra", False),
        ({}, {"name": ""}, "infra", True),
        ({"kind": "GRPCRoute"}, {}, "infra", False),
        ({"namespace": "infra"}, {}, "infra", False),
        ({"group": ""}, {}, "infra", False),
        ({"group": "example.com"}, {}, "infra", False),
        ({}, {"kind": "Secret"}, "infra", False),
        ({}, {"group": "example.com"}, "infra", False),
        ({}, {}, "team", False),  # it is the target's namespace that grants
    ],
)
def test_a_backend_of_another_namespace_needs_a_grant_there_for_both_ends(
    source: Obj, target: Obj, home: str, granted: bool
) -> None:
    found = route(backend={"namespace": "infra"})
    wanted = {"infra/web": "allow"} if granted else {}
    assert led_in(gateway(listener(**ALL)), found, grant(source, target, home)) == wanted


def test_who_is_asked_and_who_gets_copies_is_led_to_as_well() -> None:
    for kind in ("requestMirror", "externalAuth"):
        rule = {"backendRefs": [], "filters": [{"type": "x", kind: {"backendRef": {"name": "web", "port": 80}}}]}
        assert led_in(gateway(listener(**ALL)), route(rules=[rule])) == YES


def test_what_is_not_known_of_a_route_is_said_once() -> None:
    objects = [pod("team"), service("team"), route(parent={"name": "absent"})]
    (said,) = missing(read(*objects).inventory)
    assert "whether a Gateway takes HTTPRoute team/r is not known" in said.message
    assert said.hint == "add Gateways and Namespaces: kubectl get gateways,namespaces --all-namespaces -o yaml"


def test_exposure_names_the_route() -> None:
    objects = [pod("team"), service("team"), gateway(listener(**ALL)), route()]
    rows = [(e.workload, e.by, e.ports) for e in exposures(read(*objects).inventory) if e.scope == "routes"]
    assert rows == [("team/web", "HTTPRoute team/r", {"TCP": ((8080, 8080),)})]
