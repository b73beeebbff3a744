"""YAML by libyaml, for documents that the quick reader leaves, and for positions.

Safe: no tags are run; nesting, aliases and size are bounded.
"""

from functools import lru_cache
from typing import Any

import yaml

from netspec.diagnostics import Path
from netspec.manifests.documents import Broken
from netspec.manifests.scalars import resolve

MAX_DEPTH = 100
#: Values in one document, aliases expanded.
MAX_NODES = 2_000_000

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MERGE = "<<"
_IMPLICIT = frozenset(f"tag:yaml.org,2002:{name}" for name in ("bool", "int", "float", "null"))


def locate(text: str, path: Path) -> tuple[int, int] | None:
    """Line and column, from 0, of the value at `path` or the nearest enclosing one; None where there is none."""
    node = _compose(text)
    position = None
    for part in path:
        found = mark = None
        if isinstance(part, int) and isinstance(node, yaml.SequenceNode) and part < len(node.value):
            found = mark = node.value[part]
        elif isinstance(part, str) and isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if key.value == part:
                    mark, found = key, value
        if found is None or mark is None:
            break
        node = found
        position = mark.start_mark.line, mark.start_mark.column
    return position


@lru_cache(maxsize=64)
def _compose(text: str) -> Any:
    """The document with the places of its values, None for a broken one. Kept: one list may hold a whole cluster, and
    many findings."""
    try:
        return yaml.compose(text, Loader=_LOADER)
    except (yaml.YAMLError, RecursionError, ValueError):
        return None


class _Open:
    """A collection under construction; `key` is the mapping key that waits for its value."""

    __slots__ = ("anchor", "has_key", "inherited", "key", "size", "value")

    def __init__(self, value: Any, anchor: str | None) -> None:
        self.value, self.anchor = value, anchor
        self.key = ""
        self.has_key = False
        self.size = 1
        self.inherited: list[dict[str, Any]] = []


def construct(text: str, line: int = 1) -> Any:
    """One document by libyaml; `line` is that of its start. Raises Broken."""
    try:
        loader = _LOADER(text)
        try:
            return _construct(loader, line)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = " ".join(str(error.problem or error.context or "is not YAML").split())
        raise Broken(f"is not YAML: {problem}", line + (mark.line if mark else 0)) from None
    except yaml.reader.ReaderError as error:
        raise Broken(f"is not YAML: {error.reason}", line) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise Broken(f"is not YAML: {' '.join(str(error).split())[:200]}", line) from None


def _construct(loader: Any, line: int) -> Any:
    stack: list[_Open] = []
    anchors: dict[str, tuple[Any, int]] = {}
    result: Any = None
    documents = total = 0
    while loader.check_event():
        event = loader.get_event()
        kind = type(event)
        at = line + event.start_mark.line
        if kind is yaml.ScalarEvent:
            is_plain = event.implicit[0] or event.tag in _IMPLICIT
            value = resolve(event.value) if is_plain else event.value
            size = 1
            if event.anchor:
                anchors[event.anchor] = (value, 1)
        elif kind is yaml.AliasEvent:
            if event.anchor not in anchors:
                raise Broken(f"is not YAML: found undefined alias {event.anchor!r}", at)
            value, size = anchors[event.anchor]
        elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
            if len(stack) >= MAX_DEPTH:
                raise Broken(f"is nested more than {MAX_DEPTH} levels deep", at)
            stack.append(_Open({} if kind is yaml.MappingStartEvent else [], event.anchor))
            continue
        elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
            done = stack.pop()
            value, size = done.value, done.size
            for mapping in done.inherited:  # what is written out wins over what is merged in
                for key, inherited in mapping.items():
                    value.setdefault(key, inherited)
            if done.anchor:
                anchors[done.anchor] = (value, size)
        else:
            documents += kind is yaml.DocumentStartEvent
            if documents > 1:
                raise Broken("is not YAML: a second document without a --- line", at)
            continue
        total += 1 if isinstance(value, dict | list) and kind is not yaml.AliasEvent else size
        if total > MAX_NODES:
            raise Broken(f"holds more than {MAX_NODES} values, aliases expanded", at)
        if not stack:
            result = value
        else:
            _put(stack[-1], value, size, at)
    return result


def _put(parent: _Open, value: Any, size: int, line: int) -> None:
    parent.size += size
    if isinstance(parent.value, list):
        parent.value.append(value)
    elif not parent.has_key:
        if isinstance(value, dict | list):
            raise Broken("has a mapping key that is not text", line)
        parent.key, parent.has_key = _key_text(value), True
    else:
        parent.has_key = False
        if parent.key == _MERGE and isinstance(value, dict | list):
            merged = value if isinstance(value, list) else [value]
            if not all(isinstance(mapping, dict) for mapping in merged):
                raise Broken("merges what is no mapping", line)
            parent.inherited += merged
        elif parent.key in parent.value:
            raise Broken(f"has the key {parent.key!r} twice", line)
        else:
            parent.value[parent.key] = value


def _key_text(value: Any) -> str:
    """Kubernetes reads YAML as JSON, whose keys are text."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return "null" if value is None else str(value)
