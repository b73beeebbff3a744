"""Every command of the README is run: `make` ones by .ci/run, in the README's order; `netspec` ones here."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [
    line.split("#")[0].strip()
    for block in re.findall(r"```sh\n(.*?)```", README, re.S)
    for line in block.splitlines()
    if line.strip()
]
#: These ask a running cluster.
LIVE = ("preview", "status", "verify", "exec")


def test_make_commands_are_what_ci_runs_in_order() -> None:
    wanted = [c for c in COMMANDS if c.startswith("make")]
    ci = re.findall(r"make (?:up|test|down)\b", (ROOT / ".ci/run").read_text(encoding="utf-8"))
    in_order = [c for c in ci if c in wanted]
    assert wanted == ["make up", "make test", "make down"]
    assert list(dict.fromkeys(c for c in in_order if c != "make down")) == ["make up", "make test"]
    assert in_order[-1] == "make down"


def run(command: str) -> subprocess.CompletedProcess[str]:
    words = shlex.split(command)
    assert words[0] == "netspec"
    return subprocess.run(
        [sys.executable, "-m", "netspec", *words[1:]], cwd=ROOT, capture_output=True, text=True, timeout=300
    )


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("netspec") and c.split()[1] not in LIVE])
def test_offline_command(command: str) -> None:
    done = run(command)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


@pytest.mark.live
@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("netspec") and c.split()[1] in LIVE])
def test_live_command(command: str) -> None:
    done = run(command)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip()


def test_the_readmes_spec_is_valid(tmp_path: Path) -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", README, re.S)
    assert yaml.safe_load(text)["kind"] == "NetworkSpec"
    spec = tmp_path / "spec.yaml"
    spec.write_text(text, encoding="utf-8")
    done = run(f"netspec check {spec}")
    assert done.returncode == 0, done.stdout + done.stderr


def test_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)", README)
    assert links
    assert [link for link in links if not link.startswith("http") and not (ROOT / link).exists()] == []
