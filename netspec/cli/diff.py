"""netspec diff: which connections a change opens or closes."""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence

from netspec.analysis.dialects import dialects
from netspec.analysis.diff import Change, Diff, alike
from netspec.analysis.matrix import ports_text
from netspec.analysis.spaces import Ranges
from netspec.cli import DIFFERENT, FAILED, OK, _sources
from netspec.diagnostics import Problem
from netspec.report.listing import OUTPUTS, Edge, Listing, Row, write

EXAMPLES = """\
  netspec diff old/ new/
  netspec diff main:stacks/boutique.yaml stacks/boutique.yaml --stack dev
  netspec diff main:deploy deploy --fail-on opened --output md
  netspec diff stacks/boutique.yaml@dev stacks/boutique.yaml@prod"""

_TONES = {"opened": "bad", "closed": "good", "changed": "warn"}


def arguments(parser: argparse.ArgumentParser) -> None:
    side = "a spec, spec@stack, a manifest, a directory of them, - for standard input, or revision:path in git"
    parser.add_argument("old", metavar="OLD", help=side)
    parser.add_argument("new", metavar="NEW", help="likewise")
    parser.add_argument("--stack", help="the specs' stack (default: their only one)")
    _sources.namespace_argument(parser)
    _sources.cni_argument(parser)
    parser.add_argument(
        "--fail-on", choices=("any", "opened"), default="any", help="what exit code 4 means (default: any difference)"
    )
    parser.add_argument("--output", choices=OUTPUTS, default="text", help="how to print (default: text)")


def run(args: argparse.Namespace) -> int:
    """Exit code 0: no difference; 4: some (with --fail-on opened, only where something opens); 1: bad input."""
    if args.old == args.new == "-":
        raise Problem("standard input is one side", "name a file for the other")
    sides = [_sources.from_path(name, args.stack, args.cni, args.namespace) for name in (args.old, args.new)]
    for side in sides:
        side.complain()
    for line in dialects(*(side.inventory for side in sides)):
        print(line, file=sys.stderr)
    diff = Diff(*alike(*(side.inventory for side in sides)))
    changes = list(diff.changes())
    write(report(diff, changes, f"{args.old} to {args.new}"), args.output)
    if any(side.has_errors for side in sides):
        return FAILED
    counted = [c for c in changes if c.widens] if args.fail_on == "opened" else changes
    return DIFFERENT if counted else OK


def report(diff: Diff, changes: Sequence[Change], what: str) -> Listing:
    """The changes as rows; `preview` shows them too."""
    labels = {peer.id: peer.label for peer in diff.peers}

    def rows() -> Iterator[Row]:
        for c in changes:
            yield (
                c.kind,
                labels[c.source],
                labels[c.destination],
                ports_text(c.opens),
                ports_text(c.closes),
                _state(c.before, c.l7[0]),
                _state(c.after, c.l7[1]),
            )

    def edges() -> Iterator[Edge]:
        for c in changes:
            words = [("+", c.opens), ("-", c.closes)]
            text = " ".join(f"{sign}{ports_text(ranges)}" for sign, ranges in words if ranges) or _state(
                c.after, c.l7[1]
            )
            yield Edge(
                c.source, c.destination, f"{c.kind}: {text}", bool(c.after[1]) and not c.after[0], _TONES[c.kind]
            )

    def document() -> Iterator[str]:
        out = [
            {
                "change": c.kind,
                "source": c.source,
                "destination": c.destination,
                "opens": c.opens,
                "closes": c.closes,
                "before": _sides(c.before, c.l7[0]),
                "after": _sides(c.after, c.l7[1]),
            }
            for c in changes
        ]
        peers = [p.to_json() for p in diff.peers]
        yield json.dumps({"version": "diff/v1", "peers": peers, "changes": out}, indent=1) + "\n"

    return Listing(
        f"what changes: {what}",
        ("change", "source", "destination", "opens", "closes", "before", "after"),
        rows,
        document,
        edges,
        label=lambda node: node.partition("/")[2] or labels.get(node, node),
        empty="no difference",
        key=("closed", "changed", "opened"),
    )


def _state(ports: tuple[Ranges, Ranges], l7: Ranges) -> str:
    allow, undefined = ports
    said = [ports_text(allow)] if allow else []
    said += [f"undefined {ports_text(undefined)}"] if undefined else []
    said += [f"of which L7 decides {ports_text(l7)}"] if l7 else []
    return "; ".join(said) or "none"


def _sides(ports: tuple[Ranges, Ranges], l7: Ranges) -> dict[str, Ranges]:
    return {name: found for name, found in zip(("allow", "undefined", "l7"), (*ports, l7), strict=True) if found}
