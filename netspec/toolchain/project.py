"""Where the Pulumi project is, and the files netspec keeps beside it (never committed) and in the user's cache."""

import ast
import contextlib
import functools
import os
import secrets
import tempfile
from pathlib import Path
from typing import Any

import yaml

from netspec.diagnostics import Problem

CHECKOUT = Path(__file__).resolve().parents[2]
#: Builds what cannot be downloaded, in a checkout only.
AIRGAP = CHECKOUT / "airgap"
#: What is said where netspec runs without it.
BUILDS = "a checkout of netspec's repository can build it from package registries"
#: Names the project's directory, whatever the working directory is.
VARIABLE = "NETSPEC_PROJECT"
#: What names a stack's spec file in its configuration.
SPEC_KEY = "netspec:spec"


class NoProject(Problem):
    """There is no project where a command was started."""


def has_airgap() -> bool:
    """Whether netspec runs from a checkout, which has airgap/; a folder of that name elsewhere is somebody else's."""
    return (AIRGAP / "engine.py").is_file() and (CHECKOUT / "Pulumi.yaml").is_file()


def root() -> Path:
    """The project's directory: $NETSPEC_PROJECT, else the nearest one upward that is ours. Raises `Problem`."""
    return _root(os.environ.get(VARIABLE), Path.cwd())


@functools.cache
def _root(explicit: str | None, start: Path) -> Path:
    if explicit:
        found = Path(explicit).expanduser().resolve()
        if not (found / "Pulumi.yaml").is_file():
            raise Problem(f"{VARIABLE} names {found}, and there is no Pulumi.yaml in it", "correct it, or unset it")
        return found
    others = []
    for folder in (start, *start.parents):
        reason = why_not_ours(folder)
        if reason is None:
            return folder
        if reason:
            others.append(f"{folder / 'Pulumi.yaml'} is of another project: {reason}")
    raise NoProject(
        "; ".join([f"no netspec project is in {start} or above it", *others]),
        f"make one with netspec init, change to its folder, or name the folder in {VARIABLE}",
    )


def why_not_ours(folder: Path) -> str | None:
    """None for a project of netspec's, "" for a folder without Pulumi.yaml, else why the project in it is another's.

    Ours is one whose runtime is Python and whose program imports netspec: a repository may hold Pulumi projects of
    other teams, beside this one, around it or within it. Raises `Problem` for one of ours that cannot be read.
    """
    file = folder / "Pulumi.yaml"
    if not file.is_file():
        return ""
    try:
        settings = read_yaml(file)
    except (Problem, OSError) as error:
        if _imports_netspec(folder / "__main__.py") and isinstance(error, Problem):
            raise
        return "it cannot be read"
    runtime = settings.get("runtime")
    name = runtime.get("name") if isinstance(runtime, dict) else runtime
    if name != "python":
        return f"its runtime is {name}" if name else "it names no runtime"
    program = folder / str(settings.get("main") or "")
    program = program / "__main__.py" if program.is_dir() else program
    return None if _imports_netspec(program) else f"{program.name} does not import netspec"


def _imports_netspec(program: Path) -> bool:
    try:
        tree = ast.parse(program.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return False
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names.append(node.module or "")
    return any(name.partition(".")[0] == "netspec" for name in names)


def from_here(named: str) -> Path:
    """A file that is named relative to the project, as the working directory's user would write it."""
    found, here = root() / named, Path.cwd()
    return found.relative_to(here) if found.is_relative_to(here) else found


def private_dir(make: bool = True) -> Path:
    """The directory of this project's state, logs and passphrase: `.netspec`, mode 0700. `make` False: who only looks
    leaves nothing in a checkout, which may be another user's."""
    found = root() / ".netspec"
    if make and not found.is_dir():
        found.mkdir(mode=0o700, exist_ok=True)
        (found / ".gitignore").write_text("*\n", encoding="ascii")  # whatever the user's own says
    return found


def stack_file(stack: str) -> Path:
    """The committed configuration of a stack."""
    return root() / "stacks" / f"Pulumi.{stack}.yaml"


def bin_dir() -> Path:
    """Links to the programs that were found, by the names they are run by."""
    return private_dir() / "bin"


def unlinked(program: Path) -> Path:
    """What a link of netspec's own names, of whichever checkout; any other path as it is."""
    return program.readlink() if program.parts[-3:-1] == (".netspec", "bin") and program.is_symlink() else program


def work_dir() -> Path:
    """Where Pulumi's Automation API works, with a copy of each stack's configuration."""
    return private_dir() / "pulumi"


def scratch_dir(stack: str) -> Path:
    """Where what works on a stack keeps its temporary files: a killed run's are removed from here by the next one."""
    found = private_dir() / "tmp" / stack
    found.mkdir(parents=True, exist_ok=True)
    return found


def work_file(stack: str) -> Path:
    return work_dir() / f"Pulumi.{stack}.yaml"


def spec_of(stack: str) -> str | None:
    """The spec file that a stack is made from, relative to the project."""
    return spec_record(stack)[1]


def spec_record(stack: str) -> tuple[Path, str | None]:
    """Where that stands, and what: the committed configuration, else what an `up` recorded until `down`."""
    for file in (stack_file(stack), work_file(stack)):
        config = read_yaml(file).get("config") or {}
        if not isinstance(config, dict):
            raise Problem(f"config in {file} is not a mapping", "correct it; docs/deploy.md shows what belongs in it")
        if found := config.get(SPEC_KEY):
            return file, str(found)
    return file, None


def read_yaml(file: Path) -> dict[str, Any]:
    """A YAML file of Pulumi's, {} when there is none. Raises `Problem` when it is not one."""
    if not file.is_file():
        return {}
    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise Problem(f"{file} is not YAML: {' '.join(str(error).split())}", "correct it") from error
    if not isinstance(found or {}, dict):
        raise Problem(f"{file} is not a mapping", "correct it; docs/deploy.md shows what belongs in it")
    return found or {}


def cache_root() -> Path:
    """What is shared by all checkouts of this user: $NETSPEC_CACHE, else ~/.cache/netspec."""
    explicit = os.environ.get("NETSPEC_CACHE")
    return Path(explicit).expanduser().resolve() if explicit else Path.home() / ".cache" / "netspec"


def state_dir() -> Path | None:
    """Where Pulumi's state is kept, None when the user keeps it elsewhere."""
    given = "PULUMI_BACKEND_URL" in os.environ or "PULUMI_ACCESS_TOKEN" in os.environ
    return None if given else private_dir() / "state"


def has_state() -> bool:
    """Whether anything may have been applied: a checkout whose state is its own and not there has nothing."""
    state = state_dir()
    return state is None or state.is_dir()


def has_own_passphrase() -> bool:
    """Whether secrets are encrypted with the passphrase that netspec keeps for this checkout."""
    given = os.environ.get("PULUMI_CONFIG_PASSPHRASE_FILE", str(passphrase_file()))
    return "PULUMI_CONFIG_PASSPHRASE" not in os.environ and Path(given) == passphrase_file()


def passphrase_file() -> Path:
    """The file with the passphrase that Pulumi encrypts secrets with: made once, random, mode 0600."""
    return _once(private_dir() / "passphrase", 32)


def owner() -> str:
    """This checkout's random id, made once: what it makes outside Pulumi's state is labelled with it."""
    return _once(private_dir() / "owner", 6).read_text(encoding="ascii").strip()


def _once(path: Path, size: int) -> Path:
    """Write `size` random bytes in hexadecimal unless the file is there; never half a file, the first writer wins."""
    if not path.exists():
        handle, temporary = tempfile.mkstemp(dir=path.parent)  # mode 0600
        try:
            with os.fdopen(handle, "w", encoding="ascii") as out:
                out.write(secrets.token_hex(size) + "\n")
            with contextlib.suppress(FileExistsError):
                os.link(temporary, path)
        finally:
            Path(temporary).unlink()
    return path
