"""netspec check and schema, as a user runs them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from spec_support import BASE, ROOT

from netspec.backends.registry import REGISTRY
from netspec.cli import main
from netspec.compiler import check_spec, compile_spec
from netspec.diagnostics import Problem
from netspec.spec.load import load, loads

WARNED = BASE + "\nnetworkPolicies: [{name: a, namespace: shop, spec: {podSelector: {matchLabels: {app: none}}}}]\n"


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "sample.yaml"
    path.write_text(BASE)
    return path


def _run(*arguments: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    code = main(arguments)
    out, err = capsys.readouterr()
    return code, out, err


@pytest.mark.parametrize("name", ["shop", "boutique"])
def test_the_specs_of_the_project_have_no_findings(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = f"{ROOT}/stacks/{name}.yaml"
    assert _run("check", path, "--strict", capsys=capsys) == (0, f"ok: {path}\n", "")


def test_errors_fail_and_are_counted(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec.write_text(WARNED.replace("name: far}", "name: far, x: 1}").replace("app: db", "app: web"))
    code, out, _ = _run("check", str(spec), capsys=capsys)
    assert code == 1
    assert out.splitlines()[-1] == f"2 errors, 1 warning in {spec}"
    assert f"{spec}:7:17: namespaces[1].x: unknown field [NS010]" in out


def test_warnings_fail_only_when_strict(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec.write_text(WARNED)
    code, out, _ = _run("check", str(spec), capsys=capsys)
    assert (code, out.splitlines()[-1]) == (0, f"1 warning in {spec}")
    assert _run("check", str(spec), "--strict", capsys=capsys)[0] == 1


def test_json_has_every_finding_with_its_place(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec.write_text(WARNED)
    code, out, _ = _run("check", str(spec), "--output", "json", capsys=capsys)
    found = json.loads(out)
    assert (code, found["ok"], found["errors"], found["warnings"]) == (0, True, 0, 1)
    (warning,) = found["diagnostics"]
    assert (warning["code"], warning["severity"]) == ("NS410", "warning")
    assert warning["path"] == "networkPolicies[0].spec.podSelector"
    assert warning["line"] == WARNED[: WARNED.index("podSelector")].count("\n") + 1


def test_an_unknown_stack_is_a_usage_error(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = _run("check", str(spec), "--stack", "dve", capsys=capsys)
    assert (code, out) == (2, "")
    assert err == f"error: {spec} has no stack 'dve'\n  hint: did you mean dev?\n"


def test_a_missing_file_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = _run("check", "missing.yaml", capsys=capsys)
    assert (code, out) == (2, "") and err.startswith("error: there is no file missing.yaml\n  hint: ")


def test_a_malformed_stack_is_not_called_unknown() -> None:
    loaded = loads(BASE.replace("type: kind", "type: knid"))
    assert [d.code for d in check_spec(loaded, "dev", REGISTRY)] == ["NS014"]
    assert [d.code for d in compile_spec(loaded, "dev", REGISTRY).diagnostics] == ["NS014"]


def test_a_finding_of_every_stack_is_reported_once() -> None:
    two = BASE.replace("stacks:", "stacks:\n  ci: {cluster: {type: kind}, cni: {provider: calico}}").replace(
        "app: db", "app: web"
    )
    assert [d.code for d in check_spec(loads(two), None, REGISTRY)] == ["NS204"]


def test_compiling_twice_gives_the_same_and_reports_once() -> None:
    loaded = load(ROOT / "stacks" / "boutique.yaml")
    first, second = (compile_spec(loaded, "dev", REGISTRY) for _ in range(2))
    assert first == second and first.ok and first.diagnostics == ()
    assert first.plan is not None and first.probes


def test_errors_leave_no_plan() -> None:
    result = compile_spec(loads(BASE.replace("app: db", "app: web")), "dev", REGISTRY)
    assert not result.ok and result.plan is None and result.probes == ()


def test_compiling_an_unknown_stack_is_a_problem() -> None:
    with pytest.raises(Problem, match="no stack 'prod'"):
        compile_spec(loads(BASE), "prod", REGISTRY)


def test_the_schema_command_prints_the_committed_schema(capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("schema", capsys=capsys)[1] == (ROOT / "netspec" / "spec" / "netspec.schema.json").read_text()


def test_check_starts_without_what_only_other_commands_need() -> None:
    script = (
        "import sys; from netspec.cli import main; main(['check', 'stacks/boutique.yaml']); "
        "print(sorted({m.partition('.')[0] for m in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True)
    loaded = set(done.stdout.splitlines()[-1].strip("[]").replace("'", "").split(", "))
    heavy = {"pulumi", "pulumi_kubernetes", "kubernetes", "testinfra", "pytest", "jinja2", "rich", "grpc", "asyncio"}
    assert loaded & heavy == set()
    assert loaded & {"deploy", "verify", "toolchain", "airgap"} == set()
