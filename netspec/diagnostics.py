"""What netspec says about a spec: diagnostics, collected and sorted, never thrown one by one.

`Problem` is the one exception for everything that a user can fix (a missing tool, a port taken): it is
caught at the edge and printed as a sentence and a hint.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

#: A place in the spec: keys and list indexes from the root, e.g. ("network", "podCIDRs", 1).
Path = tuple[str | int, ...]


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in a file; `line` and `column` count from 1."""

    file: str
    line: int
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


def render_path(path: Path) -> str:
    """
    >>> render_path(("network", "podCIDRs", 1))
    'network.podCIDRs[1]'
    """
    out = ""
    for part in path:
        out += f"[{part}]" if isinstance(part, int) else f".{part}" if out else part
    return out


def printable(text: str) -> str:
    r"""Text from a file, which may hold what a terminal obeys, or what no file can hold.

    >>> printable("red \x1b[31m")
    'red \\x1b[31m'
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding: a stable `code` (docs/rules.md), where it is, what is wrong and what to do."""

    code: str
    severity: Severity
    message: str
    path: Path = ()
    position: Position | None = None
    hint: str | None = None

    def render(self) -> str:
        where = f"{self.position}: " if self.position else ""
        path = f"{render_path(self.path)}: " if self.path else ""
        kind = "warning: " if self.severity is Severity.WARNING else ""
        hint = f"\n  hint: {printable(self.hint)}" if self.hint else ""
        return printable(f"{where}{kind}{path}{self.message} [{self.code}]") + hint

    def to_json(self) -> dict[str, object]:
        return {
            "code": self.code,
            "severity": self.severity.value,
            "message": self.message,
            "path": render_path(self.path),
            "file": self.position.file if self.position else None,
            "line": self.position.line if self.position else None,
            "column": self.position.column if self.position else None,
            "hint": self.hint,
        }


class Report:
    """Collects diagnostics; `locate` turns a spec path into its position in the file."""

    def __init__(self, locate: Callable[[Path], Position | None] = lambda _: None) -> None:
        self._locate = locate
        self._items: list[Diagnostic] = []

    def error(self, code: str, path: Path, message: str, hint: str | None = None) -> None:
        self._items.append(Diagnostic(code, Severity.ERROR, message, path, self._locate(path), hint))

    def warning(self, code: str, path: Path, message: str, hint: str | None = None) -> None:
        self._items.append(Diagnostic(code, Severity.WARNING, message, path, self._locate(path), hint))

    def add(self, diagnostic: Diagnostic) -> None:
        self._items.append(diagnostic)

    @property
    def has_errors(self) -> bool:
        return any(d.severity is Severity.ERROR for d in self._items)

    def sorted(self) -> tuple[Diagnostic, ...]:
        """In file order, each finding once."""
        start = Position("", 0, 0)
        unique = dict.fromkeys(self._items)
        return tuple(sorted(unique, key=lambda d: (d.position or start, render_path(d.path), d.code, d.message)))


class Problem(Exception):
    """Something outside the spec that the user can fix: one sentence, and what to do."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  hint: {self.hint}" if self.hint else self.message
