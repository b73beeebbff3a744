"""Services of manifests as a spec has them."""

from typing import Any

import pytest
from import_support import (
    deployment,
    imported,
    meaning,
    namespace,
    said,
    service,
    spec,
)

from netspec.diagnostics import Position
from netspec.importing.convert import Imported

SHOP = namespace("shop")
POD_LABELS = {"app": "web", "pod-template-hash": "5d4f8", "controller-revision-hash": "1"}


def workloads(found: Imported) -> dict[str, dict[str, Any]]:
    """By id, without name and namespace."""
    meaning(found)
    listed = spec(found).get("workloads", [])
    return {f"{w.pop('namespace')}/{w.pop('name')}": w for w in listed}


def services(found: Imported) -> list[dict[str, Any]]:
    meaning(found)
    listed: list[dict[str, Any]] = spec(found).get("services", [])
    return listed


WEB = deployment("web", ports=[("http", 8080)])


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"ports": [{"port": 80, "targetPort": "http"}]}, {"ports": [{"port": 80, "targetPort": "http"}]}),
        ({"ports": [{"port": 8080, "targetPort": 8080}]}, {"ports": [{"port": 8080}]}),
        (
            {"type": "NodePort", "externalTrafficPolicy": "Local", "ports": [{"port": 8080, "nodePort": 30080}]},
            {"type": "NodePort", "externalTrafficPolicy": "Local", "ports": [{"port": 8080, "nodePort": 30080}]},
        ),
        (
            {"clusterIP": "None", "publishNotReadyAddresses": True, "ports": [{"port": 8080}]},
            {"clusterIP": "None", "publishNotReadyAddresses": True, "ports": [{"port": 8080}]},
        ),
        ({"clusterIP": "None", "ports": None}, {"clusterIP": "None"}),
        (
            {"type": "ExternalName", "externalName": "example.com", "selector": None, "ports": None},
            {"type": "ExternalName", "externalName": "example.com", "selector": None},
        ),
    ],
)
def test_a_service_is_as_it_was_read(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    found = imported([SHOP, WEB, service("web", **fields)])
    base = {"name": "web", "namespace": "shop", "selector": {"app": "web"}}
    assert services(found) == [{k: v for k, v in (base | expected).items() if v is not None}]
    assert said(found) == set()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("externalIPs", ["192.0.2.1"]),
        ("sessionAffinity", "ClientIP"),
        ("internalTrafficPolicy", "Local"),
        ("ipFamilyPolicy", "PreferDualStack"),
        ("trafficDistribution", "PreferClose"),
    ],
)
def test_further_fields_are_as_they_were_read(field: str, value: Any) -> None:
    found = imported([SHOP, WEB, service("web", ports=[{"port": 8080, "appProtocol": "http"}], **{field: value})])
    (made,) = services(found)
    assert made[field] == value and made["ports"] == [{"port": 8080, "appProtocol": "http"}]
    assert said(found) == set()


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("loadBalancerClass", "a/b", "loadBalancerClass does nothing for this type of Service"),
        ("ipFamilies", ["IPv6"], "a spec's cluster has one address family, IPv4"),
        ("ipFamilyPolicy", "RequireDualStack", "a spec's cluster has one address family, IPv4"),
        ("topologyKeys", ["zone"], "the spec's Services have no topologyKeys"),
    ],
)
def test_fields_that_a_specs_service_lacks_are_listed_with_their_line(field: str, value: Any, why: str) -> None:
    document = f"apiVersion: v1\nkind: Service\nmetadata: {{name: web, namespace: shop}}\nspec:\n  {field}: {value}\n"
    document += "  selector: {app: web}\n  ports: [{port: 8080}]\n"
    found = imported(document)
    assert [(s["name"]) for s in services(found)] == ["web"]
    (remark,) = (r for r in found.draft.remarks if r.kind == "lost")
    assert (remark.what, remark.why) == ("Service shop/web", why)
    assert remark.where == Position("k8s.yaml", 5, 3)


def test_what_the_api_server_fills_in_is_not_listed() -> None:
    defaults = {"sessionAffinity": "None", "internalTrafficPolicy": "Cluster", "ipFamilies": ["IPv4"]}
    body = service("web", ports=[{"port": 8080}], clusterIP="10.96.7.7", clusterIPs=["10.96.7.7"], **defaults)
    body["metadata"]["uid"] = "4c1b"
    assert said(imported([SHOP, WEB, body])) == set()
    del body["metadata"]["uid"]
    assert said(imported([SHOP, WEB, body])) == {
        ("Service shop/web", "its address is left to the API server: write clusterIP if it must keep it")
    }


def test_a_load_balancer_is_node_ports_where_nothing_gives_it_an_address() -> None:
    found = imported([SHOP, WEB, service("web", type="LoadBalancer", ports=[{"port": 8080}])])
    assert services(found)[0]["type"] == "NodePort"
    why = "it is of type NodePort in the spec: stack dev gives no load balancer an address"
    assert said(found) == {("Service shop/web", why)}


def test_ports_of_sctp_are_as_they_were_read() -> None:
    both = service("web", ports=[{"name": "a", "port": 8080}, {"name": "b", "port": 7, "protocol": "SCTP"}])
    found = imported([SHOP, deployment("web", ports=[("http", 8080)]), both])
    (made,) = services(found)
    assert made["ports"] == [{"name": "a", "port": 8080}, {"name": "b", "port": 7, "protocol": "SCTP"}]
    assert {"port": 7, "protocol": "SCTP"} in workloads(found)["shop/web"]["ports"]


def test_what_is_for_load_balancers_goes_where_none_gives_an_address() -> None:
    fields = {"type": "LoadBalancer", "loadBalancerClass": "example.com/lb", "ports": [{"port": 8080}]}
    found = imported([SHOP, WEB, service("web", **fields)])
    (made,) = services(found)
    assert made["type"] == "NodePort" and "loadBalancerClass" not in made
    assert ("Service shop/web", "loadBalancerClass is for type LoadBalancer") in said(found, "lost")


def test_a_service_without_selector_is_kept_without_its_endpoints() -> None:
    found = imported([SHOP, WEB, service("db", selector=None)])
    assert services(found) == [{"name": "db", "namespace": "shop", "ports": [{"port": 80}]}]
    assert said(found) == {
        ("Service shop/db", "it has no selector, and no endpoints that are addresses outside were given")
    }


def endpoint_slice(*addresses: str, port: int = 5432, **more: Any) -> dict[str, Any]:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "db-1", "namespace": "shop", "labels": {"kubernetes.io/service-name": "db"}},
        "addressType": "IPv4",
        "ports": [{"name": "pg", "port": port}],
        "endpoints": [{"addresses": [a]} for a in addresses],
    } | more


def test_addresses_behind_a_service_without_selector_are_its_endpoints() -> None:
    db = service("db", selector=None, ports=[{"name": "pg", "port": 5432}])
    found = imported([SHOP, WEB, db, endpoint_slice("192.0.2.6", "192.0.2.5", port=15432)])
    (made,) = services(found)
    assert made["endpoints"] == [{"addresses": ["192.0.2.5", "192.0.2.6"]}]
    assert made["ports"] == [{"name": "pg", "port": 5432, "targetPort": 15432}]
    assert said(found) == set()


def test_a_port_that_a_service_leads_to_is_declared() -> None:
    """containerPorts are informative; a spec that declares some and not this one would be an error (NS305)."""
    found = imported([SHOP, WEB, service("web", ports=[{"port": 80, "targetPort": 9090}])])
    assert workloads(found)["shop/web"]["ports"] == [{"name": "http", "port": 8080}, {"port": 9090}]
    why = "Service shop/web leads to its port 9090/TCP: it declares that in the spec"
    assert said(found) == {("workload shop/web", why)}


def test_what_a_rule_refuses_is_left_out_and_said_with_its_code() -> None:
    found = imported([SHOP, WEB, service("web", ports=[{"port": 80, "targetPort": "grpc"}])])
    assert services(found) == []
    assert said(found) == {("Service shop/web", "no selected workload listens on grpc/TCP [NS305]")}
