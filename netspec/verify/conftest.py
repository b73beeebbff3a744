"""`pytest netspec/verify --stack dev`: the same run as `netspec verify`, one test item a probe."""

from pathlib import Path

import pytest

from netspec.diagnostics import Problem
from netspec.ir.model import Ir
from netspec.probes import Probe
from netspec.stopping import stop_in_good_order
from netspec.verify.model import Run
from netspec.verify.report.data import EXIT_CODES

_LOADED = pytest.StashKey[tuple[Ir, tuple[Probe, ...]]]()
_RUN = pytest.StashKey[Run]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("netspec")
    group.addoption("--stack", help="the stack whose cluster is asked")
    group.addoption("--spec", help="its spec file (default: netspec:spec of stacks/Pulumi.<stack>.yaml)")
    group.addoption("--report", help="where the report goes (default: out/<stack>)")


def pytest_configure() -> None:
    stop_in_good_order()


def _load(config: pytest.Config) -> tuple[Ir, tuple[Probe, ...]]:
    if _LOADED not in config.stash:
        from netspec.verify.stack import load_stack

        stack = config.getoption("--stack")
        if not stack:
            raise pytest.UsageError("say which stack: pytest netspec/verify --stack dev")
        try:
            config.stash[_LOADED] = load_stack(stack, config.getoption("--spec"))
        except Problem as problem:
            raise pytest.UsageError(str(problem)) from None
    return config.stash[_LOADED]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "probe" in metafunc.fixturenames:
        _, probes = _load(metafunc.config)
        metafunc.parametrize("probe", probes, ids=[p.id for p in probes])


@pytest.fixture(scope="session")
def network_run(pytestconfig: pytest.Config) -> Run:
    """All probes, asked once."""
    from netspec.toolchain import activate
    from netspec.verify.report import write_reports
    from netspec.verify.runner import verify

    ir, probes = _load(pytestconfig)
    try:
        activate(("kind", "kubectl"))
        run = verify(ir, probes)
        pytestconfig.stash[_RUN] = run
        report = pytestconfig.getoption("--report")
        write_reports(run, Path(report) if report else None)
    except Problem as problem:
        pytest.exit(str(problem), returncode=2)
    return run


def pytest_sessionfinish(session: pytest.Session) -> None:
    """The exit code of `netspec verify`, inconclusive too; a test of somebody else's that failed stays a failure."""
    run = session.config.stash.get(_RUN, None)
    if run is not None and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        session.exitstatus = EXIT_CODES[run.answer] or session.exitstatus
