"""The test items of `pytest --stack dev`: the same run as `netspec verify`, one item for the canary and one a probe."""

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from netspec.diagnostics import Problem
from netspec.ir.model import Ir
from netspec.probes import Probe
from netspec.stopping import stop_in_good_order
from netspec.verify.model import Run, Status, explain
from netspec.verify.report.data import EXIT_CODES


class Verification:
    """A plugin that adds the items of one stack to whatever is collected, and answers with the run's exit code."""

    def __init__(self, config: pytest.Config, stack: str, spec: str | None, report: str | None) -> None:
        from netspec.backends.registry import REGISTRY
        from netspec.verify.stack import load_stack

        stop_in_good_order()
        self._stack, self._report = stack, Path(report) if report else None
        self._config = config
        try:
            self._loaded: tuple[Ir, tuple[Probe, ...]] = load_stack(stack, spec, REGISTRY)
        except Problem as problem:
            raise pytest.UsageError(str(problem)) from None

    @cached_property
    def run(self) -> Run:
        """All probes, asked once. Ends the session where that is not possible."""
        from netspec.toolchain import activate
        from netspec.verify.report import write_reports
        from netspec.verify.runner import verify
        from netspec.verify.sites import programs_of

        try:
            ir = self._loaded[0]
            activate(programs_of(ir), install=False, with_engine=ir.traits.there is None)
            run = verify(*self._loaded)
            self._answer = EXIT_CODES[run.answer]
            write_reports(run, self._report)
        except Problem as problem:
            pytest.exit(str(problem), returncode=2)
        return run

    _answer: int | None = None

    # First, so that -k, -m and --lf choose among these too.
    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, session: pytest.Session, items: list[pytest.Item]) -> None:
        name = f"netspec[{self._stack}]"
        suite = _Suite.from_parent(session, name=name, nodeid=name)
        items.append(_Canary.from_parent(suite, name="canary", verification=self))
        items += [_Probe.from_parent(suite, name=p.id, verification=self, probe=p) for p in self._loaded[1]]

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """The exit code of `netspec verify`, inconclusive too; somebody else's test that failed stays a failure."""
        if self._answer is not None and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
            session.exitstatus = self._answer or session.exitstatus


class _Suite(pytest.Collector):
    """What the items are listed under."""

    def collect(self) -> Iterable[pytest.Item]:
        return ()  # they are added when everything else is collected


class _NotAsPredicted(AssertionError):
    """Its text is all that a reader needs."""


class _Item(pytest.Item):
    def __init__(self, *, verification: Verification, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.verification = verification
        self.add_marker("netspec")

    def reportinfo(self) -> tuple[str, None, str]:
        return self.nodeid.partition("::")[0], None, self.name

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if isinstance(excinfo.value, _NotAsPredicted):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)


class _Canary(_Item):
    """Traffic flows, and policy is enforced: without this, no other answer means anything."""

    def runtest(self) -> None:
        canary = self.verification.run.canary
        if canary.ok:
            return
        failed = [c.says for c in canary.checks if not c.ok]
        raise _NotAsPredicted(canary.problem or "\n".join(failed))


class _Probe(_Item):
    """Expected against observed; a probe that could not tell fails too."""

    def __init__(self, *, probe: Probe, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._probe = probe

    def runtest(self) -> None:
        observation = next(o for o in self.verification.run.observations if o.probe.id == self._probe.id)
        if observation.status is Status.SEEN:
            pytest.skip(explain(observation))
        if observation.status is not Status.PASS:
            raise _NotAsPredicted(explain(observation))
