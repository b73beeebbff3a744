"""What kubectl and the API server make of a manifest: tests/oracle/decode, built from Kubernetes' own modules.

It is built once into the cache, keyed by its source and the version of Kubernetes (`airgap`, which pins the modules by
Go's checksum database).
"""

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import pytest

from airgap.build import ensure, path_of
from airgap.errors import AirgapError
from airgap.golang import GoBuild, go_component
from airgap.recipes.programs import KUBERNETES, KUBERNETES_VERSION

_NAME = "kubectl-oracle"
_BUILD = GoBuild(
    module=KUBERNETES.module,
    version=KUBERNETES.version,
    staging=KUBERNETES.staging,
    main="../tests/oracle/decode",
)
_COMPONENTS = {_NAME: go_component(_NAME, KUBERNETES_VERSION.removeprefix("v"), _BUILD, go_disk=2.0)}


class Sent(NamedTuple):
    """An object as kubectl sends it; `stored` is what the API server makes of it, None where it refuses it."""

    body: dict[str, Any]
    stored: dict[str, Any] | None
    refused: str


class Answer(NamedTuple):
    """What kubectl reads of a file, up to the first error."""

    objects: list[Sent]
    error: str


class Kubectl:
    """The running program."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def read(self, content: str | bytes) -> Answer:
        raw = content if isinstance(content, bytes) else content.encode()
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps({"content": base64.b64encode(raw).decode()}) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        found = [Sent(o["sent"], o.get("stored"), o.get("refused", "")) for o in answer["objects"]]
        return Answer(found, answer.get("error", ""))


@contextmanager
def running() -> Iterator[Kubectl]:
    """Skips where Go is missing, unless live tests are required: then everything is."""
    try:
        if shutil.which("go") is None:
            raise AirgapError("no `go` is on PATH", "install Go")
        ensure([_NAME], lambda line: None, _COMPONENTS)
    except AirgapError as error:
        if os.environ.get("NETSPEC_REQUIRE_LIVE") == "1":
            raise
        pytest.skip(f"not run: kubectl's reader cannot be built: {error}")
    program = path_of(_NAME, _COMPONENTS) / "bin" / _NAME
    with subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Kubectl(process)
        finally:
            process.kill()
