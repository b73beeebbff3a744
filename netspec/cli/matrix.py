"""netspec matrix: who reaches whom."""

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING

from netspec.analysis.engine import Connection
from netspec.analysis.matrix import Focus, Matrix, ports_text
from netspec.cli import FAILED, OK, _sources
from netspec.diagnostics import Problem
from netspec.report.listing import OUTPUTS, Edge, Listing, Row, write

if TYPE_CHECKING:
    from netspec.analysis.why import Because

EXAMPLES = """\
  netspec matrix stacks/boutique.yaml --stack dev
  netspec matrix --manifests deploy/ --focus shop/web --direction ingress --explain
  netspec matrix --manifests deploy/ --output html > matrix.html
  kubectl get namespaces,nodes,all,endpointslices,ingresses,networkpolicies -A -o json | netspec matrix --manifests -"""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("spec", metavar="SPEC", nargs="?", help="a spec file")
    _sources.arguments(parser)
    parser.add_argument("--focus", action="append", default=[], metavar="NS/NAME", help="only rows with this workload")
    parser.add_argument(
        "--direction", choices=("ingress", "egress", "both"), default="both", help="with --focus: into it, out of it"
    )
    parser.add_argument("--explain", action="store_true", help="each row with the rules behind it")
    parser.add_argument("--output", choices=OUTPUTS, default="text", help="how to print (default: text)")


def run(args: argparse.Namespace) -> int:
    """Exit code 1 when some of the input could not be used; the rest is printed all the same."""
    source = _sources.chosen(args, args.spec)
    source.complain()
    matrix = Matrix(source.inventory)
    write(_listing(matrix, _focus(matrix, args.focus, args.direction), source.name, args.explain), args.output)
    return FAILED if source.has_errors else OK


def _focus(matrix: Matrix, wanted: list[str], direction: str) -> Focus:
    ids = [peer.id for peer in matrix.peers]
    found = [
        i
        for w in wanted
        for i in ids
        if i == w or i.startswith(f"{w}/") or (w == "external" and i.startswith("external:"))
    ]
    missing = next((w for w in wanted if not any(i == w or i.startswith((f"{w}/", f"{w}:")) for i in ids)), None)
    if missing is not None:
        raise Problem(f"there is no workload {missing}", "name it as namespace/name, or external, or ingress")
    return Focus(frozenset(found), direction)


def _listing(matrix: Matrix, focus: Focus, name: str, explain: bool) -> Listing:
    labels = [peer.label for peer in matrix.peers]
    ids = [peer.id for peer in matrix.peers]
    reach = matrix.reach
    texts: dict[int, str] = {}

    def ports(mask: int) -> str:
        text = texts.get(mask)
        if text is None:
            text = texts[mask] = ports_text(reach.ranges(mask))
        return text

    def open_ports(c: Connection) -> list[str]:
        """What is left open, by what decides it."""
        by_l7 = matrix.l7.ports(c) if matrix.l7 is not None else 0
        rest = c.undefined & ~by_l7
        return [*([ports(rest)] if rest else []), *([f"{ports(by_l7)} (L7 decides)"] if by_l7 else [])]

    def reason(connection: Connection) -> "Because":
        from netspec.analysis.why import because  # only where it is asked for: starting fast counts

        return because(reach, connection)

    def rows() -> Iterator[Row]:
        for c in matrix.connections(focus):
            row = (labels[c.source], labels[c.destination], ports(c.allow), "; ".join(open_ports(c)))
            yield (*row, str(reason(c))) if explain else row

    def edges() -> Iterator[Edge]:
        for c in matrix.connections(focus):
            said = [ports(c.allow)] if c.allow else []
            said += [f"undefined {text}" for text in open_ports(c)]
            tone = "good" if c.allow else "warn"
            yield Edge(ids[c.source], ids[c.destination], "; ".join(said), not c.allow, tone)

    shown = {peer.id: peer.label for peer in matrix.peers}
    return Listing(
        f"who reaches whom: {name}",
        ("source", "destination", "allow", "undefined", *(("because",) if explain else ())),
        rows,
        lambda: matrix.to_json(focus, (lambda c: reason(c).to_json()) if explain else None),
        edges,
        nodes=() if focus.workloads else tuple(ids),
        label=lambda node: node.partition("/")[2] or shown.get(node, node),
        empty="no connections",
        key=("allowed", "left open by Kubernetes"),
    )
