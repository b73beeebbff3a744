"""Running the pulumi command for the Automation API so that Ctrl-C ends it in good order."""

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any

from pulumi.automation import CommandResult, PulumiCommand
from pulumi.automation.errors import create_command_error

OnOutput = Callable[[str], Any]


class Command(PulumiCommand):
    """As the Automation API's own, but in a session of its own: a first Ctrl-C asks Pulumi to stop after what is under
    way, a second one to stop at once; either way its state is written before this process ends."""

    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__()
        self._say = say

    def run(
        self,
        args: list[str],
        cwd: str,
        additional_env: Mapping[str, str],
        on_output: OnOutput | None = None,
        on_error: OnOutput | None = None,
    ) -> CommandResult:
        """Raises `CommandError`, or KeyboardInterrupt when it was interrupted."""
        with subprocess.Popen(
            [self.command, "--non-interactive", *args],
            cwd=cwd,
            env={**os.environ, **additional_env, "PULUMI_AUTOMATION_API": "true"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        ) as process:
            assert process.stdout and process.stderr
            out, error = _Reader(process.stdout, on_output), _Reader(process.stderr, on_error)
            with self._forwarding(process) as interrupts:
                out.join()
                error.join()
                process.wait()
        result = CommandResult(stdout=out.text(), stderr=error.text(), code=process.returncode)
        if interrupts:
            raise KeyboardInterrupt
        if result.code:
            raise create_command_error(result)
        return result

    @contextmanager
    def _forwarding(self, process: "subprocess.Popen[str]") -> Iterator[list[int]]:
        """Hand on Ctrl-C and a request to terminate; yields the signals that came."""
        seen: list[int] = []

        def hand_on(number: int, _frame: object) -> None:
            seen.append(number)
            process.send_signal(signal.SIGINT)
            if len(seen) == 1:
                self._say("stopping after what is under way; press Ctrl-C again to stop at once")

        if threading.current_thread() is not threading.main_thread():
            yield seen
            return
        before = {number: signal.signal(number, hand_on) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield seen
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


class _Reader(threading.Thread):
    def __init__(self, stream: IO[str], callback: OnOutput | None) -> None:
        super().__init__(daemon=True)
        self._stream, self._callback = stream, callback
        self._lines: list[str] = []
        self.start()

    def run(self) -> None:
        for line in self._stream:
            self._lines.append(line.rstrip())
            if self._callback:
                self._callback(self._lines[-1])

    def text(self) -> str:
        return "\n".join(self._lines)
