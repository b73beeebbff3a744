"""What is on this machine of all that netspec needs, without downloading, building or starting anything."""

import os
import platform
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from netspec.catalogue import TOOLS
from netspec.diagnostics import Problem
from netspec.toolchain import engine, project
from netspec.toolchain.find import TOOL_NAMES, find_local

GIB = 1 << 30
#: GiB that building everything takes at most, in caches and in what is kept.
BUILD_DISK = 25


@dataclass(frozen=True, slots=True)
class Finding:
    """One row. `state`: ok, missing (and `fix` says what to do), or note (good to know)."""

    subject: str
    state: str
    detail: str
    version: str = ""
    source: str = ""
    fix: str = ""


def inspect() -> list[Finding]:
    """Every row, programs first. A row that is missing makes `netspec up` fail, or wait until it is there."""
    notes: list[str] = []
    rows = [_program(name, notes.append) for name in TOOL_NAMES]
    rows += [Finding("PATH", "note", note) for note in notes]
    return [_project(), *rows, *_engine(), _disk(), *_kernel()]


def _project() -> Finding:
    try:
        return Finding("project", "ok", str(project.root()))
    except project.NoProject as problem:
        return Finding("project", "note", problem.message, fix=problem.hint or "")
    except Problem as problem:
        return Finding("project", "missing", problem.message, fix=problem.hint or "")


def _program(name: str, report: Callable[[str], None]) -> Finding:
    try:
        found = find_local(name, report)
    except Problem as problem:
        return Finding(name, "missing", problem.message, fix=problem.hint or "")
    if found:
        return Finding(name, "ok", str(found.path), found.version, found.source)
    fix = f"netspec up downloads {name} {TOOLS[name].official}"
    if project.has_airgap():
        fix += f", or builds it: python -m airgap build {name}"
    return Finding(name, "missing", "not on PATH, not downloaded, not built", fix=fix)


def _engine() -> list[Finding]:
    try:
        chosen = engine.choose()
    except Problem as problem:
        return [Finding("engine", "missing", problem.message, fix=problem.hint or "")]
    if chosen == "docker":
        where, version = os.environ.get("DOCKER_HOST", "Docker's default"), engine.docker_info("ServerVersion")
        return [Finding("engine", "ok", where, version or "", "docker")]
    from airgap import build
    from airgap.engine import ENGINE_IMAGES, missing_packages
    from airgap.golang import minimum_go

    state = "runs" if engine.private_runs() else "is started by netspec up"
    rows = [Finding("engine", "ok", f"the private engine {state}", source="airgap")]
    packages = missing_packages()
    if packages:
        rows.append(
            Finding(
                "packages",
                "missing",
                " ".join(packages),
                fix=f"apt-get install {' '.join(packages)} (netspec up does, without --no-install)",
            )
        )
    entries = {entry.name: entry for entry in build.entries()}
    for name in ENGINE_IMAGES:
        there = entries[name].cached
        fix = "" if there else f"python -m airgap build {name} (netspec up does)"
        detail = str(entries[name].path) if there else "not built"
        rows.append(Finding(name, "ok" if there else "missing", detail, entries[name].version, "airgap", fix))
    if not all(entries[name].cached for name in ENGINE_IMAGES) and shutil.which("go") is None:
        rows.append(
            Finding(
                "go", "missing", "nothing can be built without it", fix=f"install Go {minimum_go()} or newer on PATH"
            )
        )
    return rows


def _disk() -> Finding:
    folder = project.cache_root()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free / GIB
    detail = f"{free:.0f} GiB free in {folder}"
    if free < engine.NEEDED_DISK:
        return Finding("disk", "missing", detail, fix=f"free {engine.NEEDED_DISK:.0f} GiB; building takes {BUILD_DISK}")
    return Finding("disk", "ok", detail)


def _kernel() -> list[Finding]:
    rows = [Finding("system", "note", f"{platform.system()} {platform.release()} on {platform.machine()}")]
    rows.append(
        Finding("root", "note", "yes" if os.geteuid() == 0 else "no: enough for Docker, not for the private engine")
    )
    if sys.platform == "linux":
        version = "v2" if Path("/sys/fs/cgroup/cgroup.controllers").exists() else "v1"
        rows.append(Finding("cgroup", "note", version))
    return rows
