"""One self-contained page: a table to filter and sort, a matrix and a graph of the same rows, with nothing fetched."""

from netspec.report.layout import layout
from netspec.report.listing import Listing
from netspec.report.picture import shown
from netspec.report.templates import render


def page(listing: Listing) -> str:
    """The page as text."""
    words: dict[str, int] = {}
    nodes: dict[str, int] = {}

    def word(text: str) -> int:
        return words.setdefault(text, len(words))

    def node(name: str) -> int:
        return nodes.setdefault(name, len(nodes))

    for name in listing.nodes:
        node(name)
    drawing = layout(listing)
    way = {row: number for number, path in enumerate(drawing.paths) for row in path.rows}
    rows = [
        ([word(cell) for cell in row], node(e.tail), node(e.head), word(e.label), int(e.maybe), e.tone, way.get(i, -1))
        for i, (row, e) in enumerate(zip(listing.rows(), listing.edges(), strict=True))
    ]
    data = {
        "title": listing.title,
        "columns": listing.columns,
        "words": list(words),
        "nodes": [(name, listing.label(name), listing.group(name)) for name in nodes],
        "rows": rows,
        "grid": bool(listing.key),
        "key": listing.key,
        "summary": drawing.summary,
    }
    views = ("Table", "Matrix", "Graph") if listing.key else ("Table", "Graph")
    return render("explore.html.j2", title=listing.title, data=data, views=views, **shown(drawing))
