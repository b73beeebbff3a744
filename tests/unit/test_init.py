"""netspec init: what it writes works, and what is there stays."""

import json
import os
import subprocess
from pathlib import Path

import pytest
import yaml

from netspec.cli import main
from netspec.cli._scaffold import project_name
from netspec.toolchain import project


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "shop-net"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.delenv(project.VARIABLE, raising=False)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_new_project_checks_and_compiles(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init"]) == 0
    said = capsys.readouterr().out
    made = {"Pulumi.yaml", "__main__.py", ".gitignore"}
    made |= {f"stacks/{name}" for name in ("shop-net.yaml", "Pulumi.dev.yaml", "netspec.schema.json")}
    assert set(contents(here)) == made
    assert all(f"wrote   {name}\n" in said for name in made)
    assert project.root() == here
    assert project.spec_of("dev") == "stacks/shop-net.yaml"
    # The commands that it says come next are commands that work.
    following = [line.split()[1:] for line in said.splitlines() if line.startswith("  netspec")]
    assert [words[0] for words in following] == ["check", "matrix", "up"]
    for words in following[:2]:
        assert main(words) == 0
    assert main(["check", "--strict", "stacks/shop-net.yaml"]) == 0
    assert main(["compile", "stacks/shop-net.yaml", "--stack", "dev", "--out", "compiled"]) == 0


def test_the_program_is_three_lines(here: Path) -> None:
    main(["init"])
    assert len((here / "__main__.py").read_text().splitlines()) == 3
    assert "from netspec.program import main" in (here / "__main__.py").read_text()


def test_an_editor_finds_the_schema(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["init"])
    first = (here / "stacks" / "shop-net.yaml").read_text().splitlines()[0]
    named = first.removeprefix("# yaml-language-server: $schema=")
    schema = json.loads((here / "stacks" / named).read_text())
    capsys.readouterr()
    main(["schema"])
    assert schema == json.loads(capsys.readouterr().out)


def test_a_second_time_changes_nothing(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["init"])
    (here / "stacks" / "shop-net.yaml").rename(here / "stacks" / "mine.yaml")
    before = contents(here)
    capsys.readouterr()
    assert main(["init"]) == 0
    assert contents(here) == before
    assert "wrote" not in capsys.readouterr().out


def test_files_of_the_users_stay(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / ".gitignore").write_text("/out/\n*.log\n")
    (here / "README.md").write_text("mine\n")
    (here / "stacks").mkdir()
    (here / "stacks" / "notes.txt").write_text("mine\n")
    before = contents(here)
    assert main(["init"]) == 0
    after = contents(here)
    assert before.items() <= after.items() and len(after) == len(before) + 5
    assert "kept    .gitignore (it does not ignore .netspec/ __pycache__/)" in capsys.readouterr().out


def test_another_folder_is_made(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "a/Net_2", "--name", "edge"]) == 0
    assert yaml.safe_load((here / "a/Net_2/Pulumi.yaml").read_text())["name"] == "edge"
    assert (here / "a/Net_2/stacks/edge.yaml").is_file()
    assert "  cd a/Net_2\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({"Pulumi.yaml": "name: x\nruntime: nodejs\n"}, "its runtime is nodejs"),
        ({"Pulumi.yaml": "name: x\nruntime: python\n", "__main__.py": "import pulumi\n"}, "does not import netspec"),
        ({"Pulumi.yaml": "name: ["}, "it cannot be read"),
        ({"__main__.py": "print(1)\n"}, "__main__.py is another program"),
        ({"stacks/shop-net.yaml": "a: 1\n"}, "stacks/shop-net.yaml is there already"),
        ({"stacks": "a file\n"}, "the project cannot be written"),
    ],
)
def test_what_is_in_the_way_is_said_and_left(
    here: Path, files: dict[str, str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, text in files.items():
        (here / name).parent.mkdir(exist_ok=True)
        (here / name).write_text(text)
    before = contents(here)
    assert main(["init"]) == 2
    assert problem in capsys.readouterr().err
    assert contents(here) == before


def test_no_link_is_written_through(here: Path) -> None:
    (here / "__main__.py").symlink_to(here.parent / "elsewhere.py")
    main(["init"])
    assert not (here.parent / "elsewhere.py").exists()


@pytest.mark.parametrize("name", ["Shop", "-a", "a-", "1a", "a" * 31, "a.b", ""])
def test_a_name_that_is_none(here: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", f"--name={name}"]) == 2
    assert "is not a project's name" in capsys.readouterr().err
    assert contents(here) == {}


@pytest.mark.parametrize(
    ("folder", "name"),
    [("/srv/Shop", "shop"), ("/a/2 nets!", "nets"), ("/", "network"), ("/x/" + "n-" * 20, "n-" * 14 + "n")],
)
def test_a_name_from_the_folder(folder: str, name: str) -> None:
    assert project_name(Path(folder), None) == name


def test_what_netspec_keeps_is_ignored_without_a_gitignore(here: Path) -> None:
    """The passphrase that encrypts secrets is in it."""
    main(["init"])
    (here / ".gitignore").unlink()
    project.passphrase_file()
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    subprocess.run(["git", "init", "-q"], cwd=here, env=environment, check=True)
    status = subprocess.run(
        ["git", "status", "--porcelain", "-uall"], cwd=here, env=environment, capture_output=True, text=True, check=True
    )
    assert "Pulumi.yaml" in status.stdout and ".netspec" not in status.stdout
