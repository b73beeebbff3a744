"""The README's commands, and how they are run."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

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


def run(command: str) -> subprocess.CompletedProcess[str]:
    words = shlex.split(command)
    assert words[0] == "netspec"
    return subprocess.run(
        [sys.executable, "-m", "netspec", *words[1:]], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
