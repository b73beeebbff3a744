"""netspec exposure: what the outside and unknown pods can reach."""

import argparse
import json
from collections.abc import Iterator
from typing import get_args

from netspec.analysis.exposure import Exposure, Scope, exposures
from netspec.analysis.matrix import ports_text
from netspec.analysis.unread import to_json
from netspec.cli import FAILED, OK, _sources
from netspec.report.listing import OUTPUTS, Edge, Listing, Row, write

EXAMPLES = """\
  netspec exposure stacks/boutique.yaml --stack dev
  netspec exposure --manifests deploy/ --scope outside
  netspec exposure --manifests deploy/ --output csv"""

_SCOPES: tuple[Scope, ...] = get_args(Scope)


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("spec", metavar="SPEC", nargs="?", help="a spec file")
    _sources.arguments(parser)
    parser.add_argument(
        "--scope", action="append", choices=_SCOPES, help="only from there (may be given several times)"
    )
    parser.add_argument("--output", choices=OUTPUTS, default="text", help="how to print (default: text)")


def run(args: argparse.Namespace) -> int:
    """Exit code 1 when some of the input could not be used."""
    source = _sources.chosen(args, args.spec)
    source.complain()
    found = [e for e in exposures(source.inventory) if not args.scope or e.scope in args.scope]
    write(_listing(source, found), args.output)
    return FAILED if source.has_errors else OK


def _listing(source: _sources.Source, found: list[Exposure]) -> Listing:
    def where(exposure: Exposure) -> str:
        position = source.locate(exposure.place)
        return f"{position.file}:{position.line}" if position else ""

    def rows() -> Iterator[Row]:
        for e in found:
            present = "" if e.present is None else str(e.present)
            yield e.workload, e.scope, e.peer, ports_text(e.ports), present, e.by, where(e)

    def edges() -> Iterator[Edge]:
        for e in found:
            tone = "bad" if e.scope == "outside" else "warn"
            yield Edge(e.peer, e.workload, f"{ports_text(e.ports)} ({e.by})", tone=tone)

    def document() -> Iterator[str]:
        listed = [
            {
                "workload": e.workload,
                "scope": e.scope,
                "peer": e.peer,
                "ports": e.ports,
                "present": e.present,
                "by": e.by,
                "place": where(e) or None,
            }
            for e in found
        ]
        unread = {"unread": to_json(source.inventory.unread)} if source.inventory.unread else {}
        yield json.dumps({"version": "exposure/v1", "exposures": listed, **unread}, indent=1) + "\n"

    workloads = {e.workload for e in found}
    return Listing(
        f"who could get in: {source.name}",
        ("workload", "scope", "peer", "ports", "present", "by", "place"),
        rows,
        document,
        edges,
        group=lambda node: node.partition("/")[0] if node in workloads else "",
        label=lambda node: node.partition("/")[2] if node in workloads else node,
        empty="nothing can be reached from the outside or by unknown pods",
    )
