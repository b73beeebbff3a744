"""What Cilium makes of policies: tests/oracle/cilium, built from Cilium's own module as tests/oracle/kubectl.py is."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import pytest

from airgap.build import ensure, path_of
from airgap.errors import AirgapError
from airgap.golang import GoBuild, go_component
from netspec.ir.model import Protocol

_NAME = "cilium-oracle"
VERSION = "v1.19.6"
_BUILD = GoBuild("github.com/cilium/cilium", VERSION, inherit=True, main="../tests/oracle/cilium")
_COMPONENTS = {_NAME: go_component(_NAME, VERSION.removeprefix("v"), _BUILD, go_disk=3.0)}


class Flow(NamedTuple):
    """Between two identities, by their numbers."""

    source: int
    destination: int
    port: int
    protocol: Protocol


class Answer(NamedTuple):
    """Why each policy is refused ("": it is taken), and of each flow whether egress and ingress let it pass."""

    refused: list[str]
    flows: list[tuple[bool, bool]]


class Cilium:
    """The running program."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def judge(self, policies: Sequence[Any], identities: Mapping[int, Sequence[str]], flows: Sequence[Flow]) -> Answer:
        assert self._process.stdin is not None and self._process.stdout is not None
        asked = {
            "Policies": policies,
            "Identities": {str(number): labels for number, labels in identities.items()},
            "Flows": [{"From": f.source, "To": f.destination, "Port": f.port, "Protocol": f.protocol} for f in flows],
        }
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        assert not answer.get("error"), answer["error"]
        passes = [(f["egress"] == "allowed", f["ingress"] == "allowed") for f in answer["flows"] or []]
        return Answer(answer["refused"] or [], passes)


@contextmanager
def running() -> Iterator[Cilium]:
    """Skips where Go is missing, unless live tests are required: then everything is."""
    try:
        if shutil.which("go") is None:
            raise AirgapError("no `go` is on PATH", "install Go")
        ensure([_NAME], lambda line: None, _COMPONENTS)
    except AirgapError as error:
        if os.environ.get("NETSPEC_REQUIRE_LIVE") == "1":
            raise
        pytest.skip(f"not run: Cilium's policy engine cannot be built: {error}")
    program = path_of(_NAME, _COMPONENTS) / "bin" / _NAME
    with subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Cilium(process)
        finally:
            process.kill()
