"""Running the pulumi command for the Automation API so that Ctrl-C ends it in good order."""

import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

from pulumi.automation import CommandResult, PulumiCommand
from pulumi.automation.errors import create_command_error

from netspec.stopping import STOP_FILE, Stopped, ending_signals

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
        """Raises `CommandError`, or KeyboardInterrupt (`Stopped`) when it was interrupted."""
        with (
            tempfile.TemporaryDirectory(prefix="netspec-") as folder,
            _Interrupts(self._say, Path(folder) / "stop") as interrupts,
            subprocess.Popen(
                [self.command, "--non-interactive", *args],
                cwd=cwd,
                env={**os.environ, **additional_env, "PULUMI_AUTOMATION_API": "true", STOP_FILE: str(interrupts.file)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                encoding="utf-8",
                errors="replace",
                start_new_session=True,
            ) as process,
        ):
            interrupts.go_to(process)
            assert process.stdout and process.stderr
            out, error = _Reader(process.stdout, on_output), _Reader(process.stderr, on_error)
            out.join()
            error.join()
            process.wait()
        result = CommandResult(stdout=out.text(), stderr=error.text(), code=process.returncode)
        if interrupts.seen:
            first = interrupts.seen[0]
            raise KeyboardInterrupt if first == signal.SIGINT else Stopped(first)
        if result.code:
            raise create_command_error(result)
        return result


class _Interrupts:
    """Hands on Ctrl-C, a request to terminate and the end of the terminal to a process, those too that come before it
    is there. In another thread than the main one no signal comes. From the first on the file is there."""

    def __init__(self, say: Callable[[str], None], file: Path) -> None:
        self.file = file
        self.seen: list[int] = []
        self._say = say
        self._process: subprocess.Popen[str] | None = None
        self._handed_on = 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "_Interrupts":
        if threading.current_thread() is threading.main_thread():
            self._before = {n: signal.signal(n, self._come) for n in (signal.SIGINT, *ending_signals())}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def go_to(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        if len(self.seen) > self._handed_on:
            self._hand_on(process)

    def _come(self, number: int, _frame: object) -> None:
        self.seen.append(number)
        self.file.touch()
        if self._process:
            self._hand_on(self._process)
        if len(self.seen) == 1:
            self._say("stopping when the current operations are done; press Ctrl-C again to stop at once")

    def _hand_on(self, process: "subprocess.Popen[str]") -> None:
        self._handed_on += 1
        process.send_signal(signal.SIGINT)


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
