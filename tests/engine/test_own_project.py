"""A project that `netspec init` made: `pulumi up` by hand is what `netspec up` is, from any folder of it."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.engine.conftest import PATIENCE, World


def test_pulumi_by_hand_and_netspec_do_the_same(world: World, pulumi: Path, tmp_path: Path) -> None:
    world.project = tmp_path / "own"
    world.project.mkdir()
    del world.env["NETSPEC_PROJECT"]
    world.run("init")
    spec = world.project / "stacks" / "own.yaml"
    spec.write_text(spec.read_text().replace("workers: 2", "workers: 1"))
    # As a user has it: an environment with netspec that is active, a backend and a passphrase of their own.
    (tmp_path / "state").mkdir()
    world.env |= {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), str(pulumi.parent), world.env["PATH"]]),
        "PULUMI_BACKEND_URL": f"file://{tmp_path / 'state'}",
        "PULUMI_CONFIG_PASSPHRASE": "mine",
    }
    for words in (("stack", "init", "dev"), ("up", "--stack", "dev", "--yes", "--skip-preview")):
        by_hand = subprocess.run(
            ["pulumi", *words, "--non-interactive"],
            cwd=world.project / "stacks",
            env=world.env,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert by_hand.returncode == 0, by_hand.stdout + by_hand.stderr
    assert world.docker["containers"]
    world.project = world.project / "stacks"
    done = json.loads(world.run("up", "--stack", "dev", "--no-verify", "--output", "json").stdout)
    assert set(done["changes"]) == {"same"}
    world.run("down", "--stack", "dev")
    assert world.docker["containers"] == {}
