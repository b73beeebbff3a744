"""The ways in from outside: exposure lists each, and explain says the same of each."""

import json
from pathlib import Path

import pytest
from analysis_support import Run

from netspec.analysis.exposure import exposures
from netspec.manifests.read import read_texts

POD = """\
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
"""


def service(spec: str, annotations: str = "{}") -> str:
    return (
        f"---\napiVersion: v1\nkind: Service\nmetadata: {{name: web, namespace: shop, annotations: {annotations}}}\n"
        f"spec: {{selector: {{app: web}}, ports: [{{port: 80, targetPort: 8080}}], {spec}}}\n"
    )


def policy(spec: str) -> str:
    head = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p, namespace: shop}\n"
    return f"---\n{head}spec: {{podSelector: {{}}, {spec}}}\n"


CLOSED = policy("policyTypes: [Ingress]")
FROM_203 = policy("ingress: [{from: [{ipBlock: {cidr: 203.0.113.0/24}}]}]")
INGRESS = (
    "---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: i, namespace: shop}\n"
    "spec: {defaultBackend: {service: {name: web, port: {number: 80}}}}\n"
)
DOORS = ("routes", "node-port", "load-balancer", "external-ip")


def exposed(*objects: str) -> list[tuple[str, str]]:
    reading = read_texts([("in.yaml", POD + "".join(objects))])
    assert reading.diagnostics == ()
    return [(e.scope, e.peer) for e in exposures(reading.inventory) if e.scope in DOORS]


NODE_PORT = ("node-port", "the outside, through node ports")
BALANCER = ("load-balancer", "the outside, through a load balancer")


@pytest.mark.parametrize(
    ("spec", "wanted"),
    [
        ("type: ClusterIP", []),
        ("type: NodePort", [NODE_PORT]),
        ("type: LoadBalancer", [BALANCER, NODE_PORT]),
        ("type: LoadBalancer, allocateLoadBalancerNodePorts: true", [BALANCER, NODE_PORT]),
        ("type: LoadBalancer, allocateLoadBalancerNodePorts: false", [BALANCER]),
        ("externalIPs: [192.0.2.1]", [("external-ip", "the outside, through external IPs")]),
        ("type: NodePort, externalIPs: [192.0.2.1]", [NODE_PORT, ("external-ip", "the outside, through external IPs")]),
        ("clusterIP: None, externalIPs: [192.0.2.1]", []),
        (
            "type: LoadBalancer, loadBalancerSourceRanges: [203.0.113.0/24, 198.51.100.0/24]",
            [("load-balancer", "203.0.113.0/24, 198.51.100.0/24, through a load balancer"), NODE_PORT],
        ),
        ("type: LoadBalancer, loadBalancerSourceRanges: [0.0.0.0/0]", [BALANCER, NODE_PORT]),
        ("type: NodePort, loadBalancerSourceRanges: [203.0.113.0/24]", [NODE_PORT]),
    ],
)
def test_every_door_of_a_service_is_listed(spec: str, wanted: list[tuple[str, str]]) -> None:
    assert exposed(service(spec), CLOSED) == wanted  # a node may reach its own pods, whatever the policies


def test_a_node_port_that_is_given_is_a_door_though_none_are_allocated() -> None:
    spec = "type: LoadBalancer, allocateLoadBalancerNodePorts: false"
    given = service(spec).replace("targetPort: 8080", "targetPort: 8080, nodePort: 30001")
    assert exposed(given, CLOSED) == [BALANCER, NODE_PORT]


def test_the_annotation_says_source_ranges_where_the_field_does_not() -> None:
    note = "{service.beta.kubernetes.io/load-balancer-source-ranges: '203.0.113.0/24, 198.51.100.0/24'}"
    found = exposed(service("type: LoadBalancer", note), CLOSED)
    assert found[0] == ("load-balancer", "203.0.113.0/24, 198.51.100.0/24, through a load balancer")


def test_where_the_clients_address_is_kept_the_policies_decide() -> None:
    local = "type: LoadBalancer, externalTrafficPolicy: Local"
    assert exposed(service(local), CLOSED) == []
    assert exposed(service(local), FROM_203) == [BALANCER, NODE_PORT]
    kept_out = service(f"{local}, loadBalancerSourceRanges: [198.51.100.0/24]")
    assert exposed(kept_out, FROM_203) == [NODE_PORT]


def asked(run: Run, tmp_path: Path, *words: str, objects: tuple[str, ...]) -> dict[str, str]:
    """Title -> verdict."""
    file = tmp_path / "in.yaml"
    file.write_text(POD + "".join(objects))
    code, out, error = run("explain", *words, "--manifests", str(file), "--output", "json")
    assert code == 0, error
    return {flow["flow"]: flow["verdict"] for flow in json.loads(out)["flows"]}


BY_NODE = "203.0.113.9 through node ports of Service shop/web -> shop/web 8080/TCP"
BY_BALANCER = "203.0.113.9 through a load balancer of Service shop/web -> shop/web 8080/TCP"
DIRECT = "203.0.113.9 -> shop/web 8080/TCP"


@pytest.mark.parametrize(
    ("spec", "guard", "wanted"),
    [
        ("type: NodePort", CLOSED, {DIRECT: "deny", BY_NODE: "undefined"}),
        ("type: NodePort", FROM_203, {DIRECT: "allow", BY_NODE: "allow"}),
        ("type: NodePort, externalTrafficPolicy: Local", CLOSED, {DIRECT: "deny", BY_NODE: "deny"}),
        (
            "type: LoadBalancer, loadBalancerSourceRanges: [203.0.113.0/24]",
            CLOSED,
            {DIRECT: "deny", BY_BALANCER: "undefined", BY_NODE: "undefined"},
        ),
        (
            "type: LoadBalancer, loadBalancerSourceRanges: [198.51.100.0/24], allocateLoadBalancerNodePorts: false",
            CLOSED,
            {DIRECT: "deny"},
        ),
        ("type: ClusterIP", CLOSED, {DIRECT: "deny"}),
    ],
)
def test_explain_knows_the_doors(spec: str, guard: str, wanted: dict[str, str], run: Run, tmp_path: Path) -> None:
    found = asked(run, tmp_path, "203.0.113.9", "shop/web", "8080", objects=(service(spec), guard))
    assert found == wanted


def test_a_door_is_to_its_own_port(run: Run, tmp_path: Path) -> None:
    objects = (service("type: NodePort"), CLOSED)
    assert asked(run, tmp_path, "203.0.113.9", "shop/web", "81", objects=objects) == {
        "203.0.113.9 -> shop/web 81/TCP": "deny"
    }
    assert BY_NODE in asked(run, tmp_path, "203.0.113.9", "service:shop/web", "80", objects=objects)


@pytest.mark.parametrize(
    ("objects", "wanted"),
    [
        ((service("type: ClusterIP"), INGRESS), "allow"),
        ((service("type: ClusterIP"), INGRESS, CLOSED), "deny"),
        (
            (service("type: ClusterIP"), INGRESS, policy("ingress: [{from: [{podSelector: {}}]}]")),
            "undefined",
        ),
        ((service("type: ClusterIP"), INGRESS, policy("ingress: [{from: [{namespaceSelector: {}}]}]")), "allow"),
    ],
)
def test_explain_says_of_the_ingress_what_the_matrix_says(
    objects: tuple[str, ...], wanted: str, run: Run, tmp_path: Path
) -> None:
    title = "ingress through Ingress shop/i -> shop/web 8080/TCP"
    assert asked(run, tmp_path, "ingress", "shop/web", objects=objects) == {title: wanted}
    assert asked(run, tmp_path, "ingress", "shop/web", "8080", objects=objects) == {title: wanted}
    file = str(tmp_path / "in.yaml")
    rows = json.loads(run("matrix", "--manifests", file, "--output", "json")[1])["connections"]
    said = {k for row in rows if row["source"] == "ingress" for k in ("allow", "undefined") if k in row}
    assert said == ({wanted} if wanted != "deny" else set())


def test_where_no_route_leads_nothing_gets_in(run: Run, tmp_path: Path) -> None:
    objects = (service("type: ClusterIP"), INGRESS)
    assert asked(run, tmp_path, "ingress", "shop/web", "81", objects=objects) == {"ingress -> shop/web 81/TCP": "deny"}
    file = str(tmp_path / "in.yaml")
    assert "no route leads there" in run("explain", "ingress", "shop/web", "81", "--manifests", file)[1]


@pytest.mark.parametrize("guard", [CLOSED, FROM_203, policy("ingress: [{}]")], ids=["closed", "some", "open"])
@pytest.mark.parametrize(
    "spec",
    [
        "type: NodePort",
        "type: LoadBalancer",
        "type: LoadBalancer, externalTrafficPolicy: Local",
        "type: LoadBalancer, loadBalancerSourceRanges: [203.0.113.0/24], allocateLoadBalancerNodePorts: false",
        "externalIPs: [192.0.2.1]",
    ],
)
def test_explain_and_exposure_agree_about_every_door(spec: str, guard: str, run: Run, tmp_path: Path) -> None:
    objects = (service(spec), guard, INGRESS)
    listed = {scope for scope, _ in exposed(*objects)}
    words = {"routes": "Ingress", "node-port": "node ports", "load-balancer": "balancer", "external-ip": "external IPs"}
    for sources in (("203.0.113.9", "192.0.2.77"), ("external",)):
        passing = {
            scope
            for source in sources
            for title, verdict in asked(run, tmp_path, source, "shop/web", objects=objects).items()
            for scope, word in words.items()
            if word in title and verdict != "deny"
        }
        assert passing == listed
