"""Helm charts, Kustomize trees, kubectl's --namespace, and ranges that pods had better not have."""

from pathlib import Path

import pytest
from analysis_support import Run

from netspec.cli import FAILED, OK, USAGE
from netspec.diagnostics import Severity
from netspec.manifests.read import Reading, read, read_texts

POD = (
    "apiVersion: v1\nkind: Pod\nmetadata: {name: web, labels: {app: web}}\nspec: {containers: [{name: c, image: i}]}\n"
)
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "shop.name" . }}
  labels: {{- toYaml .Values.labels | nindent 4 }}
spec:
  {{- if .Values.replicas }}
  replicas: {{ .Values.replicas }}
  {{- end }}
"""
QUOTED = 'apiVersion: v1\nkind: Pod\nmetadata: {name: "{{ .Release.Name }}"}\nspec: {}\n'


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def rendered(reading: Reading) -> list[str]:
    return [d.render() for d in reading.diagnostics]


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    root = tmp_path / "chart"
    write(
        root,
        {
            "Chart.yaml": "apiVersion: v2\nname: shop\nversion: 1.0.0\n",
            "values.yaml": "kind: Deployment\nreplicas: 1\n",
            "charts/inner/Chart.yaml": "apiVersion: v2\nname: inner\nversion: 1.0.0\n",
            "charts/inner/templates/pod.yaml": QUOTED,
            "crds/pod.yaml": POD,
            "templates/quoted.yaml": QUOTED,
            **{f"templates/{i}.yaml": DEPLOYMENT for i in range(9)},
        },
    )
    return root


def test_a_helm_chart_is_one_error_with_the_command_that_renders_it(chart: Path) -> None:
    reading = read([str(chart)])
    (said,) = rendered(reading)
    assert f"{chart}/charts/inner/templates/pod.yaml:1:1: 11 files are templates, not manifests: " in said
    assert f"[NM008]\n  hint: render them: helm template {chart} | netspec ... --manifests -" in said
    assert [w.name for w in reading.inventory.workloads] == ["web"], "what is plain is read, a name in braces is none"


def test_a_template_alone_is_one_error_too(tmp_path: Path, run: Run) -> None:
    write(tmp_path, {"deployment.yaml": f"{DEPLOYMENT}---\n{DEPLOYMENT}", "pod.yaml": POD})
    (said,) = rendered(read([str(tmp_path)]))
    assert f"{tmp_path}/deployment.yaml:1:1: {tmp_path}/deployment.yaml is a template, not a manifest [NM008]" in said
    code, _, error = run("matrix", "--manifests", str(tmp_path / "deployment.yaml"))
    assert (code, error.count("[NM"), "helm template CHART" in error) == (FAILED, 1, True)


def test_braces_in_a_manifest_are_no_template() -> None:
    text = POD.replace("metadata: {", 'metadata: {annotations: {summary: "{{ $labels.pod }} is down"}, ')
    assert rendered(read_texts([("x.yaml", text)])) == []
    (said,) = rendered(read_texts([("x.yaml", f"{text}---\na: [b\n")]))
    assert "document is not YAML" in said


BASE = {"base/kustomization.yaml": "resources: [pod.yaml]\n", "base/pod.yaml": POD}
PATCH = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: api}\nspec: {replicas: 3}\n"


def test_a_kustomize_tree_whose_parts_are_no_objects_is_one_error(tmp_path: Path) -> None:
    overlay = {
        "kustomization.yaml": "resources: [../../base]\n",
        "pod.yaml": POD,
        "patch.yaml": PATCH,
        "bad.yaml": "a: [b\n",
    }
    write(tmp_path, {**BASE, **{f"overlays/{env}/{n}": t for env in ("dev", "prod") for n, t in overlay.items()}})
    reading = read([str(tmp_path)])
    (said,) = rendered(reading)
    assert f"{tmp_path}/base, {tmp_path}/overlays/dev, {tmp_path}/overlays/prod are Kustomize trees: 6 parts" in said
    assert f"hint: give what it builds: kubectl kustomize {tmp_path}/overlays/dev | netspec ... --manifests -" in said
    assert reading.diagnostics[0].severity is Severity.ERROR


def test_a_kustomize_tree_that_reads_as_it_stands_is_a_warning(tmp_path: Path, run: Run) -> None:
    write(tmp_path, BASE)
    code, _, error = run("matrix", "--manifests", str(tmp_path / "base"))
    assert code == OK
    assert f"warning: {tmp_path}/base is a Kustomize tree: the files are read as they stand" in error
    assert [w.name for w in read([str(tmp_path / "base")]).inventory.workloads] == ["web"]


def test_what_is_beside_a_kustomize_tree_keeps_its_errors(tmp_path: Path) -> None:
    write(tmp_path, {**BASE, "base/patch.yaml": PATCH, "other/bad.yaml": PATCH})
    said = rendered(read([str(tmp_path)]))
    assert len(said) == 2
    assert said[0].startswith(f"{tmp_path}/other/bad.yaml:4:")


def test_a_policy_that_is_refused_is_named_in_a_kustomize_tree_too(tmp_path: Path) -> None:
    guard = "apiVersion: crd.antrea.io/v1beta1\nkind: ClusterNetworkPolicy\nmetadata: {name: guard}\n"
    write(tmp_path, {**BASE, "base/guard.yaml": guard})
    assert any("ClusterNetworkPolicy guard" in said for said in rendered(read([str(tmp_path)])))


# --namespace

POLICY = (
    "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: lock}\nspec: {podSelector: {}}\n"
    "---\napiVersion: v1\nkind: Pod\nmetadata: {name: far, namespace: far}\nspec: {containers: [{name: c, image: i}]}\n"
)


def test_a_namespace_is_that_of_objects_that_name_none(tmp_path: Path, run: Run) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(f"{POD}---\n{POLICY}")
    reading = read([str(path)], namespace="shop")
    assert [w.id for w in reading.inventory.workloads] == ["far/far", "shop/web"]
    assert [p.id for p in reading.inventory.policies] == ["shop/lock"]
    words = ("explain", "far/far", "shop/web", "80", "--manifests", str(path), "--namespace", "shop")
    assert run(*words)[1].startswith("far/far -> shop/web 80/TCP: denied")


def test_a_comparison_takes_a_namespace(tmp_path: Path, run: Run) -> None:
    old, new = tmp_path / "old.yaml", tmp_path / "new.yaml"
    old.write_text(POD)
    new.write_text(POD.replace("name: web", "name: web, namespace: shop"))
    assert run("diff", str(old), str(new), "--namespace", "shop")[0] == OK
    assert run("diff", str(old), str(new))[0] != OK


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--manifests", "x.yaml", "--namespace", "Shop"), "'Shop' is not a namespace"),
        (("--manifests", "x.yaml", "--namespace", ""), "'' is not a namespace"),
        (("--kubeconfig", "config", "--namespace", "shop"), "--namespace is for manifests"),
    ],
)
def test_a_namespace_that_means_nothing_is_an_error(words: tuple[str, ...], said: str, run: Run) -> None:
    code, _, error = run("matrix", *words)
    assert (code, said in error) == (USAGE, True)


# Ranges


@pytest.mark.parametrize(
    ("cidr", "said"),
    [
        ("11.0.0.0/16", "the pods' range 11.0.0.0/16 is public"),
        ("172.17.3.0/24", "the pods' range 172.17.3.0/24 is that of Docker's default bridge"),
        ("172.16.0.0/12", "is that of Docker's default bridge"),
        *((private, "") for private in ("10.244.1.0/24", "192.168.0.0/16", "100.64.0.0/10", "fd00::/64", "2600::/64")),
    ],
)
def test_a_range_that_pods_had_better_not_have_is_a_warning(cidr: str, said: str) -> None:
    node = f"apiVersion: v1\nkind: Node\nmetadata: {{name: node}}\nspec: {{podCIDRs: ['{cidr}']}}\n"
    found = read_texts([("x.yaml", node)]).diagnostics
    assert [(d.code, d.severity) for d in found] == ([("NM009", Severity.WARNING)] if said else [])
    assert all(said in d.message for d in found)
