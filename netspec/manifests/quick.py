"""A fast reader for the plain block style that nearly all manifests are written in; libyaml reads the rest.

`parse` either gives exactly what `documents.construct` would, or declines: anything it does not know is a reason to.
Held by a property test (tests/property/test_reach_reader.py).
"""

import re
from math import isfinite
from typing import Any

from netspec.manifests.scalars import resolve

#: Anything but printable ASCII and line feeds is left to libyaml.
_UNUSUAL = re.compile(r"[^\n\x20-\x7e]")
_KEY = re.compile(r"""(?:[A-Za-z_][A-Za-z0-9_./-]*|"[A-Za-z0-9_./-]+")\Z""")
#: A plain scalar on one line: no indicator in front, no `: `, no ` #`, no `:` at the end.
_PLAIN = re.compile(r"""(?:[^\s\-?:,\[\]{}#&*!|>'"%@`]|-[^\s,\[\]{}])(?:[^:#]|:(?=[^ ])|(?<=[^ ])\#)*\Z""")
_QUOTED = re.compile(r"""(?:"([^"\\]*)"|'([^']*)')\Z""")
#: What a flow collection on one line is made of: brackets, `, `, `: `, quoted text without escapes, plain words.
_FLOW = re.compile(
    r"""\ *(?:([\[\]{},])|:(?=\ )|"([^"\\]*)"|'([^']*)'|([A-Za-z0-9_./](?:[A-Za-z0-9_./-]|\ (?=[A-Za-z0-9_./-]))*))""",
    re.VERBOSE,
)


class _Unknown(Exception):
    """Not for this reader."""


#: What was read before: scalar text -> value, key text -> key.
_memory: dict[str, Any] = {}
_keys: dict[str, str] = {}
_MEMORY_LIMIT, _MEMORY_TEXT = 1 << 16, 256


def parse(text: str) -> Any:
    """The mapping that one document holds, or None: let libyaml read it."""
    if _UNUSUAL.search(text):
        return None
    try:
        return _parse(text)
    except (_Unknown, RecursionError):
        return None


def _parse(text: str) -> dict[str, Any]:
    root: dict[str, Any] = {}
    # Open collections, innermost last, as two lists; and the key whose value may stand on deeper lines.
    indents: list[int] = [0]
    stack: list[Any] = [root]
    pending: str | None = None
    keys, memory = _keys, _memory
    for line in text.split("\n"):
        content = line.lstrip(" ")
        if not content or content[0] == "#":
            continue
        indent = len(line) - len(content)
        if content[0] == "-" and content[:2] in ("- ", "-"):
            rest = content[2:].lstrip(" ")
            if not rest:
                raise _Unknown
            if pending is not None and indent >= indents[-1]:
                items: list[Any] = []
                stack[-1][pending] = items
                stack.append(items)
                indents.append(indent)
            else:
                while indents[-1] > indent:
                    indents.pop()
                    stack.pop()
                items = stack[-1]
                if indents[-1] != indent or type(items) is not list:
                    raise _Unknown
            pending = None
            indent += len(content) - len(rest)
            content = rest
            key, separator, rest = content.partition(": ")
            if (not separator and content[-1] != ":") or content[0] in "[{":
                items.append(memory[content] if content in memory else _value(content))
                continue
            mapping: dict[str, Any] = {}
            items.append(mapping)
            stack.append(mapping)
            indents.append(indent)
        else:
            key, separator, rest = content.partition(": ")
            if indent > indents[-1]:
                if pending is None:
                    raise _Unknown
                mapping = {}
                stack[-1][pending] = mapping
                stack.append(mapping)
                indents.append(indent)
            else:
                while indents[-1] > indent:
                    indents.pop()
                    stack.pop()
                if type(stack[-1]) is list:
                    stack.pop()
                    indents.pop()
                mapping = stack[-1]
                if indents[-1] != indent:
                    raise _Unknown
            pending = None
        if not separator:
            key = key.rstrip(" ")
            if key[-1] != ":":
                raise _Unknown
            key = key[:-1]
        name = keys.get(key)
        if name is None:
            name = _key(key)
        if name in mapping:
            raise _Unknown
        rest = rest.strip(" ")
        if rest and rest[0] != "#":
            mapping[name] = memory[rest] if rest in memory else _value(rest)
        else:
            mapping[name] = None
            pending = name
    if not root:
        raise _Unknown
    return root


def _key(text: str) -> str:
    if not _KEY.match(text):
        raise _Unknown
    name = text.strip('"')
    if text[0] != '"' and type(resolve(text)) is not str:
        raise _Unknown
    if len(_keys) < _MEMORY_LIMIT:
        _keys[text] = name
    return name


def _value(text: str) -> Any:
    stripped = text.rstrip(" ")
    quoted = _QUOTED.match(stripped)
    if quoted:
        return quoted[1] if quoted[1] is not None else quoted[2]
    if stripped[0] in "[{":
        return _flow(stripped)
    if not _PLAIN.match(stripped):
        raise _Unknown
    value = resolve(stripped)
    if type(value) is float and not isfinite(value):
        raise _Unknown
    if len(_memory) < _MEMORY_LIMIT and len(text) < _MEMORY_TEXT:
        _memory[text] = value
    return value


def _flow(text: str) -> Any:
    """A collection in flow style that ends where the line does."""
    tokens: list[tuple[str, Any]] = []
    at = 0
    while at < len(text):
        found = _FLOW.match(text, at)
        if found is None:
            raise _Unknown
        at = found.end()
        sign, double, single, plain = found.groups()
        if sign is not None:
            tokens.append((sign, None))
        elif plain is not None:
            value = resolve(plain)
            if type(value) is float and not isfinite(value):
                raise _Unknown
            tokens.append(("scalar", value))
        elif double is not None or single is not None:
            tokens.append(("scalar", double if double is not None else single))
        else:
            tokens.append((":", None))
    tokens.reverse()
    found = _flow_value(tokens)
    if tokens:
        raise _Unknown
    return found


def _flow_value(tokens: list[tuple[str, Any]]) -> Any:
    """Takes one value off the end of `tokens`, which are in reverse."""
    kind, value = _take(tokens)
    if kind == "scalar":
        return value
    if kind == "[":
        items: list[Any] = []
        while tokens and tokens[-1][0] != "]":
            items.append(_flow_value(tokens))
            _comma(tokens, "]")
        _take(tokens)
        return items
    if kind != "{":
        raise _Unknown
    mapping: dict[str, Any] = {}
    while tokens and tokens[-1][0] != "}":
        key = _take(tokens)
        if key[0] != "scalar" or type(key[1]) is not str or key[1] in mapping or _take(tokens)[0] != ":":
            raise _Unknown
        mapping[key[1]] = _flow_value(tokens)
        _comma(tokens, "}")
    _take(tokens)
    return mapping


def _comma(tokens: list[tuple[str, Any]], end: str) -> None:
    """Between two items there is a comma, and behind the last there is none."""
    kind = tokens[-1][0] if tokens else ""
    if kind == end:
        return
    _take(tokens)
    if kind != "," or not tokens or tokens[-1][0] == end:
        raise _Unknown


def _take(tokens: list[tuple[str, Any]]) -> tuple[str, Any]:
    if not tokens:
        raise _Unknown
    return tokens.pop()
