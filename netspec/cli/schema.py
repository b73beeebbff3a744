"""netspec schema: the JSON Schema of the spec file, for editors, or the same for readers."""

import argparse
import sys

EXAMPLES = """\
  netspec schema > stacks/netspec.schema.json
  netspec schema --output markdown > spec.md"""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--output", choices=("json", "markdown"), default="json", help="a JSON Schema, or the reference page as text"
    )


def run(args: argparse.Namespace) -> int:
    from netspec.backends.registry import REGISTRY
    from netspec.spec import reference, schema

    sys.stdout.write((schema if args.output == "json" else reference).render(REGISTRY))
    return 0
