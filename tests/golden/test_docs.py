"""The tables of docs/backends.md are what the backends declare and the compiler says. `make golden` rewrites them."""

import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from netspec.backends.registry import PROVEN, REGISTRY
from netspec.cli.targets import listing
from netspec.report.listing import write
from netspec.target import LAYERS, Feature
from netspec.targets import targets
from tests.edge.features import SEEN

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


EDGE = PAGE.parent / "edge.md"
CONTROLLERS = re.compile(r"(?<=<!-- controllers -->\n).*(?=<!-- /controllers -->)", re.DOTALL)


def _controllers() -> Iterator[str]:
    """HTTP features against what serves routes; "asked" by what tests/edge asks of it."""
    chosen = [b for layer in ("ingress", "gateway") for b in REGISTRY.providers(layer).values()]
    yield f"| feature | | {' | '.join(b.name for b in chosen)} |\n|---|---|{'---|' * len(chosen)}\n"
    for feature in (f for f in Feature if f.value.startswith("http-")):
        asked = {b.name for b in chosen if b.name in SEEN and feature in SEEN[b.name]}
        stages = ["asked" if b.name in asked else "compiled" if feature in b.supports else "" for b in chosen]
        yield f"| `{feature.value}` | {feature.summary} | {' | '.join(stages)} |\n"


GATEWAYS = re.compile(r"(?<=<!-- gateways -->\n).*(?=<!-- /gateways -->)", re.DOTALL)


def _gateways() -> Iterator[str]:
    """Features of Gateways against what serves them."""
    chosen = list(REGISTRY.providers("gateway").values())
    yield f"| feature | | {' | '.join(b.name for b in chosen)} |\n|---|---|{'---|' * len(chosen)}\n"
    for feature in (f for f in Feature if f.value.startswith("gateway")):
        asked = {b.name for b in chosen if b.name in SEEN and feature in SEEN[b.name]}
        stages = ["asked" if b.name in asked else "compiled" if feature in b.supports else "" for b in chosen]
        yield f"| `{feature.value}` | {feature.summary} | {' | '.join(stages)} |\n"


def test_the_tables_of_controllers_are_current(request: pytest.FixtureRequest) -> None:
    for pattern, rows in ((CONTROLLERS, _controllers()), (GATEWAYS, _gateways())):
        table = "\n" + "".join(rows) + "\n"
        text = EDGE.read_text()
        if request.config.getoption("--update-golden", default=False):
            text = pattern.sub(lambda _, table=table: table, text)
            EDGE.write_text(text)
        found = pattern.search(text)
        assert found is not None and found[0] == table, "run `make golden`"
    assert all(SEEN[b.name] <= b.supports for b in REGISTRY.providers("ingress").values() if b.name in SEEN)


def test_the_feature_table_is_current(request: pytest.FixtureRequest) -> None:
    table = "\n" + "".join(_table()) + "\n"
    text = PAGE.read_text()
    if request.config.getoption("--update-golden", default=False):
        text = BLOCK.sub(lambda _: table, text)
        PAGE.write_text(text)
    found = BLOCK.search(text)
    assert found is not None and found[0] == table, "run `make golden`"
    assert table.count("\n| `") == len(Feature)


TARGETS = re.compile(r"(?<=<!-- targets -->\n).*(?=<!-- /targets -->)", re.DOTALL)


def test_the_table_of_targets_is_current(request: pytest.FixtureRequest) -> None:
    """`netspec targets --output md`."""
    found, out = list(targets(REGISTRY, PROVEN)), io.StringIO()
    write(listing(found), "md", out)
    table, text = f"\n{out.getvalue()}\n", PAGE.read_text()
    if request.config.getoption("--update-golden", default=False):
        text = TARGETS.sub(lambda _: table, text)
        PAGE.write_text(text)
    shown = TARGETS.search(text)
    assert shown is not None and shown[0] == table, "run `make golden`"
    clusters, plugins = REGISTRY.providers("cluster"), REGISTRY.providers("cni")
    assert len(found) == len(clusters) * len(plugins) and PROVEN.keys() <= {(t.cluster, t.cni) for t in found}
    assert not [t for t in found if t.proven and t.refused]
