"""netspec init: a project of the user's own, with a first spec."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from netspec.cli import OK

if TYPE_CHECKING:
    from netspec.cli._scaffold import FirstSpec

EXAMPLES = """\
  netspec init
  netspec init network
  netspec init network --name shop"""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", metavar="DIR", nargs="?", default=Path(), type=Path, help="where (default: here)")
    parser.add_argument("--name", help="the project's name (default: the directory's)")


def run(args: argparse.Namespace) -> int:
    """Writes what is not there, overwrites nothing, and says both."""
    from netspec.cli import _scaffold

    name = _scaffold.project_name(args.directory, args.name)
    _scaffold.check(args.directory)
    written = _scaffold.write(args.directory, name, _first_spec(args, name))
    for line in written.lines():
        print(line)
    return OK


def _first_spec(args: argparse.Namespace, name: str) -> "FirstSpec":
    """The example, for a project that has nothing yet."""
    from netspec.cli import _scaffold

    return _scaffold.example(name)
