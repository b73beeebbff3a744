"""What is behind a Service: pods, EndpointSlices and Endpoints, and the Service that it is a name for."""

from pathlib import Path

import pytest
from analysis_support import Run

from netspec.analysis.lint import lint
from netspec.analysis.services import Endpoints
from netspec.ir.model import Inventory
from netspec.manifests.read import read_texts

PODS = """\
apiVersion: v1
kind: Pod
metadata: {name: db-0, namespace: data, labels: {app: db}}
spec: {containers: [{name: c, ports: [{name: sql, containerPort: 5432}]}]}
status: {podIP: 10.244.1.7, phase: Running}
---
apiVersion: v1
kind: Pod
metadata: {name: app, namespace: data, labels: {app: app}}
spec: {containers: [{name: c}]}
status: {podIP: 10.244.1.8, phase: Running}
"""


def service(spec: str, name: str = "db", namespace: str = "data") -> str:
    return f"---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec: {spec}\n"


def slices(body: str, labels: str = "kubernetes.io/service-name: db", name: str = "db-1") -> str:
    head = f"metadata: {{name: {name}, namespace: data, labels: {{{labels}}}}}"
    return f"---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n{head}\naddressType: IPv4\n{body}\n"


def read(*objects: str) -> Inventory:
    reading = read_texts([("in.yaml", PODS + "".join(objects))])
    assert reading.diagnostics == ()
    return reading.inventory


def behind(*objects: str, name: str = "data/db") -> list[tuple[str, int]]:
    endpoints = Endpoints(read(*objects))
    found = endpoints.find(name)
    assert found is not None
    return [(str(e.end), e.number) for e in endpoints.of_service(found)]


PG = "{ports: [{name: pg, port: 15432}]}"
OUTSIDE = "ports: [{name: pg, port: 5432}]\nendpoints: [{addresses: [198.51.100.9]}]"


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (OUTSIDE, [("198.51.100.9", 5432)]),
        ("ports: [{name: pg, port: 5432}]\nendpoints: [{addresses: [10.244.1.7]}]", [("data/db-0", 5432)]),
        (
            "ports: [{name: pg, port: 5432}]\n"
            "endpoints: [{addresses: [10.9.9.9], targetRef: {kind: Pod, name: app, namespace: data}}]",
            [("data/app", 5432)],
        ),
        ("ports: [{name: pg}]\nendpoints: [{addresses: [198.51.100.9]}]", [("198.51.100.9", 15432)]),
        ("ports: [{name: other, port: 5432}]\nendpoints: [{addresses: [198.51.100.9]}]", []),
        ("ports: [{name: pg, port: 5432, protocol: UDP}]\nendpoints: [{addresses: [198.51.100.9]}]", []),
        ("ports: [{name: pg, port: 1}]\nendpoints: [{addresses: [198.51.100.9], conditions: {ready: false}}]", []),
        (
            "ports: [{name: pg, port: 1}]\nendpoints: [{addresses: [198.51.100.9], conditions: {ready: null}}]",
            [("198.51.100.9", 1)],
        ),
        ("ports: []\nendpoints: [{addresses: [198.51.100.9]}]", []),
        ("ports: [{name: pg, port: 1}]\nendpoints: null", []),
    ],
)
def test_a_service_without_a_selector_has_the_endpoints_of_its_slices(body: str, wanted: list[tuple[str, int]]) -> None:
    assert behind(service(PG), slices(body)) == wanted


def test_a_port_without_a_name_is_the_port_without_a_name() -> None:
    unnamed = service("{ports: [{port: 5432}]}")
    assert behind(unnamed, slices("ports: [{port: 1}]\nendpoints: [{addresses: [198.51.100.9]}]")) == [
        ("198.51.100.9", 1)
    ]
    assert behind(unnamed, slices(OUTSIDE)) == []


def test_slices_of_other_services_and_of_names_are_none_of_its() -> None:
    assert behind(service(PG), slices(OUTSIDE, "kubernetes.io/service-name: other")) == []
    assert behind(service(PG), slices(OUTSIDE, "")) == []
    assert behind(service(PG), slices(OUTSIDE.replace("198.51.100.9", "db.example")).replace("IPv4", "FQDN")) == []


def test_several_slices_add_up_and_an_endpoint_counts_once() -> None:
    other = "ports: [{name: pg, port: 5432}]\nendpoints: [{addresses: [198.51.100.9]}, {addresses: [198.51.100.10]}]"
    assert behind(service(PG), slices(OUTSIDE), slices(other, name="db-2")) == [
        ("198.51.100.9", 5432),
        ("198.51.100.10", 5432),
    ]


ENDPOINTS = (
    "---\napiVersion: v1\nkind: Endpoints\nmetadata: {name: db, namespace: data}\n"
    "subsets: [{addresses: [{ip: 198.51.100.9}], notReadyAddresses: [{ip: 198.51.100.10}], "
    "ports: [{name: pg, port: 5432}]}]\n"
)


def test_endpoints_are_endpoints_and_their_mirror_adds_none() -> None:
    mirror = "kubernetes.io/service-name: db, endpointslice.kubernetes.io/managed-by: "
    mirror += "endpointslicemirroring-controller.k8s.io"
    assert behind(service(PG), ENDPOINTS) == [("198.51.100.9", 5432)]
    assert behind(service(PG), ENDPOINTS, slices(OUTSIDE, mirror)) == [("198.51.100.9", 5432)]


SELECTING = "{selector: {app: db}, ports: [{name: pg, port: 80, targetPort: sql}]}"


def test_beside_a_selector_only_slices_count_that_no_controller_wrote() -> None:
    written = "kubernetes.io/service-name: db, endpointslice.kubernetes.io/managed-by: endpointslice-controller.k8s.io"
    assert behind(service(SELECTING), slices(OUTSIDE, written), ENDPOINTS) == [("data/db-0", 5432)]
    assert behind(service(SELECTING), slices(OUTSIDE)) == [("data/db-0", 5432), ("198.51.100.9", 5432)]


def test_a_headless_service_stands_for_addresses_whatever_its_ports() -> None:
    headless = service("{clusterIP: None, ports: [{name: pg, port: 80, targetPort: 1}]}")
    endpoints = Endpoints(read(headless, slices(OUTSIDE)))
    assert [str(end) for end in endpoints.addresses(endpoints.find("data/db"))] == ["198.51.100.9"]  # type: ignore[arg-type]


# Names


def external(name: str, target: str, ports: str = "") -> str:
    return service(f"{{type: ExternalName, externalName: {target}{', ports: ' + ports if ports else ''}}}", name)


@pytest.mark.parametrize(
    ("objects", "wanted"),
    [
        ([external("a", "db.data.svc.cluster.local")], "data/db"),
        ([external("a", "db-0.db.data.svc.cluster.local.")], "data/db"),
        ([external("a", "b.data.svc.cluster.local"), external("b", "db.data.svc.cluster.local")], "data/db"),
        ([external("a", "db.example.com")], None),
        ([external("a", "gone.data.svc.cluster.local")], None),
        ([external("a", "a.data.svc.cluster.local")], None),
        ([external("a", "b.data.svc.cluster.local"), external("b", "a.data.svc.cluster.local")], None),
        ([external("a", "b.data.svc.cluster.local"), external("b", "db.example.com")], None),
    ],
)
def test_an_external_name_inside_the_cluster_is_followed(objects: list[str], wanted: str | None) -> None:
    endpoints = Endpoints(read(service(SELECTING), *objects))
    start = endpoints.find("data/a")
    assert start is not None
    found = endpoints.followed(start)
    assert (found.id if found else None) == wanted


def test_a_route_to_an_external_name_leads_to_what_it_is_a_name_for() -> None:
    ingress = (
        "---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: i, namespace: data}\n"
        "spec: {defaultBackend: {service: {name: a, port: {%s}}}}\n"
    )
    alias = external("a", "db.data.svc.cluster.local", "[{name: web, port: 80}]")
    for port, wanted in (("number: 80", ["data/db-0"]), ("name: web", ["data/db-0"]), ("number: 81", [])):
        inventory = read(service(SELECTING), alias, ingress % port)
        found = Endpoints(inventory).of_route(inventory.routes[0])
        assert [str(e.end) for e in found] == wanted


def test_a_name_that_leads_nowhere_is_a_finding() -> None:
    found = [
        (f.subject, f.message)
        for f in lint(read(external("a", "gone.data.svc.cluster.local"), external("b", "x.example.com")))
        if f.code == "NL012"
    ]
    assert found == [("data/a", "it is a name for Service data/gone, which is not there or leads back to it")]


# explain


def explained(run: Run, tmp_path: Path, words: tuple[str, ...], *objects: str) -> str:
    file = tmp_path / "in.yaml"
    file.write_text(PODS + "".join(objects))
    _, out, error = run("explain", *words, "--manifests", str(file))
    return out.splitlines()[0] if out else error.splitlines()[0]


LOCK = """\
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: out, namespace: data}
spec:
  podSelector: {matchLabels: {app: app}}
  policyTypes: [Egress]
  egress: [{to: [{ipBlock: {cidr: 198.51.100.9/32}}]}]
"""


@pytest.mark.parametrize(
    ("words", "objects", "wanted"),
    [
        (
            ("data/app", "service:data/db", "15432"),
            [service(PG), slices(OUTSIDE), LOCK],
            "data/app -> service:data/db 15432/TCP (198.51.100.9 5432): allowed",
        ),
        (
            ("data/app", "service:data/db"),
            [service(PG), slices(OUTSIDE.replace(".9]", ".10]")), LOCK],
            "data/app -> service:data/db 15432/TCP (198.51.100.10 5432): denied",
        ),
        (
            ("data/app", "service:data/db"),
            [service(PG)],
            "error: nothing answers at Service data/db: it has no endpoints: it has no selector, "
            "and no EndpointSlice of it was given",
        ),
        (
            ("data/app", "service:data/a", "80"),
            [service(SELECTING), external("a", "db.data.svc.cluster.local")],
            "data/app -> service:data/a (a name for data/db) 80/TCP (data/db-0 5432): allowed",
        ),
        (
            ("data/app", "service:data/a", "80"),
            [external("a", "b.data.svc.cluster.local"), external("b", "a.data.svc.cluster.local")],
            "error: Service data/a is a name for Service data/b, whose name comes back to itself or goes outside",
        ),
        (
            ("data/app", "service:data/db", "1"),
            [service("{clusterIP: None, selector: {app: db}, ports: [{port: 80, targetPort: sql}]}")],
            "data/app -> service:data/db (data/db-0) 1/TCP: allowed",
        ),
        (
            ("data/app", "service:data/db", "80"),
            [service(SELECTING.replace("{selector", "{internalTrafficPolicy: Local, selector"))],
            "data/app -> service:data/db 80/TCP (data/db-0 5432): left open: internalTrafficPolicy Local: "
            "only an endpoint on the source's own node answers",
        ),
    ],
)
def test_explain_goes_where_a_flow_to_the_service_goes(
    words: tuple[str, ...], objects: list[str], wanted: str, run: Run, tmp_path: Path
) -> None:
    assert explained(run, tmp_path, words, *objects) == wanted
