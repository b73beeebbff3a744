"""What a pass has at hand besides the IR."""

from collections.abc import Callable
from dataclasses import dataclass

from netspec.diagnostics import Path, Report
from netspec.ir.model import Ir, Place
from netspec.spec.load import LoadedSpec


@dataclass(frozen=True, slots=True)
class Context:
    """The loaded file, where findings go, and the stack that is compiled."""

    loaded: LoadedSpec
    report: Report
    stack: str

    def place(self, path: Path) -> Place:
        return Place(path, self.loaded.source.locate(path))

    def is_given(self, *path: str | int) -> bool:
        """Whether the value at `path` could be read: False where a malformed one was left out."""
        return not any(path[: len(dropped)] == dropped for dropped in self.loaded.dropped)


#: IR in, IR out; findings go to the context's report.
Pass = Callable[[Ir, Context], Ir]
