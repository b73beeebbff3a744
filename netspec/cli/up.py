"""netspec up: compile, apply, verify."""

import argparse

from netspec.cli import FAILED, OK
from netspec.cli._options import install_argument
from netspec.cli._session import (
    Operation,
    compiled,
    drift_data,
    drift_lines,
    recorded,
    reported,
    show,
    spec_path,
    stack_argument,
    summary,
)

EXAMPLES = """\
  netspec up --stack dev
  netspec up stacks/shop.yaml --stack shop
  netspec up --stack dev --no-verify --output json"""


def arguments(parser: argparse.ArgumentParser) -> None:
    stack_argument(parser)
    install_argument(parser)
    parser.add_argument("--no-verify", action="store_true", help="apply only")


def run(args: argparse.Namespace) -> int:
    """Exit code 1 for a spec with errors, before anything is touched; else that of the verification."""
    from netspec import toolchain
    from netspec.cli.verify import verified, verify_stack
    from netspec.deploy.layers import layers
    from netspec.toolchain.engine import check_disk
    from netspec.verify.report import write_reports
    from netspec.verify.report.data import EXIT_CODES, as_json

    spec = spec_path(args.stack, args.spec)
    result = compiled(spec, args.stack)
    plan = result.plan
    if plan is None:
        return FAILED
    tools = toolchain.activate(install=not args.no_install, images=plan.images, with_engine=result.needs_engine)
    check_disk(tools.engine)
    with reported(args.stack, f"up {args.stack}", layers(plan), tools) as (progress, log):
        operation = Operation(args.stack, recorded(spec), progress, log)
        outcome = operation.session.up(plan, operation.on_event, operation.output, args.refresh)
    took = progress.elapsed()
    lines = [*drift_lines(outcome), f"{args.stack}: {summary(outcome.changes, past=True)} in {took:.0f} s"]
    data: dict[str, object] = {
        "changes": outcome.changes,
        "setBack": drift_data(outcome),
        "seconds": round(took, 1),
        "log": str(log.path),
    }
    if args.output == "text" or args.no_verify:
        show(args, "\n".join(lines), **data)
        return OK if args.no_verify else verify_stack(args.stack, str(spec))
    # One JSON object for the whole command.
    run = verified(args.stack, str(spec))
    show(args, "", **data, verification=as_json(run))
    write_reports(run, None)
    return EXIT_CODES[run.answer]
