"""The project's directory is found as git finds one, and another team's project is not taken for it."""

from pathlib import Path

import pytest

from netspec.diagnostics import Problem
from netspec.toolchain import project

OURS = {"Pulumi.yaml": "name: net\nruntime: python\n", "__main__.py": "from netspec.program import main\n\nmain()\n"}


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(project.VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)


def put(folder: Path, files: dict[str, str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    return folder


def test_the_nearest_one_upward(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outer, inner = put(tmp_path / "a", OURS), put(tmp_path / "a/b/c", OURS)
    deep = put(tmp_path / "a/b/c/d/e", {})
    beside = put(tmp_path / "a/b/x", {})
    for place, root in ((outer, outer), (inner, inner), (deep, inner), (beside, outer)):
        monkeypatch.chdir(place)
        assert project.root() == root


@pytest.mark.parametrize(
    "ours",
    [
        OURS,
        OURS | {"Pulumi.yaml": "name: net\nruntime:\n  name: python\n  options: {virtualenv: .venv}\n"},
        OURS | {"__main__.py": "import pulumi\nimport netspec.program\n\nnetspec.program.main()\n"},
        {"Pulumi.yaml": "name: net\nruntime: python\nmain: program\n", "program/__main__.py": OURS["__main__.py"]},
        {"Pulumi.yaml": "name: net\nruntime: python\nmain: net.py\n", "net.py": OURS["__main__.py"]},
    ],
)
def test_shapes_of_a_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ours: dict[str, str]) -> None:
    put(tmp_path / "a", ours)
    monkeypatch.chdir(put(tmp_path / "a/stacks", {}))
    assert project.root() == tmp_path / "a"


ANOTHERS = [
    ({"Pulumi.yaml": "name: x\nruntime: nodejs\n", "index.ts": ""}, "its runtime is nodejs"),
    ({"Pulumi.yaml": "name: x\nruntime: {name: go}\n"}, "its runtime is go"),
    ({"Pulumi.yaml": "name: x\n"}, "it names no runtime"),
    ({"Pulumi.yaml": "{{ template }}\n"}, "it cannot be read"),
    (
        {"Pulumi.yaml": "name: x\nruntime: python\n", "__main__.py": "# netspec\nimport netspecs\n"},
        "does not import netspec",
    ),
    ({"Pulumi.yaml": "name: x\nruntime: python\n", "__main__.py": "print 1\n"}, "__main__.py does not import netspec"),
    ({"Pulumi.yaml": "name: x\nruntime: python\n"}, "__main__.py does not import netspec"),
]


@pytest.mark.parametrize(("files", "reason"), ANOTHERS)
def test_another_teams_project_is_passed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], reason: str
) -> None:
    """Nested in ours it is skipped; around nothing of ours it is named, and not taken."""
    put(tmp_path / "a", OURS)
    nested = put(tmp_path / "a/app", files)
    monkeypatch.chdir(nested)
    assert project.root() == tmp_path / "a"
    above = put(tmp_path / "z", files)
    monkeypatch.chdir(put(above / "net", {}))
    with pytest.raises(Problem, match="no netspec project is in") as caught:
        project.root()
    assert f"{above / 'Pulumi.yaml'} is of another project: " in caught.value.message
    assert reason in caught.value.message and "netspec init" in str(caught.value.hint)


def test_one_of_ours_that_cannot_be_read_is_not_passed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, OURS)
    monkeypatch.chdir(put(tmp_path / "b", OURS | {"Pulumi.yaml": "name: [\n"}))
    with pytest.raises(Problem, match="is not YAML"):
        project.root()


def test_the_variable_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, OURS)
    monkeypatch.setenv(project.VARIABLE, str(put(tmp_path / "b", OURS)))
    assert project.root() == tmp_path / "b"
    monkeypatch.setenv(project.VARIABLE, str(put(tmp_path / "c", {})))
    with pytest.raises(Problem, match=rf"{project.VARIABLE} names .*/c, and there is no Pulumi\.yaml in it"):
        project.root()


def test_a_file_is_named_as_seen_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "a", OURS | {"stacks/x.yaml": ""})
    monkeypatch.chdir(tmp_path / "a")
    assert project.from_here("stacks/x.yaml") == Path("stacks/x.yaml")
    monkeypatch.chdir(tmp_path / "a/stacks")
    assert project.from_here("stacks/x.yaml") == Path("x.yaml")
    monkeypatch.chdir(put(tmp_path / "a/b", {}))
    assert project.from_here("stacks/x.yaml").samefile(tmp_path / "a/stacks/x.yaml")
