"""Finding a program, in one order everywhere: explicit path, PATH, official download, airgap build."""

import functools
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from netspec.catalogue import TOOLS
from netspec.diagnostics import Problem
from netspec.toolchain import download, project

#: The programs netspec runs, in the order they are looked for.
TOOL_NAMES: tuple[str, ...] = tuple(TOOLS)

Source = Literal["explicit", "PATH", "download", "airgap"]
Say = Callable[[str], None]

#: Seconds that installing a plugin may take.
PLUGIN_TIMEOUT = 600
#: What prints a program's version.
_VERSION_ARGUMENTS = {
    "kind": ("version",),
    "kubectl": ("version", "--client"),
    "pulumi": ("version",),
}


@dataclass(frozen=True, slots=True)
class Found:
    """A program that can run: its version ("1.34.4") and where it comes from."""

    name: str
    path: Path
    version: str
    source: Source


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def nobody(line: str) -> None:
    """Who hears what is worth a line in a log alone, where there is none."""


def find(name: str, report: Say = say, note: Say = nobody) -> Found:
    """Find a program, downloading or building it if that is what it takes. Raises `Problem`.

    `note` is told what was passed over; `report` is, where that is why something is downloaded or built.
    """
    passed_over: list[str] = []
    found = find_local(name, passed_over.append)
    for line in passed_over:
        (note if found else report)(line)
    if found:
        return found
    try:
        return _downloaded(name, download.install(name, report))
    except download.Unreachable as unreachable:
        if sys.platform != "linux" or not project.has_airgap():
            hint = f"install {name} {TOOLS[name].minimum} or newer, or name a mirror in {download.variable(name)}"
            raise Problem(
                f"{name} is not on PATH, and {unreachable.host} cannot be reached ({unreachable.reason})",
                f"{hint}; {project.BUILDS}" if sys.platform == "linux" else hint,
            ) from unreachable
        report(f"{unreachable.host} cannot be reached ({unreachable.reason}): {name} is built from package registries")
        return _build(name, report)


def find_local(name: str, note: Say = nobody) -> Found | None:
    """What is there already; `note` is told what was passed over. Raises `Problem` if the explicit path is of no
    use."""
    return _explicit(name) or _on_path(name, note) or _cached_download(name) or _cached_build(name)


def variable(name: str) -> str:
    """The environment variable that names a program's path: NETSPEC_KIND."""
    return f"NETSPEC_{name.upper()}"


def version_tuple(text: str) -> tuple[int, ...]:
    """
    >>> version_tuple("1.34.4") > version_tuple("1.9.0")
    True
    """
    return tuple(int(part) for part in text.split("."))


@functools.cache
def version_of(name: str, path: Path) -> str | None:
    """The version that a program says it is, None if it says nothing of use."""
    env = {**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "1"}
    try:
        done = subprocess.run(
            [path, *_VERSION_ARGUMENTS[name]], env=env, capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"\bv?(\d+\.\d+\.\d+)", done.stdout)
    return found[1] if found and done.returncode == 0 else None


def _is_old(name: str, path: Path, version: str) -> bool:
    """What netspec itself downloaded or built is not: it fits the cluster that goes with it."""
    minimum = TOOLS[name].minimum
    return minimum is not None and _source_of(path) == "PATH" and version_tuple(version) < version_tuple(minimum)


def _explicit(name: str) -> Found | None:
    text = os.environ.get(variable(name))
    if not text:
        return None
    path = Path(text).expanduser().absolute()
    hint = f"unset {variable(name)} to let netspec find {name} itself, or point it at another one"
    version = version_of(name, path) if os.access(path, os.X_OK) and path.is_file() else None
    if version is None:
        raise Problem(f"{variable(name)} names {path}, which is not a {name} that runs", hint)
    if _is_old(name, path, version):
        raise Problem(
            f"{variable(name)} names {name} {version}, which is too old: {TOOLS[name].minimum} is needed", hint
        )
    return Found(name, path, version, "explicit")


def _on_path(name: str, note: Say) -> Found | None:
    text = shutil.which(name)
    if text is None:
        return None
    path = project.unlinked(Path(text).absolute())
    version = version_of(name, path)
    if version is None:
        note(f"{path} does not say its version: not used")
        return None
    if _is_old(name, path, version):
        note(f"{path} is {name} {version}, older than {TOOLS[name].minimum}: not used")
        return None
    return Found(name, path, version, _source_of(path))


def _source_of(path: Path) -> Source:
    """A command that netspec started has netspec's own directories on PATH: they are named for what they are."""
    cache = project.cache_root()
    if path.is_relative_to(cache / "tools"):
        return "download"
    return "airgap" if path.is_relative_to(cache / "airgap") else "PATH"


def _cached_download(name: str) -> Found | None:
    path = download.target(name) / "bin" / name
    return _downloaded(name, path) if path.is_file() else None


def _downloaded(name: str, path: Path) -> Found:
    return Found(name, path, TOOLS[name].official, "download")


def _cached_build(name: str) -> Found | None:
    if not project.has_airgap() or not (project.cache_root() / "airgap" / name).is_dir():
        return None  # and airgap is not even imported
    from airgap import build
    from airgap.errors import AirgapError

    try:
        path = build.bin_dir(name) / name
    except AirgapError:  # only an older build is there
        return None
    return Found(name, path, TOOLS[name].airgap, "airgap")


def with_plugin(pulumi: Found, report: Say = say) -> Found:
    """A Pulumi that has the kubernetes plugin: this one, if need be after installing it, else one built with it."""
    plugin = ("resource", "kubernetes", version("pulumi_kubernetes"))
    home = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi")
    beside = shutil.which("pulumi-resource-kubernetes", path=str(pulumi.path.parent))
    if beside or (home / "plugins" / f"resource-kubernetes-v{plugin[2]}").is_dir():
        return pulumi
    if built := _cached_build("pulumi"):
        return built
    report(f"installing Pulumi's plugin kubernetes {plugin[2]}")
    try:
        done = subprocess.run(
            [pulumi.path, "plugin", "install", *plugin],
            env={**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PLUGIN_TIMEOUT,
            check=False,
        )
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1] if done.returncode else None
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = str(error)
    if reason is None:
        return pulumi
    report(f"it is unavailable ({reason}): Pulumi is built with it from package registries")
    return _build("pulumi", report)


def _build(name: str, report: Say) -> Found:
    from airgap import build
    from airgap.errors import AirgapError

    try:
        build.ensure([name], report)
    except AirgapError as error:
        raise Problem(error.message, error.hint) from error
    return Found(name, build.bin_dir(name) / name, TOOLS[name].airgap, "airgap")
