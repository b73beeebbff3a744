"""`netspec verify` and `pytest --stack`: the same run, the same exit codes; here with a cluster that is made up."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from test_verify_report import GOOD, VOID

from netspec.cli import main
from netspec.diagnostics import Problem
from netspec.probes import FlowProbe, Outcome, PacketProbe
from netspec.verify.model import Canary, Observation, Run, Status

ROOT = Path(__file__).resolve().parents[2]
SPEC = str(ROOT / "stacks" / "shop.yaml")

#: Puts a run in the runner's place; the environment says which.
PLUGIN = """\
import os
from netspec import toolchain
import netspec.verify.runner
from test_verify_commands import made_up

toolchain.activate = lambda *_, **__: None
netspec.verify.runner.verify = lambda ir, probes, say=None: made_up(ir, probes, os.environ["MADE_UP"])
"""


def made_up(ir, probes, how: str) -> Run:  # type: ignore[no-untyped-def]
    """ "green", "red" (the first flow is wrong), "void" (the canary failed), "none" (no cluster), "slow" or "bug"."""
    if how == "none":
        raise Problem("there is no running kind cluster", "netspec up")
    if how == "bug":
        raise KeyError(how)
    if how == "slow":
        try:
            print("at work", file=sys.stderr, flush=True)
            time.sleep(60)
        finally:
            print("cleaned up", file=sys.stderr, flush=True)
    observations = []
    for probe in probes:
        is_flow = isinstance(probe, FlowProbe | PacketProbe)
        seen = (probe.expect or Outcome.CONNECTED) if is_flow else "as predicted"  # type: ignore[union-attr]
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
    import netspec.verify.runner
    from netspec import toolchain

    monkeypatch.setattr(toolchain, "activate", lambda *_, **__: None)
    monkeypatch.setattr(netspec.verify.runner, "verify", lambda ir, probes, say=None: made_up(ir, probes, how))
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
    import netspec.verify.runner
    from netspec import toolchain

    monkeypatch.setattr(toolchain, "activate", lambda *_, **__: None)
    monkeypatch.setattr(netspec.verify.runner, "verify", lambda ir, probes, say=None: made_up(ir, probes, "red"))
    main(["verify", SPEC, "--stack", stack_name(), "--report", str(tmp_path), "--output", "json"])
    assert json.loads(capsys.readouterr().out) == json.loads((tmp_path / "results.json").read_text())


def in_a_process(how: str, tmp_path: Path, *words: str) -> "subprocess.Popen[str]":
    (tmp_path / "made_up_cluster.py").write_text(PLUGIN)
    path = os.pathsep.join(map(str, (tmp_path, Path(__file__).parent, ROOT)))
    return subprocess.Popen(
        [sys.executable, *words],
        env={**os.environ, "MADE_UP": how, "PYTHONPATH": path},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_mind_signals,
    )


def _mind_signals() -> None:
    """The tests may run in the background, or where the terminal has gone: with signals that are ignored."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def by_pytest(how: str, tmp_path: Path, *words: str) -> "subprocess.Popen[str]":
    (tmp_path / "own").mkdir()  # no test of ours is to run there too
    plain = ("-m", "pytest", "-p", "made_up_cluster", "-p", "no:cacheprovider", "-q")
    words = tuple("--netspec-report" if word == "--report" else word for word in words)
    return in_a_process(
        how, tmp_path, *plain, str(tmp_path / "own"), *("--netspec-spec", SPEC, "--stack", stack_name()), *words
    )


def by_command(how: str, tmp_path: Path, *words: str) -> "subprocess.Popen[str]":
    """The installed command, with a made-up cluster."""
    program = "import sys, made_up_cluster; from netspec.cli import main; sys.exit(main())"
    return in_a_process(how, tmp_path, "-c", program, "verify", SPEC, "--stack", stack_name(), *words)


@pytest.mark.parametrize(("how", "code"), CODES)
def test_pytest_gives_the_same_answer(how: str, code: int, tmp_path: Path) -> None:
    process = by_pytest(how, tmp_path, "--report", str(tmp_path / "r"))
    said = process.communicate(timeout=120)
    assert process.returncode == code, said
    if code != 2:
        assert json.loads((tmp_path / "r" / "results.json").read_text())["exitCode"] == code


def test_a_green_run_does_not_hide_somebody_elses_failure(tmp_path: Path) -> None:
    (tmp_path / "test_other.py").write_text("def test_other():\n    assert False\n")
    process = by_pytest("green", tmp_path, str(tmp_path / "test_other.py"), "--report", str(tmp_path / "r"))
    said = process.communicate(timeout=120)
    assert process.returncode == 1, said


@pytest.mark.parametrize("run_it", [by_pytest, by_command])
def test_a_report_that_cannot_be_written_is_no_answer_and_loses_none(run_it, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "file").touch()
    process = run_it("green", tmp_path, "--report", str(tmp_path / "file"))
    out, error = process.communicate(timeout=120)
    assert process.returncode == 2
    assert "the report could not be written" in out + error
    assert run_it is by_pytest or "green: every probe answered as predicted" in out


@pytest.mark.parametrize(("how", "code"), CODES[:3])
@pytest.mark.parametrize("output", ["text", "json"])
def test_the_answer_does_not_depend_on_who_reads_it(how: str, code: int, output: str, tmp_path: Path) -> None:
    process = by_command(how, tmp_path, "--output", output, "--report", str(tmp_path / "r"))
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None and "Traceback" not in process.stderr.read()
    assert process.wait(timeout=120) == code


@pytest.mark.parametrize(("how", "code"), CODES)
def test_nor_on_who_reads_what_is_said_besides(how: str, code: int, tmp_path: Path) -> None:
    process = by_command(how, tmp_path, "--report", str(tmp_path / "r"))
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    process.stderr.close()
    assert process.wait(timeout=120) == code


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is Linux's")
def test_output_that_cannot_be_written_is_one_sentence() -> None:
    with Path("/dev/full").open("w") as full:
        words = [sys.executable, "-m", "netspec", "matrix", SPEC]
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, cwd=ROOT, timeout=60, check=False)
    assert (done.returncode, done.stderr.splitlines()[0]) == (
        *(2,),
        "error: the output could not be written: No space left on device",
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_being_told_to_stop_cleans_up(number: signal.Signals, tmp_path: Path) -> None:
    process = by_command("slow", tmp_path)
    assert process.stderr is not None
    assert process.stderr.readline() == "at work\n"
    process.send_signal(number)
    assert process.stderr.read() == "cleaned up\ninterrupted; run the same command again to continue\n"
    assert process.wait(timeout=60) == 128 + number


def test_a_mistake_of_netspec_is_not_the_code_of_an_answer(tmp_path: Path) -> None:
    process = by_command("bug", tmp_path)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 2
    assert "a bug in netspec itself" in said


def test_a_stack_that_the_spec_does_not_have_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from netspec import toolchain

    monkeypatch.setattr(toolchain, "activate", lambda *_, **__: None)
    assert main(["verify", SPEC, "--stack", "nowhere"]) == 2
    assert "has no stack 'nowhere'" in capsys.readouterr().err
