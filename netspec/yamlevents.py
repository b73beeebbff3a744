"""YAML by libyaml, bounded: one loop over its events, for specs and for manifests alike.

Safe: no tags are run, nothing recurses, and nesting, aliases and size are bounded. What the values are made of, what a
key is, and what `<<` and a key given twice mean is a `Builder`'s.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import yaml

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Bounds:
    """Levels, values (keys count, aliases are expanded) and aliases that one text may hold."""

    depth: int
    values: int
    aliases: int


class Stop(Exception):
    """Nothing after this place can be read: "form" says that it is not YAML, or not YAML that is wanted; "size" that it
    is too much. `line` and `column` count from 1."""

    def __init__(self, why: Literal["form", "size"], mark: Any, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.why, self.message, self.hint = why, message, hint
        self.line: int = mark.line + 1 if mark is not None else 1
        self.column: int = mark.column + 1 if mark is not None else 1


class Frame:
    """A mapping or list being read. `key` waits for its value; `merged` are the keys that `<<` brought."""

    __slots__ = ("anchor", "has_key", "height", "is_mapping", "key", "key_mark", "merged", "size", "value")

    def __init__(self, value: Any, is_mapping: bool, anchor: str | None) -> None:
        self.value, self.is_mapping, self.anchor = value, is_mapping, anchor
        self.has_key = False
        self.key: Any = None
        self.key_mark: Any = None
        self.merged: set[str] = set()
        #: Values in it, and levels: a scalar has none.
        self.size = self.height = 1


class Builder:
    """What becomes of the events. Each method may raise `Stop`."""

    def scalar(self, event: Any) -> Any:
        raise NotImplementedError

    def key(self, event: Any) -> Any:
        raise NotImplementedError

    def key_of(self, value: Any, mark: Any) -> Any:
        """The key that an alias stands for."""
        raise NotImplementedError

    def collection(self, event: Any, is_mapping: bool) -> Any:
        raise NotImplementedError

    def item(self, frame: Frame, value: Any) -> None:
        raise NotImplementedError

    def entry(self, frame: Frame, value: Any) -> None:
        """`frame.key` gets its value."""
        raise NotImplementedError


def documents(text: str, builder: Builder, bounds: Bounds) -> Iterator[tuple[Any, Any]]:
    """Each document's value and the mark of its start, as it is read. Raises Stop."""
    loader: Any = None
    try:
        loader = _LOADER(text)
        while loader.check_event():
            event = loader.get_event()
            if type(event) is yaml.DocumentStartEvent:
                yield _value(loader, builder, bounds), event.start_mark
    except yaml.YAMLError as error:
        raise _unreadable(error, text) from None
    except (ValueError, RecursionError) as error:
        raise Stop("form", None, " ".join(str(error).split())[:200]) from None
    finally:
        if loader is not None:
            loader.dispose()


def _value(loader: Any, builder: Builder, bounds: Bounds) -> Any:
    frames: list[Frame] = []
    #: Anchor -> value, size, height; size 0: it is still open.
    anchors: dict[str, tuple[Any, int, int]] = {}
    total = aliases = 0
    while True:
        event = loader.get_event()
        kind = type(event)
        frame = frames[-1] if frames else None
        size, height = 1, 0
        if kind is yaml.ScalarEvent:
            total += 1
            if total > bounds.values:
                raise _too_many(bounds, event)
            if frame is not None and frame.is_mapping and not frame.has_key:
                if event.anchor:
                    anchors[event.anchor] = builder.scalar(event), 1, 0
                frame.key, frame.has_key, frame.key_mark = builder.key(event), True, event.start_mark
                frame.size += 1
                continue
            value = builder.scalar(event)
            if event.anchor:
                anchors[event.anchor] = value, 1, 0
        elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
            done = frames.pop()
            value, size, height = done.value, done.size, done.height
            if done.anchor and anchors[done.anchor][0] is value:  # one of that name in it counts from there on
                anchors[done.anchor] = value, size, height
            frame = frames[-1] if frames else None
        elif kind is yaml.AliasEvent:
            value, size, height = _aliased(event, anchors)
            total, aliases = total + size, aliases + 1
            if aliases > bounds.aliases:
                raise Stop("size", event.start_mark, f"more than {bounds.aliases} aliases", "write the values out")
            if total > bounds.values:
                raise _too_many(bounds, event)
            if len(frames) + height > bounds.depth:
                raise _too_deep(bounds, event)
            if frame is not None and frame.is_mapping and not frame.has_key:
                frame.key, frame.has_key = builder.key_of(value, event.start_mark), True
                frame.key_mark = event.start_mark
                frame.size += 1
                continue
        else:
            is_mapping = kind is yaml.MappingStartEvent
            if frame is not None and frame.is_mapping and not frame.has_key:
                raise Stop(
                    "form", event.start_mark, "a key must be plain text", "quote it if it starts with *, &, [ or {"
                )
            total += 1
            if total > bounds.values:
                raise _too_many(bounds, event)
            if len(frames) >= bounds.depth:
                raise _too_deep(bounds, event)
            value = builder.collection(event, is_mapping)
            if event.anchor:
                anchors[event.anchor] = value, 0, 0
            frames.append(Frame(value, is_mapping, event.anchor))
            continue
        if frame is None:
            return value
        frame.size += size
        if height >= frame.height:
            frame.height = height + 1
        if frame.is_mapping:
            builder.entry(frame, value)
            frame.has_key = False
        else:
            builder.item(frame, value)


def _aliased(event: Any, anchors: dict[str, tuple[Any, int, int]]) -> tuple[Any, int, int]:
    found = anchors.get(event.anchor)
    if found is None:
        raise Stop("form", event.start_mark, f"the alias *{event.anchor} has no anchor before it")
    if not found[1]:
        raise Stop("size", event.start_mark, f"the alias *{event.anchor} contains itself")
    return found


def _too_many(bounds: Bounds, event: Any) -> Stop:
    return Stop("size", event.start_mark, f"more than {bounds.values} values, aliases expanded", "split the file")


def _too_deep(bounds: Bounds, event: Any) -> Stop:
    return Stop("size", event.start_mark, f"values are nested more than {bounds.depth} deep")


def _unreadable(error: yaml.YAMLError, text: str) -> Stop:
    if isinstance(error, yaml.reader.ReaderError):  # its position counts bytes of UTF-8
        before = text.encode(errors="surrogateescape")[: error.position].decode(errors="ignore")
        stop = Stop("form", None, f"the character U+{int(error.character):04X} is not allowed in YAML", "remove it")
        stop.line, stop.column = before.count("\n") + 1, len(before) - before.rfind("\n")
        return stop
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    problem = getattr(error, "problem", None) or getattr(error, "context", None) or "it cannot be read"
    tab = "\\t" in problem or "tab" in problem or "cannot start any token" in problem
    hint = "indent with spaces, not tabs" if tab else "check the indentation and quotes around this line"
    return Stop("form", mark, f"not YAML: {' '.join(problem.split())}", hint)
