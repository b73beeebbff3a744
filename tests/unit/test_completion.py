"""Shells complete commands, options, files and the names of stacks."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from netspec.cli import COMMANDS, main
from netspec.cli.completion import SHELLS

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
#: The stacks of this repository.
STACKS = {path.name.split(".")[1] for path in (ROOT / "stacks").glob("Pulumi.*.yaml")}


def completed(line: str, cwd: Path = ROOT) -> list[str]:
    """What bash offers after `line`, through the function that `netspec completion bash` defines."""
    script = (
        "source <(netspec completion bash)\n"
        'COMP_LINE="$1" COMP_POINT=${#1} COMP_TYPE=9 COMPREPLY=()\n'
        "_python_argcomplete netspec\n"
        "printf '%s\\n' \"${COMPREPLY[@]}\"\n"
    )
    # A live test before this one has named the project to all that is started.
    env = {name: value for name, value in os.environ.items() if name != "NETSPEC_PROJECT"}
    done = subprocess.run(
        ["bash", "-c", script, "bash", line],
        cwd=cwd,
        env={**env, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return [word.strip() for word in done.stdout.splitlines() if word.strip()]


@pytest.mark.skipif(shutil.which("bash") is None, reason="not run: there is no bash here")
@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("netspec ex", {"exec", "explain", "exposure"}),
        ("netspec up --no-", {"--no-install", "--no-verify"}),
        ("netspec up --stack ", STACKS),
        ("netspec matrix stacks/shop.yaml --stack ", {"shop"}),
        ("netspec check stacks/sho", {"stacks/shop.yaml"}),
        ("netspec completion ", {*SHELLS}),
    ],
)
def test_bash_completes(line: str, words: set[str]) -> None:
    found = set(completed(line))
    assert words <= found
    assert {word for word in found - words if not word.startswith("-")} == set()


@pytest.mark.skipif(shutil.which("bash") is None, reason="not run: there is no bash here")
def test_where_there_is_no_project_and_no_stack(tmp_path: Path) -> None:
    (tmp_path / "odd.yaml").write_text("stacks: [\n")
    assert set(COMMANDS) <= set(completed("netspec ", tmp_path))
    assert completed("netspec up --stack ", tmp_path) == []
    assert completed("netspec check odd.yaml --stack ", tmp_path) == []


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_is_given_its_own_language(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert {"bash": "complete ", "zsh": "compdef ", "fish": "complete --command netspec"}[shell] in script
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=script, text=True, check=True, timeout=60)


def test_an_answer_loads_neither_pulumi_nor_the_engine() -> None:
    """It is waited for with a key pressed."""
    program = (
        "import sys; from netspec.cli import _parser, COMMANDS\n"
        "for name in COMMANDS: _parser([name])\n"
        "sys.exit(str({'pulumi', 'testinfra', 'airgap'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stderr == "set()\n"
