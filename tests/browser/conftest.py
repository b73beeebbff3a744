"""Pages are opened in a real browser. Without one these tests are skipped, which NETSPEC_REQUIRE_LIVE=1 makes a failure
(`make browser` installs it)."""

import os
from collections.abc import Iterator
from pathlib import Path

import chromium
import pytest

from netspec.cli import main


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


class Written:
    """What a command prints, as a file."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._folder, self._capsys = folder, capsys

    def __call__(self, *words: str) -> Path:
        assert main(list(words)) == 0
        path = self._folder / f"{words[0]}.{words[-1]}"
        path.write_text(self._capsys.readouterr().out, encoding="utf-8")
        return path


@pytest.fixture
def written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Written:
    return Written(tmp_path, capsys)
