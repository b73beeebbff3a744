"""The pytest plugin of the package: beside users' own tests and plugins, and not there until a stack is named."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from test_verify_commands import PLUGIN, SPEC, stack_name

HEAVY = ("pulumi", "testinfra", "pydantic", "yaml", "rich", "jinja2", "netspec.verify.items", "netspec.toolchain")


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """A project with a test of the user's own and a folder of the stack's name, run with a made-up cluster."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_own.py").write_text("def test_own():\n    pass\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\ntestpaths = tests\naddopts = --strict-markers\n")
    (tmp_path / "made_up_cluster.py").write_text(PLUGIN)
    return tmp_path


def run(suite: Path, *words: str, how: str = "green") -> "subprocess.CompletedProcess[str]":
    here = Path(__file__).parent
    path = os.pathsep.join(map(str, (suite, here, here.parents[1])))
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:pytest11.testinfra",
            *words,
        ],
        env={**{k: v for k, v in os.environ.items() if not k.startswith("PYTEST")}, "PYTHONPATH": path, "MADE_UP": how},
        cwd=suite,
        capture_output=True,
        text=True,
        timeout=120,
    )


def asked(suite: Path, *words: str, how: str = "green") -> "subprocess.CompletedProcess[str]":
    return run(suite, "-p", "made_up_cluster", "--netspec-spec", SPEC, *words, how=how)


def conftest(suite: Path, text: str) -> None:
    (suite / "tests" / "conftest.py").write_text(text)


def test_without_a_stack_nothing_is_loaded_and_nothing_changes(suite: Path) -> None:
    conftest(
        suite,
        "import signal, sys\n"
        "before = signal.getsignal(signal.SIGTERM)\n"
        "def pytest_sessionfinish():\n"
        f"    print('LOADED', [name for name in {HEAVY} if name in sys.modules])\n"
        "    print('SIGNALS', signal.getsignal(signal.SIGTERM) == before)\n",
    )
    done = run(suite, "-s")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "LOADED []" in done.stdout and "SIGNALS True" in done.stdout and "1 passed" in done.stdout
    assert run(suite, "-m", "netspec").returncode == 5  # none, and a marker that is known


def test_beside_the_users_own_tests(suite: Path) -> None:
    done = asked(suite, "--stack", stack_name(), "-v")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "tests/test_own.py::test_own PASSED" in done.stdout
    assert f"netspec[{stack_name()}]::canary PASSED" in done.stdout
    listed = asked(suite, "--stack", stack_name(), "--collect-only", "-q").stdout.splitlines()
    probes = [line for line in listed if line.startswith(f"netspec[{stack_name()}]::flow:")]
    assert len(probes) > 20 and len(set(probes)) == len(probes)
    assert (suite / "out" / stack_name() / "results.json").is_file()


@pytest.mark.parametrize(
    ("words", "own", "canary"),
    [(("-m", "netspec"), False, True), (("-m", "not netspec"), True, False), (("-k", "canary"), False, True)],
)
def test_chosen_as_any_other_test(suite: Path, words: tuple[str, ...], own: bool, canary: bool) -> None:
    done = asked(suite, f"--stack={stack_name()}", *words, "-v")
    assert done.returncode == 0, done.stdout + done.stderr
    assert ("::test_own PASSED" in done.stdout, "::canary PASSED" in done.stdout) == (own, canary)


def test_what_failed_is_said_in_one_line(suite: Path) -> None:
    done = asked(suite, "--stack", stack_name(), how="red")
    assert done.returncode == 1
    assert "Traceback" not in done.stdout and "items.py" not in done.stdout
    assert "expected connected, saw refused" in done.stdout or "saw refused" in done.stdout
    done = asked(suite, "--stack", stack_name(), how="none")
    assert done.returncode == 2 and "there is no running kind cluster" in done.stdout + done.stderr


OPTION = "def pytest_addoption(parser):\n    parser.addoption('--stack', {how})\n"
USES = "def test_own(request):\n    assert request.config.getoption('--stack') == {value!r}\n"


@pytest.mark.parametrize(
    ("where", "how", "words", "value"),
    [
        ("conftest", "default='x'", (), "x"),
        ("conftest", "default='x'", ("--stack", "y"), "y"),
        ("conftest", "action='store_true'", ("--stack",), True),
        ("plugin", "default='x'", ("--stack", "y"), "y"),
        ("plugin", "choices=['y']", ("--stack=y",), "y"),
    ],
)
def test_an_option_of_the_users_own_of_that_name_stays_theirs(
    suite: Path, where: str, how: str, words: tuple[str, ...], value: object
) -> None:
    (suite / "tests" / "test_own.py").write_text(USES.format(value=value))
    if where == "conftest":
        conftest(suite, OPTION.format(how=how))
        words = ("tests", *words)
    else:
        (suite / "their_plugin.py").write_text(OPTION.format(how=how))
        words = ("-p", "their_plugin", *words)
    done = asked(suite, *words, "--netspec-stack", stack_name(), "-v")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "::test_own PASSED" in done.stdout and "::canary PASSED" in done.stdout


def test_the_stacks_name_is_not_a_path_of_tests(suite: Path) -> None:
    """A conftest.py where `testpaths` says is loaded early enough for its options, a folder of the name or not."""
    conftest(suite, "def pytest_addoption(parser):\n    parser.addoption('--theirs')\n")
    for _ in range(2):
        done = asked(suite, "--stack", stack_name(), "--theirs", "1")
        assert done.returncode == 0 and "1 skipped" not in done.stdout, done.stdout + done.stderr
        (suite / stack_name()).mkdir(exist_ok=True)


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("--stack", "nosuch"), "has no stack 'nosuch'"),
        (("--netspec-spec", "nosuch.yaml", "--stack", "x"), "nosuch.yaml"),
        (("--stack",), "expected one argument"),
        (("-n", "2", "--stack", "x"), "leave -n out"),
    ],
)
def test_a_usage_error_is_one(suite: Path, words: tuple[str, ...], problem: str) -> None:
    done = asked(suite, *words)
    assert done.returncode == 4 and problem in done.stderr, done.stdout + done.stderr
    assert "Traceback" not in done.stderr and "INTERNALERROR" not in done.stdout
