"""netspec lint: what is suspicious about policies."""

import argparse
import json
from collections.abc import Iterator, Sequence
from urllib.parse import quote

from netspec import __version__
from netspec.analysis.lint import CODES, Finding, lint
from netspec.cli import FAILED, OK, _sources
from netspec.diagnostics import Position
from netspec.manifests.read import STDIN
from netspec.report.listing import OUTPUTS, Edge, Listing, Row, write

EXAMPLES = """\
  netspec lint stacks/boutique.yaml --stack dev
  netspec lint --manifests deploy/ --strict
  netspec lint --manifests deploy/ --output sarif > lint.sarif"""

_SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("spec", metavar="SPEC", nargs="?", help="a spec file")
    _sources.arguments(parser)
    parser.add_argument("--strict", action="store_true", help="fail on findings")
    parser.add_argument(
        "--ignore", action="append", default=[], choices=CODES, metavar="CODE", help="leave out findings of this code"
    )
    outputs = (*OUTPUTS, "sarif")
    parser.add_argument("--output", choices=outputs, default="text", help="how to print (default: text)")


def run(args: argparse.Namespace) -> int:
    """Exit code 1 for bad input, or with --strict for a finding."""
    source = _sources.chosen(args, args.spec)
    source.complain()
    found = [(f, source.locate(f.place)) for f in lint(source.inventory) if f.code not in args.ignore]
    if args.output == "sarif":
        print(json.dumps(_sarif(found), indent=1))
    else:
        write(_listing(found, source.name), args.output)
    return FAILED if source.has_errors or (args.strict and found) else OK


def _where(position: Position | None) -> str:
    return f"{position.file}:{position.line}" if position else ""


def _listing(found: Sequence[tuple[Finding, Position | None]], name: str) -> Listing:
    def rows() -> Iterator[Row]:
        return ((f.code, f.subject, f.message, _where(position)) for f, position in found)

    def edges() -> Iterator[Edge]:
        return (Edge(f"{f.code}: {CODES[f.code]}", f.subject, f.message, tone="warn") for f, _ in found)

    def document() -> Iterator[str]:
        findings = [
            {
                "code": f.code,
                "subject": f.subject,
                "message": f.message,
                "file": position.file if position else None,
                "line": position.line if position else None,
            }
            for f, position in found
        ]
        yield json.dumps({"version": "lint/v1", "findings": findings}, indent=1) + "\n"

    return Listing(
        f"what is suspicious: {name}",
        ("code", "subject", "message", "place"),
        rows,
        document,
        edges,
        group=lambda node: "" if node[:5] in CODES or "/" not in node else node.partition("/")[0],
        label=lambda node: node if node[:5] in CODES else node.partition("/")[2] or node,
    )


def _sarif(found: Sequence[tuple[Finding, Position | None]]) -> dict[str, object]:
    """SARIF 2.1.0 (OASIS), for code scanning."""
    rules = [{"id": code, "shortDescription": {"text": text}} for code, text in CODES.items()]
    return {
        "$schema": _SARIF_SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": {"name": "netspec", "version": __version__, "rules": rules}},
                "results": [_result(f, position) for f, position in found],
            }
        ],
    }


def _result(finding: Finding, position: Position | None) -> dict[str, object]:
    out: dict[str, object] = {
        "ruleId": finding.code,
        "level": "warning",
        "message": {"text": f"{finding.subject}: {finding.message}"},
    }
    location: dict[str, object] = {"logicalLocations": [{"fullyQualifiedName": finding.subject}]}
    if position is not None and position.file != STDIN:
        region = {"startLine": position.line, "startColumn": position.column}
        # 3.4.3: a URI reference (RFC 3986)
        location["physicalLocation"] = {"artifactLocation": {"uri": quote(position.file)}, "region": region}
    return out | {"locations": [location]}
