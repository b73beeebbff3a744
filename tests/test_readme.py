"""Every command of the README is run: `make` ones by .ci/run, in the README's order; `netspec` ones here, and those
that ask a running cluster in tests/live/test_readme_live.py."""

import re
from pathlib import Path

import pytest
import yaml
from readme import COMMANDS, LIVE, README, ROOT, START, run


def test_make_commands_are_what_ci_runs_in_order() -> None:
    wanted = [c for c in COMMANDS if c.startswith("make")]
    ci = re.findall(r"make (?:up|test|down)\b", (ROOT / ".ci/run").read_text(encoding="utf-8"))
    in_order = [c for c in ci if c in wanted]
    assert wanted == ["make up", "make test", "make down"]
    assert list(dict.fromkeys(c for c in in_order if c != "make down")) == ["make up", "make test"]
    assert in_order[-1] == "make down"


def test_what_installs_is_what_the_package_test_installs() -> None:
    """tests/test_package.py builds the wheel of this folder, as pip does, and runs what it installs."""
    assert [c for c in COMMANDS if not c.startswith(("make", "netspec"))] == ["pip install ."]


def test_the_start_up_to_the_cluster(tmp_path: Path) -> None:
    """The rest of it is in tests/live/test_readme_live.py."""
    folder, offline = tmp_path, START[: START.index("netspec up --stack dev")]
    assert [c.split()[1] for c in offline] == ["init", "network", "check", "matrix"]
    for command in offline:
        if command.startswith("cd "):
            folder /= command.removeprefix("cd ")
            continue
        done = run(command, folder)
        assert done.returncode == 0 and done.stdout.strip(), done.stderr


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("netspec") and c.split()[1] not in LIVE])
def test_offline_command(command: str) -> None:
    done = run(command)
    assert done.returncode == 0, done.stderr
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
