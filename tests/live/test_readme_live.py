"""The README's commands that ask a running cluster."""

from pathlib import Path

import pytest
from live_cluster import Live
from readme import COMMANDS, LIVE, START, run


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("netspec") and c.split()[1] in LIVE])
def test_live_command(live: Live, command: str) -> None:
    done = run(command)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip()


def test_a_user_starts(live: Live, tmp_path: Path) -> None:
    """From an empty folder to a cluster of its own beside the one that runs, verified, asked by pytest, and gone."""
    folder, ended = tmp_path, []
    try:
        for command in START:
            if command.startswith("cd "):
                folder /= command.removeprefix("cd ")
                spec = folder / "stacks" / f"{folder.name}.yaml"
                beside = "type: kind, workers: 1, networkCIDR: 172.27.0.0/16"
                spec.write_text(spec.read_text().replace("type: kind, workers: 2", beside))
                continue
            done = run(command, folder, timeout=900)
            assert done.returncode == 0 and done.stdout.strip(), done.stdout + done.stderr
            ended.append(command.split()[:2])
    finally:
        if ["netspec", "down"] not in ended and folder != tmp_path:
            run("netspec down --stack dev", folder, timeout=300)
    assert [words[-1] for words in ended] == ["init", "check", "matrix", "up", "--stack", "down"]
    assert live.kubectl("get", "nodes", "-o", "name").strip()
