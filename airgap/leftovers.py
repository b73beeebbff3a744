"""Finding and removing what an engine left: its processes, its mounts, its control groups."""

import contextlib
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterable
from pathlib import Path

#: Programs an engine is made of. Only these are killed by the files they name; a user's `docker logs` is not.
#: (docker-proxy names none; the kernel ends it with its dockerd.)
PROGRAMS = ("dockerd", "containerd", "containerd-shim", "runc")
_PROC = Path("/proc")
_CGROUPS = Path("/sys/fs/cgroup")


def container_ids(data: Path) -> list[str]:
    """The ids of the containers in an engine's data root."""
    folder = data / "containers"
    return [path.name for path in folder.iterdir()] if folder.is_dir() else []


def processes(run: Path, programs: tuple[str, ...], containers: Iterable[str] = ()) -> list[int]:
    """The process ids of the `programs` of an engine with these run files, and of `containers`."""
    inside = [f"/{container}" for container in containers]
    found = []
    for entry in _PROC.iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            command = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            groups = (entry / "cgroup").read_text() if inside else ""
        except OSError:  # it just ended
            continue
        ours = Path(command[0]).name.startswith(programs) and any(f"{run}/" in argument for argument in command)
        if ours or any(container in groups for container in inside):
            found.append(int(entry.name))
    return found


def kill(find: Callable[[], list[int]], number: int, seconds: float) -> None:
    """Send a signal to each process that `find` returns, until it returns none or `seconds` have passed."""
    deadline = time.monotonic() + seconds
    signalled: set[int] = set()
    while pids := find():
        for pid in pids:
            if pid not in signalled:
                signalled.add(pid)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
        if time.monotonic() > deadline:
            return
        time.sleep(0.05)


def unmount(roots: Iterable[Path]) -> None:
    """Unmount everything at or below these paths, the deepest first, and all that are stacked on one point.

    An engine mounts nothing here. What somebody else did would be in the way of removing the folders, and what is
    behind it would be removed with them. One below a mount further up is out of reach for both.
    """
    prefixes = [str(root) for root in roots]
    points = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        # Spaces and the like are octal escapes there.
        point = re.sub(r"\\(\d{3})", lambda code: chr(int(code[1], 8)), line.split(" ")[4])
        if any(point == prefix or point.startswith(f"{prefix}/") for prefix in prefixes):
            points.append(point)
    for point in sorted(points, key=len, reverse=True):
        subprocess.run(["umount", "--lazy", point], capture_output=True, check=False)


def remove_cgroups(containers: Iterable[str]) -> None:
    """Remove the empty control groups that killed `containers` leave below each hierarchy's `docker`.

    Those of other containers are another engine's: an empty one may be about to be used.
    """
    for container in containers:
        for top in [*_CGROUPS.glob(f"docker/{container}"), *_CGROUPS.glob(f"*/docker/{container}")]:
            for folder, _, _ in os.walk(top, topdown=False):
                with contextlib.suppress(OSError):  # a file system of another kind, or in use after all
                    Path(folder).rmdir()
