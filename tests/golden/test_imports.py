"""Manifests in, spec out: one directory a case. `make golden` rewrites the expected spec."""

import shutil
from pathlib import Path

import pytest

from netspec.cli import OK, main

HERE = Path(__file__).parent / "_imports"
CASES = sorted(path.parent.name for path in HERE.glob("*/k8s"))


@pytest.mark.parametrize("case", CASES)
def test_import(case: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The spec is the expected one, it is valid, and the expected one says what the manifests say."""
    expected = HERE / case / "spec.yaml"
    shutil.copytree(HERE / case / "k8s", tmp_path / "k8s")
    monkeypatch.chdir(tmp_path)
    assert main(["init", "--name", "platform", "--from-manifests", "k8s"]) == OK
    made = (tmp_path / "stacks" / "platform.yaml").read_text()
    if request.config.getoption("--update-golden", default=False):
        expected.write_text(made)
    assert made == expected.read_text(), "run `make golden`"
    assert main(["check", str(expected)]) == OK


def test_there_are_cases() -> None:
    assert CASES == ["cluster", "repository"]
