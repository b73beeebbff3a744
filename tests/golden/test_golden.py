"""Spec in, plan files out: one directory a case. `make golden` rewrites the expected files.

`minimal` holds every file. The others leave out the files that are the same there, so that a case shows what it is
about and a change of a common object shows once.
"""

import re
import shutil
from pathlib import Path

import pytest

from netspec.backends.registry import REGISTRY
from netspec.compiler import compile_spec
from netspec.planfiles import INDEX, render
from netspec.spec.load import loads

HERE = Path(__file__).parent
STACKS = HERE.parent.parent / "stacks"
BASE = "minimal"
#: Case -> its spec and stack, where that is not its own spec.yaml with its only one.
ELSEWHERE = {
    "shop": ("shop.yaml", "shop"),
    "edge": ("edge.yaml", "edge"),
    "boutique": ("boutique.yaml", "dev"),
    "boutique-prod": ("boutique.yaml", "prod"),
    "boutique-prod-calico": ("boutique.yaml", "prod-calico"),
    "boutique-prod-cilium": ("boutique.yaml", "prod-cilium"),
}
#: Definitions of custom resources are kept beside the backend that installs them (python -m airgap.crds).
KEPT_ELSEWHERE = "customresourcedefinition"
#: Cases of which only the plan is kept, not each manifest.
SUMMARY = ELSEWHERE.keys() - {"shop"}
CASES = sorted({path.parent.name for path in HERE.glob("*/spec.yaml")} | ELSEWHERE.keys())


def _compiled(case: str) -> dict[str, str]:
    """File -> text; what netspec says about the spec is `diagnostics.txt`."""
    name, stack = ELSEWHERE.get(case, ("", ""))
    source = STACKS / name if name else HERE / case / "spec.yaml"
    loaded = loads(source.read_bytes(), source.name)
    assert loaded.spec is not None
    if not stack:
        (stack,) = loaded.spec.stacks
    result = compile_spec(loaded, stack, REGISTRY)
    files = render(result.plan) if result.plan is not None else {}
    said = "".join(f"{d.render()}\n" for d in result.diagnostics)
    return files | ({"diagnostics.txt": said} if said else {})


def _slug(path: str) -> str:
    """A manifest's name without its place in the plan."""
    return re.sub(r"/\d+-", "/", path)


def _actual(case: str) -> dict[str, str]:
    files = _compiled(case)
    if case == BASE:
        return files
    base = {_slug(path): text for path, text in _compiled(BASE).items()}
    own = {path: text for path, text in files.items() if base.get(_slug(path)) != text}
    return {
        path: text
        for path, text in own.items()
        if path == INDEX or (case not in SUMMARY and KEPT_ELSEWHERE not in path)
    }


def _expected(case: str) -> dict[str, str]:
    directory = HERE / case / "expected"
    return {p.relative_to(directory).as_posix(): p.read_text() for p in directory.rglob("*") if p.is_file()}


@pytest.mark.parametrize("case", CASES)
def test_golden(case: str, request: pytest.FixtureRequest) -> None:
    actual = _actual(case)
    if request.config.getoption("--update-golden", default=False):
        shutil.rmtree(HERE / case / "expected", ignore_errors=True)
        for path, text in actual.items():
            file = HERE / case / "expected" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
    assert actual == _expected(case), "see what changed with `make golden` and git diff"


def test_every_case_has_a_spec_and_expected_files() -> None:
    directories = {path.name for path in HERE.iterdir() if path.is_dir() and not path.name.startswith("_")}
    assert directories == set(CASES)
    assert all(_expected(case) for case in CASES)
