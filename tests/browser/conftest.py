"""Pages are opened in a real browser. Without one these tests are skipped, which NETSPEC_REQUIRE_LIVE=1 makes a failure
(`make browser` installs it)."""

import os
from collections.abc import Iterator
from pathlib import Path

import chromium
import pytest
from browser_support import Written


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[chromium.Browser]:
    program = chromium.found()
    if program is None:
        why = "there is no Chromium on PATH (make browser)"
        if os.environ.get("NETSPEC_REQUIRE_LIVE") == "1":
            pytest.fail(why)
        pytest.skip(why)
    with chromium.Browser(program, tmp_path_factory.mktemp("profile")) as started:
        yield started


@pytest.fixture
def written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Written:
    return Written(tmp_path, capsys)
