"""Programs that are missing, hang or fail: results, not exceptions."""

from pathlib import Path

import pytest

from netspec.diagnostics import Problem
from netspec.toolchain import programs


def test_a_program_that_hangs_or_is_missing_only_fails(tmp_path: Path) -> None:
    late = programs.run(["sleep", "30"], limit=0.2)
    assert (late.returncode, late.stderr) == (programs.TIMED_OUT, "sleep 30 did not end in 0.2 s")
    missing = programs.run(["netspec-no-such-program"])
    assert (missing.returncode, missing.stderr) == (programs.MISSING, "netspec-no-such-program is not on PATH")
    (tmp_path / "broken").write_text("")
    (tmp_path / "broken").chmod(0o644)
    assert programs.run([str(tmp_path / "broken")]).returncode == programs.CANNOT_RUN


def test_what_a_program_reads_and_prints_is_text_whatever_it_is() -> None:
    assert programs.run(["cat"], stdin="päckchen").stdout == "päckchen"
    assert programs.run(["printf", r"a\377b"]).stdout == "a\ufffdb"
    assert programs.run(["cat"]).stdout == ""  # and it does not wait for a terminal


@pytest.mark.parametrize(("text", "last"), [("a\n\n b \n\n", "b"), (" \n", "no output")])
def test_the_last_line_that_says_something(text: str, last: str) -> None:
    assert programs.last_line(text) == last


def test_the_kubeconfig_of_a_kind_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Problem, match="no kind command on PATH"):
        programs.kind_kubeconfig("lab")
    kind = tmp_path / "kind"
    kind.write_text('#!/bin/sh\n[ "$4" = lab ] && echo "$@" || { echo "ERROR: no nodes" >&2; exit 1; }\n')
    kind.chmod(0o755)
    assert programs.kind_kubeconfig("lab") == "get kubeconfig --name lab\n"
    with pytest.raises(Problem, match="there is no running kind cluster other: ERROR: no nodes"):
        programs.kind_kubeconfig("other")
