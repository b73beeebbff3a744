"""The tables of docs/backends.md are what the backends declare and the compiler says. `make golden` rewrites them."""

import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from netspec.backends.registry import PROVEN, REGISTRY
from netspec.cli.targets import listing
from netspec.compiler import compile_spec
from netspec.probes import FactProbe
from netspec.report.listing import write
from netspec.spec.load import load
from netspec.target import LAYERS, Backend, Feature
from netspec.targets import targets
from tests.edge.features import LIVE, SEEN, STACKS

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
    """HTTP features against what serves routes."""
    all_ = [b for layer in ("ingress", "gateway") for b in REGISTRY.providers(layer).values()]
    yield from _rows([b for b in all_ if Feature.HTTP_ROUTES in b.supports], "http-")


def _rows(chosen: list[Backend], prefix: str) -> Iterator[str]:
    yield f"| feature | | {' | '.join(b.name for b in chosen)} |\n|---|---|{'---|' * len(chosen)}\n"
    for feature in (f for f in Feature if f.value.startswith(prefix)):
        stages = " | ".join(_stage(backend, feature) for backend in chosen)
        yield f"| `{feature.value}` | {feature.summary} | {stages} |\n"


def _stage(backend: Backend, feature: Feature) -> str:
    """How far it was taken, by what the tests of controllers and of clusters ask."""
    if feature not in backend.supports:
        return "error"
    asked = [stage for stage, found in (("live", LIVE), ("asked", SEEN)) if feature in found.get(backend.name, ())]
    return ", ".join(asked) or "compiled"


GATEWAYS = re.compile(r"(?<=<!-- gateways -->\n).*(?=<!-- /gateways -->)", re.DOTALL)


def _gateways() -> Iterator[str]:
    """Features of Gateways against what serves them."""
    yield from _rows(list(REGISTRY.providers("gateway").values()), "gateway")


def test_the_tables_of_controllers_are_current(request: pytest.FixtureRequest) -> None:
    for pattern, rows in ((CONTROLLERS, _controllers()), (GATEWAYS, _gateways())):
        table = "\n" + "".join(rows) + "\n"
        text = EDGE.read_text()
        if request.config.getoption("--update-golden", default=False):
            text = pattern.sub(lambda _, table=table: table, text)
            EDGE.write_text(text)
        found = pattern.search(text)
        assert found is not None and found[0] == table, "run `make golden`"
    serving = {b.name: b for layer in ("ingress", "gateway") for b in REGISTRY.providers(layer).values()}
    for stages in (SEEN, LIVE):
        assert all(features <= serving[name].supports for name, features in stages.items())


@pytest.mark.parametrize("controller", LIVE)
def test_what_was_seen_on_a_cluster_is_asked_again_by_a_stack(controller: str) -> None:
    """Their routes have the features, and questions through its front door are among what `verify` asks."""
    given: set[Feature] = set()
    for file, stack in STACKS[controller]:
        result = compile_spec(load(PAGE.parent.parent / "stacks" / file), stack, REGISTRY)
        assert result.ir is not None and controller in result.ir.providers.values()
        given |= {feature for route in result.ir.http for feature in route.features()}
        given |= {feature for route in result.ir.gateway_routes for feature in route.features()}
        given |= {Feature.GATEWAYS} if result.ir.gateways else set()
        asked = {p.request.route for p in result.probes if isinstance(p, FactProbe) and p.request is not None}
        assert {route.id for route in result.ir.http} <= asked
    assert LIVE[controller] <= given


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
