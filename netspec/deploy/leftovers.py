"""What a killed run leaves: processes that go on without it, and Pulumi's lock on the stack."""

import contextlib
import fcntl
import os
import re
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from datetime import datetime

import psutil

from netspec.diagnostics import Problem
from netspec.toolchain import project

#: In the environment of every process that a run starts: project and stack, so that the next run knows them.
MARK = "NETSPEC_RUN"
#: Seconds that a killed process may take to end.
_PATIENCE = 5
#: Seconds by which a lock's time and a process's may differ: both are cut to whole seconds or ticks somewhere.
_CLOCKS = 2

Say = Callable[[str], None]


def mark(stack: str) -> str:
    return f"{project.root()}:{stack}"


@contextlib.contextmanager
def exclusive(stack: str, say: Say) -> Iterator[bool]:
    """One netspec command at a time works on a stack; yields whether the one before was killed or interrupted.

    What such a run left running is killed first, and its temporary files are removed. Raises `Problem` when another
    command is at work.
    """
    with (project.private_dir() / f"{stack}.lock").open("a+") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            handle.seek(0)
            who = handle.read().strip() or "unknown"
            raise Problem(
                f"another netspec command is at work on the stack {stack} (process {who})",
                "wait until it ends, or stop it with Ctrl-C",
            ) from None
        handle.seek(0)
        was_killed = bool(handle.read().strip())
        if was_killed:
            killed = kill_marked(mark(stack))
            shutil.rmtree(project.scratch_dir(stack), ignore_errors=True)
            say(f"continuing after an interrupted run{f'; ended the {killed} processes it left' if killed else ''}")
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
    """Kill the processes of an earlier run of this project and stack, found by their environment."""
    killed = []
    for process in psutil.process_iter():
        # Another user's is not readable, and a system program's is not on macOS: neither is ours.
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(MARK) == value:
                process.kill()
                killed.append(process)
    deadline = time.monotonic() + _PATIENCE
    while any(_works(process.pid) for process in killed) and time.monotonic() < deadline:
        time.sleep(0.05)
    return len(killed)


def is_stale(message: str) -> bool:
    """Whether every lock that Pulumi's message names is of a process of this machine that is gone."""
    holders = re.findall(r"created by [^@\s]*@(\S+) \(pid (\d+)\)(?: at (\S+))?", message)
    return bool(holders) and all(
        host == socket.gethostname() and not _works(int(pid), _seconds(made)) for host, pid, made in holders
    )


def _works(pid: int, since: float | None = None) -> bool:
    """Whether this process is there, and has been `since` then (seconds of the epoch).

    A zombie holds nothing: it stays until its parent asks for it, which a container's first process that is not an init
    never does. One that began after `since` is another one that was given the same number.
    """
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return since is None or process.create_time() <= since + _CLOCKS
    except psutil.NoSuchProcess:
        return False
    except psutil.Error:  # it is there, and not ours to look at
        return True


def _seconds(moment: str) -> float | None:
    try:
        return datetime.fromisoformat(moment).timestamp()
    except ValueError:
        return None
