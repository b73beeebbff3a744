"""The command explain: what it says, of which ends, in every output."""

import json
from pathlib import Path

import pytest
from analysis_support import CLUSTER, Run, rows_of

from netspec.cli import OK, USAGE


def test_explain_in_every_output(run: Run, cluster: str) -> None:
    words = ("explain", "shop/web", "shop/db", "5432", "--manifests", cluster)
    code, text, _ = run(*words)
    assert code == OK
    assert text.startswith("shop/web -> shop/db 5432/TCP: allowed\n")
    assert f"ingress[0] allows: pods {{app=web}} of namespace shop matches; sql/TCP (5432 there)  {cluster}:22" in text
    steps = json.loads(run(*words, "--output", "json")[1])["flows"][0]["steps"]
    for output in ("csv", "md", "dot", "svg", "html"):
        assert rows_of(output, run(*words, "--output", output)[1], "flows") == 1 + len(steps)


@pytest.mark.parametrize(
    ("words", "verdict"),
    [
        (("shop/web", "shop/db", "80/UDP"), "shop/web -> shop/db 80/UDP: denied"),
        (("shop/web", "shop/db"), "shop/web -> shop/db: allowed: TCP 5432"),
        (("shop/web", "service:shop/db"), "shop/web -> service:shop/db 1/TCP (shop/db 5432): allowed"),
        (("external", "shop/db"), "external:0 (0.0.0.0-255.255.255.255) -> shop/db: denied on every port"),
        (("192.0.2.1", "shop/web", "443/tcp"), "192.0.2.1 -> shop/web 443/TCP: allowed"),
        (("shop/db", "2001:db8::1", "53/UDP"), "shop/db -> 2001:db8::1 53/UDP: allowed"),
    ],
)
def test_the_ends_that_explain_takes(words: tuple[str, ...], verdict: str, run: Run, cluster: str) -> None:
    code, text, _ = run("explain", *words, "--manifests", cluster)
    assert (code, text.splitlines()[0]) == (OK, verdict)


@pytest.mark.parametrize("named", ["shop/web/web-1-b", "shop/web-1-b"])
def test_explain_takes_a_running_pod(named: str, run: Run, cluster: str, tmp_path: Path) -> None:
    owned = "ownerReferences: [{kind: StatefulSet, name: web, controller: true}]"
    pods = "".join(
        f"---\napiVersion: v1\nkind: Pod\nmetadata: {{name: web-1-{x}, namespace: shop, {labels}{owned}}}\nspec: {{}}\n"
        for x, labels in (("a", ""), ("b", ""), ("c", "labels: {role: leader}, "))
    )
    path = tmp_path / "pods.yaml"
    path.write_text(pods)
    code, text, _ = run("explain", named, "shop/db", "5432", "--manifests", cluster, str(path))
    first, second = text.splitlines()[:2]
    assert (code, first, second) == (OK, f"{named} -> shop/db 5432/TCP: denied", "  egress of shop/web/web-1-a")
    assert run("explain", "shop/db/web-1-b", "shop/db", "--manifests", cluster, str(path))[0] == USAGE


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("shop/wob", "shop/db"), "there is no workload shop/wob"),
        (("shop/web", "service:shop/x"), "there is no Service shop/x"),
        (("shop/web", "service:shop/db", "2"), "it has no port 2/TCP"),
        (("service:shop/db", "shop/web"), "a Service cannot be the source"),
        (("external", "192.0.2.1"), "both ends are outside"),
        (("shop/web", "shop/db", "70000"), "70000 is not a port"),
        (("shop/web", "shop/db", "1", "a", "b"), "one argument too many"),
    ],
)
def test_what_explain_does_not_take(words: tuple[str, ...], message: str, run: Run, cluster: str) -> None:
    code, _, error = run("explain", *words, "--manifests", cluster)
    assert code == USAGE
    assert message in error


def test_a_headless_service_without_ports_leads_to_its_pods(run: Run, cluster: str, tmp_path: Path) -> None:
    path = tmp_path / "headless.yaml"
    head = "apiVersion: v1\nkind: Service\nmetadata: {name: hl, namespace: shop}\n"
    path.write_text(f"{head}spec: {{clusterIP: None, selector: {{app: db}}}}\n")
    words = ("explain", "shop/web", "service:shop/hl", "--manifests", cluster, str(path))
    assert run(*words)[1].splitlines()[0] == "shop/web -> service:shop/hl (shop/db): allowed: TCP 5432"
    code, text, _ = run(*words[:3], "5432", *words[3:])
    assert (code, text.splitlines()[0]) == (OK, "shop/web -> service:shop/hl (shop/db) 5432/TCP: allowed")
    path.write_text(f"{head}spec: {{clusterIP: None, selector: {{app: none}}}}\n")
    assert "it has no endpoints" in run(*words)[2]


def test_the_aws_dialect_of_a_service(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    policy = """\
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: out, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Egress]
  egress: [{to: [{podSelector: {matchLabels: {tier: data}}}]}]
"""
    path.write_text(CLUSTER.replace("labels: {app: db}}", "labels: {app: db, tier: data}}", 1) + policy)
    words = ("explain", "shop/web", "service:shop/db", "--manifests", str(path))
    assert run(*words)[1].splitlines()[0].endswith(": allowed")
    assert "denied by this CNI: AWS admits a cluster IP only" in run(*words, "--cni", "vpc-cni")[1]
