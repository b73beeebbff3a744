"""Manifests in, spec out: one directory a case. `make golden` rewrites the expected spec."""

from pathlib import Path

import pytest

from netspec.cli import OK, main

HERE = Path(__file__).parent / "_imports"
CASES = sorted(path.parent.name for path in HERE.glob("*/k8s"))


@pytest.mark.parametrize("case", CASES)
def test_import(case: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The spec is the expected one, it is valid, and the expected one says what the manifests say."""
    expected = HERE / case / "spec.yaml"
    monkeypatch.chdir(HERE / case)
    assert main(["init", str(tmp_path), "--name", "platform", "--from-manifests", "k8s"]) == OK
    made = (tmp_path / "stacks" / "platform.yaml").read_text().replace(str(tmp_path / "stacks"), "stacks")
    if request.config.getoption("--update-golden", default=False):
        expected.write_text(made)
    assert made == expected.read_text(), "run `make golden`"
    assert main(["check", str(expected)]) == OK


def test_there_are_cases() -> None:
    assert CASES == ["cluster", "repository"]
