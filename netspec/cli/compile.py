"""`netspec compile`: what a stack compiles to, as files for a reader."""

import argparse
import json
from pathlib import Path

from netspec.cli import FAILED, OK

EXAMPLES = """\
  netspec compile stacks/boutique.yaml --stack dev --out out/boutique
  netspec compile stacks/boutique.yaml --stack dev --out out/boutique --output json"""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("spec", metavar="SPEC", help="the spec file")
    parser.add_argument("--stack", required=True, help="which of its stacks to compile")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="a new directory, or one written before")
    parser.add_argument("--output", choices=("text", "json"), default="text", help="how to report (default: text)")


def run(args: argparse.Namespace) -> int:
    """Writes nothing where the spec has an error."""
    from netspec.backends.registry import REGISTRY
    from netspec.cli.check import summary
    from netspec.compiler import compile_spec
    from netspec.planfiles import write
    from netspec.spec.load import load

    result = compile_spec(load(args.spec), args.stack, REGISTRY)
    files = write(result.plan, args.out) if result.plan is not None else ()
    if args.output == "json":
        report = {"file": args.spec, "ok": result.ok, "out": str(args.out), "files": files}
        print(json.dumps(report | {"diagnostics": [d.to_json() for d in result.diagnostics]}, indent=2))
        return OK if result.ok else FAILED
    for diagnostic in result.diagnostics:
        print(diagnostic.render())
    if result.plan is None:
        print(summary(args.spec, result.diagnostics))
        return FAILED
    print(f"wrote {len(files)} files to {args.out}")
    return OK
