"""Text to documents, as kubectl takes a file apart (apimachinery, util/yaml, YAMLOrJSONDecoder): YAML between lines of
---, JSON objects one after the other. Each document is read on its own, so that a broken one does not hide the others.

Safe: no tags are run; nesting, aliases and size are bounded.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from netspec.diagnostics import Path, Position
from netspec.manifests import quick
from netspec.manifests.scalars import whole

#: With the blanks and the comment behind it.
_SEPARATOR = re.compile(r"^---(?:[ \t\r]*(?:#[^\n]*)?$|(?=[ \t]))", re.MULTILINE)
_LINE = re.compile(r"[^\n]+")
_MARK = "\ufeff"
#: A byte order mark where a document starts.
_LEADING_MARK = re.compile(r"\A(\n?)\ufeff")
_SURROGATE = re.compile("[\ud800-\udfff]")
_LINE_SPACE = re.compile(r"[ \t\r]*\n?")
_JSON_SPACE = re.compile(r"[ \t\r\n]*")


class Broken(Exception):
    """A document that cannot be read; `line` counts from 1 in its file."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


class Loaded(NamedTuple):
    """One value; `remarks` are what kubectl takes and a reader would not expect, with their lines in the file."""

    document: "Document"
    value: Any
    remarks: tuple[tuple[str, int], ...] = ()


class Document(NamedTuple):
    """One document of a file; `text` is its own, `line` and `column` are where it starts. `is_stream`: JSON objects may
    follow one another in it, as they may only where a file starts with one."""

    file: str
    line: int
    text: str
    column: int = 1
    is_stream: bool = False

    @property
    def position(self) -> Position:
        """Where the document's first value stands."""
        first = next((line for line in _LINE.finditer(self.text) if _says_something(line)), None)
        if first is None:
            return Position(self.file, self.line)
        before = self.text.count("\n", 0, first.start())
        indent = len(first[0]) - len(first[0].lstrip(" "))
        return self._at(before + 1, indent + 1)

    def _at(self, line: int, column: int) -> Position:
        """A place in the text, from 1, as one in the file."""
        return Position(self.file, self.line + line - 1, column + (self.column - 1 if line == 1 else 0))

    def load(self) -> Iterator[Loaded]:
        """The value; several where JSON objects follow one another. Raises Broken."""
        rest: Document | None = self
        if self.text.startswith(("{", "["), _skip(self.text, 0)):
            rest = None
            for loaded in self._json():
                if loaded.value is _NOT_JSON:
                    rest = loaded.document
                else:
                    yield loaded
        if rest is not None:
            yield from rest._yaml()

    def _json(self) -> Iterator[Loaded]:
        """The objects from the start on; the rest, if there is any, as the value `_NOT_JSON`."""
        at, text = 0, self.text
        while at == 0 or _has_more(text, at):
            start = _skip(text, at)
            document = self._from(start) if start else self
            twice: list[str] = []
            try:
                value, end = _decoder(twice).raw_decode(text, start)
            except RecursionError:
                raise Broken("is nested too deeply", document.position.line) from None
            except ValueError:  # a flow mapping that is YAML only, or broken: the YAML reader says
                yield Loaded(self._from(_skip_line(text, at)), _NOT_JSON)
                return
            if end < len(text):
                document = document._replace(text=document.text[: end - start])
            line = document.position.line
            remarks = [(_twice(key), line) for key in dict.fromkeys(twice)]
            if not self.is_stream and _has_more(text, end):
                remarks.append((GOES_ON, self.line + text.count("\n", 0, _skip(text, end))))
                end = len(text)
            yield Loaded(document, value, tuple(remarks))
            at = end

    def _from(self, start: int) -> "Document":
        """What is left of the text."""
        column = start - self.text.rfind("\n", 0, start)
        line = self.text.count("\n", 0, start)
        return Document(self.file, self.line + line, self.text[start:], column + (0 if line else self.column - 1))

    def _yaml(self) -> Iterator[Loaded]:
        value = quick.parse(self.text)
        remarks: list[tuple[str, int]] = []
        if value is None:
            strange = _SURROGATE.search(self.text)  # how bytes that are no UTF-8 come here
            if strange:
                raise Broken("is not UTF-8 text", self.line + self.text.count("\n", 0, strange.start()))
            from netspec.manifests.libyaml import construct  # most runs do without
            from netspec.yamlevents import Stop

            try:
                value, remarks = construct(self.text)
            except Stop as stop:
                message = stop.message if stop.why == "form" else f"cannot be read: {stop.message}"
                raise Broken(_verb(message), self.line + stop.line - 1) from None
        yield Loaded(self, value, tuple((said, self.line + line) for said, line in remarks))

    def locate(self, path: Path) -> Position:
        """Where the value at `path` stands, or the nearest enclosing one; reads the document again."""
        from netspec.manifests.libyaml import locate

        found = locate(self.text, path)
        return self.position if found is None else self._at(*found)


_NOT_JSON = object()
#: What is said of a document that does not end where its value does.
GOES_ON = "goes on behind its end without a line of ---; kubectl does not read that"


def _verb(message: str) -> str:
    """
    >>> _verb("not YAML: x"), _verb("a key must be plain text"), _verb("cannot be read: x")
    ('is not YAML: x', 'is not YAML: a key must be plain text', 'cannot be read: x')
    """
    if message.startswith("cannot"):
        return message
    return f"is {message}" if message.startswith("not YAML") else f"is not YAML: {message}"


def _twice(key: str) -> str:
    return f"has the key {key!r} twice; kubectl takes the last"


def _decoder(twice: list[str]) -> json.JSONDecoder:
    """Of JSON as Go reads it; `twice` gets the keys that an object has more than once."""

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(found)
        if len(made) != len(found):
            seen: set[str] = set()
            twice.extend(key for key, _ in found if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        return made

    def constant(name: str) -> Any:
        raise ValueError(name)

    def number(text: str) -> int | float:
        found = float(text)
        if found in (float("inf"), float("-inf")):
            raise ValueError(text)
        return whole(found)

    return json.JSONDecoder(object_pairs_hook=pairs, parse_constant=constant, parse_float=number)


def _has_more(text: str, at: int) -> bool:
    return any(_says_something(line) for line in _LINE.finditer(text, at))


def _skip_line(text: str, at: int) -> int:
    """Behind blanks, and the line end that follows them; kubectl goes on there where JSON ends."""
    found = _LINE_SPACE.match(text, at)
    return found.end() if found else at


def _skip(text: str, at: int) -> int:
    found = _JSON_SPACE.match(text, at)
    return found.end() if found else at


def split(text: str, file: str) -> Iterator[Document]:
    """The documents of a YAML stream or JSON file, without empty ones."""
    start = line = 0
    is_stream = text.startswith("{", _skip(text, 0))
    for separator in _SEPARATOR.finditer(text):
        yield from _document(text[start : separator.start()], file, line, is_stream)
        line += text.count("\n", start, separator.start())
        start, is_stream = separator.end(), False
    yield from _document(text[start:], file, line, is_stream)


def _document(text: str, file: str, line: int, is_stream: bool) -> Iterator[Document]:
    if _MARK in text:
        text = _LEADING_MARK.sub(r"\1", text, count=1)
    if any(_says_something(found) for found in _LINE.finditer(text)):
        yield Document(file, line + 1, text, is_stream=is_stream)


def _says_something(line: re.Match[str]) -> bool:
    """Not blank, a comment, a directive or an end mark."""
    content = line[0].strip()
    return bool(content) and content[0] not in "#%" and content != "..."
