"""The feature table of docs/backends.md is what the backends declare. `make golden` rewrites it."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from netspec.backends.registry import REGISTRY
from netspec.compiler import Backend
from netspec.ir.features import LAYERS, Feature, Layer

PAGE = Path(__file__).parent.parent.parent / "docs" / "backends.md"
BLOCK = re.compile(r"(?<=<!-- features -->\n).*(?=<!-- /features -->)", re.DOTALL)


def _table() -> Iterator[str]:
    for layer in LAYERS:
        backends = _backends(layer)
        yield f"| {layer} | | {' | '.join(backends)} |\n"
        yield f"|---|---|{'---|' * len(backends)}\n"
        for feature in Feature:
            if feature.layer == layer:
                marks = ["yes" if feature in backend.supports else "no" for backend in backends.values()]
                yield f"| `{feature.value}` | {feature.summary} | {' | '.join(marks)} |\n"
        yield "\n"


def _backends(layer: Layer) -> Mapping[str, Backend]:
    common = {REGISTRY.common.name: REGISTRY.common}
    return {"cluster": REGISTRY.clusters, "cni": REGISTRY.cnis, "common": common}[layer]


def test_the_feature_table_is_current(request: pytest.FixtureRequest) -> None:
    table = "\n" + "".join(_table())
    text = PAGE.read_text()
    if request.config.getoption("--update-golden", default=False):
        text = BLOCK.sub(lambda _: table, text)
        PAGE.write_text(text)
    found = BLOCK.search(text)
    assert found is not None and found[0] == table, "run `make golden`"
    assert text.count("| `c") == len(Feature)
