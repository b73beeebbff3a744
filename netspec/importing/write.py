"""A draft as the text of a spec: in the order and style of one written by hand; the same bytes for the same draft."""

import re
from collections.abc import Iterator
from textwrap import wrap
from typing import Any

from netspec.diagnostics import printable
from netspec.importing.model import SECTIONS, Draft, Item
from netspec.spec.v1alpha1 import API_VERSION, KIND

#: An entry stays on one line up to here.
WIDTH = 140
#: Text that no reader of YAML, 1.1 or 1.2, takes for anything else.
_PLAIN = re.compile(r"([A-Za-z]|[0-9]+(\.[0-9]+){3}/|[0-9]+(-[0-9]+)?/)[A-Za-z0-9_./-]*\Z")
_WORDS = frozenset(("y", "n", "yes", "no", "on", "off", "true", "false", "null"))


def text(draft: Draft, head: list[str]) -> str:
    """The file. `head` are the lines of its opening comment."""
    return "\n".join([*_comments(head), *_lines(draft)]) + "\n"


def _lines(draft: Draft) -> Iterator[str]:
    yield f"apiVersion: {API_VERSION}"
    yield f"kind: {KIND}"
    yield f"metadata: {{name: {scalar(draft.name)}}}"
    for name, section in (("network", draft.network), ("dns", draft.dns)):
        if section:
            yield from ("", f"{name}:")
            for key, value in section.items():
                yield from _comments([draft.notes[key]] if key in draft.notes else [], "  ")
                yield from block({key: value}, 2)
    for name in SECTIONS:
        if draft.sections[name]:
            yield from ("", f"{name}:")
            yield from _items(draft.sections[name])
    yield from ("", "stacks:")
    for name, stack in draft.stacks.items():
        yield from _comments([draft.notes[name]] if name in draft.notes else [], "  ")
        yield f"  {scalar(name)}:"
        yield from block(stack, 4)


def _items(items: list[Item]) -> Iterator[str]:
    said = ""
    for item in items:
        if item.comment != said:
            said = item.comment
            yield from _comments([said] if said else [], "  ")
        lines = [*block([item.data], 2)]
        if item.note:
            lines[0] += f"  # {printable(item.note)}"
        yield from lines


def _comments(lines: list[str], indent: str = "") -> Iterator[str]:
    """Lines that are too long go on below, two columns in."""
    for line in lines:
        own = " " * (len(line) - len(line.lstrip(" ")))
        wrapped = wrap(
            printable(line).strip(),
            WIDTH - len(indent) - 2,
            initial_indent=own,
            subsequent_indent=f"{own}  ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        yield from (f"{indent}# {part}" for part in wrapped) if wrapped else (f"{indent}#",)


def block(value: Any, indent: int) -> Iterator[str]:
    """A mapping or list as lines: each entry on one line where it fits, else broken up."""
    pad = " " * indent
    entries = value.items() if isinstance(value, dict) else ((None, v) for v in value)
    for key, inner in entries:
        head = f"{pad}{scalar(key)}:" if key is not None else f"{pad}-"
        line = f"{head} {flow(inner)}"
        if len(line) <= WIDTH or not isinstance(inner, dict | list) or not inner:
            yield line
        elif key is not None:
            yield head
            yield from block(inner, indent + 2)
        else:
            lines = block(inner, indent + 2)
            yield f"{pad}- {next(lines)[indent + 2 :]}"
            yield from lines


def flow(value: Any) -> str:
    """
    >>> flow({"name": "web", "labels": {"a/b": "1.0"}, "ports": [{"port": 80}, "80/TCP"]})
    '{name: web, labels: {a/b: "1.0"}, ports: [{port: 80}, 80/TCP]}'
    """
    if isinstance(value, dict):
        return "{" + ", ".join(f"{scalar(k)}: {flow(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(flow, value))}]"
    return scalar(value)


def scalar(value: object) -> str:
    """
    >>> [scalar(v) for v in ("10.0.0.0/8", "8000-8010/TCP", "no", "1e3", "a: b", True, 80)]
    ['10.0.0.0/8', '8000-8010/TCP', '"no"', '"1e3"', '"a: b"', 'true', '80']
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    word = str(value)
    if _PLAIN.match(word) and word.lower() not in _WORDS:
        return word
    return f'"{"".join(_escaped(c) for c in word)}"'


def _escaped(character: str) -> str:
    """Of double-quoted YAML, which has \\x, \\u and \\U as Python does."""
    if character in '"\\':
        return f"\\{character}"
    return character if character.isprintable() else character.encode("unicode_escape").decode()
