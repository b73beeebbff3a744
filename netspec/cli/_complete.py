"""The answer to a shell that completes a command line: `netspec completion` makes it ask, argcomplete speaks to it."""

import argparse
import contextlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import argcomplete
import yaml

from netspec.diagnostics import Problem


def answer(parser: argparse.ArgumentParser) -> None:
    """Completes what the environment has of a command line, and ends this process."""
    for command in _subparsers(parser):
        for action in command._actions:
            if action.dest == "stack":
                action.completer = stacks  # type: ignore[attr-defined]
    argcomplete.autocomplete(parser)


def _subparsers(parser: argparse.ArgumentParser) -> Iterable[argparse.ArgumentParser]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from action.choices.values()


def stacks(parsed_args: argparse.Namespace, **_: Any) -> list[str]:
    """The stacks of the spec on the command line, else those that the project has a configuration of."""
    from netspec.toolchain import project

    found: set[str] = set()
    for value in vars(parsed_args).values():
        for word in value if isinstance(value, list) else [value]:
            if isinstance(word, str) and word.endswith((".yaml", ".yml")):
                found |= _stacks_of(Path(word))
    if not found:
        with contextlib.suppress(Problem):
            files = (project.root() / "stacks").glob("Pulumi.*.yaml")
            found = {file.name.removeprefix("Pulumi.").removesuffix(".yaml") for file in files}
    return sorted(found)


def _stacks_of(spec: Path) -> set[str]:
    with contextlib.suppress(OSError, ValueError, yaml.YAMLError):
        content = yaml.safe_load(spec.read_text(encoding="utf-8"))
        stacks = content.get("stacks") if isinstance(content, dict) else None
        return set(map(str, stacks)) if isinstance(stacks, dict) else set()
    return set()
