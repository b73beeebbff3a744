"""The README's commands that ask a running cluster."""

import pytest
from live_cluster import Live
from readme import COMMANDS, LIVE, run


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("netspec") and c.split()[1] in LIVE])
def test_live_command(live: Live, command: str) -> None:
    done = run(command)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip()
