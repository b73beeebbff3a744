"""The feature table of docs/backends.md is what the backends declare. `make golden` rewrites it."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from netspec.backends.registry import REGISTRY
from netspec.target import LAYERS, Feature

PAGE = Path(__file__).parent.parent.parent / "docs" / "backends.md"
BLOCK = re.compile(r"(?<=<!-- features -->\n).*(?=<!-- /features -->)", re.DOTALL)


def _table() -> Iterator[str]:
    chosen = [(layer.name, b) for layer in LAYERS for b in REGISTRY.providers(layer.name).values()]
    backends = [*chosen, ("dns", REGISTRY.dns), ("every cluster", REGISTRY.common)]
    yield f"| feature | | {' | '.join(f'{backend.name} ({layer})' for layer, backend in backends)} |\n"
    yield f"|---|---|{'---|' * len(backends)}\n"
    for feature in Feature:
        marks = ["yes" if feature in backend.supports else "" for _, backend in backends]
        yield f"| `{feature.value}` | {feature.summary} | {' | '.join(marks)} |\n"


def test_the_feature_table_is_current(request: pytest.FixtureRequest) -> None:
    table = "\n" + "".join(_table()) + "\n"
    text = PAGE.read_text()
    if request.config.getoption("--update-golden", default=False):
        text = BLOCK.sub(lambda _: table, text)
        PAGE.write_text(text)
    found = BLOCK.search(text)
    assert found is not None and found[0] == table, "run `make golden`"
    assert table.count("\n| `") == len(Feature)
