"""YAML in, plain data and positions out. Safe: no tags are run, and size, depth and aliases are bounded.

Scalars follow YAML 1.2's core schema, so that `yes`, `on` and `08:30` are text, not booleans or numbers in base 60.
"""

import re
from dataclasses import dataclass
from typing import Any

from netspec.diagnostics import Diagnostic, Path, Position, Report, Severity
from netspec.yamlevents import Bounds, Frame, Stop, documents
from netspec.yamltree import Entry, Node, Tree

MAX_BYTES = 2 << 20
MAX_DEPTH = 32
MAX_ALIASES = 256
#: Values in one file, aliases expanded.
MAX_NODES = 400_000
MAX_DUPLICATES = 100
_BOUNDS = Bounds(MAX_DEPTH, MAX_NODES, MAX_ALIASES)
_CODES = {"form": "NS001", "size": "NS003"}

_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)$")
#: A longer run of digits is text: Python refuses to convert very long ones.
_INT_DIGITS = 19
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?$")
_CONSTANTS: dict[str, bool | None] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip
_STR = "tag:yaml.org,2002:str"


class WrittenFloat(float):
    """A number with a fraction or exponent, and how it was written: 1.10 is not "1.1" to a reader."""

    def __new__(cls, text: str) -> "WrittenFloat":
        number = super().__new__(cls, text)
        number.text = text
        return number

    text: str


@dataclass(frozen=True, slots=True)
class Source:
    """A parsed file; `root` is None when it could not be read."""

    file: str
    root: Node | None = None

    def locate(self, path: Path) -> Position | None:
        """Where the value at `path` stands, or the nearest enclosing value that exists.

        A mapping's entry stands at its key, unless its value is a scalar; a list's item at its own start.
        """
        if self.root is None:
            return None
        line, column = self.root.line, self.root.column
        for step in self.root.follow(path):
            value = step.value if isinstance(step, Entry) else step
            at = value if value.is_scalar and value.scalar is not None else step
            line, column = at.line, at.column
        return Position(self.file, line, column)

    def locate_key(self, path: Path) -> Position | None:
        """Where the key of the mapping entry at `path` stands."""
        found = self.root.follow(path) if self.root is not None else []
        if len(found) == len(path) and found and isinstance(found[-1], Entry):
            return Position(self.file, found[-1].line, found[-1].column)
        return self.locate(path)


@dataclass
class _Spec(Tree):
    """No tags, no merge keys; a key is the text that it is, and is given once."""

    file: str
    report: Report
    duplicates: int = 0

    def text(self, event: Any) -> str | int | float | bool | None:
        if event.tag not in (None, "!", _STR):
            raise _tag(event)
        return _scalar(event)

    def collection(self, event: Any, is_mapping: bool) -> Node:
        if event.tag is not None:
            raise _tag(event)
        return super().collection(event, is_mapping)

    def key(self, event: Any) -> str:
        if event.value == "<<" and event.implicit[0]:
            raise Stop("form", event.start_mark, "the merge key << is not YAML 1.2", "write the fields out")
        return str(event.value)

    def key_of(self, value: Any, mark: Any) -> str:
        raise Stop("form", mark, "a key must be plain text", "quote it if it starts with *, &, [ or {")

    def entry(self, frame: Frame, value: Node) -> None:
        first = frame.value.entries.get(frame.key)
        if first is None:
            super().entry(frame, value)
            return
        mark = frame.key_mark
        position = Position(self.file, mark.line + 1, mark.column + 1)
        self.duplicates += 1
        if self.duplicates > MAX_DUPLICATES + 1:
            return
        message = f"the key {frame.key!r} is given twice; line {first.line} has it already"
        if self.duplicates > MAX_DUPLICATES:
            message = f"more than {MAX_DUPLICATES} keys are given twice"
        self.report.add(Diagnostic("NS002", Severity.ERROR, message, (), position, "remove one of the two"))


def _tag(event: Any) -> Stop:
    tag = event.tag.removeprefix("tag:yaml.org,2002:")
    return Stop("form", event.start_mark, f"the YAML tag {tag!r} is not allowed", "remove the tag")


def _scalar(event: Any) -> str | int | float | bool | None:
    value: str = event.value
    if not event.implicit[0]:  # quoted, a block, or !!str
        return value
    if value in _CONSTANTS:
        return _CONSTANTS[value]
    if _INT.match(value) and len(value) <= _INT_DIGITS:
        return int(value)
    return WrittenFloat(value) if _FLOAT.match(value) else value


def _decode(raw: bytes) -> str:
    if len(raw) > MAX_BYTES:
        raise Stop("size", None, f"the file is larger than {MAX_BYTES} bytes", "split the spec")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        stop = Stop("form", None, f"the byte 0x{raw[error.start]:02x} is not UTF-8", "save the file as UTF-8")
        stop.line = raw.count(b"\n", 0, error.start) + 1
        stop.column = error.start - (raw.rfind(b"\n", 0, error.start) + 1) + 1
        raise stop from None


def parse(raw: bytes, file: str, report: Report) -> Source:
    """Reads one YAML document; what is wrong goes into `report` with its position (codes NS001 to NS004)."""

    def wrong(code: str, line: int, column: int, message: str, hint: str | None) -> Source:
        report.add(Diagnostic(code, Severity.ERROR, message, (), Position(file, line, column), hint))
        return Source(file)

    try:
        found: list[Node] = []
        for root, mark in documents(_decode(raw), _Spec(file, report), _BOUNDS):
            if found:
                return wrong(
                    "NS004",
                    mark.line + 1,
                    mark.column + 1,
                    "a second YAML document starts here; a spec is one document",
                    "keep one spec per file and remove the ---",
                )
            found.append(root)
    except Stop as stop:
        return wrong(_CODES[stop.why], stop.line, stop.column, stop.message, stop.hint)
    if not found or (found[0].is_scalar and found[0].scalar is None):
        return wrong("NS004", 1, 1, "the file is empty", "start with apiVersion: netspec.dev/v1alpha1")
    (root,) = found
    if root.entries is None:
        return wrong(
            "NS004", root.line, root.column, "a spec is a mapping (key: value) at its top", "start with apiVersion:"
        )
    return Source(file, root)
