"""YAML as a tree of values with their places."""

from dataclasses import dataclass
from typing import Any

from netspec.diagnostics import Path
from netspec.yamlevents import Builder, Frame


@dataclass(frozen=True, slots=True)
class Entry:
    """One mapping entry; the position is the key's."""

    line: int
    column: int
    value: "Node"


@dataclass(eq=False, slots=True)
class Node:
    """One YAML value: a mapping (`entries`), a list (`items`) or a scalar, and where it starts, from 1."""

    line: int
    column: int
    scalar: str | int | float | bool | None = None
    entries: dict[str, Entry] | None = None
    items: list["Node"] | None = None

    @property
    def is_scalar(self) -> bool:
        return self.entries is None and self.items is None

    def data(self) -> Any:
        """The value as plain Python data; an aliased value is a copy at each place."""
        if self.entries is not None:
            return {key: entry.value.data() for key, entry in self.entries.items()}
        if self.items is not None:
            return [item.data() for item in self.items]
        return self.scalar

    def follow(self, path: Path) -> "list[Node | Entry]":
        """What stands at each step of `path`, as far as there is something: an entry, or a list's item."""
        found: list[Node | Entry] = []
        node = self
        for part in path:
            step: Node | Entry | None
            if isinstance(part, int):
                step = node.items[part] if node.items is not None and 0 <= part < len(node.items) else None
            else:
                step = (node.entries or {}).get(part)
            if step is None:
                break
            found.append(step)
            node = step.value if isinstance(step, Entry) else step
        return found


class Tree(Builder):
    """Builds nodes; what a scalar or a key is, and a key given twice, is left to those that know the language."""

    def text(self, event: Any) -> str | int | float | bool | None:
        raise NotImplementedError

    def scalar(self, event: Any) -> Node:
        mark = event.start_mark
        return Node(mark.line + 1, mark.column + 1, self.text(event))

    def collection(self, event: Any, is_mapping: bool) -> Node:
        mark = event.start_mark
        line, column = mark.line + 1, mark.column + 1
        return Node(line, column, entries={}) if is_mapping else Node(line, column, items=[])

    def item(self, frame: Frame, value: Node) -> None:
        frame.value.items.append(value)

    def entry(self, frame: Frame, value: Node) -> None:
        mark = frame.key_mark
        frame.value.entries[frame.key] = Entry(mark.line + 1, mark.column + 1, value)
