"""netspec verify: asks the running cluster everything that the spec predicts."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from netspec.cli._options import install_argument

if TYPE_CHECKING:
    from netspec.verify.model import Run

EXAMPLES = """\
  netspec verify --stack dev
  netspec verify stacks/shop.yaml --stack shop --report out/shop
  netspec verify --stack dev --output json

The same, one test item a probe, beside your own tests: pytest --stack dev
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "spec", metavar="SPEC", nargs="?", help="the spec file (default: netspec:spec of stacks/Pulumi.<stack>.yaml)"
    )
    parser.add_argument("--stack", required=True, help="the stack whose cluster is asked")
    parser.add_argument("--output", choices=("text", "json"), default="text", help="how to print (default: text)")
    install_argument(parser)
    parser.add_argument("--report", type=Path, metavar="DIR", help="where the report goes (default: out/<stack>)")


def run(args: argparse.Namespace) -> int:
    """Exit code 0: green; 1: red; 3: inconclusive."""
    from netspec.backends.registry import REGISTRY
    from netspec.toolchain import activate
    from netspec.verify.sites import programs_of
    from netspec.verify.stack import load_stack

    ir, _ = load_stack(args.stack, args.spec, REGISTRY)
    activate(programs_of(ir), install=not args.no_install, with_engine=ir.traits.there is None)
    return verify_stack(args.stack, args.spec, args.report, args.output)


def verify_stack(stack: str, spec: str | None = None, report: Path | None = None, output: str = "text") -> int:
    """Verifies, prints and writes the report; returns the exit code. The tools must be active."""
    from netspec.verify.report import write_reports
    from netspec.verify.report.data import EXIT_CODES, as_json
    from netspec.verify.report.terminal import print_run

    result = verified(stack, spec)
    if output == "json":
        print(json.dumps(as_json(result), indent=1, ensure_ascii=False))
    else:
        print_run(result)
    page = write_reports(result, report)  # after the answer was printed: that is not lost with the report
    if output == "text":
        print(f"report: {page}")
    return EXIT_CODES[result.answer]


def verified(stack: str, spec: str | None = None) -> "Run":
    """The tools must be active."""
    from netspec.backends.registry import REGISTRY
    from netspec.verify.runner import verify
    from netspec.verify.stack import load_stack

    ir, probes = load_stack(stack, spec, REGISTRY)
    return verify(ir, probes, lambda text: print(text, file=sys.stderr))
