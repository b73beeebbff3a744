"""YAML as kubectl reads it (go-yaml v2), for documents that the quick reader leaves, and for positions.

Tags say what a scalar is and are ignored elsewhere; `<<` merges where it stands, so it overrides the keys before it and
is overridden by those behind (go.yaml.in/yaml/v2, decode.go, merge); of a key given twice the last counts.
"""

from functools import lru_cache
from typing import Any

from netspec.diagnostics import Path
from netspec.manifests.documents import GOES_ON
from netspec.manifests.scalars import NotThat, Scalar, key_text, resolve, tagged, text_of
from netspec.yamlevents import Bounds, Builder, Frame, Stop, documents
from netspec.yamltree import Node, Tree

#: Levels, and values in one document, aliases expanded.
MAX_DEPTH, MAX_NODES = 200, 2_000_000
_BOUNDS = Bounds(MAX_DEPTH, MAX_NODES, MAX_NODES)
#: So many scalars may be quoted before a document is given up.
_REPAIRS = 100
_MERGE_TAG = "tag:yaml.org,2002:merge"
#: JSON has none of these.
_NOT_JSON = frozenset((float("inf"), float("-inf")))

#: What kubectl takes and a reader would not expect: what it is, and the line, from 0.
Remark = tuple[str, int]


class _Merge:
    """The key `<<`."""


_MERGE = _Merge()


def _scalar(event: Any) -> Scalar:
    if event.tag is None:
        if not event.implicit[0]:
            return str(event.value)
        value = resolve(event.value)
    else:
        try:
            value = tagged(event.tag, event.value)
        except NotThat as error:
            raise Stop("form", event.start_mark, f"not YAML: {error}") from None
    if type(value) is float and (value != value or value in _NOT_JSON):
        raise Stop("form", event.start_mark, f"not YAML that is JSON: {event.value} is not a number there")
    return value


def _key(event: Any) -> Any:
    if event.value == "<<" and (event.implicit[0] or event.tag == _MERGE_TAG):
        return _MERGE
    try:
        if event.tag is not None:
            return text_of(tagged(event.tag, event.value))
        return key_text(event.value) if event.implicit[0] else str(event.value)
    except NotThat as error:
        raise Stop("form", event.start_mark, f"not YAML that is JSON: {error}") from None


def _key_of(value: Any, mark: Any) -> str:
    if isinstance(value, dict | list):
        raise Stop("form", mark, "a key must be plain text")
    try:
        return text_of(value)
    except NotThat as error:
        raise Stop("form", mark, f"not YAML that is JSON: {error}") from None


def _no_mapping(frame: Frame) -> Stop:
    return Stop("form", frame.key_mark, "not YAML: << merges what is not a mapping, or a list of mappings")


class _Data(Builder):
    """Plain data."""

    def __init__(self) -> None:
        self.remarks: list[Remark] = []

    def scalar(self, event: Any) -> Scalar:
        return _scalar(event)

    def key(self, event: Any) -> Any:
        return _key(event)

    def key_of(self, value: Any, mark: Any) -> str:
        return _key_of(value, mark)

    def collection(self, event: Any, is_mapping: bool) -> Any:
        return {} if is_mapping else []

    def item(self, frame: Frame, value: Any) -> None:
        frame.value.append(value)

    def entry(self, frame: Frame, value: Any) -> None:
        key, mapping = frame.key, frame.value
        if key is _MERGE:
            for merged in reversed(value) if isinstance(value, list) else (value,):
                if not isinstance(merged, dict):
                    raise _no_mapping(frame)
                mapping.update(merged)
                frame.merged.update(merged)
            return
        if key in mapping and key not in frame.merged:
            said = f"has the key {key!r} twice; kubectl takes the last"
            self.remarks.append((said, frame.key_mark.line))
        frame.merged.discard(key)
        mapping[key] = value


class _Places(Tree):
    """The same with places."""

    def text(self, event: Any) -> Scalar:
        return _scalar(event)

    def key(self, event: Any) -> Any:
        return _key(event)

    def key_of(self, value: Node, mark: Any) -> str:
        return _key_of(value.data(), mark)

    def entry(self, frame: Frame, value: Node) -> None:
        if frame.key is not _MERGE:
            super().entry(frame, value)
            return
        for merged in reversed(value.items) if value.items is not None else (value,):
            if merged.entries is None:
                raise _no_mapping(frame)
            frame.value.entries.update(merged.entries)


def construct(text: str) -> tuple[Any, list[Remark]]:
    """The first document of a text, as kubectl reads it, and what is odd about it. Raises Stop."""
    text += "\n" * (not text.endswith("\n"))  # kubectl ends every line, which a block scalar at the end shows
    for _ in range(_REPAIRS):
        try:
            return _construct(text)
        except Stop as stop:
            repaired = _with_colon(text, stop)
            if repaired is None:
                raise
            text = repaired
    return _construct(text)


def _construct(text: str) -> tuple[Any, list[Remark]]:
    builder = _Data()
    found = documents(text, builder, _BOUNDS)
    value, _ = next(found, (None, None))
    try:
        more = next(found, None)
        line = more[1].line if more else None
    except Stop as stop:  # kubectl does not look
        line = stop.line - 1
    if line is not None:
        builder.remarks.append((GOES_ON, line))
    return value, builder.remarks


def _with_colon(text: str, stop: Stop) -> str | None:
    """libyaml refuses a plain scalar that ends in a colon before one of `,[]{}`, as in {ip: fd00::}; go-yaml takes the
    colon for a part of it. The text with that scalar in quotes; None where this is not what is wrong."""
    if not stop.message.endswith("found unexpected ':'"):
        return None
    lines = text.split("\n")
    line, end = lines[stop.line - 1], stop.column
    start = max(line.rfind(sign, 0, end - 1) for sign in (" ", ",", "[", "{", "\t")) + 1
    quoted = line[start:end].replace("'", "''")
    lines[stop.line - 1] = f"{line[:start]}'{quoted}'{line[end:]}"
    return "\n".join(lines)


def locate(text: str, path: Path) -> tuple[int, int] | None:
    """Line and column, from 1, of the value at `path` or the nearest enclosing one; None where there is none."""
    root = _places(text)
    found = root.follow(path) if root is not None else []
    return (found[-1].line, found[-1].column) if found else None


@lru_cache(maxsize=64)
def _places(text: str) -> Node | None:
    """The document with the places of its values, None for a broken one. Kept: one list may hold a whole cluster, and
    many findings."""
    try:
        root: Node = next(documents(text, _Places(), _BOUNDS))[0]
    except (Stop, StopIteration):
        return None
    return root
