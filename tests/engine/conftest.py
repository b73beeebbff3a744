"""A project of its own, the real Pulumi engine, and stand-ins for docker, kind, kubectl and the API server."""

import contextlib
import ctypes
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airgap import build
from tests.engine.apiserver import ApiServer

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent

#: Of <linux/prctl.h>.
PR_SET_CHILD_SUBREAPER = 36

#: Seconds until something that a test waits for must have happened.
PATIENCE = 600

SPEC = (ROOT / "stacks" / "shop.yaml").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def pulumi() -> Path:
    """The Pulumi command with its plugins beside it; not built for the occasion unless live tests are required."""
    from netspec.toolchain import find

    found = find.find("pulumi") if os.environ.get("NETSPEC_REQUIRE_LIVE") == "1" else find.find_local("pulumi")
    if found is None:
        pytest.skip("not run: Pulumi is neither on PATH nor built; `netspec up` gets it")
    if shutil.which("pulumi-resource-kubernetes", path=str(found.path.parent)) is None:
        pytest.skip("not run: the kubernetes plugin is not beside pulumi")
    return found.path


@pytest.fixture(scope="session")
def aws_python() -> Path:
    """Python where boto3 and moto are; not made for the occasion unless live tests are required."""
    environment = ROOT / ".venv" / "aws"
    if not (environment / ".stamp").exists():
        if os.environ.get("NETSPEC_REQUIRE_LIVE") != "1":
            pytest.skip("not run: boto3 and moto are in an environment of their own; `make aws` makes it")
        with build.lock(ROOT / ".venv" / "aws.lock", print, "make aws"):  # tests run in two processes
            subprocess.run(["make", "aws"], cwd=ROOT, check=True)
    return environment / "bin" / "python"


class World:
    """One project and what its commands see of the machine. `program`: netspec's own command."""

    program: tuple[str, ...] = ("-m", "netspec")

    def __init__(self, directory: Path, pulumi: Path, api: ApiServer) -> None:
        self.project, self.state, self.api = directory / "project", directory / "fake", api
        for folder in (self.project / "stacks", self.state, directory / "bin"):
            folder.mkdir(parents=True)
        for name in ("docker", "kind", "kubectl"):
            program = directory / "bin" / name
            program.write_text(f'#!/bin/sh\nexec {sys.executable} -ISE {HERE}/fakes.py {name} "$@"\n')
            program.chmod(0o755)
        for name in ("Pulumi.yaml", "__main__.py"):
            shutil.copy(ROOT / name, self.project / name)
        self.write_spec(SPEC)
        (self.project / "stacks" / "Pulumi.shop.yaml").write_text("config:\n  netspec:spec: stacks/shop.yaml\n")
        (self.state / "kubeconfig").write_text(api.kubeconfig)
        self.env = {
            **{
                k: v
                for k, v in os.environ.items()
                if not k.startswith(("PULUMI_", "NETSPEC_", "DOCKER_", "KUBECONFIG"))
            },
            "PATH": f"{directory / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "FAKE_STATE": str(self.state),
            "NETSPEC_PROJECT": str(self.project),
            "NETSPEC_ENGINE": "docker",
            "NETSPEC_PULUMI": str(pulumi),
            "PULUMI_HOME": str(directory / "home"),
            "PYTHONPATH": str(ROOT),
        }

    def write_spec(self, text: str) -> None:
        (self.project / "stacks" / "shop.yaml").write_text(text, encoding="utf-8")

    def start(self, *words: str, **env: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, *self.program, *words],
            cwd=self.project,
            env=self.env | env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str, code: int = 0, **env: str) -> "subprocess.CompletedProcess[str]":
        """Run a netspec command to its end and check its exit code."""
        process = self.start(*words, **env)
        out, error = process.communicate(timeout=PATIENCE)
        assert process.returncode == code, f"{words} ended with {process.returncode}\n{out}\n{error}"
        return subprocess.CompletedProcess(words, process.returncode, out, error)

    def up(self, *words: str, code: int = 0, **env: str) -> dict[str, Any]:
        """`netspec up --stack shop`; returns what it says of the changes."""
        done = self.run("up", "--stack", "shop", "--no-verify", "--output", "json", *words, code=code, **env)
        return dict(json.loads(done.stdout)["changes"]) if code == 0 else {"stderr": done.stderr}

    def preview(self) -> dict[str, Any]:
        return dict(json.loads(self.run("preview", "--stack", "shop", "--output", "json").stdout))

    @property
    def docker(self) -> dict[str, Any]:
        """The container engine's state: containers and networks by name."""
        file = self.state / "docker.json"
        return dict(json.loads(file.read_text())) if file.exists() else {"containers": {}, "networks": {}, "count": 0}

    @docker.setter
    def docker(self, state: dict[str, Any]) -> None:
        (self.state / "docker.json").write_text(json.dumps(state))

    def steer(self, name: str, text: str | None = "") -> None:
        """Write a file that a stand-in looks for (see fakes.py); None removes it."""
        file = self.state / name
        if text is None:
            file.unlink(missing_ok=True)
        else:
            file.write_text(text)

    def wait_for(self, happened: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not happened():
            assert time.monotonic() < deadline, "it did not happen"
            time.sleep(0.05)


@pytest.fixture
def api() -> Iterator[ApiServer]:
    server = ApiServer()
    yield server
    server.close()


@pytest.fixture
def world(tmp_path: Path, pulumi: Path, api: ApiServer) -> World:
    return World(tmp_path, pulumi, api)


@pytest.fixture
def adopter() -> Iterator[None]:
    """Orphans become children of this process, which does not ask how they ended, as in a container without an init."""
    if sys.platform != "linux":
        yield
        return
    library = ctypes.CDLL(None, use_errno=True)
    assert library.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    yield
    assert library.prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0) == 0
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
