"""netspec preview: what `up` would change: who reaches whom, then the resources, and why one would be made anew."""

import argparse
import json
from typing import TYPE_CHECKING

from netspec.cli import FAILED, OK
from netspec.cli._options import install_argument
from netspec.cli._session import (
    Operation,
    compiled,
    drift_data,
    drift_lines,
    reported,
    show,
    spec_path,
    stack_argument,
    summary,
)
from netspec.compiler import CompileResult
from netspec.deploy.events import Step
from netspec.report.listing import Listing, text

if TYPE_CHECKING:
    from netspec.deploy.session import Applied

EXAMPLES = """\
  netspec preview --stack dev
  netspec preview --stack dev --output json"""

#: Of a replacement Pulumi reports three steps; this one stands for it.
_SHOWN = ("create", "update", "delete", "replace")


def arguments(parser: argparse.ArgumentParser) -> None:
    stack_argument(parser)
    install_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Exit code 1 for a spec with errors; 0 whether or not there are changes."""
    from netspec import toolchain
    from netspec.deploy.layers import layers

    spec = spec_path(args.stack, args.spec)
    result = compiled(spec, args.stack)
    if result.plan is None:
        return FAILED
    tools = toolchain.activate(install=not args.no_install, with_engine=result.needs_engine)
    with reported(args.stack, f"preview {args.stack}", layers(result.plan), tools) as (progress, log):
        operation = Operation(args.stack, None, progress, log)
        flows = _flows(result, operation.session.applied(), args.stack)
        outcome = operation.session.preview(result.plan, operation.on_event, operation.output, args.refresh)
    steps = [step for step in operation.steps if step.phase == "started" and step.operation in _SHOWN]
    table = "nothing is applied to compare with\n" if flows is None else "".join(text(flows))
    lines = [f"who reaches whom:\n{table}", *drift_lines(outcome), *map(_line, steps)]
    lines.append(f"{args.stack}: {summary(outcome.changes, past=False)}")
    listed = [{"operation": s.operation, "name": s.name, "type": s.type, "because": list(s.keys)} for s in steps]
    reachability = None if flows is None else json.loads("".join(flows.json()))
    data = {"changes": outcome.changes, "setBack": drift_data(outcome), "steps": listed}
    show(args, "\n".join(lines), reachability=reachability, **data)
    return OK


def _flows(result: CompileResult, applied: "Applied | None", stack: str) -> Listing | None:
    """The change in who reaches whom, None where no object is applied."""
    from netspec.cli._changes import reachability_change
    from netspec.cli.diff import report

    if applied is None or not applied.objects:
        return None
    assert result.ir is not None and result.plan is not None
    diff = reachability_change(result.ir, result.plan, applied.objects, applied.network)
    return report(diff, list(diff.changes()), f"stack {stack}")


def _line(step: Step) -> str:
    because = f"  because of {', '.join(step.keys)}" if step.keys else ""
    return f"{step.operation:<8} {step.name}{because}"
