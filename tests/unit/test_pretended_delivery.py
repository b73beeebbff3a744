"""A pretended VPC delivers by address on this machine's kernel, in network namespaces without an uplink."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PROGRAM = HERE.parents[1] / "backends" / "clusters" / "kind" / "instance.py"


@pytest.mark.skipif(
    os.geteuid() != 0 or not all(map(shutil.which, ("ip", "unshare", "setpriv"))), reason="makes network namespaces"
)
def test_pods_of_every_interface_are_reached_from_everywhere_and_keep_their_address() -> None:
    command = ["unshare", "--net", "--mount", sys.executable, str(HERE / "pretended_vpc.py"), str(PROGRAM)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    places, seen = found["places"], found["seen"]
    assert len(places) == 6
    expected = {name: {a: own for other, a in places.items() if other != name} for name, own in places.items()}
    assert seen == expected
