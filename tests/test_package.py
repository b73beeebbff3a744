"""The package as users get it: the wheel is built, installed into a new environment, and every command is run in it,
from an empty folder and from a project of `netspec init`, on a machine that has no program and reaches no site."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from test_layers import imports_of

ROOT = Path(__file__).parent.parent
Run = Callable[..., "subprocess.CompletedProcess[str]"]

MANIFESTS = """\
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: web, image: web, ports: [{containerPort: 8080}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: db, namespace: shop, labels: {app: db}}
spec: {containers: [{name: db, image: db, ports: [{containerPort: 5432}]}]}
"""


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = tmp_path_factory.mktemp("source")
    for name in ("netspec", "backends"):
        shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--disable-pip-version-check",
        "--no-index",
        "--no-deps",
    ]
    subprocess.run([*command, "--no-build-isolation", "--wheel-dir", source / "dist", source], check=True, timeout=300)
    (found,) = (source / "dist").glob("*.whl")
    return found


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new environment's `bin`. It borrows the packages that this one has, and of this one's netspec nothing: that is
    found by a hook of its own, which a path in a .pth file does not start."""
    home = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", home], check=True, timeout=300)
    command = [sys.executable, "-m", "pip", "--python", home / "bin" / "python", "install", "--quiet", "--no-index"]
    subprocess.run([*command, "--disable-pip-version-check", "--no-deps", wheel], check=True, timeout=300)
    (packages,) = (home / "lib").glob("python*/site-packages")
    (packages / "borrowed.pth").write_text("\n".join(p for p in sys.path if p.endswith("site-packages")) + "\n")
    return home / "bin"


@pytest.fixture
def run(installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs an installed program in a folder: "netspec" or "python", and its arguments."""
    (tmp_path / "here").mkdir()
    for name in ("shop.yaml", "edge.yaml"):
        (tmp_path / name).write_text((ROOT / "stacks" / name).read_text())
    (tmp_path / "manifests.yaml").write_text(MANIFESTS)
    (tmp_path / "ingress.yaml").write_text(INGRESS)
    env = {"PATH": str(installed), "HOME": str(tmp_path / "home"), "LANG": "C.UTF-8"}
    env |= {f"NETSPEC_{name}_URL": "http://127.0.0.1:9" for name in ("KIND", "KUBECTL", "PULUMI")}

    def start(*words: str, cwd: Path = tmp_path / "here") -> "subprocess.CompletedProcess[str]":
        command = [installed / words[0], *words[1:]]
        done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=120)
        assert "Traceback" not in done.stdout + done.stderr, done.stderr
        return done

    return start


INGRESS = """\
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: shop}
spec: {defaultBackend: {service: {name: web, port: {number: 80}}}}
"""
#: Command -> ways to run it anywhere, with the exit code.
ANYWHERE: dict[str, list[tuple[str, int]]] = {
    "check": [("../shop.yaml", 0), ("../manifests.yaml", 1)],
    "compile": [("../shop.yaml --stack shop --out compiled", 0)],
    "schema": [("", 0)],
    "doctor": [("", 1), ("--output json", 1)],
    "matrix": [(f"../shop.yaml --output {output}", 0) for output in ("text", "json", "csv", "md", "dot", "svg", "html")]
    + [("--manifests ../manifests.yaml", 0)],
    "explain": [("shop/web shop/db 5432 ../shop.yaml", 0)],
    "diff": [("../shop.yaml ../shop.yaml", 0)],
    "lint": [("../shop.yaml", 0)],
    "exposure": [("../shop.yaml", 0)],
    "capacity": [("../shop.yaml --stack shop", 0)],
    "dns": [("../shop.yaml db --from shop/web", 0)],
    "targets": [("", 0)],
    "request": [("../edge.yaml https://shop.example.com/", 0), ("../edge.yaml https://nobody.example.org/", 1)],
    "migrate": [("--manifests ../ingress.yaml --from ingress-nginx", 0), ("--manifests .. --from other", 2)],
    "completion": [("bash", 0), ("zsh", 0), ("fish", 0), ("tcsh", 2)],
}
#: Commands that need a project: the rest of the command line, and what is said in a new one.
ENGINE = r"error: there is no container engine: Docker does not answer\n  hint: install Docker or start it[^\n]*\n"
IN_A_PROJECT: dict[str, tuple[str, int, str]] = {
    "up": ("--stack dev", 2, ENGINE),
    "preview": ("--stack dev", 2, ENGINE),
    "verify": ("--stack dev", 2, ENGINE),
    "exec": ("-- kubectl get pods", 2, ENGINE),
    "status": ("--stack dev", 0, ""),
    "down": ("--stack dev", 0, ""),
}


def test_every_command_is_run_here(run: Run) -> None:
    program = (
        "import contextlib, io, netspec.cli as cli\n"
        "for name in cli.COMMANDS:\n"
        "    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.suppress(SystemExit):\n"
        "        cli.main([name, '--help'])\n"
        "    assert 'examples:' in out.getvalue(), name\n"
        "print(*cli.COMMANDS, cli.__file__)\n"
    )
    *commands, file = run("python", "-c", program).stdout.split()
    assert set(commands) == {"init", *ANYWHERE, *IN_A_PROJECT}
    assert not Path(file).is_relative_to(ROOT)


@pytest.mark.parametrize(
    ("command", "words", "code"), [(c, w, code) for c, ways in ANYWHERE.items() for w, code in ways]
)
def test_from_an_empty_folder(run: Run, tmp_path: Path, command: str, words: str, code: int) -> None:
    done = run("netspec", command, *words.split())
    assert done.returncode == code, done.stdout + done.stderr
    assert done.stdout if code < 2 else done.stderr
    assert {p.name for p in (tmp_path / "here").iterdir()} == ({"compiled"} if command == "compile" else set())


@pytest.mark.parametrize("command", IN_A_PROJECT)
def test_without_a_project_it_is_said(run: Run, tmp_path: Path, command: str) -> None:
    done = run("netspec", command, *IN_A_PROJECT[command][0].split())
    assert (done.returncode, done.stdout) == (2, "")
    here = re.escape(str(tmp_path / "here"))
    assert re.fullmatch(rf"error: no netspec project is in {here} or above it\n  hint: [^\n]*\n", done.stderr)
    assert list((tmp_path / "here").iterdir()) == [] and not (tmp_path / "home").exists()


def test_a_project_of_the_users_own(run: Run, tmp_path: Path) -> None:
    assert run("netspec", "init", "net").returncode == 0
    project = tmp_path / "here" / "net"
    for words in ("check stacks/net.yaml --strict", "matrix stacks/net.yaml --stack dev"):
        assert run("netspec", *words.split(), cwd=project).returncode == 0
    for command, (words, code, said) in IN_A_PROJECT.items():
        done = run("netspec", command, *words.split(), cwd=project / "stacks")
        assert done.returncode == code, (command, done.stderr)
        assert re.fullmatch(said, done.stderr), (command, done.stderr)
        assert done.stdout == ("" if code else "dev: nothing is applied\n")


def test_a_project_from_what_is_there(run: Run, tmp_path: Path) -> None:
    done = run("netspec", "init", "net", "--from-manifests", "../manifests.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert run("netspec", "check", "stacks/net.yaml", cwd=tmp_path / "here" / "net").returncode == 0


def test_where_there_is_docker_what_is_missing_is_said(run: Run, installed: Path, tmp_path: Path) -> None:
    """Nothing is built: airgap/ is not in the package, and a folder of that name beside it is not taken for it."""
    run("netspec", "init", "net")
    docker = installed / "docker"
    stranger = next((installed.parent / "lib").glob("python*/site-packages")) / "airgap"
    try:
        docker.write_text("#!/bin/sh\necho 28.0.0\n")
        docker.chmod(0o755)
        stranger.mkdir()
        (stranger / "engine.py").write_text("raise SystemExit('not ours')\n")
        for command in ("up", "preview", "verify"):
            done = run("netspec", command, "--stack", "dev", cwd=tmp_path / "here" / "net")
            assert done.returncode == 2
            assert re.fullmatch(
                r"error: kind is not on PATH, and 127\.0\.0\.1 cannot be reached \([^\n]*\)\n"
                r"  hint: install kind \S+ or newer, or name a mirror in NETSPEC_KIND_URL[^\n]*\n",
                done.stderr,
            )
    finally:
        docker.unlink(missing_ok=True)
        shutil.rmtree(stranger, ignore_errors=True)


def test_pytest_finds_the_plugin_beside_the_users_tests(run: Run, tmp_path: Path) -> None:
    run("netspec", "init", "net")
    project = tmp_path / "here" / "net"
    (project / "test_own.py").write_text("def test_own():\n    pass\n")
    words = ("python", "-m", "pytest", "-p", "no:cacheprovider", "-q")
    assert "1 passed" in run(*words, cwd=project).stdout
    listed = run(*words, "--stack", "dev", "--collect-only", cwd=project)
    assert listed.returncode == 0, listed.stdout
    assert "test_own.py::test_own\n" in listed.stdout and "netspec[dev]::canary\n" in listed.stdout
    done = run(*words, "--stack", "dev", cwd=project)
    assert done.returncode == 2 and "there is no container engine" in done.stdout


def test_the_wheel_has_what_is_ours_and_claims_one_name(wheel: Path) -> None:
    names = [name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name]
    assert {name.partition("/")[0] for name in names} == {"netspec"}
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "netspec", "backends"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    ours = {f"netspec/{name}" if name.startswith("backends/") else name for name in listed if (ROOT / name).is_file()}
    assert set(names) == ours


def _declared() -> dict[str, Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found = [Requirement(text) for text in project["dependencies"]]
    return {requirement.name: requirement for requirement in found}


def test_what_is_imported_is_declared_and_nothing_else() -> None:
    files = [*(ROOT / "netspec").rglob("*.py"), *(ROOT / "backends").rglob("*.py")]
    imported = {
        item.imported.partition(".")[0]
        for f in files
        for item in imports_of(f.read_text(encoding="utf-8"), "netspec.x")
    }
    of = packages_distributions()
    others = imported - set(sys.stdlib_module_names) - {"netspec", "airgap", "_typeshed"}
    needed = {of[name][0].lower().replace("_", "-") for name in others} - {
        "pydantic-core",
        "markupsafe",
    }  # pydantic's and jinja2's own
    assert needed == set(_declared())


def test_dependencies_have_bounds_that_the_pins_keep() -> None:
    pins = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", (ROOT / "requirements" / "run.txt").read_text(), re.M))
    for name, requirement in _declared().items():
        assert {s.operator for s in requirement.specifier} == {">=", "<"}, name
        assert pins[name] in requirement.specifier, name


def test_the_version_is_said_once(wheel: Path, run: Run) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert run("netspec", "--version").stdout == f"netspec {version}\n"
    assert wheel.name.startswith(f"netspec-{version}-")


def test_doctor_as_data(run: Run) -> None:
    found = {f["subject"]: f for f in json.loads(run("netspec", "doctor", "--output", "json").stdout)["findings"]}
    assert {name: found[name]["state"] for name in ("kind", "kubectl", "pulumi", "engine")} == dict.fromkeys(
        ("kind", "kubectl", "pulumi", "engine"), "missing"
    )
    assert "airgap" not in json.dumps(found["kind"])
    assert found["project"]["state"] == "note"
    assert os.sep in found["disk"]["detail"]
