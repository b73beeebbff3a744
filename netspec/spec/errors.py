"""Pydantic's errors as diagnostics: the path in the file's own names, and words for a reader."""

import types
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from netspec.diagnostics import Diagnostic, Path, Severity
from netspec.spec.source import Source
from netspec.spec.types import did_you_mean

#: Malformed values that are listed; each takes a search for what may have been meant.
MAX_ERRORS = 500

_EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping (key: value)",
    "model_type": "a mapping (key: value)",
}


def _arguments(annotation: Any) -> Iterable[Any]:
    """The annotation without Annotated and Optional."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _arguments(get_args(annotation)[0])
    elif origin in (Union, types.UnionType):
        for argument in get_args(annotation):
            yield from _arguments(argument)
    else:
        yield annotation


def annotation_at(model: type[BaseModel], path: Path) -> Any:
    """The annotation of the value at `path`, or None where the models know no such value."""
    current: Any = model
    for part in path:
        step = None
        for candidate in _arguments(current):
            if isinstance(candidate, type) and issubclass(candidate, BaseModel):
                step = next((f.annotation for f in candidate.model_fields.values() if f.alias == part), None)
            elif get_origin(candidate) in (list, dict):
                step = get_args(candidate)[-1]
        if step is None:
            return None
        current = step
    return current


def field_names(model: type[BaseModel]) -> list[str]:
    """What its fields are called in the file."""
    return [field.alias or name for name, field in model.model_fields.items()]


def _fields(model: type[BaseModel], path: Path) -> list[str]:
    for candidate in _arguments(annotation_at(model, path)):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return field_names(candidate)
    return []


def _choices(model: type[BaseModel], path: Path) -> list[str]:
    for candidate in _arguments(annotation_at(model, path)):
        if get_origin(candidate) is Literal:
            return [str(a) for a in get_args(candidate)]
    return []


def path_of(error: ErrorDetails) -> Path:
    """The error's path in the file, whose last part may be the key that is wrong."""
    return error["loc"][:-1] if _is_of_key(error) else error["loc"]


def _is_of_key(error: ErrorDetails) -> bool:
    """Whether the error is a mapping key's own: it ends in "[key]" then, after the key. (A file may have that key.)"""
    return len(error["loc"]) > 1 and error["loc"][-1] == "[key]" and error["loc"][-2] == error["input"]


class Finding(NamedTuple):
    """Something wrong with a value. `at_key`: it is the key at `path` that is wrong, and not its value."""

    code: str
    path: Path
    message: str
    hint: str | None = None
    at_key: bool = False

    def located(self, source: Source) -> Diagnostic:
        position = source.locate_key(self.path) if self.at_key else source.locate(self.path)
        return Diagnostic(self.code, Severity.ERROR, self.message, self.path, position, self.hint)


def findings(model: type[BaseModel], errors: Sequence[ErrorDetails], at: Path = ()) -> list[Finding]:
    """What is wrong with a value that stands at `at`: of the errors at one path the first, since alternatives of one
    value fail together; of very many the first `MAX_ERRORS`, and how many more there are."""
    found: dict[Path, Finding] = {}
    for error in errors[:MAX_ERRORS]:
        finding = _finding(model, error, at)
        found.setdefault(finding.path, finding)
    listed = list(found.values())
    if len(errors) > MAX_ERRORS:
        rest = f"{len(errors) - MAX_ERRORS} more malformed values are not listed"
        listed.append(Finding("NS003", (), rest, "fix these first"))
    return listed


def _finding(model: type[BaseModel], error: ErrorDetails, at: Path) -> Finding:
    path = path_of(error)
    if error["type"] == "extra_forbidden":
        return unknown_field((*at, *path), _fields(model, path[:-1]))
    code, message, hint = _words(model, error, path)
    return Finding(code, (*at, *path), message, hint, _is_of_key(error))


def unknown_field(path: Path, known: Sequence[str]) -> Finding:
    """A field that is none of the `known` ones."""
    hint = did_you_mean(str(path[-1]), known)
    hint = hint or (f"known here: {', '.join(known)}" if known else "there is nothing to set here")
    return Finding("NS010", path, "unknown field", hint, at_key=True)


def _words(model: type[BaseModel], error: ErrorDetails, path: Path) -> tuple[str, str, str | None]:
    kind, value, context = error["type"], error["input"], error.get("ctx", {})
    if kind == "rule":
        return context["code"], context["message"], context["hint"]
    if kind == "missing":
        return "NS013", "this field is required", None
    if kind == "literal_error":
        code, _, message, hint = choice(value, _choices(model, path), path)
        return code, message, hint
    if kind in _EXPECTED:
        return "NS011", f"expected {_EXPECTED[kind]}, found {describe(value)}", _quote(kind, value)
    if kind in ("greater_than_equal", "less_than_equal"):
        bound = "at least" if kind == "greater_than_equal" else "at most"
        return "NS015", f"{value} is out of range: {bound} {context.get('ge', context.get('le'))}", None
    if kind in ("too_short", "string_too_short"):
        return "NS015", "it must not be empty", None
    if kind in ("too_long", "string_too_long"):
        return "NS015", f"at most {context.get('max_length')} are allowed here", None
    return "NS011", error["msg"], None


def choice(value: Any, choices: Sequence[str], path: Path) -> tuple[str, Path, str, str | None]:
    """A `Finding`'s parts: a value that is none of the `choices`."""
    names = choices[0] if len(choices) == 1 else f"one of {', '.join(choices)}"
    if not isinstance(value, str):
        return "NS014", path, f"expected {names}, found {describe(value)}", None
    return "NS014", path, f"{value[:60]!r} is not allowed here; expected {names}", did_you_mean(value, choices)


def describe(value: Any) -> str:
    """
    >>> describe(True), describe([1]), describe("x")
    ('true', 'a list', "the text 'x'")
    """
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return f"the number {getattr(value, 'text', value)}"
        case str():
            return f"the text {value[:60]!r}"
        case list():
            return "a list"
        case _:
            return "a mapping"


def _quote(kind: str, value: Any) -> str | None:
    if kind == "string_type" and isinstance(value, bool | int | float):
        return f'quote it: "{describe(value).removeprefix("the number ")}"'
    if kind == "int_type" and isinstance(value, str) and value.isdecimal():
        return "remove the quotes"
    return "remove the line, or give it a value" if value is None else None
