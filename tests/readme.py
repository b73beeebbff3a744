"""The README's commands, and how they are run."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = [
    [line.split("#")[0].strip() for line in block.splitlines() if line.strip()]
    for block in re.findall(r"```sh\n(.*?)```", README, re.S)
]
#: How a user begins, in a folder of their own: run in order, each with what those before it left.
(START,) = (block for block in BLOCKS if block[0].startswith("netspec init"))
#: The others are run in the repository.
COMMANDS = [command for block in BLOCKS if block is not START for command in block]
#: These ask a running cluster.
LIVE = ("preview", "status", "verify", "exec")


def run(command: str, cwd: Path = ROOT, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    words = shlex.split(command)
    assert words[0] in ("netspec", "pytest")
    env = {name: value for name, value in os.environ.items() if name != "NETSPEC_PROJECT"}
    return subprocess.run(
        [sys.executable, "-m", *words], cwd=cwd, env=env, capture_output=True, text=True, timeout=timeout
    )
