"""The commands: the same rows in every output, exit codes, where the input comes from."""

import io
import json
import os
import re
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest
from analysis_support import CLUSTER, Run, rows_of

from netspec.cli import DIFFERENT, FAILED, OK, USAGE
from netspec.report.listing import Edge, Listing, write

SHOP = str(Path(__file__).parents[2] / "stacks" / "shop.yaml")


COMMANDS: dict[str, tuple[tuple[str, ...], str]] = {
    "matrix": (("matrix",), "connections"),
    "matrix explained": (("matrix", "--explain"), "connections"),
    "lint": (("lint",), "findings"),
    "exposure": (("exposure",), "exposures"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_output_has_the_same_rows(name: str, run: Run, cluster: str) -> None:
    words, key = COMMANDS[name]
    counts = {}
    for output in ("text", "json", "csv", "md", "dot", "svg", "html"):
        code, text, _ = run(*words, "--manifests", cluster, "--output", output)
        assert code == OK
        counts[output] = rows_of(output, text, key)
    assert len(set(counts.values())) == 1, counts
    assert counts["csv"] > 0


def test_the_rows_of_a_diff(run: Run, cluster: str, tmp_path: Path) -> None:
    changed = tmp_path / "changed.yaml"
    changed.write_text(CLUSTER.replace("port: sql", "port: 5433"))
    counts = {}
    for output in ("text", "json", "csv", "md", "dot", "svg", "html"):
        code, text, _ = run("diff", cluster, str(changed), "--output", output)
        assert code == DIFFERENT
        counts[output] = rows_of(output, text, "changes")
    assert set(counts.values()) == {1}


def test_exit_codes_of_diff(run: Run, cluster: str, tmp_path: Path) -> None:
    narrower, wider = tmp_path / "narrower.yaml", tmp_path / "wider.yaml"
    narrower.write_text(CLUSTER.replace("port: sql", "port: 1"))
    wider.write_text(CLUSTER.replace("    ports: [{port: sql}]\n", ""))
    assert run("diff", cluster, cluster)[:2] == (OK, "no difference\n")
    assert run("diff", cluster, str(wider), "--fail-on", "opened")[0] == DIFFERENT
    assert run("diff", str(wider), cluster, "--fail-on", "opened")[0] == OK
    assert run("diff", str(wider), cluster)[0] == DIFFERENT


@pytest.mark.parametrize("text", [CLUSTER, Path(SHOP).read_text()], ids=["manifests", "a spec"])
def test_diff_reads_a_pipe(run: Run, tmp_path: Path, text: str) -> None:
    """What a shell makes of `netspec diff <(kustomize build old) new`."""
    file, pipe = tmp_path / "file.yaml", tmp_path / "pipe"
    file.write_text(text)
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=(text,), daemon=True)
    writer.start()
    assert run("diff", str(pipe), str(file)) == (OK, "no difference\n", "")
    writer.join(10)
    assert not writer.is_alive()


def test_diff_against_a_git_revision(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deploy").mkdir()
    manifest = tmp_path / "deploy" / "cluster.yaml"
    manifest.write_text(CLUSTER)
    commit(tmp_path)
    assert run("diff", "main:deploy", "deploy")[0] == OK
    manifest.write_text(CLUSTER.replace("port: sql", "port: 9"))
    code, text, _ = run("diff", "main:deploy", "deploy")
    assert code == DIFFERENT
    assert "shop/web" in text
    code, _, error = run("diff", "main:nowhere", "deploy")
    assert (code, "there is nothing at main:nowhere" in error) == (USAGE, True)
    code, _, error = run("diff", "gone:deploy", "deploy")
    assert (code, "git: fatal: Not a valid object name gone" in error) == (USAGE, True)


def test_a_git_revision_is_read_as_the_directory_is(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hidden directories are left out, and links followed, also one to the directory itself."""
    monkeypatch.chdir(tmp_path)
    for folder in ("deploy/.old", "deploy/part", "shared/all"):
        (tmp_path / folder).mkdir(parents=True)
    cluster = tmp_path / "deploy" / "part" / "cluster.yaml"
    cluster.write_text(CLUSTER)
    extra = "apiVersion: v1\nkind: Pod\nmetadata: {name: %s, namespace: shop}\nspec: {}\n"
    (tmp_path / "deploy" / ".old" / "x.yaml").write_text(extra % "old")
    (tmp_path / "shared" / "real.yml").write_text(extra % "real")
    (tmp_path / "shared" / "all" / "more.yml").write_text(extra % "more")
    (tmp_path / "deploy" / "link.yaml").symlink_to("../shared/real.yml")
    (tmp_path / "deploy" / "all.yaml").symlink_to("../shared/all")
    (tmp_path / "current").symlink_to("deploy")
    commit(tmp_path)
    for path in ("deploy", "current", "deploy/link.yaml", "current/part", str(tmp_path / "deploy")):
        assert run("diff", f"main:{path}", path) == (OK, "no difference\n", ""), path
    monkeypatch.chdir(tmp_path / "shared")
    for path in ("../deploy", "."):
        assert run("diff", f"main:{path}", path) == (OK, "no difference\n", ""), path
    text = run("diff", "main:../deploy", "real.yml")[1]
    assert "shop/db" in text
    assert "shop/real" in text


def test_a_link_that_leaves_a_git_revision_is_an_error(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deploy").mkdir()
    (tmp_path / "deploy" / "a.yaml").write_text(CLUSTER)
    (tmp_path / "deploy" / "out.yaml").symlink_to("/nowhere/x.yaml")
    commit(tmp_path)
    code, _, error = run("diff", "main:deploy", "deploy/a.yaml")
    assert code == FAILED
    assert "main:deploy/out.yaml:1:1: file is a link to what the revision does not have [NM001]" in error


def commit(folder: Path) -> None:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.com")
    for words in (("init", "-q", "-b", "main"), ("add", "."), (*identity, "commit", "-qm", "first")):
        subprocess.run(("git", *words), check=True, cwd=folder)


@pytest.mark.parametrize("text", [CLUSTER, Path(SHOP).read_text()], ids=["manifests", "a spec"])
def test_standard_input_is_manifests_or_a_spec(
    run: Run, tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file.yaml"
    file.write_text(text)
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    assert run("diff", "-", str(file)) == (OK, "no difference\n", "")
    assert run("diff", "-", "-")[0] == USAGE


@pytest.mark.parametrize("words", [("matrix", "--cni", "Calico"), ("diff", "--cni", "x"), ("lint", "--ignore", "NL06")])
def test_arguments_that_mean_nothing_are_errors(run: Run, words: tuple[str, ...]) -> None:
    code, _, error = run(*words, SHOP, SHOP)
    assert code == USAGE
    assert f"invalid choice: '{words[2]}'" in error


def test_bad_input_is_reported_and_the_rest_is_printed(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(f"{CLUSTER}---\na: [b\n---\napiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\n")
    code, text, error = run("matrix", "--manifests", str(path))
    assert code == FAILED
    assert "shop/web" in text
    assert "[NM001]" in error
    assert "skipped: 1 Secret" in error


def test_what_to_analyse_is_exactly_one_thing(run: Run, cluster: str) -> None:
    assert "say what to analyse" in run("matrix")[2]
    assert "exclude each other" in run("matrix", SHOP, "--manifests", cluster)[2]
    assert run("matrix", "nowhere.yaml")[0] == USAGE
    code, _, error = run("matrix", "--manifests", cluster, "--focus", "shop/nobody")
    assert (code, "there is no workload shop/nobody" in error) == (USAGE, True)


def test_a_spec_is_analysed_with_the_lines_of_its_file(run: Run) -> None:
    code, text, _ = run("explain", "shop/web", "shop/db", "5432", SHOP, "--output", "json")
    assert code == OK
    (flow,) = json.loads(text)["flows"]
    assert flow["verdict"] == "deny"
    assert all(re.fullmatch(rf"{re.escape(SHOP)}:\d+", s["place"]) for s in flow["steps"] if s["policy"])


@pytest.mark.parametrize(
    "words", [("matrix",), ("explain", "shop/web", "shop/api"), ("lint",), ("exposure",), ("diff", SHOP)]
)
def test_no_command_derives_probes_that_it_does_not_ask(
    run: Run, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is one for every pair of workloads: in a large spec they would take all the time."""
    monkeypatch.setattr("netspec.probing.derive_probes", None)
    assert run(*words, SHOP)[0] == OK


def test_a_stack_must_be_chosen_where_there_are_several(run: Run, tmp_path: Path) -> None:
    spec = Path(SHOP).read_text()
    path = tmp_path / "two.yaml"
    path.write_text(spec + "  other: {cluster: {type: kind}, cni: {provider: calico}}\n")
    code, _, error = run("matrix", str(path))
    assert (code, "choose one with --stack: other, shop" in error) == (USAGE, True)
    assert run("matrix", str(path), "--stack", "shop")[0] == OK


def test_a_live_cluster_is_read_with_kubectl(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    guard = {"apiVersion": "networking.k8s.aws/v1", "kind": "ClusterNetworkPolicy", "metadata": {"name": "guard"}}
    objects: dict[str, dict[str, Any]] = {
        "pods": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "live"}, "spec": {}},
        "clusternetworkpolicies.networking.k8s.aws": guard,
    }
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(
        f"""#!/bin/sh
case "$*" in
  *version*) echo 'Client Version: v1.36.1' ;;
  *api-resources*) cat {tmp_path}/served ;;
  *" get "*) for word; do test ! -f {tmp_path}/$word.json || cat {tmp_path}/$word.json; done ;;
esac
"""
    )
    kubectl.chmod(0o755)
    monkeypatch.setenv("NETSPEC_KUBECTL", str(kubectl))
    for count, code in ((1, OK), (2, FAILED)):
        served = list(objects)[:count]
        rows = ["pods po v1 true Pod", "clusternetworkpolicies networking.k8s.aws/v1 false ClusterNetworkPolicy"]
        (tmp_path / "served").write_text("\n".join([*rows[:count], "secrets v1 true Secret"]))
        listed = {"apiVersion": "v1", "kind": "List", "items": [objects[name] for name in served]}
        (tmp_path / f"{','.join(served)}.json").write_text(json.dumps(listed))
        found, text, error = run("matrix", "--kubeconfig", "kubeconfig", "--output", "json")
        assert found == code
        assert json.loads(text)["peers"][0]["id"] == "default/live"
        assert ("ClusterNetworkPolicy guard" in error) is (code == FAILED)


def test_lint_as_sarif_and_strict(run: Run, cluster: str) -> None:
    code, text, _ = run("lint", "--manifests", cluster, "--output", "sarif")
    assert code == OK
    log = json.loads(text)["runs"][0]
    found = {r["ruleId"] for r in log["results"]}
    assert found <= {r["id"] for r in log["tool"]["driver"]["rules"]}
    place = log["results"][0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == cluster
    assert run("lint", "--manifests", cluster, "--strict")[0] == FAILED
    ignored = [word for code in found for word in ("--ignore", code)]
    assert run("lint", "--manifests", cluster, "--strict", *ignored)[0] == OK


def test_a_place_in_sarif_is_a_uri_and_standard_input_is_none(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def places(path: str) -> list[Any]:
        log = json.loads(run("lint", "--manifests", path, "--output", "sarif")[1])["runs"][0]
        return [r["locations"][0].get("physicalLocation") for r in log["results"]]

    path = tmp_path / "a#1 %.yaml"
    path.write_text(CLUSTER)
    assert places(str(path))[0]["artifactLocation"]["uri"] == f"{tmp_path}/a%231%20%25.yaml"
    monkeypatch.setattr("sys.stdin", io.StringIO(CLUSTER))
    assert set(places("-")) == {None}


@pytest.mark.parametrize("output", ["dot", "svg"])
def test_a_graph_says_what_is_allowed_and_what_is_left_open(run: Run, tmp_path: Path, output: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(CLUSTER.replace("port: sql}]\n", "port: sql}]\n  - from: [{ipBlock: {cidr: 10.0.0.0/8}}]\n"))
    text = run("matrix", "--manifests", str(path), "--output", output)[1]
    assert "TCP 5432; undefined TCP 1-5431,5433-65535" in text


def test_text_cannot_break_out_of_any_output(capsys: pytest.CaptureFixture[str]) -> None:
    evil = '</script><script>alert(1)</script>"|\\\\'
    rows, edges = [(evil, evil)], [Edge(evil, evil, evil)]
    listing = Listing(evil, ("a", "b"), lambda: iter(rows), lambda: iter(()), lambda: iter(edges))

    def written(output: str) -> str:
        write(listing, output)
        return capsys.readouterr().out

    assert "alert(1)</script>" not in written("html")
    assert "<script>alert" not in written("svg")
    assert '\\"|' in written("dot")
    assert "\\|" in written("md")


def test_what_a_terminal_obeys_is_printed_escaped(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    for name in ("a\x1b[31m", "a\ud800"):
        path.write_text(json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}}))
        code, text, error = run("matrix", "--manifests", str(path))
        assert (code, text) == (FAILED, "no connections\n")
        assert f"Pod {name.encode('unicode_escape').decode()}: metadata.name is not a name [NM002]" in error
    path.write_text(json.dumps({"apiVersion": "example.com/v1", "kind": "\x1b[31m"}))
    assert run("matrix", "--manifests", str(path))[2] == "skipped: 1 \\x1b[31m\n"
