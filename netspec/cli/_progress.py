"""Progress of an operation: a tree on a terminal, plain lines elsewhere, and all that Pulumi says in a log file."""

import re
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from netspec.diagnostics import Problem

if TYPE_CHECKING:
    from rich.console import ConsoleRenderable

#: Logs of earlier operations that are kept for each stack.
KEPT = 20

#: What the engine says on a machine whose plugins are on PATH on purpose.
_NOISE = re.compile(r"using pulumi-\S+ from \$PATH")


class Step(Protocol):
    """deploy.events.Step"""

    @property
    def phase(self) -> str: ...
    @property
    def operation(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def keys(self) -> tuple[str, ...]: ...


class Log:
    """A file of one operation: every line with the time."""

    def __init__(self, directory: Path, stack: str) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path = directory / f"{stack}-{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}.log"
        self._file = self.path.open("w", encoding="utf-8")
        # Eight digits, so that the logs of a stack `dev-eu` are not taken for those of `dev`.
        for old in sorted(directory.glob(f"{stack}-{'[0-9]' * 8}T*Z.log"))[:-KEPT]:
            old.unlink(missing_ok=True)

    def write(self, line: str) -> None:
        self._file.write(f"{datetime.now(UTC):%H:%M:%S.%f} {line}\n")
        self._file.flush()

    def point_to(self, problem: Problem) -> Problem:
        """The same problem with a hint to this file."""
        hint = f"{problem.hint}\n  " if problem.hint else ""
        return Problem(problem.message, f"{hint}the full log is {self.path}")


class Progress:
    """Counts what is done of each layer. `layers`: resource name -> layer, for the resources that will be reported."""

    def __init__(self, title: str, layers: Mapping[str, str], log: Log) -> None:
        self._title, self._layers, self._log = title, layers, log
        self._done: dict[str, set[str]] = {layer: set() for layer in dict.fromkeys(layers.values())}
        self._total = {layer: sum(found == layer for found in layers.values()) for layer in self._done}
        self._active: dict[str, float] = {}
        self._failed: set[str] = set()
        self._last = ""
        self._start = time.monotonic()
        self._live = _live(self) if sys.stderr.isatty() else None

    def __enter__(self) -> "Progress":
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._last = ""
            self._live.stop()

    def say(self, line: str) -> None:
        """Something worth a line of its own."""
        self._log.write(line)
        self._last = line
        if not self._live:
            self._print(line)

    def message(self, severity: str, text: str) -> None:
        if severity in ("info", "warning") and not _NOISE.search(text):
            self._last = text.splitlines()[0]
            if not self._live:
                self._print(self._last)

    def step(self, step: Step) -> None:
        """One resource began, ended or failed."""
        layer = self._layers.get(step.name)
        if layer is None or step.operation in ("replace", "delete-replaced", "refresh"):
            return
        if step.phase == "started":
            self._active[step.name] = time.monotonic()
            return
        self._active.pop(step.name, None)
        if step.phase == "failed":
            self._failed.add(step.name)
            self.say(f"{step.name} failed")
            return
        done = self._done[layer]
        complete = len(done) == self._total[layer]
        done.add(step.name)
        if len(done) == self._total[layer] and not complete and not self._live:
            self._print(f"{layer} {len(done)}/{self._total[layer]}")

    def elapsed(self) -> float:
        return time.monotonic() - self._start

    def _print(self, line: str) -> None:
        print(f"[{self.elapsed():6.1f} s] {line}", file=sys.stderr, flush=True)

    def __rich__(self) -> "ConsoleRenderable":
        from rich.markup import escape
        from rich.tree import Tree

        now = time.monotonic()
        tree = Tree(f"{escape(self._title)}  [dim]{self.elapsed():.0f} s[/]")
        for layer, total in self._total.items():
            done = len(self._done[layer])
            busy = [name for name in self._active if self._layers[name] == layer]
            mark = "[green]✓[/]" if done == total else "[red]✗[/]" if self._has_failed(layer) else "•" if busy else " "
            branch = tree.add(f"{mark} {layer} {done}/{total}")
            for name in busy[:3]:
                branch.add(f"[dim]{escape(name)} {now - self._active[name]:.0f} s[/]")
        if self._last:
            tree.add(f"[dim]{escape(self._last)}[/]")
        return tree

    def _has_failed(self, layer: str) -> bool:
        return any(self._layers[name] == layer for name in self._failed)


def _live(progress: Progress) -> "Live":
    from rich.console import Console
    from rich.live import Live

    return Live(progress, console=Console(stderr=True), refresh_per_second=4)


if TYPE_CHECKING:
    from rich.live import Live
