"""`netspec verify` and `pytest verify/`: the same run, the same exit codes; here with a cluster that is made up."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from test_verify_report import GOOD, VOID

from netspec.cli import main
from netspec.diagnostics import Problem
from netspec.probes import FlowProbe, Outcome
from verify.model import Canary, Observation, Run, Status

ROOT = Path(__file__).resolve().parents[2]
SPEC = str(ROOT / "stacks" / "shop.yaml")

#: Puts a run in the runner's place; the environment says which.
PLUGIN = """\
import os
import toolchain
import verify.runner
from test_verify_commands import made_up

toolchain.activate = lambda *_: None
verify.runner.verify = lambda ir, probes, say=None: made_up(ir, probes, os.environ["MADE_UP"])
"""


def made_up(ir, probes, how: str) -> Run:  # type: ignore[no-untyped-def]
    """ "green", "red" (the first flow is wrong), "void" (the canary failed) or "none" (no cluster)."""
    if how == "none":
        raise Problem("there is no running kind cluster", "netspec up")
    observations = []
    for probe in probes:
        seen = (probe.expect or Outcome.CONNECTED) if isinstance(probe, FlowProbe) else "as predicted"
        status = Status.SEEN if probe.expect is None else Status.PASS
        observations.append(Observation(probe, status, seen))
    if how == "red":
        observations[0] = Observation(probes[0], Status.WRONG, Outcome.REFUSED)
    canary: Canary = VOID if how == "void" else GOOD
    return Run(ir.name, ir.stack, "c", "2026-01-02T03:04:05Z", 1.0, canary, tuple(observations))


def stack_name() -> str:
    from netspec.spec.load import load

    spec = load(SPEC).spec
    assert spec is not None
    return next(iter(spec.stacks))


CODES = [("green", 0), ("red", 1), ("void", 3), ("none", 2)]


@pytest.mark.parametrize(("how", "code"), CODES)
def test_the_command(
    how: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import toolchain
    import verify.runner

    monkeypatch.setattr(toolchain, "activate", lambda *_: None)
    monkeypatch.setattr(verify.runner, "verify", lambda ir, probes, say=None: made_up(ir, probes, how))
    assert main(["verify", SPEC, "--stack", stack_name(), "--report", str(tmp_path / "r")]) == code
    said = capsys.readouterr()
    if code == 2:
        assert "error: there is no running kind cluster" in said.err
    else:
        assert f"report: {tmp_path / 'r' / 'report.html'}" in said.out
        assert json.loads((tmp_path / "r" / "results.json").read_text())["exitCode"] == code


def test_json_on_standard_output_is_the_results_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import toolchain
    import verify.runner

    monkeypatch.setattr(toolchain, "activate", lambda *_: None)
    monkeypatch.setattr(verify.runner, "verify", lambda ir, probes, say=None: made_up(ir, probes, "red"))
    main(["verify", SPEC, "--stack", stack_name(), "--report", str(tmp_path), "--output", "json"])
    assert json.loads(capsys.readouterr().out) == json.loads((tmp_path / "results.json").read_text())


@pytest.mark.parametrize(("how", "code"), CODES)
def test_pytest_gives_the_same_answer(how: str, code: int, tmp_path: Path) -> None:
    (tmp_path / "made_up_cluster.py").write_text(PLUGIN)
    here = Path(__file__).parent
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "made_up_cluster", "-p", "no:cacheprovider", "-q", "verify"),
            *("--spec", SPEC, "--stack", stack_name(), "--report", str(tmp_path / "r")),
        ],
        env={**os.environ, "MADE_UP": how, "PYTHONPATH": os.pathsep.join(map(str, (tmp_path, here, ROOT)))},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    if code != 2:
        assert json.loads((tmp_path / "r" / "results.json").read_text())["exitCode"] == code


def test_a_stack_that_the_spec_does_not_have_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import toolchain

    monkeypatch.setattr(toolchain, "activate", lambda *_: None)
    assert main(["verify", SPEC, "--stack", "nowhere"]) == 2
    assert "has no stack 'nowhere'" in capsys.readouterr().err
