"""Building components into the cache: locked, resumable, atomic per component.

Cache layout below `cache_root()`: `airgap/<name>/<key>/` is a finished component, `airgap/<name>/.<key>.tmp/`
an interrupted one, `airgap/<name>/build.log` the log of its last build.
"""

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from airgap.component import Component, Context, check_disk, closure, compute_keys
from airgap.errors import AirgapError
from airgap.golang import check_go, go_caches
from airgap.recipes import COMPONENTS

NAMES: tuple[str, ...] = tuple(COMPONENTS)

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of `list`: a component, its key, where it is or would be, and whether it is there."""

    name: str
    version: str
    key: str
    path: Path
    cached: bool


def cache_root() -> Path:
    """$NETSPEC_CACHE, or ~/.cache/netspec."""
    explicit = os.environ.get("NETSPEC_CACHE")
    return Path(explicit).expanduser().resolve() if explicit else Path.home() / ".cache" / "netspec"


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def entries(components: Mapping[str, Component] = COMPONENTS) -> list[Entry]:
    """Every component in build order."""
    root = cache_root() / "airgap"
    keys = compute_keys(components)
    return [
        Entry(name, components[name].version, key, root / name / key, (root / name / key).is_dir())
        for name, key in keys.items()
    ]


def path_of(name: str, components: Mapping[str, Component] = COMPONENTS) -> Path:
    """The directory of a built component. Raises `AirgapError` if it is not built."""
    closure(components, [name])
    entry = next(entry for entry in entries(components) if entry.name == name)
    if not entry.cached:
        raise AirgapError(f"the component {name} is not built", f"build it with: python -m airgap build {name}")
    return entry.path


def bin_dir(name: str) -> Path:
    """The directory with the executables of a built component. Raises `AirgapError` if it is not built."""
    return path_of(name) / "bin"


@contextlib.contextmanager
def lock(path: Path, progress: Progress, what: str) -> Iterator[None]:
    """Hold an exclusive lock on a file for the block; says so if it has to wait."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            progress(f"waiting for another process: {what}")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def ensure(
    names: Iterable[str] = NAMES, progress: Progress = _say, components: Mapping[str, Component] = COMPONENTS
) -> None:
    """Build what is missing of `names` and of what they need to be built.

    Something already built is taken as it is, without building what it was made of. A killed build
    goes on at the component that was cut. Raises `AirgapError`.
    """
    wanted = list(names)
    if not missing(wanted, components):
        return
    with lock(cache_root() / "airgap" / ".lock", progress, "a build is running"):
        left = missing(wanted, components)  # again: another process may just have built it
        if not left:
            return
        if any(components[entry.name].go_disk for entry in left):
            check_go()
        check_disk(_disk_needed(left, components))
        for number, entry in enumerate(left, 1):
            _build(entry, components, f"[{number}/{len(left)}]", progress)


def missing(names: Iterable[str], components: Mapping[str, Component] = COMPONENTS) -> list[Entry]:
    """What has to be built for `names`, in build order; the needs of something built do not count."""
    by_name = {entry.name: entry for entry in entries(components)}
    pending = list(names)
    closure(components, pending)
    wanted: set[str] = set()
    while pending:
        name = pending.pop()
        if not by_name[name].cached and name not in wanted:
            wanted.add(name)
            pending += components[name].needs
    return [by_name[name] for name in components if name in wanted]


def _disk_needed(left: list[Entry], components: Mapping[str, Component]) -> dict[Path, float]:
    needed = {cache_root(): sum(components[entry.name].disk for entry in left)}
    if go_disk := sum(components[entry.name].go_disk for entry in left):
        build, modules = go_caches()
        # Modules take about a third of what a build leaves behind.
        for path, share in ((build, 0.68), (modules, 0.32)):
            needed[path] = needed.get(path, 0.0) + go_disk * share
    return needed


def _build(entry: Entry, components: Mapping[str, Component], number: str, progress: Progress) -> None:
    component = components[entry.name]
    needs = ", ".join(component.needs)
    progress(f"{number} {entry.name} {entry.version}: building" + (f" from {needs}" if needs else ""))
    started = time.monotonic()
    folder = entry.path.parent
    folder.mkdir(parents=True, exist_ok=True)
    for leftover in folder.glob(".*.tmp"):
        shutil.rmtree(leftover)
    temporary = folder / f".{entry.key}.tmp"
    temporary.mkdir()
    log_path = folder / "build.log"
    paths = {name: path_of(name, components) for name in component.needs}
    try:
        with log_path.open("w") as log:
            component.recipe(Context(out=temporary, needs=paths, log=log))
    except subprocess.CalledProcessError as error:
        words = error.cmd[error.cmd.index("KILL") + 1 :] if "KILL" in error.cmd else error.cmd
        command = " ".join(map(str, words[:3]))
        raise _failure(entry, log_path, f"`{command} ...` ended with status {error.returncode}") from error
    except OSError as error:
        raise _failure(entry, log_path, f"{error}") from error
    temporary.rename(entry.path)
    progress(f"{number} {entry.name} {entry.version}: done in {elapsed(time.monotonic() - started)}")


def _failure(entry: Entry, log_path: Path, reason: str) -> AirgapError:
    tail = log_path.read_text(errors="replace").splitlines()[-15:]
    lines = "".join(f"\n    {line}" for line in tail)
    return AirgapError(
        f"building {entry.name} {entry.version} failed: {reason}",
        f"the log is {log_path}; run the same command again to resume. It ends with:{lines}",
    )


def elapsed(seconds: float) -> str:
    """`75.2` -> `1 min 15 s`."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def clean(components: Mapping[str, Component] = COMPONENTS) -> list[Path]:
    """Remove everything cached under a key that no component has any more; returns what was removed."""
    removed = []
    root = cache_root() / "airgap"
    if not root.is_dir():
        return []
    with lock(root / ".lock", _say, "a build is running"):
        current = {entry.path for entry in entries(components)}
        for path in sorted(root.glob("*/*")):
            if path.is_dir() and path not in current:
                shutil.rmtree(path)
                removed.append(path)
    return removed
