"""The component cache: keys, resuming, atomicity, locking, disk, errors. Nothing here builds for real."""

import fcntl
import multiprocessing
import os
import shutil
import signal
import subprocess
import time
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import pytest

from airgap import __main__ as cli
from airgap import build, component
from airgap.component import Component, Context, check_disk, closure, compute_keys
from airgap.errors import AirgapError
from airgap.recipes import COMPONENTS


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("NETSPEC_CACHE", str(tmp_path / "cache"))
    yield tmp_path / "cache"


def write(context: Context) -> None:
    (context.out / "made").write_text("made")


def make(name: str = "a", recipe: component.Recipe = write, **fields: object) -> Component:
    return Component(name, "1", recipe, disk=0.0, **fields)  # type: ignore[arg-type]


def quiet(_: str) -> None:
    pass


def test_every_component_is_listed_after_what_it_needs() -> None:
    seen: set[str] = set()
    for name, one in COMPONENTS.items():
        assert set(one.needs) <= seen
        seen.add(name)
    assert {"pulumi", "kind", "kubectl", "node-image"} <= set(build.NAMES)


def test_key_changes_with_version_definition_sources_and_needs(tmp_path: Path) -> None:
    source = tmp_path / "file"
    source.write_text("one")
    base = {"a": make(sources=("file",), definition=("x", 1)), "b": make("b", needs=("a",))}
    keys = compute_keys(base, tmp_path)
    assert compute_keys(base, tmp_path) == keys

    other_version = {**base, "a": Component("a", "2", write, sources=("file",), definition=("x", 1))}
    other_definition = {**base, "a": make(sources=("file",), definition=("x", 2))}
    for changed in (other_version, other_definition):
        changed_keys = compute_keys(changed, tmp_path)
        assert changed_keys["a"] != keys["a"]
        assert changed_keys["b"] != keys["b"], "what needs it changes too"

    source.write_text("two")
    assert compute_keys(base, tmp_path)["a"] != keys["a"]


def test_key_ignores_the_wording_of_python_sources(tmp_path: Path) -> None:
    source = tmp_path / "recipe.py"
    source.write_text("x = 1  # why\n")
    components = {"a": make(sources=("recipe.py",))}
    key = compute_keys(components, tmp_path)["a"]
    source.write_text("# better said\nx = 1\n")
    assert compute_keys(components, tmp_path)["a"] == key
    source.write_text("x = 2\n")
    assert compute_keys(components, tmp_path)["a"] != key


def test_a_source_that_does_not_exist_is_an_error() -> None:
    assert compute_keys(COMPONENTS).keys() == COMPONENTS.keys(), "all sources of the real components exist"
    with pytest.raises(FileNotFoundError):
        compute_keys({"a": make(sources=("no-such-file",))})


def test_closure_names_the_components_when_one_is_unknown() -> None:
    with pytest.raises(AirgapError) as caught:
        closure({"a": make()}, ["b"])
    assert "'b'" in caught.value.message
    assert "a" in caught.value.hint


def test_ensure_builds_needs_first_and_only_once(cache: Path) -> None:
    order: list[str] = []

    def recorder(name: str) -> component.Recipe:
        def recipe(context: Context) -> None:
            order.append(name)
            for path in context.needs.values():
                assert (path / "made").read_text() == "made"
            write(context)

        return recipe

    components = {"a": make("a", recorder("a")), "b": make("b", recorder("b"), needs=("a",)), "c": make("c")}
    lines: list[str] = []
    build.ensure(["b"], lines.append, components)
    assert order == ["a", "b"]
    assert lines[0].startswith("[1/2] a 1: building")
    assert lines[2].startswith("[2/2] b 1: building from a")
    build.ensure(["b"], lines.append, components)
    assert order == ["a", "b"]
    assert not (cache / "airgap" / "c").exists()


def test_what_is_built_does_not_ask_for_what_it_was_made_of(cache: Path) -> None:
    components = {"a": make(), "b": make("b", needs=("a",))}
    build.ensure(["b"], quiet, components)
    shutil.rmtree(cache / "airgap" / "a")
    build.ensure(["b"], quiet, components)
    assert not (cache / "airgap" / "a").exists()


def _slow(context: Context) -> None:
    (context.out / "half").write_text("half")
    time.sleep(60)


def _build_slowly(marker: Path) -> None:
    def first(context: Context) -> None:
        with marker.open("a") as file:
            file.write("a")
        write(context)

    build.ensure(["b"], quiet, {"a": make("a", first), "b": make("b", _slow, needs=("a",))})


def test_a_killed_build_resumes_at_the_component_that_was_cut(cache: Path, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    process = multiprocessing.get_context("fork").Process(target=_build_slowly, args=(marker,))
    process.start()
    deadline = time.monotonic() + 30
    while not list(cache.glob("airgap/b/.*.tmp/half")) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert process.pid
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    rebuilt: list[str] = []

    def second(context: Context) -> None:
        assert not (context.out / "half").exists(), "nothing of the cut build is left"
        rebuilt.append("b")
        write(context)

    def never(context: Context) -> None:
        rebuilt.append("a")

    components = {"a": make("a", never), "b": make("b", second, needs=("a",))}
    build.ensure(["b"], quiet, components)
    assert rebuilt == ["b"]
    assert marker.read_text() == "a"
    assert not list(cache.glob("airgap/b/.*.tmp"))


def test_a_failure_is_one_sentence_with_the_end_of_the_log(cache: Path) -> None:
    def failing(context: Context) -> None:
        context.run(["sh", "-c", "for i in $(seq 1 40); do echo line $i; done; exit 3"])

    with pytest.raises(AirgapError) as caught:
        build.ensure(["a"], quiet, {"a": make("a", failing)})
    assert "a 1 failed" in caught.value.message
    assert "`sh -c" in caught.value.message
    assert "status 3" in caught.value.message
    lines = caught.value.hint.splitlines()
    assert str(cache / "airgap" / "a" / "build.log") in lines[0]
    assert [line.strip() for line in lines[1:]] == [f"line {i}" for i in range(26, 41)]
    with pytest.raises(AirgapError, match="not built"):
        build.path_of("a", {"a": make("a", failing)})


def test_a_second_build_waits_for_the_first(cache: Path) -> None:
    path = cache / "lock"
    lines: list[str] = []
    context = multiprocessing.get_context("fork")
    holding, release = context.Event(), context.Event()

    def hold() -> None:
        with build.lock(path, quiet, "x"):
            holding.set()
            release.wait(30)

    process = context.Process(target=hold)
    process.start()
    assert holding.wait(30)

    def waiting(line: str) -> None:
        lines.append(line)
        release.set()

    with build.lock(path, waiting, "a build is running"), path.open() as handle:
        assert lines == ["waiting for another process: a build is running"]
        with pytest.raises(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    process.join()


def test_disk_is_checked_before_anything_is_built(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(0, 0, int(2.5 * component.GIB)))
    built: list[str] = []
    big = Component("big", "1", lambda _: built.append("big"), disk=3.0)
    with pytest.raises(AirgapError) as caught:
        build.ensure(["big"], quiet, {"big": big})
    assert "3.0 GiB" in caught.value.message
    assert "2.5 GiB" in caught.value.message
    assert built == []


def test_disk_needs_on_one_filesystem_are_added_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(0, 0, 3 * component.GIB))
    check_disk({tmp_path / "a": 2.0})
    with pytest.raises(AirgapError, match=r"4\.0 GiB"):
        check_disk({tmp_path / "a": 2.0, tmp_path / "not" / "yet": 2.0})


def test_clean_removes_other_keys_and_nothing_else(cache: Path) -> None:
    components = {"a": make()}
    build.ensure(["a"], quiet, components)
    current = build.path_of("a", components)
    old = current.parent / "0123456789abcdef"
    old.mkdir()
    assert build.clean(components) == [old]
    assert current.is_dir()


@pytest.mark.parametrize(
    ("version", "ok"),
    [("go1.24.13", False), ("go1.25.10", False), ("go1.25.11", True), ("go1.26", True), ("devel +abc", False)],
)
def test_a_go_that_is_too_old_is_named(version: str, ok: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    from airgap import golang

    monkeypatch.setattr(shutil, "which", lambda _: "/usr/bin/go")
    monkeypatch.setattr(subprocess, "run", lambda *a, **k: subprocess.CompletedProcess(a, 0, f"{version}\n", ""))
    if ok:
        golang.check_go()
    else:
        with pytest.raises(AirgapError, match=r"too old"):
            golang.check_go()


def test_no_go_is_an_error_only_when_go_is_needed(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    build.ensure(["a"], quiet, {"a": make()})
    with pytest.raises(AirgapError, match="no `go` is on PATH"):
        build.ensure(["b"], quiet, {"b": make("b", go_disk=0.1)})


def test_the_command_line_explains_failures_without_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["build", "no-such-thing"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: there is no component named 'no-such-thing'\n")
    assert "Traceback" not in error
    assert cli.main(["list"]) == 0
    assert "node-image" in capsys.readouterr().out
