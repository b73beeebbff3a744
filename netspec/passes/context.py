"""What a pass has at hand besides the IR."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from netspec.diagnostics import Path, Report
from netspec.ir.model import Ir, Place
from netspec.spec.load import LoadedSpec
from netspec.spec.types import did_you_mean


@dataclass(frozen=True, slots=True)
class Context:
    """The loaded file, where findings go, and the stack that is compiled ("" where the file has no usable one)."""

    loaded: LoadedSpec
    report: Report
    stack: str

    def place(self, path: Path) -> Place:
        return Place(path, self.loaded.source.locate(path))

    def is_given(self, *path: str | int) -> bool:
        """Whether the value at `path` could be read: False where a malformed one was left out."""
        return not any(path[: len(dropped)] == dropped for dropped in self.loaded.dropped)

    def unknown(self, code: str, path: Path, what: str, name: str, known: Iterable[str]) -> None:
        """Reports a name that nothing in the spec has, with the nearest that something has."""
        hint = did_you_mean(name, sorted(known)) or f"declare the {what}, or correct the name"
        self.report.error(code, path, f"there is no {what} {name}", hint)


#: IR in, IR out; findings go to the context's report.
Pass = Callable[[Ir, Context], Ir]
