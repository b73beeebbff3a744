"""One listing, many outputs: the same rows as text, CSV, Markdown, DOT, SVG or a page. JSON is each command's own."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import NamedTuple, TextIO

OUTPUTS = ("text", "json", "csv", "md", "dot", "svg", "html")
#: Rows that are looked at before the first is printed, to align the columns.
_ALIGNED = 2000

Row = Sequence[str]


class Edge(NamedTuple):
    """A row as a graph shows it. `maybe`: what may or may not be so (dashed); `tone` is one of TONES."""

    tail: str
    head: str
    label: str
    maybe: bool = False
    tone: str = ""


def namespace_of(node: str) -> str:
    """The box of a peer id: its namespace, or that of the addresses outside.

    >>> namespace_of("shop/web"), namespace_of("external:0"), namespace_of("ingress")
    ('shop', 'addresses', '')
    """
    return "addresses" if node.startswith("external:") else node.partition("/")[0] if "/" in node else ""


#: Edge tone -> colour.
TONES = {"": "#52606d", "good": "#2f7d4f", "bad": "#c0392b", "warn": "#b7791f"}


@dataclass(frozen=True, slots=True)
class Listing:
    """`rows` may be read several times; `edges` gives one edge a row. `group` says which box of the graph a node is
    in ("" for none); `nodes` are those to show even without an edge; `label` what a node is called."""

    title: str
    columns: tuple[str, ...]
    rows: Callable[[], Iterable[Row]]
    json: Callable[[], Iterable[str]]
    edges: Callable[[], Iterable[Edge]]
    nodes: tuple[str, ...] = ()
    group: Callable[[str], str] = namespace_of
    label: Callable[[str], str] = field(default=lambda node: node.partition("/")[2] or node)
    empty: str = "nothing found"
    #: What green, amber and red say where rows are pairs of peers: the page then has a matrix too.
    key: tuple[str, ...] = ()


def write(listing: Listing, output: str, to: TextIO | None = None) -> None:
    """Prints the listing. Large ones are never held as a whole (except for graphs and pages)."""
    stream = sys.stdout if to is None else to
    if output == "json":
        stream.writelines(listing.json())
    elif output == "csv":
        import csv

        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(listing.columns)
        writer.writerows(listing.rows())
    elif output == "md":
        stream.writelines(_markdown(listing))
    elif output == "dot":
        stream.writelines(_dot(listing))
    elif output == "svg":
        from netspec.report.picture import svg

        stream.write(svg(listing))
    elif output == "html":
        from netspec.report.page import page

        stream.write(page(listing))
    else:
        stream.writelines(text(listing))


def text(listing: Listing) -> Iterator[str]:
    rows = iter(listing.rows())
    first = list(islice(rows, _ALIGNED))
    if not first:
        yield listing.empty + "\n"
        return
    widths = [max(len(row[i]) for row in [listing.columns, *first]) for i in range(len(listing.columns))]
    last = len(widths) - 1
    for row in chain([tuple(c.upper() for c in listing.columns)], first, rows):
        yield "  ".join(cell if i == last else cell.ljust(widths[i]) for i, cell in enumerate(row)).rstrip() + "\n"


def _markdown(listing: Listing) -> Iterator[str]:
    yield f"| {' | '.join(listing.columns)} |\n|{'|'.join('---' for _ in listing.columns)}|\n"
    for row in listing.rows():
        yield f"| {' | '.join(_cell(c) for c in row)} |\n"


def _cell(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def grouped(listing: Listing, edges: Sequence[Edge]) -> dict[str, list[str]]:
    """Group -> its nodes, all that the listing names and the edges touch, in their order; ungrouped ones under ""."""
    nodes = dict.fromkeys(chain(listing.nodes, (n for e in edges for n in (e.tail, e.head))))
    out: dict[str, list[str]] = {}
    for node in nodes:
        out.setdefault(listing.group(node), []).append(node)
    return dict(sorted(out.items()))


def _dot(listing: Listing) -> Iterator[str]:
    edges = list(listing.edges())
    yield f"digraph {_quoted(listing.title)} {{\n  rankdir=LR;\n"
    yield "  node [shape=box, fontname=sans];\n  edge [fontname=sans];\n"
    for number, (group, nodes) in enumerate(grouped(listing, edges).items()):
        indent = "  "
        if group:
            yield f"  subgraph cluster_{number} {{\n    label={_quoted(group)};\n"
            indent = "    "
        for node in nodes:
            yield f"{indent}{_quoted(node)} [label={_quoted(listing.label(node))}];\n"
        if group:
            yield "  }\n"
    for edge in edges:
        style = ", style=dashed" if edge.maybe else ""
        yield (
            f"  {_quoted(edge.tail)} -> {_quoted(edge.head)} "
            f'[label={_quoted(edge.label)}, color="{TONES[edge.tone]}"{style}];\n'
        )
    yield "}\n"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
    return f'"{escaped}"'
