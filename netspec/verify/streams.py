"""TCP connections that are made by another host than this one: netcat there, its input and output here.

So the outside host needs no client of its own for TLS, WebSockets or whatever is spoken: all of it is ours, and the
cluster sees a client that is outside.
"""

import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress

#: Seconds after which netcat ends in any case, and those that an answer may take to begin.
LIFE, PATIENCE = 60, 10.0

#: (address, port) -> the connection, closed at the end. What keeps it from being made shows when it is used: it ends.
Stream = Callable[[str, int], AbstractContextManager[socket.socket]]


@contextmanager
def through(*command: str) -> Iterator[socket.socket]:
    """The input and output of a command as a socket."""
    ours, theirs = socket.socketpair()
    ours.settimeout(PATIENCE)
    with theirs:
        process = subprocess.Popen(command, stdin=theirs.fileno(), stdout=theirs.fileno(), stderr=subprocess.DEVNULL)
    try:
        yield ours
    finally:
        # The command's input ends, which ends netcat and with it the command.
        ours.close()
        with suppress(subprocess.TimeoutExpired):
            process.wait(1)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            process.wait()


def through_container(name: str, address: str, port: int) -> AbstractContextManager[socket.socket]:
    """From a container of the engine, whose image has busybox."""
    netcat = ("timeout", str(LIFE), "busybox", "nc", address, str(port))
    return through("docker", "exec", "--interactive", name, *netcat)
