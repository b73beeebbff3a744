"""The container engine: Docker where it answers, else the private one of airgap/."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, cast

from netspec.diagnostics import Problem
from toolchain import project
from toolchain.find import Say, say

Engine = Literal["docker", "private"]

#: auto, docker or private. A command that netspec starts finds the engine that was chosen for it here.
VARIABLE = "NETSPEC_ENGINE"
#: Seconds in which Docker has to answer.
TIMEOUT = 5
#: GiB that the containers of a cluster take beyond their image.
NEEDED_DISK = 3.0


def docker_answers() -> str | None:
    """The version of the Docker server that answers (DOCKER_HOST and the CLI's contexts count), or None."""
    if shutil.which("docker") is None:
        return None
    try:
        done = subprocess.run(
            ["docker", "info", "--format", "{{.ServerVersion}}"],
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


def choose() -> Engine:
    """Which engine this machine gives. Raises `Problem` where there is none."""
    wanted = os.environ.get(VARIABLE, "auto")
    if wanted not in ("auto", "docker", "private"):
        raise Problem(f"{VARIABLE} is {wanted!r}", "set it to auto, docker or private, or unset it")
    if wanted != "private":
        if docker_answers():
            return "docker"
        if wanted == "docker":
            raise Problem(
                f"{VARIABLE} is docker, and no Docker engine answers within {TIMEOUT} seconds",
                "start Docker, or check DOCKER_HOST",
            )
    if sys.platform != "linux" or os.geteuid() != 0:
        raise Problem(
            "there is no container engine: Docker does not answer, and the private one needs Linux and root",
            "start Docker, or run the same command as root on Debian",
        )
    return "private"


def start_private(report: Say = say) -> None:
    """Build, start and fill the private engine. Raises `Problem`."""
    from airgap import build, engine
    from airgap.errors import AirgapError

    try:
        build.ensure(engine.ENGINE_IMAGES, report)  # before anything is started: this is what can take long, or fail
        engine.start(report)
        engine.ensure_images(report)
    except AirgapError as error:
        raise Problem(error.message, error.hint) from error
    except subprocess.CalledProcessError as error:
        raise Problem(
            f"the private container engine did not start: `{' '.join(map(str, error.cmd))}` failed: "
            f"{str(error.stderr or '').strip()}",
            "run `netspec doctor` to see what is missing",
        ) from error


def private_runs() -> bool:
    from airgap import engine

    return engine.status() is not None


def stop_private(report: Say = say) -> None:
    """End the private engine with everything in it. Raises `Problem`."""
    from airgap import engine
    from airgap.errors import AirgapError

    try:
        engine.stop(report)
    except AirgapError as error:
        raise Problem(error.message, error.hint) from error


def docker_client(chosen: Engine) -> Path:
    """The docker command to use. The private engine has the system's own: a newer client elsewhere may not speak that
    server's API."""
    if chosen == "docker":
        return project.unlinked(Path(cast("str", shutil.which("docker"))).absolute())
    from airgap import host

    return project.unlinked(Path(host.which("docker") or "/usr/bin/docker"))


def check_disk(chosen: Engine) -> None:
    """Raise `Problem` when there is no room for a cluster where the engine keeps its containers."""
    folder = project.cache_root()
    if chosen == "docker":
        done = subprocess.run(
            ["docker", "info", "--format", "{{.DockerRootDir}}"],
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        folder = Path(done.stdout.strip() or "/")
    free = shutil.disk_usage(folder).free / (1 << 30) if folder.exists() else NEEDED_DISK  # in a virtual machine
    if free < NEEDED_DISK:
        raise Problem(
            f"a cluster needs {NEEDED_DISK:.0f} GiB free on the disk of {folder}, which has {free:.1f} GiB",
            "free some space there, then run the same command again",
        )


def enter_private() -> None:
    """Move this thread, and what it starts from now on, into the private engine's network. Raises `Problem`."""
    from airgap import engine
    from airgap.errors import AirgapError

    try:
        engine.enter()
    except AirgapError as error:
        raise Problem(error.message, error.hint) from error


def kind_overrides() -> Mapping[str, Any]:
    """What kind's config needs on this machine beyond the plan: merged when a cluster is made, never stored."""
    if os.environ.get(VARIABLE) != "private":
        return {}
    from airgap import engine

    return engine.kind_config()
