"""Text to documents: YAML streams and JSON, each document on its own, so that a broken one does not hide the others.

Safe: no tags are run; nesting, aliases and size are bounded.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from netspec.diagnostics import Path, Position
from netspec.manifests import quick

_SEPARATOR = re.compile(r"^---(?=[ \t\r\n]|\Z)", re.MULTILINE)
_LINE = re.compile(r"[^\n]+")


class Broken(Exception):
    """A document that cannot be read; `line` counts from 1 in its file."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


class Document(NamedTuple):
    """One document of a file; `text` is its own, `line` that of the text's start."""

    file: str
    line: int
    text: str

    @property
    def position(self) -> Position:
        """Where the document's first value stands."""
        first = next((line for line in _LINE.finditer(self.text) if _says_something(line)), None)
        return Position(self.file, self.line + (self.text.count("\n", 0, first.start()) if first else 0))

    def load(self) -> Any:
        """The value. Raises Broken."""
        if self.text.lstrip()[:1] in ("{", "["):
            try:
                return json.loads(self.text, object_pairs_hook=_object)
            except RecursionError:
                raise Broken("is nested too deeply", self.position.line) from None
            except ValueError:  # a flow mapping that is YAML only, or broken, or a key twice: the YAML reader says
                pass
        value = quick.parse(self.text)
        if value is None:
            from netspec.manifests.libyaml import construct  # most runs do without

            value = construct(self.text, self.line)
        return value

    def locate(self, path: Path) -> Position:
        """Where the value at `path` stands, or the nearest enclosing one; reads the document again."""
        from netspec.manifests.libyaml import locate

        found = locate(self.text, path)
        return self.position if found is None else Position(self.file, self.line + found[0], found[1] + 1)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError
    return found


def split(text: str, file: str) -> Iterator[Document]:
    """The documents of a YAML stream or JSON file, without empty ones."""
    start = line = 0
    for separator in _SEPARATOR.finditer(text):
        yield from _document(text[start : separator.start()], file, line)
        line += text.count("\n", start, separator.start())
        start = separator.end()
    yield from _document(text[start:], file, line)


def _document(text: str, file: str, line: int) -> Iterator[Document]:
    if any(_says_something(found) for found in _LINE.finditer(text)):
        yield Document(file, line + 1, text)


def _says_something(line: re.Match[str]) -> bool:
    """Not blank, a comment, a directive or an end mark."""
    content = line[0].strip()
    return bool(content) and content[0] not in "#%" and content != "..."
