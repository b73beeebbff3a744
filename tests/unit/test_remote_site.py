"""A cluster that the stack made at a provider: how a verification gets at it."""

from subprocess import CompletedProcess

import pytest
from eks_support import compiled

from netspec.diagnostics import Problem
from netspec.toolchain import programs
from netspec.verify.sites import programs_of, site_of


def test_its_kubeconfig_is_the_stack_s_and_nothing_is_entered(monkeypatch: pytest.MonkeyPatch) -> None:
    ir = compiled().ir
    assert ir is not None and not compiled().needs_engine
    asked: list[list[str]] = []

    def run(command: list[str], **_: object) -> "CompletedProcess[str]":
        asked.append(command)
        return CompletedProcess(command, 0, "apiVersion: v1\n", "")

    monkeypatch.setattr(programs, "run", run)
    site = site_of(ir)
    assert site.kubeconfig() == "apiVersion: v1\n"
    assert asked[0][0] == "pulumi" and asked[0][-2:] == ["--stack", "prod"] and "--show-secrets" in asked[0]
    assert site.node("ip-10-0-0-1") is None and site.outside() is None
    assert programs_of(ir) == ("pulumi", "kubectl")


@pytest.mark.parametrize(
    ("code", "said", "sentence"),
    [
        (1, "error: no stack named 'prod' found", "the stack prod gives out no kubeconfig: error: no stack named"),
        (programs.MISSING, "pulumi is not on PATH", "pulumi"),
    ],
)
def test_a_stack_that_is_not_there(monkeypatch: pytest.MonkeyPatch, code: int, said: str, sentence: str) -> None:
    monkeypatch.setattr(programs, "run", lambda command, **_: CompletedProcess(command, code, "", said))
    with pytest.raises(Problem) as caught:
        programs.stack_kubeconfig("prod")
    assert sentence in str(caught.value) and caught.value.hint
