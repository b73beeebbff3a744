"""One self-contained page: a filterable table, a matrix and a graph of the same rows, with nothing fetched."""

import json
from html import escape
from importlib.resources import files

from netspec.cli._report import Report

_TEMPLATE = "_page.html"


def page(report: Report) -> str:
    """The page as text."""
    words: dict[str, int] = {}
    nodes: dict[str, int] = {}

    def word(text: str) -> int:
        return words.setdefault(text, len(words))

    def node(name: str) -> int:
        return nodes.setdefault(name, len(nodes))

    for name in report.nodes:
        node(name)
    rows = [
        ([word(cell) for cell in row], node(e.tail), node(e.head), word(e.label), int(e.maybe), e.tone)
        for row, e in zip(report.rows(), report.edges(), strict=True)
    ]
    data = {
        "title": report.title,
        "columns": report.columns,
        "words": list(words),
        "nodes": [(name, report.label(name), report.group(name)) for name in nodes],
        "rows": rows,
        "grid": bool(report.key),
        "key": report.key,
    }
    # "</script>" must not end the element that holds the data.
    embedded = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
    template = files("netspec.cli").joinpath(_TEMPLATE).read_text(encoding="utf-8")
    head, rest = template.split("__TITLE__")
    body, tail = rest.split("__DATA__")
    return f"{head}{escape(report.title)}{body}{embedded}{tail}"
