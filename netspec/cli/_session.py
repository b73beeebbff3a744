"""What up, preview, down and status share: which spec, the tools, the session and where it is reported."""

import argparse
import contextlib
import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from netspec.cli._progress import Log, Progress
from netspec.compiler import CompileResult, compile_spec
from netspec.deploy.events import Event, Message, Step
from netspec.diagnostics import Problem
from netspec.spec.load import load
from netspec.toolchain import Tools, project

if TYPE_CHECKING:
    from netspec.deploy.session import Outcome


def spec_path(stack: str, given: str | None) -> Path:
    """The stack's spec file: the one its configuration names, or for a new stack the one given.

    Raises `Problem` when there is none, or another one than was given.
    """
    check_name(stack)
    root = project.root()
    file, named = project.spec_record(stack)
    if named is None:
        if given is None:
            raise Problem(
                f"nothing says which spec the stack {stack} is made from",
                f"name it: netspec up SPEC --stack {stack}; or write netspec:spec into stacks/Pulumi.{stack}.yaml",
            )
        return Path(given)
    if given is not None and Path(given).resolve() != (root / named).resolve():
        is_recorded = file == project.work_file(stack)
        change = f"destroy it first: netspec down --stack {stack}" if is_recorded else f"change netspec:spec in {file}"
        raise Problem(
            f"the stack {stack} is made from {named}, not from {given}",
            f"leave the spec out, name another stack, or {change}",
        )
    return project.from_here(named)


def check_name(stack: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}", stack):
        hint = "use letters, digits, hyphens, underscores and dots; begin with a letter, digit or underscore"
        raise Problem(f"{stack!r} is not a stack's name", hint)


def recorded(spec: Path) -> str:
    """How a stack's configuration names a spec file: relative to the project where it is inside."""
    full = spec.resolve()
    return str(full.relative_to(project.root())) if full.is_relative_to(project.root()) else str(full)


def compiled(spec: Path, stack: str) -> CompileResult:
    """Compile, with every finding on stderr."""
    from netspec.backends.registry import REGISTRY

    result = compile_spec(load(spec), stack, REGISTRY)
    for diagnostic in result.diagnostics:
        print(diagnostic.render(), file=sys.stderr)
    return result


@contextlib.contextmanager
def reported(stack: str, title: str, names: Mapping[str, str], tools: Tools) -> Iterator[tuple[Progress, Log]]:
    """Progress and log of one operation with these tools; a problem in it points to the log."""
    log = Log(project.private_dir() / "logs", stack)
    for note in tools.notes:
        log.write(note)
    try:
        with Progress(title, names, log) as progress:
            yield progress, log
    except Problem as problem:
        raise log.point_to(problem) from problem


class Operation:
    """One operation on one stack, reported as it goes. `steps` are those on the plan's resources."""

    def __init__(self, stack: str, spec: str | None, progress: Progress, log: Log) -> None:
        from netspec.deploy.session import Session  # and with it Pulumi

        self.session = Session(stack, spec, progress.say)
        self.steps: list[Step] = []
        self._progress, self.output = progress, log.write

    def on_event(self, event: Event) -> None:
        if isinstance(event, Message):
            self._progress.message(event.severity, event.text)
        elif event.is_of_plan:
            self.steps.append(event)
            self._progress.step(event)


def stack_argument(parser: argparse.ArgumentParser, spec: bool = True) -> None:
    if spec:
        parser.add_argument(
            "spec",
            metavar="SPEC",
            nargs="?",
            help="the spec file (default: netspec:spec of stacks/Pulumi.<stack>.yaml)",
        )
    parser.add_argument("--stack", required=True, help="which stack")
    if spec:
        parser.add_argument(
            "--no-refresh",
            dest="refresh",
            action="store_false",
            help="do not look for what somebody else changed since the last apply",
        )
    parser.add_argument("--output", choices=("text", "json"), default="text", help="how to print (default: text)")


def summary(changes: Mapping[str, int], past: bool) -> str:
    """
    >>> summary({"create": 3, "same": 2}, past=False), summary({"replace": 1}, past=True)
    ('3 to create, 2 unchanged', '1 replaced')
    """
    found = []
    for operation, count in sorted(changes.items()):
        word = "unchanged" if operation == "same" else f"{operation.rstrip('e')}ed" if past else f"to {operation}"
        found += [f"{count} {word}"] if count else []
    return ", ".join(found) or "nothing to do"


def drift_lines(outcome: "Outcome") -> list[str]:
    """What somebody else changed and is set back, an object a line."""
    return [f"set back  {difference}" for difference in outcome.differences or ()]


def drift_data(outcome: "Outcome") -> list[dict[str, object]] | None:
    """The same as data; None when nobody looked, or the cluster did not answer."""
    if outcome.differences is None:
        return None
    return [{"name": d.kept.name, "changes": list(d.changes)} for d in outcome.differences]


def show(args: argparse.Namespace, text: str, **data: object) -> None:
    """The result of a command on stdout, as text or as one JSON object."""
    print(json.dumps({"stack": args.stack, **data}) if args.output == "json" else text)
