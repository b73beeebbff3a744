"""What a pass has at hand besides the IR."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from netspec.diagnostics import Path, Report
from netspec.ir.model import Ir, Place
from netspec.spec.load import LoadedSpec
from netspec.spec.types import did_you_mean

#: A search for the name that was meant compares all names: after so many, none is made.
MAX_SEARCHES = 100


@dataclass(frozen=True, slots=True)
class Context:
    """The loaded file, where findings go, and the stack that is compiled ("" where the file has no usable one).

    `incomplete`: the sections of which something was left out, by the loader or a pass. `unknowns`: names reported as
    unknown so far.
    """

    loaded: LoadedSpec
    report: Report
    stack: str
    incomplete: set[str] = field(default_factory=set)
    unknowns: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.incomplete.update(section for section, _ in self.loaded.left_out)

    def place(self, path: Path) -> Place:
        return Place(path, self.loaded.source.locate(path))

    def is_given(self, *path: str | int) -> bool:
        """Whether the value at `path` could be read: False where a malformed one was left out."""
        return not any(path[: len(dropped)] == dropped for dropped in self.loaded.dropped)

    def unknown(self, code: str, path: Path, what: str, name: str, known: Iterable[str]) -> None:
        """Reports a name that nothing in the spec has, with the nearest that something has."""
        self.unknowns.append(name)
        near = _nearest(name, sorted(known)) if len(self.unknowns) <= MAX_SEARCHES else None
        hint = near or f"declare the {what}, or correct the name"
        self.report.error(code, path, f"there is no {what} {name}", hint)


def _nearest(name: str, known: list[str]) -> str | None:
    """The nearest name; of "namespace/name" one of the two parts is right."""
    space, slash, own = name.rpartition("/")
    if not slash:
        return did_you_mean(name, known)
    beside = [k.rpartition("/")[2] for k in known if k.rpartition("/")[0] == space]
    elsewhere = [k for k in known if k.rpartition("/")[2] == own]
    return did_you_mean(own, beside) or (f"did you mean {elsewhere[0]}?" if elsewhere else None)


#: IR in, IR out; findings go to the context's report.
Pass = Callable[[Ir, Context], Ir]
