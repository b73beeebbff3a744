"""`netspec compile`: what a stack compiles to, as files for a reader."""

import argparse
import json
from pathlib import Path

from netspec.cli import FAILED, OK

EXAMPLES = """\
  netspec compile stacks/shop.yaml --stack dev --out build/shop
  netspec compile stacks/shop.yaml --stack dev --out build/shop --output json
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("spec", metavar="SPEC", help="the spec file")
    parser.add_argument("--stack", required=True, help="which of its stacks to compile")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="a new directory, or one written before")
    parser.add_argument("--output", choices=("text", "json"), default="text", help="how to report (default: text)")


def run(args: argparse.Namespace) -> int:
    """Writes nothing where the spec has an error."""
    from backends.registry import REGISTRY
    from netspec.compiler import compile_spec
    from netspec.planfiles import write
    from netspec.spec.load import load

    result = compile_spec(load(args.spec), args.stack, REGISTRY)
    files = write(result.plan, args.out) if result.plan is not None else ()
    if args.output == "json":
        found = [diagnostic.to_json() for diagnostic in result.diagnostics]
        print(json.dumps({"out": str(args.out), "files": files, "diagnostics": found}, indent=2, ensure_ascii=False))
        return OK if result.ok else FAILED
    for diagnostic in result.diagnostics:
        print(diagnostic.render())
    if result.plan is not None:
        print(f"wrote {len(files)} files to {args.out}: {len(result.plan.nodes)} plan nodes in apply order")
    return OK if result.ok else FAILED
