"""Being told to stop: SIGTERM and SIGHUP end a command as Ctrl-C does, so that it cleans up after itself."""

import signal


class Stopped(KeyboardInterrupt):
    """`number` is the signal's."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


def stop_in_good_order() -> None:
    """From here on these signals raise `Stopped` in the main thread; one that is ignored (nohup) stays so."""
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # SIGHUP is not on every system
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _stop)


def _stop(number: int, _frame: object) -> None:
    raise Stopped(number)
