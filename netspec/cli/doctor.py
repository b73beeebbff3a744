"""netspec doctor: what was found, from where, and what is missing with the command that fixes it."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from netspec.cli import FAILED, OK

if TYPE_CHECKING:
    from netspec.toolchain.doctor import Finding

EXAMPLES = """\
  netspec doctor
  netspec doctor --output json"""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--output", choices=("text", "json"), default="text", help="how to print (default: text)")


def run(args: argparse.Namespace) -> int:
    """Exit code 1 when something that is needed is missing."""
    from netspec.toolchain.doctor import inspect

    findings = inspect()
    missing = [finding for finding in findings if finding.state == "missing"]
    if args.output == "json":
        print(json.dumps({"ok": not missing, "findings": [asdict(f) for f in findings]}, indent=2))
    else:
        _table(findings)
        print(f"{len(missing)} missing" if missing else "everything that is needed is there")
    return FAILED if missing else OK


def _table(findings: "Sequence[Finding]") -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("", "WHAT", "VERSION", "SOURCE"):
        table.add_column(column, no_wrap=True)
    table.add_column("DETAIL", overflow="fold")
    marks = {"ok": "[green]ok[/]", "missing": "[red]missing[/]", "note": "[dim]note[/]"}
    for finding in findings:
        detail = Text(finding.detail + (f"\n→ {finding.fix}" if finding.fix else ""))
        table.add_row(marks[finding.state], finding.subject, finding.version, finding.source, detail)
    Console().print(table)
