"""netspec check: every finding of a spec, for all its stacks or one."""

import argparse
import gc
import json
from collections.abc import Sequence

from netspec.diagnostics import Diagnostic, Severity

EXAMPLES = """\
  netspec check stacks/boutique.yaml
  netspec check stacks/boutique.yaml --stack dev --strict
  netspec check stacks/boutique.yaml --output json"""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("spec", metavar="SPEC", help="the spec file")
    parser.add_argument("--stack", help="check this stack only; all of them otherwise")
    parser.add_argument("--output", choices=("text", "json"), default="text", help="how to print (default: text)")
    parser.add_argument("--strict", action="store_true", help="fail on warnings too")


def run(args: argparse.Namespace) -> int:
    """Exit code 0: nothing wrong; 1: an error, or with --strict a warning."""
    gc.disable()  # a short life: collecting would take a tenth of the time and free nothing
    try:
        from netspec.backends.registry import REGISTRY
        from netspec.compiler import check_spec
        from netspec.spec.load import load

        found = check_spec(load(args.spec), args.stack, REGISTRY)
    finally:
        gc.enable()
    errors = sum(d.severity is Severity.ERROR for d in found)
    failed = bool(errors or (args.strict and found))
    if args.output == "json":
        print(json.dumps(_as_json(args.spec, failed, found), indent=2))
    else:
        for diagnostic in found:
            print(diagnostic.render())
        print(summary(args.spec, found))
    return int(failed)


def _as_json(file: str, failed: bool, found: Sequence[Diagnostic]) -> dict[str, object]:
    errors = sum(d.severity is Severity.ERROR for d in found)
    counts = {"errors": errors, "warnings": len(found) - errors}
    return {"file": file, "ok": not failed, **counts, "diagnostics": [d.to_json() for d in found]}


def summary(file: str, found: Sequence[Diagnostic]) -> str:
    """The last line: "2 errors, 1 warning in stacks/x.yaml", or "ok: stacks/x.yaml"."""
    errors = sum(d.severity is Severity.ERROR for d in found)
    counts = [(errors, "error"), (len(found) - errors, "warning")]
    words = [f"{n} {word}{'s' if n > 1 else ''}" for n, word in counts if n]
    return f"{', '.join(words)} in {file}" if words else f"ok: {file}"
