"""netspec preview: what `up` would change, and why something would be made anew."""

import argparse

from deploy.events import Step
from netspec.cli import FAILED, OK
from netspec.cli._session import Operation, compiled, recorded, reported, show, spec_path, stack_argument, summary

EXAMPLES = """\
  netspec preview --stack dev
  netspec preview --stack dev --output json"""

#: Of a replacement Pulumi reports three steps; this one stands for it.
_SHOWN = {"create": "create", "update": "update", "delete": "delete", "replace": "replace"}


def arguments(parser: argparse.ArgumentParser) -> None:
    stack_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Exit code 1 for a spec with errors; 0 whether or not there are changes."""
    import toolchain
    from deploy.layers import layers

    spec = spec_path(args.stack, args.spec)
    plan = compiled(spec, args.stack).plan
    if plan is None:
        return FAILED
    toolchain.activate()
    with reported(args.stack, f"preview {args.stack}", layers(plan)) as (progress, log):
        operation = Operation(args.stack, recorded(spec), progress, log)
        changes = operation.session.preview(plan, operation.on_event, operation.output)
    steps = [step for step in operation.steps if step.phase == "started" and step.operation in _SHOWN]
    lines = [*map(_line, steps), f"{args.stack}: {summary(changes, past=False)}"]
    listed = [{"operation": s.operation, "name": s.name, "type": s.type, "because": list(s.keys)} for s in steps]
    show(args, "\n".join(lines), changes=changes, steps=listed)
    return OK


def _line(step: Step) -> str:
    because = f"  because of {', '.join(step.keys)}" if step.keys else ""
    return f"{_SHOWN[step.operation]:<8} {step.name}{because}"
