"""netspec init --from-manifests and --kubeconfig: the files, the words, the exit codes."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from import_support import app, deployment, namespace, policy, service

from netspec.cli import FAILED, OK, USAGE, main
from netspec.toolchain import project

SHOP = [
    namespace("shop"),
    deployment("web", ports=[("http", 8080)]),
    deployment("db", ports=[5432]),
    service("web", ports=[{"port": 80, "targetPort": "http"}]),
    policy("deny", policyTypes=["Ingress"]),
    policy("db", **app("db"), ingress=[{"from": [app("web")], "ports": [{"port": 5432}]}]),
]
ROUTE = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "Ingress",
    "metadata": {"name": "web", "namespace": "shop"},
    "spec": {"defaultBackend": {"service": {"name": "web", "port": {"number": 80}}}},
}
OPEN = policy("web", **app("web"), ingress=[{}])
REFUSED = {"apiVersion": "crd.antrea.io/v1beta1", "kind": "NetworkPolicy", "metadata": {"name": "x"}, "spec": {}}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "shop-net"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.delenv(project.VARIABLE, raising=False)
    return folder


def manifests(folder: Path, *documents: object) -> str:
    (folder / "k8s").mkdir(exist_ok=True)
    (folder / "k8s" / "all.yaml").write_text(yaml.safe_dump_all(documents))
    return "k8s"


def test_one_command_makes_a_project_whose_spec_says_the_same(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = manifests(here, *SHOP)
    assert main(["init", "--from-manifests", source]) == OK
    out = capsys.readouterr().out
    assert "`netspec diff k8s stacks/shop-net.yaml` is empty." in out
    assert "2 NetworkPolicies: 1 in `defaultDeny`, 1 in 1 intent of `policies`." in out
    assert main(["diff", source, "stacks/shop-net.yaml"]) == OK
    assert main(["check", "--strict", "stacks/shop-net.yaml"]) == OK
    following = [line.split()[1:] for line in out.splitlines() if line.startswith("  netspec")]
    assert [words[0] for words in following] == ["check", "matrix", "up"]
    assert all(main(words) == OK for words in following[:2])
    assert main(["compile", "stacks/shop-net.yaml", "--stack", "dev", "--out", "compiled"]) == OK
    text = (here / "stacks" / "shop-net.yaml").read_text()
    assert text.startswith("# yaml-language-server:") and "# Written by `netspec init --from-manifests k8s`." in text
    assert "standIn" not in yaml.safe_load(text)["workloads"][0]


def test_the_same_input_is_the_same_file(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = manifests(here, *SHOP)
    for folder in ("one", "two"):
        assert main(["init", folder, "--name", "shop", "--from-manifests", source]) == OK
    one, two = ((here / f / "stacks" / "shop.yaml").read_text() for f in ("one", "two"))
    assert one.replace("one/stacks", "two/stacks") == two


def test_what_is_lost_is_in_the_file_and_on_the_terminal(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = manifests(here, ROUTE, OPEN, *SHOP)
    assert main(["init", "--from-manifests", source]) == OK
    out = capsys.readouterr().out
    text = (here / "stacks" / "shop-net.yaml").read_text()
    line = "Ingress shop/web (k8s/all.yaml:1): a spec has no routes"
    assert f"\n  {line}\n" in out and f"\n#   {line}\n" in text
    assert "`netspec diff k8s stacks/shop-net.yaml` shows 1 connection more, of what is listed below" in out
    assert main(["check", "stacks/shop-net.yaml"]) == OK


def test_many_of_one_reason_are_counted(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    routes = [ROUTE | {"metadata": {"name": f"r{i:02}", "namespace": "shop"}} for i in range(20)]
    assert main(["init", "--from-manifests", manifests(here, *routes, *SHOP)]) == OK
    (line,) = (found for found in capsys.readouterr().out.splitlines() if "a spec has no routes" in found)
    assert line.count("Ingress") == 8 and "and 12 more: a spec has no routes" in line


def test_input_that_cannot_be_used_fails_the_rest_is_written(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "--from-manifests", manifests(here, REFUSED, *SHOP)]) == FAILED
    assert "NetworkPolicy x" in capsys.readouterr().out
    assert main(["check", "stacks/shop-net.yaml"]) == OK


def test_what_the_input_leaves_open_is_said(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    team = policy("team", **app("web"), ingress=[{"from": [{"namespaceSelector": {"matchLabels": {"team": "a1"}}}]}])
    assert main(["init", "--from-manifests", manifests(here, team, *SHOP[1:])]) == OK
    said = capsys.readouterr()
    assert "add the Namespace objects: kubectl get namespaces -o yaml" in said.err
    assert "namespace shop: it has no Namespace object" in said.out


def test_the_json_has_every_policy_and_remark(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "--from-manifests", manifests(here, ROUTE, OPEN, *SHOP), "--output", "json"]) == OK
    data = json.loads(capsys.readouterr().out)
    assert (data["version"], data["spec"], data["stack"]) == ("import/v1", "stacks/shop-net.yaml", "dev")
    assert data["counts"] == {"namespaces": 1, "workloads": 2, "services": 1, "policies": 2, "networkPolicies": 0}
    assert [(p["policy"], p["became"]) for p in data["policies"]] == [
        ("shop/db", ["web-to-db"]),
        ("shop/deny", ["defaultDeny"]),
        ("shop/web", ["anywhere-to-web"]),
    ]
    assert all(p["file"] == "k8s/all.yaml" and p["line"] > 1 for p in data["policies"])
    (remark,) = data["remarks"]
    assert remark == {
        "kind": "lost",
        "what": "Ingress shop/web",
        "why": "a spec has no routes",
        "file": "k8s/all.yaml",
        "line": 1,
    }
    assert {k: v for k, v in data["proof"].items() if k != "peers"} == {
        "differences": 1,
        "absent": 1,
        "unexplained": [],
    }
    assert "stacks/shop-net.yaml" in data["wrote"]


def test_nothing_is_overwritten(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = manifests(here, *SHOP)
    assert main(["init", "--from-manifests", source]) == OK
    before = {p: p.read_bytes() for p in here.rglob("*") if p.is_file()}
    assert main(["init", "--from-manifests", source]) == USAGE
    assert "stacks/shop-net.yaml is there already" in capsys.readouterr().err
    assert main(["init", "--from-manifests", source, "--name", "second"]) == OK
    after = {p: p.read_bytes() for p in here.rglob("*") if p.is_file()}
    assert {p: after[p] for p in before} == before
    assert {p.name for p in after.keys() - before.keys()} == {"second.yaml"}
    assert "netspec up" not in capsys.readouterr().out  # the project's stack dev is the first spec's


def test_standard_input_is_read(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(yaml.safe_dump_all(SHOP)))
    assert main(["init", "--from-manifests", "-"]) == OK
    assert "Who reaches whom is the same, for all 4 workloads and ranges of addresses." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--from-manifests", "nowhere"], "there is no file nowhere"),
        (["--from-manifests", "empty.yaml"], "there is nothing to import"),
        (["--output", "json"], "--output json is for --from-manifests and --kubeconfig"),
    ],
)
def test_a_wrong_call_writes_nothing(
    here: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "empty.yaml").write_text("kind: ConfigMap\napiVersion: v1\n")
    assert main(["init", *words]) == USAGE
    assert said in capsys.readouterr().err
    assert [p.name for p in here.iterdir()] == ["empty.yaml"]


def test_manifests_that_name_no_namespace_are_of_the_one_given(here: Path) -> None:
    bare = deployment("web")
    del bare["metadata"]["namespace"]
    assert main(["init", "--from-manifests", manifests(here, namespace("team"), bare), "--namespace", "team"]) == OK
    (web,) = yaml.safe_load((here / "stacks" / "shop-net.yaml").read_text())["workloads"]
    assert web["namespace"] == "team"
    assert main(["init", "other", "--kubeconfig", "kubeconfig", "--namespace", "team"]) == USAGE


def test_the_first_stack_keeps_clear_of_the_inputs_addresses(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-1"}, "spec": {"podCIDRs": ["172.30.4.0/24"]}}
    assert main(["init", "--from-manifests", manifests(here, *SHOP, node)]) == OK
    data = yaml.safe_load((here / "stacks" / "shop-net.yaml").read_text())
    assert data["network"]["podCIDRs"] == ["172.30.0.0/16"]
    assert data["stacks"]["dev"]["cluster"]["networkCIDR"] == "172.16.0.0/16"
    assert main(["check", "stacks/shop-net.yaml"]) == OK


@pytest.mark.parametrize(("seen", "chosen"), [("cilium", "cilium"), ("vpc-cni", "calico"), ("weave", "calico")])
def test_the_first_stack_has_the_cni_of_the_input_where_it_can(
    here: Path, capsys: pytest.CaptureFixture[str], seen: str, chosen: str
) -> None:
    assert main(["init", "--from-manifests", manifests(here, *SHOP), "--cni", seen]) == OK
    spec = here / "stacks" / "shop-net.yaml"
    text = " ".join(spec.read_text().replace("#", "").split())
    assert f"cni: {{provider: {chosen}}}" in text
    assert (f"The input runs {seen}, which a cluster on this machine does not have" in text) == (seen != chosen)
    assert main(["check", str(spec)]) == OK


def test_a_live_cluster_is_imported(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cidr = {"apiVersion": "networking.k8s.io/v1", "kind": "ServiceCIDR", "metadata": {"name": "kubernetes"}}
    cidr |= {"spec": {"cidrs": ["10.43.0.0/16"]}}
    affine = service("sticky", selector={"app": "web"}, ipFamilyPolicy="RequireDualStack", ports=[{"port": 8080}])
    (tmp_path / "objects").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": [*SHOP, affine, cidr]}))
    config = "kind: ClusterConfiguration\nnetworking: {podSubnet: 10.42.0.0/16}\n"
    kubeadm = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kubeadm-config"}}
    (tmp_path / "kubeadm").write_text(json.dumps(kubeadm | {"data": {"ClusterConfiguration": config}}))
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(
        f"""#!/bin/sh
case "$*" in
  *version*) echo 'Client Version: v1.36.1' ;;
  *api-resources*) printf 'pods po v1 true Pod\\nservicecidrs networking.k8s.io/v1 false ServiceCIDR\\n' ;;
  *kubeadm-config*) cat {tmp_path}/kubeadm ;;
  *pods,servicecidrs.networking.k8s.io*) cat {tmp_path}/objects ;;
esac
"""
    )
    kubectl.chmod(0o755)
    monkeypatch.setenv("NETSPEC_KUBECTL", str(kubectl))
    assert main(["init", "--kubeconfig", "kubeconfig"]) == OK
    out = capsys.readouterr().out
    assert "\n  Service shop/sticky: a spec's cluster has one address family, IPv4\n" in out
    text = (here / "stacks" / "shop-net.yaml").read_text()
    assert yaml.safe_load(text)["network"] == {"podCIDRs": ["10.42.0.0/16"], "serviceCIDRs": ["10.43.0.0/16"]}
    assert "kubeconfig:" not in text and "# shop/db\n" in text  # a line of kubectl's output is not a place
    assert main(["check", "stacks/shop-net.yaml"]) == OK


def test_what_a_spec_compiles_to_comes_back_as_intents(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Thirty-three policies for calls are seventeen intents again; a Service is the pods behind it."""
    boutique = str(Path(__file__).parent.parent.parent / "stacks" / "boutique.yaml")
    assert main(["compile", boutique, "--stack", "dev", "--out", "compiled"]) == OK
    capsys.readouterr()
    assert main(["init", "--from-manifests", "compiled/manifests"]) == OK
    out = capsys.readouterr().out
    assert "35 NetworkPolicies: 2 in `defaultDeny`, 1 in `allowDNS`, 33 in 17 intents of `policies`." in out
    written = yaml.safe_load((here / "stacks" / "shop-net.yaml").read_text())
    original = yaml.safe_load(Path(boutique).read_text())
    ours = {w["name"]: w["labels"] for w in written["workloads"]}
    assert ours == {w["name"]: w["labels"] for w in original["workloads"]}
    behind = {
        f"boutique/{s['name']}": f"boutique/{w['name']}"
        for s in original["services"]
        for w in original["workloads"]
        if s.get("selector") == w["labels"]
    }

    def calls(spec: dict[str, Any]) -> set[tuple[str, str]]:
        return {(end(p["from"]), end(p["to"])) for p in spec["policies"]}

    def end(peer: str | dict[str, str]) -> str:
        if isinstance(peer, str):
            return peer
        ((kind, name),) = peer.items()
        return behind[name] if kind == "service" else name

    assert calls(written) == calls(original)
    assert written["namespaces"] == [
        {"name": "boutique", "labels": {"team": "boutique"}, "defaultDeny": ["ingress", "egress"], "allowDNS": True}
    ]


def test_help_names_both_ways(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["init", "--help"])
    said = capsys.readouterr().out
    assert "--from-manifests PATH" in said and "--kubeconfig FILE" in said
