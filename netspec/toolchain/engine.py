"""The container engine: Docker where it answers, else the private one of airgap/."""

import os
import shutil
import subprocess
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Literal, cast

from netspec.diagnostics import Problem
from netspec.toolchain import programs, project
from netspec.toolchain.find import Say, say

#: none: there is no cluster of ours that would need one.
Engine = Literal["docker", "private", "none"]

#: auto, docker or private. A command that netspec starts finds the engine that was chosen for it here.
VARIABLE = "NETSPEC_ENGINE"
#: Seconds in which Docker has to answer.
TIMEOUT = 5
#: GiB that the containers of a cluster take beyond their image.
NEEDED_DISK = 3.0


def docker_info(what: str) -> str | None:
    """A field of what the Docker server says of itself (DOCKER_HOST and the CLI's contexts count), None when none
    answers."""
    done = programs.run(["docker", "info", "--format", f"{{{{.{what}}}}}"], limit=TIMEOUT)
    return done.stdout.strip() or None if done.returncode == 0 else None


def _record_of(stack: str) -> Path:
    return project.private_dir() / f"{stack}.engine"


def record(stack: str, identity: str) -> None:
    """Remember the engine that a stack's cluster is on, from before anything of the cluster is there until `forget`."""
    chosen = "private" if os.environ.get(VARIABLE) == "private" else "docker"
    _record_of(stack).write_text(f"{chosen} {identity}\n", encoding="utf-8")


def forget(stack: str) -> None:
    _record_of(stack).unlink(missing_ok=True)


def choose() -> Engine:
    """The engine that this checkout's clusters are on, else the one this machine gives. Raises `Problem`, also when
    another engine answers than the clusters are on: there they would look as if they were gone."""
    wanted = os.environ.get(VARIABLE, "auto")
    if wanted == "none":
        return "none"
    if wanted not in ("auto", "docker", "private"):
        raise Problem(f"{VARIABLE} is {wanted!r}", "set it to auto, docker or private, or unset it")
    for file in _records():
        made_on, _, identity = file.read_text(encoding="utf-8").strip().partition(" ")
        _check_same(wanted, made_on, identity, file)
        wanted = made_on
    if wanted != "private":
        if docker_info("ServerVersion"):
            return "docker"
        if wanted == "docker":
            raise Problem(
                f"{VARIABLE} is docker, and no Docker engine answers within {TIMEOUT} seconds",
                "start Docker, or check DOCKER_HOST",
            )
    if not project.has_airgap():
        raise Problem(
            "there is no container engine: Docker does not answer",
            "install Docker or start it; as root on Debian, a checkout of netspec's repository brings an engine",
        )
    if sys.platform != "linux" or os.geteuid() != 0:
        raise Problem(
            "there is no container engine: Docker does not answer, and the private one needs Linux and root",
            "start Docker, or run the same command as root on Debian",
        )
    return "private"


def present() -> Engine:
    """The engine that is there, for what needs none itself: the private one's network may be where a cluster is."""
    if os.environ.get(VARIABLE, "auto") != "auto" or _records():
        return choose()
    if docker_info("ServerVersion"):
        return "docker"
    return "private" if project.has_airgap() and private_runs() else "none"


def is_recorded(stack: str) -> bool:
    """Whether a cluster of the stack's own is on an engine."""
    return _record_of(stack).exists()


def _records() -> list[Path]:
    """What engines this project's clusters are on; outside a project there are none."""
    try:
        return sorted(project.private_dir(make=False).glob("*.engine"))
    except project.NoProject:
        return []


def _check_same(wanted: str, made_on: str, identity: str, file: Path) -> None:
    stack = file.stem
    if wanted not in ("auto", made_on):
        raise Problem(
            f"the cluster of the stack {stack} is on the engine {made_on}, not on {wanted}",
            f"destroy it first: {VARIABLE}={made_on} netspec down --stack {stack}",
        )
    if made_on != "docker":
        return
    found = docker_info("ID")
    if not found or (identity and found != identity):
        what = "another one answers" if found else f"it does not answer within {TIMEOUT} seconds"
        raise Problem(
            f"the cluster of the stack {stack} is on a Docker engine, and {what}",
            "start Docker, or set DOCKER_HOST or the docker context to what it was; if that engine is gone for good, "
            f"remove {file}",
        )


def allow_packages(install: bool, report: Say = say, images: Collection[str] = ()) -> None:
    """Say which system packages the private engine is about to install as root, or raise `Problem` unless `install`."""
    from airgap import engine

    packages = " ".join(engine.missing_packages(images))
    if not packages:
        return
    if not install:
        raise Problem(
            f"the private engine needs the Debian packages {packages}, and --no-install forbids installing them",
            f"install them by hand: apt-get install {packages}; or start Docker, which needs none of them",
        )
    report(f"the private engine needs the Debian packages {packages}: apt-get installs them, as root")
    report("  --no-install forbids it")


def start_private(report: Say = say, images: Collection[str] = ()) -> None:
    """Build, start and fill the private engine; `images` are those that nodes will pull. Raises `Problem`."""
    from airgap import engine
    from airgap.errors import AirgapError

    try:
        engine.hold()
        engine.build_images(images, report)  # before anything is started: this is what can take long, or fail
        engine.start(report)
        engine.ensure_images(images, report)
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


def docker_client(chosen: Engine) -> Path | None:
    """The docker command to use. The private engine has the system's own: a newer client elsewhere may not speak that
    server's API."""
    if chosen == "none":
        return None
    if chosen == "docker":
        return project.unlinked(Path(cast("str", shutil.which("docker"))).absolute())
    from airgap import host

    return project.unlinked(Path(host.which("docker") or "/usr/bin/docker"))


def check_disk(chosen: Engine) -> None:
    """Raise `Problem` when there is no room for a cluster where the engine keeps its containers."""
    if chosen == "none":
        return
    folder = project.cache_root()
    if chosen == "docker":
        folder = Path(docker_info("DockerRootDir") or "/")
    try:
        free = shutil.disk_usage(folder).free / (1 << 30)
    except OSError:  # in a virtual machine, or not ours to look at
        return
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


def plugin_settings() -> Mapping[str, str]:
    """Environment variables for the plugins that are built with the private engine's Pulumi."""
    from airgap import engine

    return engine.plugin_settings()


def kind_overrides() -> Mapping[str, Any]:
    """What kind's config needs on this machine beyond the plan: merged when a cluster is made, never stored."""
    if os.environ.get(VARIABLE) != "private" or not project.has_airgap():
        return {}
    from airgap import engine

    return engine.kind_config()
