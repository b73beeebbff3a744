"""The command explain: ports by name, Services that nothing is behind, and what comes in through routes."""

import json
from pathlib import Path

import pytest
from analysis_support import Run

from netspec.cli import OK, USAGE

CLUSTER = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: api, namespace: shop}
spec:
  template:
    metadata: {labels: {app: api}}
    spec:
      containers:
      - name: c
        ports: [{name: http, containerPort: 8080}, {name: dns, containerPort: 5353, protocol: UDP}]
      - {name: d, ports: [{name: dns, containerPort: 5353}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c, ports: [{containerPort: 9090}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: api, namespace: shop}
spec:
  selector: {app: api}
  ports: [{name: web, port: 80, targetPort: http}, {name: dns, port: 53, protocol: UDP, targetPort: nothing}]
---
apiVersion: v1
kind: Service
metadata: {name: empty, namespace: shop}
spec: {selector: {app: nobody}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: names, namespace: shop}
spec: {clusterIP: None, selector: {app: api}, ports: [{name: web, port: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: alias, namespace: shop}
spec: {type: ExternalName, externalName: api.shop.svc.cluster.local}
---
apiVersion: v1
kind: Service
metadata: {name: bare, namespace: shop}
spec: {ports: [{port: 80}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: api, namespace: shop}
spec:
  podSelector: {matchLabels: {app: api}}
  ingress:
  - {from: [{namespaceSelector: {}}], ports: [{port: http}]}
  - {from: [{podSelector: {}}], ports: [{port: 5353, protocol: UDP}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: front, namespace: shop}
spec:
  defaultBackend: {service: {name: api, port: {number: 80}}}
  rules: [{http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: api, port: {name: web}}}}]}}]
"""


LED = "ingress through Ingress shop/front -> shop/api 8080/TCP: allowed"


@pytest.fixture
def named(tmp_path: Path) -> str:
    path = tmp_path / "named.yaml"
    path.write_text(CLUSTER)
    return str(path)


def first_lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line and not line.startswith(" ")]


@pytest.mark.parametrize(
    ("words", "verdicts"),
    [
        (("shop/web", "shop/api", "http"), ["shop/web -> shop/api 8080/TCP: allowed"]),
        (("shop/web", "shop/api", "http/tcp"), ["shop/web -> shop/api 8080/TCP: allowed"]),
        (("shop/web", "shop/api", "dns/UDP"), ["shop/web -> shop/api 5353/UDP: allowed"]),
        (
            ("shop/web", "shop/api", "dns"),
            ["shop/web -> shop/api 5353/UDP: allowed", "shop/web -> shop/api 5353/TCP: denied"],
        ),
        (("shop/web", "service:shop/api", "web"), ["shop/web -> service:shop/api 80/TCP (shop/api 8080): allowed"]),
        (("shop/web", "service:shop/names", "web"), ["shop/web -> service:shop/names (shop/api) 8080/TCP: allowed"]),
        (
            ("shop/web", "service:shop/alias", "80"),
            ["shop/web -> service:shop/alias (a name for shop/api) 80/TCP (shop/api 8080): allowed"],
        ),
        (("ingress", "shop/api", "8080"), [LED]),
        (("ingress", "shop/api", "http"), [LED]),
        (("ingress", "shop/api"), [LED]),
        (("ingress", "service:shop/api", "80"), [LED]),
        (("ingress", "shop/api", "5353/UDP"), ["ingress -> shop/api 5353/UDP: denied: no route leads there"]),
        (("ingress", "shop/web", "9090"), ["ingress -> shop/web 9090/TCP: denied: no route leads there"]),
    ],
)
def test_ends_and_ports_that_explain_takes(words: tuple[str, ...], verdicts: list[str], run: Run, named: str) -> None:
    code, text, _ = run("explain", *words, "--manifests", named)
    assert (code, first_lines(text)) == (OK, verdicts)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("shop/web", "shop/api", "grpc"), ("shop/api has no port grpc", "http 8080/TCP, dns 5353/UDP, dns 5353/TCP")),
        (("shop/web", "shop/api", "http/udp"), ("shop/api has no port http/UDP",)),
        (("shop/web", "shop/web", "http"), ("shop/web has no port http", "its ports are 9090/TCP")),
        (("shop/web", "192.0.2.1", "http"), ("192.0.2.1 has no names of ports", "give the port's number")),
        (("shop/web", "service:shop/api", "81"), ("it has no port 81/TCP", "its ports are web 80/TCP, dns 53/UDP")),
        (("shop/web", "service:shop/api", "ldap"), ("it has no port ldap", "its ports are web 80/TCP, dns 53/UDP")),
        (
            ("shop/web", "service:shop/api", "53/UDP"),
            ("it has no endpoints for 53/UDP", "no pod behind it has nothing/UDP; their ports are http 8080/TCP"),
        ),
        (("shop/web", "service:shop/empty", "80"), ("it has no endpoints", "no pod has the labels of its selector")),
        (("shop/web", "service:shop/empty", "81"), ("it has no port 81/TCP", "its ports are 80/TCP")),
        (("shop/web", "service:shop/bare", "80"), ("it has no endpoints", "no EndpointSlice of it was given")),
        (("shop/web", "service:shop/names", "grpc"), ("it has no port grpc", "its ports are web 8080/TCP")),
        (("ingress", "192.0.2.1", "80"), ("both ends are outside the cluster",)),
        (("shop/web", "ingress"), ("the ingress cannot be the destination",)),
    ],
)
def test_what_is_wrong_with_an_end_is_said(words: tuple[str, ...], said: tuple[str, ...], run: Run, named: str) -> None:
    code, _, error = run("explain", *words, "--manifests", named)
    assert code == USAGE
    for part in said:
        assert part in error


def test_a_file_that_is_called_like_a_port_is_a_spec(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "http").write_text(CLUSTER)
    monkeypatch.chdir(tmp_path)
    code, _, error = run("explain", "shop/web", "shop/api", "80", "http")
    assert (code, error) != (USAGE, "")
    assert "has no port http" not in error


def test_explain_of_the_ingress_is_what_the_matrix_says(run: Run, named: str) -> None:
    rows = json.loads(run("matrix", "--manifests", named, "--output", "json")[1])["connections"]
    led = {r["destination"]: r.get("allow") for r in rows if r["source"] == "ingress"}
    (flow,) = json.loads(run("explain", "ingress", "shop/api", "--manifests", named, "--output", "json")[1])["flows"]
    assert led == {"shop/api": flow["allow"]} == {"shop/api": {"TCP": [[8080, 8080]]}}
    assert flow["source"] == "ingress"


def test_explain_of_the_ingress_names_rules(run: Run, named: str) -> None:
    text = run("explain", "ingress", "shop/api", "8080", "--manifests", named)[1]
    assert "ingress[0] allows: " in text
    assert "ingress[1] no match: " in text


def test_exposure_names_the_route(run: Run, named: str) -> None:
    listed = json.loads(run("exposure", "--manifests", named, "--scope", "routes", "--output", "json")[1])["exposures"]
    assert [(e["workload"], e["by"], e["place"]) for e in listed] == [("shop/api", "Ingress shop/front", f"{named}:54")]


def test_a_peer_that_is_not_there_is_said_in_words(run: Run, named: str, tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n---\n"
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p, namespace: shop}\n"
        "spec: {podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {a: b}}}]}]}\n"
    )
    text = run("lint", "--manifests", named, str(path), "--output", "csv")[1]
    assert "ingress[0]: there are no pods of namespaces {a=b}" in text
