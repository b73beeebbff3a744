"""netspec capacity: what fits a stack, by everything that bounds it, with the arithmetic."""

import argparse
import json
import sys
from collections.abc import Iterator

from netspec.capacity import is_short, needed
from netspec.cli import FAILED, OK
from netspec.diagnostics import Problem
from netspec.ir.model import Ir
from netspec.report.listing import Edge, Listing, Row, write
from netspec.target import Limit

EXAMPLES = """\
  netspec capacity stacks/boutique.yaml --stack prod
  netspec capacity stacks/boutique.yaml --stack dev --output md
  netspec capacity stacks/boutique.yaml --stack prod --output json"""

OUTPUTS = ("text", "json", "csv", "md", "html")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("spec", metavar="SPEC", help="the spec file")
    parser.add_argument("--stack", required=True, help="which of its stacks")
    parser.add_argument("--output", choices=OUTPUTS, default="text", help="how to print (default: text)")


def run(args: argparse.Namespace) -> int:
    """Exit code 1 where something does not fit, or the spec could not be read; what could be worked out is printed."""
    from netspec.backends.registry import REGISTRY
    from netspec.compiler import compile_spec
    from netspec.spec.load import load

    result = compile_spec(load(args.spec), args.stack, REGISTRY)
    if not result.ok:
        codes = {limit.code for limit in result.limits}
        for diagnostic in result.diagnostics:
            if diagnostic.code not in codes:  # the listing says those
                print(diagnostic.render(), file=sys.stderr)
    if result.ir is None or not result.limits:
        raise Problem(f"{args.spec}: nothing can be said of what fits", "correct the errors above")
    write(_listing(result.ir, result.limits, f"{args.spec}, stack {args.stack}"), args.output)
    return OK if result.ok and not any(is_short(limit, result.ir) for limit in result.limits) else FAILED


def binding(limits: tuple[Limit, ...], ir: Ir) -> Limit:
    """The one that is nearest to its end: what has to grow first."""
    return max(limits, key=lambda limit: needed(limit, ir) / max(limit.room, 1))


def _listing(ir: Ir, limits: tuple[Limit, ...], name: str) -> Listing:
    tightest = binding(limits, ir)

    def state(limit: Limit) -> str:
        return "too few" if is_short(limit, ir) else "binds first" if limit is tightest else "fits"

    def rows() -> Iterator[Row]:
        for limit in limits:
            lift = limit.hint if limit is tightest or is_short(limit, ir) else ""
            yield (limit.what, str(limit.room), str(needed(limit, ir)), state(limit), limit.how, lift)

    def edges() -> Iterator[Edge]:
        for limit in limits:
            tone = {"too few": "bad", "binds first": "warn", "fits": "good"}[state(limit)]
            yield Edge(limit.what, "the spec", f"{needed(limit, ir)} of {limit.room}", False, tone)

    def document() -> Iterator[str]:
        found = [
            {
                "what": limit.what,
                "room": limit.room,
                "needed": needed(limit, ir),
                "state": state(limit),
                "arithmetic": limit.how,
                "lift": limit.hint,
                "code": limit.code,
                "path": list(limit.path),
            }
            for limit in limits
        ]
        yield json.dumps({"version": "capacity/v1", "limits": found}, indent=1) + "\n"

    columns = ("what", "room", "needed", "", "arithmetic", "lifted by")
    return Listing(f"what fits: {name}", columns, rows, document, edges, group=lambda _: "", label=lambda node: node)
