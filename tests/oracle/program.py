"""Another project's own code as a program, built from its module: asked one JSON line, it answers one.

It is built once into the cache, keyed by its source and the module's version (which Go's checksum database pins).
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from airgap.build import ensure, path_of
from airgap.component import Component
from airgap.errors import AirgapError


class Program:
    """The running program."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def ask(self, question: Mapping[str, Any]) -> Any:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


@contextmanager
def running(component: Component, what: str) -> Iterator[Program]:
    """Skips where Go is missing, unless live tests are required: then everything is. `what` it is, for a reader."""
    components = {component.name: component}
    try:
        if shutil.which("go") is None:
            raise AirgapError("no `go` is on PATH", "install Go")
        ensure([component.name], lambda line: None, components)
    except AirgapError as error:
        if os.environ.get("NETSPEC_REQUIRE_LIVE") == "1":
            raise
        pytest.skip(f"not run: {what} cannot be built: {error}")
    program = path_of(component.name, components) / "bin" / component.name
    with subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Program(process)
        finally:
            process.kill()
