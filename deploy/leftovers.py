"""What a killed run leaves: processes that go on without it, and Pulumi's lock on the stack."""

import contextlib
import fcntl
import os
import re
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from netspec.diagnostics import Problem
from toolchain import project

#: In the environment of every process that a run starts: project and stack, so that the next run knows them.
MARK = "NETSPEC_RUN"
_PROC = Path("/proc")

Say = Callable[[str], None]


def mark(stack: str) -> str:
    return f"{project.root()}:{stack}"


@contextlib.contextmanager
def exclusive(stack: str, say: Say) -> Iterator[bool]:
    """One netspec command at a time works on a stack; yields whether the one before was killed or interrupted.

    What such a run left running is killed first. Raises `Problem` when another command is at work.
    """
    with (project.private_dir() / f"{stack}.lock").open("a+") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            handle.seek(0)
            who = handle.read().strip() or "unknown"
            raise Problem(
                f"Another netspec command is at work on the stack {stack} (process {who}).",
                "Wait until it ends, or stop it with Ctrl-C.",
            ) from None
        handle.seek(0)
        was_killed = bool(handle.read().strip())
        if was_killed:
            killed = kill_marked(mark(stack))
            say(f"going on after a run that was cut{f'; ended the {killed} processes it left' if killed else ''}")
        _write(handle.fileno(), str(os.getpid()))
        try:
            yield was_killed
        except KeyboardInterrupt:  # a second one ends Pulumi as a kill does
            raise
        except BaseException:
            _write(handle.fileno(), "")
            raise
        _write(handle.fileno(), "")


def _write(handle: int, text: str) -> None:
    os.ftruncate(handle, 0)
    os.pwrite(handle, text.encode(), 0)


def kill_marked(value: str) -> int:
    """Kill the processes of an earlier run of this project and stack, found by their environment (Linux only)."""
    wanted = f"{MARK}={value}".encode()
    killed = []
    for entry in _PROC.glob("[0-9]*") if _PROC.is_dir() else ():
        with contextlib.suppress(OSError):
            if wanted in (entry / "environ").read_bytes().split(b"\0"):
                os.kill(int(entry.name), signal.SIGKILL)
                killed.append(entry)
    for _ in range(100):
        if not any(_is_alive(entry) for entry in killed):
            break
        time.sleep(0.05)
    return len(killed)


def _is_alive(entry: Path) -> bool:
    """A zombie has an empty environment already, and holds nothing."""
    try:
        return bool((entry / "environ").read_bytes())
    except OSError:
        return False


def is_stale(message: str) -> bool:
    """Whether every lock that Pulumi's message names is of a process of this machine that is gone."""
    holders = re.findall(r"created by [^@\s]*@(\S+) \(pid (\d+)\)", message)
    return bool(holders) and all(host == socket.gethostname() and not _exists(int(pid)) for host, pid in holders)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
