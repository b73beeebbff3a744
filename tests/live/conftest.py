"""Live tests run against the cluster of `make up`: stack dev. Without one they are not run, which
NETSPEC_REQUIRE_LIVE=1 makes a failure. The test process moves into the cluster's network, and back when they are over:
what other tests build is downloaded."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from live_cluster import Live, engine_runs, open_live

from netspec.diagnostics import Problem


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.live)


@pytest.fixture(scope="session")
def not_run() -> Callable[[str], None]:
    """Skips, or fails where live tests are required."""

    def skip(why: str) -> None:
        if os.environ.get("NETSPEC_REQUIRE_LIVE") == "1":
            pytest.fail(f"live tests are required: {why}")
        pytest.skip(f"not run: {why}")

    return skip


@pytest.fixture(scope="module")
def live(not_run: Callable[[str], None]) -> Iterator[Live]:
    if not engine_runs():
        not_run("no cluster (make up)")
    try:
        with open_live() as found:
            yield found
    except Problem as problem:
        not_run(f"no cluster (make up): {problem.message}")


@pytest.fixture(scope="module")
def kubeconfig(live: Live) -> Path:
    return live.kubeconfig
