"""netspec down: destroy a stack, from whatever state it is in."""

import argparse

from netspec.cli import OK
from netspec.cli._session import Operation, check_name, reported, show, stack_argument, summary

EXAMPLES = """\
  netspec down --stack dev"""


def arguments(parser: argparse.ArgumentParser) -> None:
    stack_argument(parser, spec=False)


def run(args: argparse.Namespace) -> int:
    """Nothing is left afterwards; it is not an error when parts of it are gone already."""
    from netspec import toolchain
    from netspec.deploy import containers
    from netspec.toolchain import project
    from netspec.toolchain.engine import is_recorded, stop_private

    check_name(args.stack)
    if not project.has_state():
        show(args, f"{args.stack}: nothing is applied", changes={})
        return OK
    tools = toolchain.activate(start=False, with_engine=is_recorded(args.stack))
    with reported(args.stack, f"down {args.stack}", {}, tools) as (progress, log):
        operation = Operation(args.stack, None, progress, log)
        changes = operation.session.down(operation.on_event, operation.output)
        if tools.engine == "private" and not containers.has_clusters():
            stop_private(progress.say)
    done = f"{args.stack}: {summary(changes, past=True)} in {progress.elapsed():.0f} s"
    show(args, done, changes=changes, seconds=round(progress.elapsed(), 1), log=str(log.path))
    return OK
