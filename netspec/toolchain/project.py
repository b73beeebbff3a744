"""Where the Pulumi project is, and the files netspec keeps beside it (never committed) and in the user's cache."""

import contextlib
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
#: What names a stack's spec file in its configuration.
SPEC_KEY = "netspec:spec"


def root() -> Path:
    """The directory with Pulumi.yaml: $NETSPEC_PROJECT, else the checkout this package runs from.

    Raises `Problem` if there is no Pulumi.yaml there.
    """
    explicit = os.environ.get("NETSPEC_PROJECT")
    found = Path(explicit).expanduser().resolve() if explicit else CHECKOUT
    if not (found / "Pulumi.yaml").is_file():
        raise Problem(
            f"there is no Pulumi.yaml in {found}",
            "run netspec from a checkout of the repository, or name the project's directory in NETSPEC_PROJECT",
        )
    return found


def private_dir(make: bool = True) -> Path:
    """The directory of this project's state, logs and passphrase: `.netspec`, mode 0700. `make` False: who only looks
    leaves nothing in a checkout, which may be another user's."""
    found = root() / ".netspec"
    if make:
        found.mkdir(mode=0o700, exist_ok=True)
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
