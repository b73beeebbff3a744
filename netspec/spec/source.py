"""YAML in, plain data and positions out. Safe: no tags are run, and size, depth and aliases are bounded.

Scalars follow YAML 1.2's core schema, so that `yes`, `on` and `08:30` are text, not booleans or numbers in base 60.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from netspec.diagnostics import Diagnostic, Path, Position, Report, Severity

MAX_BYTES = 1 << 20
MAX_DEPTH = 32
MAX_ALIASES = 256
#: Values in one file, aliases expanded.
MAX_NODES = 200_000
MAX_DUPLICATES = 100

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
class Entry:
    """One mapping entry; the position is the key's."""

    line: int
    column: int
    value: "Node"


@dataclass(eq=False, slots=True)
class Node:
    """One YAML value: a mapping (`entries`), a list (`items`) or a scalar. `size` counts the values in it and
    `height` its levels, aliases expanded; both are known once it is `closed`."""

    line: int
    column: int
    scalar: str | int | float | bool | None = None
    entries: dict[str, Entry] | None = None
    items: list["Node"] | None = None
    size: int = 1
    height: int = 1
    closed: bool = True

    def data(self) -> Any:
        """The value as plain Python data; an aliased value is a copy at each place."""
        if self.entries is not None:
            return {key: entry.value.data() for key, entry in self.entries.items()}
        if self.items is not None:
            return [item.data() for item in self.items]
        return self.scalar


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
        node, line, column = self.root, self.root.line, self.root.column
        for part in path:
            if isinstance(part, int):
                if node.items is None or not 0 <= part < len(node.items):
                    break
                node = node.items[part]
                line, column = node.line, node.column
                continue
            entry = (node.entries or {}).get(part)
            if entry is None:
                break
            node = entry.value
            is_scalar = node.entries is None and node.items is None and node.scalar is not None
            line, column = (node.line, node.column) if is_scalar else (entry.line, entry.column)
        return Position(self.file, line, column)

    def locate_key(self, path: Path) -> Position | None:
        """Where the key of the mapping entry at `path` stands."""
        *parents, last = path
        node = self.root
        for part in parents:
            if node is None:
                return self.locate(path)
            if isinstance(part, int):
                node = node.items[part] if node.items is not None and part < len(node.items) else None
            else:
                entry = (node.entries or {}).get(part)
                node = entry.value if entry else None
        found = (node.entries or {}).get(str(last)) if node is not None else None
        return Position(self.file, found.line, found.column) if found else self.locate(path)


class _Stop(Exception):
    """Nothing after this point of the file can be read."""

    def __init__(self, code: str, mark: Any, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.hint = code, message, hint
        self.line: int = mark.line + 1 if mark is not None else 1
        self.column: int = mark.column + 1 if mark is not None else 1


@dataclass(slots=True)
class _Frame:
    """A mapping or list being read; `key` is the mapping's pending key."""

    node: Node
    key: tuple[str, Any] | None = None


@dataclass(slots=True)
class _Parser:
    file: str
    report: Report
    anchors: dict[str, Node] = field(default_factory=dict)
    aliases: int = 0
    total: int = 0
    duplicates: int = 0

    def document(self, events: Iterator[Any]) -> Node | None:
        root: Node | None = None
        for event in events:
            if not isinstance(event, yaml.DocumentStartEvent):
                continue
            if root is not None:
                raise _Stop(
                    "NS004",
                    event.start_mark,
                    "a second YAML document starts here; a spec is one document",
                    "keep one spec per file and remove the ---",
                )
            root = self._value(events)
        return root

    def _value(self, events: Iterator[Any]) -> Node:
        """Reads one value and all in it. No recursion: a hostile file cannot exhaust the stack."""
        holder = Node(1, 1, items=[])
        frames = [_Frame(holder)]
        for event in events:
            frame = frames[-1]
            if isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
                _close(frames.pop().node)
            elif frame.node.entries is not None and frame.key is None:
                frame.key = (self._key(event), event.start_mark)
                continue
            else:
                node = self._node(event, len(frames))
                self._attach(frame, node)
                if not node.closed:
                    frames.append(_Frame(node))
            if len(frames) == 1:
                break
        assert holder.items
        return holder.items[0]

    def _node(self, event: Any, depth: int) -> Node:
        mark = event.start_mark
        if isinstance(event, yaml.AliasEvent):
            return self._alias(str(event.anchor), mark, depth)
        line, column = mark.line + 1, mark.column + 1
        if isinstance(event, yaml.ScalarEvent):
            node = Node(line, column, scalar=_scalar(event))
        elif isinstance(event, yaml.MappingStartEvent):
            node = Node(line, column, entries={}, closed=False)
        else:
            node = Node(line, column, items=[], closed=False)
        if event.tag is not None and not (isinstance(event, yaml.ScalarEvent) and event.tag in ("!", _STR)):
            tag = event.tag.removeprefix("tag:yaml.org,2002:")
            raise _Stop("NS001", mark, f"the YAML tag {tag!r} is not allowed", "remove the tag")
        if event.anchor is not None:
            self.anchors[event.anchor] = node
        self._bound(1, depth, mark)
        return node

    def _alias(self, anchor: str, mark: Any, depth: int) -> Node:
        target = self.anchors.get(anchor)
        if target is None:
            raise _Stop("NS001", mark, f"the alias *{anchor} has no anchor before it")
        if not target.closed:
            raise _Stop("NS003", mark, f"the alias *{anchor} contains itself")
        self.aliases += 1
        if self.aliases > MAX_ALIASES:
            raise _Stop("NS003", mark, f"more than {MAX_ALIASES} aliases", "write the values out")
        self._bound(target.size, depth + target.height - 1, mark)
        return target

    def _bound(self, size: int, depth: int, mark: Any) -> None:
        self.total += size
        if depth > MAX_DEPTH:
            raise _Stop("NS003", mark, f"values are nested more than {MAX_DEPTH} deep")
        if self.total > MAX_NODES:
            raise _Stop("NS003", mark, f"more than {MAX_NODES} values, aliases expanded", "split the spec")

    def _key(self, event: Any) -> str:
        if not isinstance(event, yaml.ScalarEvent):
            raise _Stop(
                "NS001", event.start_mark, "a key must be plain text", "quote it if it starts with *, &, [ or {"
            )
        if event.value == "<<" and event.implicit[0]:
            raise _Stop("NS001", event.start_mark, "the merge key << is not YAML 1.2", "write the fields out")
        self._bound(1, 0, event.start_mark)
        return str(event.value)

    def _attach(self, frame: _Frame, node: Node) -> None:
        if frame.node.items is not None:
            frame.node.items.append(node)
            return
        assert frame.key is not None and frame.node.entries is not None
        (name, mark), frame.key = frame.key, None
        first = frame.node.entries.get(name)
        if first is None:
            frame.node.entries[name] = Entry(mark.line + 1, mark.column + 1, node)
            return
        self.duplicates += 1
        if self.duplicates > MAX_DUPLICATES:
            raise _Stop("NS002", mark, f"more than {MAX_DUPLICATES} keys are given twice")
        message = f"the key {name!r} is given twice; line {first.line} has it already"
        position = Position(self.file, mark.line + 1, mark.column + 1)
        self.report.add(Diagnostic("NS002", Severity.ERROR, message, (), position, "remove one of the two"))


def _close(node: Node) -> None:
    children = [e.value for e in node.entries.values()] if node.entries is not None else node.items or []
    keys = len(node.entries or ())
    node.size = 1 + keys + sum(child.size for child in children)
    node.height = 1 + max((child.height for child in children), default=0)
    node.closed = True


def _scalar(event: Any) -> str | int | float | bool | None:
    value: str = event.value
    if not event.implicit[0]:  # quoted, a block, or !!str
        return value
    if value in _CONSTANTS:
        return _CONSTANTS[value]
    if _INT.match(value) and len(value) <= _INT_DIGITS:
        return int(value)
    return WrittenFloat(value) if _FLOAT.match(value) else value


def _events(text: str) -> Iterator[Any]:
    loader = yaml.CSafeLoader(text)
    try:
        while loader.check_event():
            yield loader.get_event()
    finally:
        loader.dispose()


def _decode(raw: bytes) -> str:
    if len(raw) > MAX_BYTES:
        raise _Stop("NS003", None, f"the file is larger than {MAX_BYTES} bytes", "split the spec")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        stop = _Stop("NS001", None, f"the byte 0x{raw[error.start]:02x} is not UTF-8", "save the file as UTF-8")
        stop.line, stop.column = line, error.start - (raw.rfind(b"\n", 0, error.start) + 1) + 1
        raise stop from None
    return text


def _unreadable(error: yaml.YAMLError, text: str) -> tuple[int, int, str, str]:
    """Line, column, message and hint of what PyYAML could not read."""
    if isinstance(error, yaml.reader.ReaderError):  # its position counts bytes of UTF-8
        before = text.encode()[: error.position].decode(errors="ignore")
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        return line, column, f"the character U+{int(error.character):04X} is not allowed in YAML", "remove it"
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    problem = getattr(error, "problem", None) or "it cannot be read"
    tab = "\\t" in problem or "tab" in problem or "cannot start any token" in problem
    hint = "indent with spaces, not tabs" if tab else "check the indentation and quotes around this line"
    line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
    return line, column, f"not YAML: {problem}", hint


def parse(raw: bytes, file: str, report: Report) -> Source:
    """Reads one YAML document; what is wrong goes into `report` with its position (codes NS001 to NS004)."""
    text = ""
    try:
        text = _decode(raw)
        root = _Parser(file, report).document(_events(text))
        if root is None or (root.entries is None and root.items is None and root.scalar is None):
            raise _Stop("NS004", None, "the file is empty", "start with apiVersion: netspec.dev/v1alpha1")
        if root.entries is None:
            stop = _Stop("NS004", None, "a spec is a mapping (key: value) at its top", "start with apiVersion:")
            stop.line, stop.column = root.line, root.column
            raise stop
        return Source(file, root)
    except _Stop as stop:
        position = Position(file, stop.line, stop.column)
        report.add(Diagnostic(stop.code, Severity.ERROR, stop.message, (), position, stop.hint))
    except yaml.YAMLError as error:
        line, column, message, hint = _unreadable(error, text)
        report.add(Diagnostic("NS001", Severity.ERROR, message, (), Position(file, line, column), hint))
    return Source(file)
