"""netspec schema: the JSON Schema of the spec file, for editors."""

import argparse
import sys

EXAMPLES = """\
  netspec schema > netspec.schema.json"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """No arguments."""


def run(_: argparse.Namespace) -> int:
    from netspec.spec.schema import render

    sys.stdout.write(render())
    return 0
