"""What the documents name is there: files and folders of this repository, links, commands of make."""

import re
import subprocess
from pathlib import Path

import pytest

from airgap.golang import minimum_go
from netspec import catalogue

ROOT = Path(__file__).parent.parent
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
_TRACKED = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
#: Folders of this repository; what starts with one of them is a path in it.
_TOPS = sorted({name.partition("/")[0] for name in _TRACKED if "/" in name})
_PATH = re.compile(rf"(?<![\w/.<-])(?:{'|'.join(map(re.escape, _TOPS))})/[\w./*<>{{}},-]*")
#: What a command of the documents makes in a project of the reader's.
_MADE = {"stacks/network.yaml"}
_FILE = re.compile(r"`([\w-]+\.(?:py|md|toml|in|txt|yaml))`")
_LINK = re.compile(r"\]\(([^)\s#]+)(?:#[^)]*)?\)")


def paths_in(text: str) -> set[str]:
    """The paths that a text names. A placeholder (<stack>) or a pattern (*.py) stands for anything."""
    return {found.rstrip(".,").rstrip("/") for found in _PATH.findall(text)}


def exists(path: str) -> bool:
    pattern = re.sub(r"<[^>]*>", "*", path)
    braces = re.search(r"\{([^}]*)\}", pattern)
    if braces:
        return all(exists(pattern.replace(braces[0], one)) for one in braces[1].split(","))
    return any(True for _ in ROOT.glob(pattern)) if "*" in pattern else (ROOT / pattern).exists()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_path_that_a_document_names_is_there(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    assert [path for path in sorted(paths_in(text) - _MADE) if not exists(path)] == []
    names = {Path(name).name for name in _TRACKED}
    assert [name for name in _FILE.findall(text) if name not in names] == []
    links = [link for link in _LINK.findall(text) if "://" not in link]
    assert [link for link in links if not (document.parent / link).exists()] == []


def test_a_path_that_is_gone_is_found() -> None:
    text = "See `netspec/nowhere.py`, docs/spec.md and `tests/conformance/none_<name>.py`."
    assert sorted(path for path in paths_in(text) if not exists(path)) == [
        "netspec/nowhere.py",
        "tests/conformance/none_<name>.py",
    ]


def test_one_version_of_go_is_said() -> None:
    said = {found for path in DOCUMENTS for found in re.findall(r"\bGo (\d[\d.]*\d)", path.read_text(encoding="utf-8"))}
    assert said == {minimum_go()}


def test_every_release_has_its_source_and_the_document_says_what_was_built_instead() -> None:
    releases = [value for value in vars(catalogue).values() if isinstance(value, catalogue.Release)]
    releases += catalogue.TOOLS.values()
    assert len(releases) > 7
    text = (ROOT / "docs" / "where-run.md").read_text(encoding="utf-8")
    for release in releases:
        assert release.source.startswith("https://") and release.source in text
        assert release.official in text and release.airgap in text


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_make_command_is_there(document: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = re.findall(r"(?:^    |`)make ([a-z-]+)", document.read_text(encoding="utf-8"), re.M)
    assert [name for name in named if not re.search(rf"^{name}:", makefile, re.M)] == []
