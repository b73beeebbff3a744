"""The lookup order, with programs that only say their version."""

import importlib.metadata
import sys
from pathlib import Path

import pytest

from netspec.catalogue import TOOLS
from netspec.diagnostics import Problem
from netspec.toolchain import download, find, project

MINIMUM, OFFICIAL = TOOLS["kind"].minimum, TOOLS["kind"].official


def program(path: Path, version: str | None) -> Path:
    """A kind that says its version, or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n" + (f"echo 'kind v{version} go1.26 linux/amd64'\n" if version else "exit 1\n"))
    path.chmod(0o755)
    return path


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing is installed, and no host can be reached."""
    monkeypatch.setenv("NETSPEC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'path'}:/bin:/usr/bin:{Path(sys.executable).parent}")
    monkeypatch.delenv("NETSPEC_KIND", raising=False)
    monkeypatch.setenv("NETSPEC_KIND_URL", "http://127.0.0.1:9")
    monkeypatch.setattr(find, "_build", lambda name, report: find.Found(name, Path("/built"), "1.0.0", "airgap"))
    return tmp_path


def test_the_explicit_path_comes_first(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(machine / "path" / "kind", OFFICIAL)
    explicit = program(machine / "mine" / "my-kind", OFFICIAL)
    monkeypatch.setenv("NETSPEC_KIND", str(explicit))
    assert find.find("kind") == find.Found("kind", explicit, OFFICIAL, "explicit")


@pytest.mark.parametrize(("version", "reason"), [("0.1.0", "too old"), (None, "not a kind that runs")])
def test_an_explicit_path_of_no_use_is_an_error(
    machine: Path, monkeypatch: pytest.MonkeyPatch, version: str | None, reason: str
) -> None:
    monkeypatch.setenv("NETSPEC_KIND", str(program(machine / "mine" / "kind", version)))
    with pytest.raises(Problem, match=reason) as caught:
        find.find("kind")
    assert caught.value.hint and "NETSPEC_KIND" in caught.value.hint


def test_path_comes_before_a_download(machine: Path) -> None:
    on_path = program(machine / "path" / "kind", MINIMUM)
    program(download.target("kind") / "bin" / "kind", OFFICIAL)
    assert find.find("kind") == find.Found("kind", on_path, str(MINIMUM), "PATH")


@pytest.mark.parametrize(("version", "reason"), [("0.29.9", "older than"), (None, "does not say its version")])
def test_what_is_on_path_is_passed_over_with_a_word(machine: Path, version: str | None, reason: str) -> None:
    program(machine / "path" / "kind", version)
    downloaded = program(download.target("kind") / "bin" / "kind", OFFICIAL)
    said: list[str] = []
    noted: list[str] = []
    assert find.find("kind", said.append, noted.append) == find.Found("kind", downloaded, OFFICIAL, "download")
    assert said == [] and len(noted) == 1 and reason in noted[0]


def test_why_something_is_downloaded_or_built_is_said(machine: Path) -> None:
    program(machine / "path" / "kind", "0.29.9")
    said: list[str] = []
    assert find.find("kind", said.append, lambda _: pytest.fail("noted alone")).source == "airgap"
    assert "older than" in said[0] and "cannot be reached" in said[1]


def test_an_unreachable_download_host_is_one_line_and_then_the_build(machine: Path) -> None:
    said: list[str] = []
    assert find.find("kind", said.append).source == "airgap"
    assert len(said) == 1 and said[0].startswith("127.0.0.1 cannot be reached")
    assert not list((machine / "cache" / "tools").rglob(".work-*"))


def test_without_linux_there_is_no_build(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(Problem, match="kind is not on PATH"):
        find.find("kind", lambda _: None)


def test_a_package_without_airgap_says_what_to_install(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(project, "AIRGAP", machine / "site-packages" / "airgap")
    program(project.cache_root() / "airgap" / "kind" / "key" / "bin" / "kind", OFFICIAL)  # of a checkout
    with pytest.raises(Problem, match=r"kind is not on PATH, and 127\.0\.0\.1 cannot be reached") as caught:
        find.find("kind", lambda _: None)
    hint = str(caught.value.hint)
    assert hint.startswith(f"install kind {TOOLS['kind'].minimum} or newer, or name a mirror in NETSPEC_KIND_URL;")


def test_nothing_of_airgap_is_imported_where_it_built_nothing(machine: Path) -> None:
    before = {name for name in sys.modules if name.startswith("airgap")}
    assert find.find_local("kind", lambda _: None) is None
    assert {name for name in sys.modules if name.startswith("airgap")} == before


def test_a_program_of_our_own_on_path_is_named_for_what_it_is(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built = program(project.cache_root() / "airgap" / "kind" / "key" / "bin" / "kind", OFFICIAL)
    monkeypatch.setenv("PATH", f"{built.parent}:/bin")
    found = find.find_local("kind")
    assert found is not None and found.source == "airgap"


@pytest.mark.parametrize(
    ("there", "script", "source", "words"),
    [
        ("beside", "exit 1", "download", []),
        ("in PULUMI_HOME", "exit 1", "download", []),
        ("nowhere", "exit 0", "download", ["installing Pulumi's plugin kubernetes"]),
        ("nowhere", "echo no route to host >&2; exit 1", "airgap", ["installing", "is unavailable (no route to host)"]),
        ("nowhere", "sleep 60", "airgap", ["installing", "is unavailable"]),
    ],
)
def test_pulumi_has_its_plugin_before_there_is_no_way_out(
    machine: Path, monkeypatch: pytest.MonkeyPatch, there: str, script: str, source: str, words: list[str]
) -> None:
    monkeypatch.setattr(find, "PLUGIN_TIMEOUT", 0.5)
    monkeypatch.setenv("PULUMI_HOME", str(machine / "home"))
    path = program(machine / "bin" / "pulumi", None)
    path.write_text(f'#!/bin/sh\necho "$*" > {machine}/asked\n{script}\n')
    version = importlib.metadata.version("pulumi_kubernetes")
    if there == "beside":
        program(machine / "bin" / "pulumi-resource-kubernetes", None)
    elif there == "in PULUMI_HOME":
        (machine / "home" / "plugins" / f"resource-kubernetes-v{version}").mkdir(parents=True)
    said: list[str] = []
    found = find.with_plugin(find.Found("pulumi", path, "3.259.0", "download"), said.append)
    assert found.source == source
    assert len(said) == len(words) and all(word in line for word, line in zip(words, said, strict=True))
    if words:
        assert (machine / "asked").read_text().split() == ["plugin", "install", "resource", "kubernetes", version]
