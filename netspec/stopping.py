"""Being told to stop: SIGTERM and SIGHUP end a command as Ctrl-C does, so that it cleans up after itself."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

#: In the environment of what a run of Pulumi starts: the file that is there from when the run is to stop on.
STOP_FILE = "NETSPEC_STOP_FILE"


class Stopped(KeyboardInterrupt):
    """`number` is the signal's."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


def ending_signals() -> Iterator[signal.Signals]:
    """Those that this system has and that are not ignored (nohup)."""
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            yield number


def stop_in_good_order() -> None:
    """From here on these signals raise `Stopped` in the main thread."""
    for number in ending_signals():
        signal.signal(number, _stop)


def _stop(number: int, _frame: object) -> None:
    raise Stopped(number)


def is_told_to_stop() -> bool:
    """Of a process that a run of Pulumi started: whether that run waits for it to end. Signals do not come so far."""
    file = os.environ.get(STOP_FILE)
    return file is not None and Path(file).exists()
