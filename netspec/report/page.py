"""One self-contained page: a filterable table, a matrix and a graph of the same rows, with nothing fetched."""

from netspec.report.listing import Listing
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
    rows = [
        ([word(cell) for cell in row], node(e.tail), node(e.head), word(e.label), int(e.maybe), e.tone)
        for row, e in zip(listing.rows(), listing.edges(), strict=True)
    ]
    data = {
        "title": listing.title,
        "columns": listing.columns,
        "words": list(words),
        "nodes": [(name, listing.label(name), listing.group(name)) for name in nodes],
        "rows": rows,
        "grid": bool(listing.key),
        "key": listing.key,
    }
    return render("explore.html.j2", title=listing.title, data=data)
