"""What a component is: a version, what it needs, a recipe, and the key that its cached output goes by."""

import ast
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, is_dataclass
from pathlib import Path
from typing import IO, Any, cast

from airgap.errors import AirgapError

PACKAGE = Path(__file__).resolve().parent
GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Context:
    """What a recipe gets: the directory to fill, the outputs of what it needs, and a log."""

    out: Path
    needs: Mapping[str, Path]
    log: IO[str]

    def run(self, argv: Sequence[str | Path], *, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> None:
        """Run a program with its output in the log. Raises `subprocess.CalledProcessError`."""
        words = [str(word) for word in argv]
        if shutil.which("setpriv"):  # a killed build takes its compiler with it
            words = ["setpriv", "--pdeathsig", "KILL", *words]
        self.log.write(f"$ {' '.join(words)}\n")
        self.log.flush()
        subprocess.run(
            words,
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=subprocess.STDOUT,
            check=True,
        )

    def go_module(self, module: str) -> Path:
        """The directory of a module (path@version) in Go's module cache, downloaded if it is not there."""
        done = subprocess.run(
            ["go", "mod", "download", "-json", module],
            env={**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=mod"},
            cwd=self.out,
            capture_output=True,
            text=True,
            check=True,
        )
        return Path(json.loads(done.stdout)["Dir"])


Recipe = Callable[[Context], None]


@dataclass(frozen=True, slots=True)
class Component:
    """One thing to build.

    `sources` are paths below this package whose content belongs to the key; `definition` is any data
    that does. `go_disk` and `disk` are GiB: what a cold build leaves in Go's caches, and what the
    output takes (with what is needed to make it).
    """

    name: str
    version: str
    recipe: Recipe = field(compare=False)
    needs: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    definition: object = None
    disk: float = 0.1
    go_disk: float = 0.0


def _plain(value: object) -> Any:
    return asdict(cast("Any", value)) if is_dataclass(value) else str(value)


def digest_sources(sources: Iterable[str], base: Path = PACKAGE) -> dict[str, str]:
    """sha256 of every file named, and of every file below every directory named."""
    found: dict[str, str] = {}
    for name in sources:
        path = base / name
        files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        for file in files:
            if "__pycache__" not in file.parts:
                found[str(file.relative_to(base))] = hashlib.sha256(_content(file)).hexdigest()
    return found


def _content(file: Path) -> bytes:
    """What counts of a file: of Python only the program, so that a reworded comment builds nothing."""
    if file.suffix == ".py":
        return ast.dump(ast.parse(file.read_bytes())).encode()
    return file.read_bytes()


def compute_keys(components: Mapping[str, Component], base: Path = PACKAGE) -> dict[str, str]:
    """The cache key of every component: changes with its definition, its sources and the keys of its needs.

    `components` must be in an order where needs come first.
    """
    keys: dict[str, str] = {}
    for name, component in components.items():
        content = {
            "name": name,
            "version": component.version,
            "definition": component.definition,
            "sources": digest_sources(component.sources, base),
            "needs": {need: keys[need] for need in component.needs},
        }
        text = json.dumps(content, sort_keys=True, default=_plain)
        keys[name] = hashlib.sha256(text.encode()).hexdigest()[:16]
    return keys


def closure(components: Mapping[str, Component], names: Iterable[str]) -> list[str]:
    """`names` and everything they need, in build order. Raises `AirgapError` for an unknown name."""
    wanted: set[str] = set()
    pending = list(names)
    while pending:
        name = pending.pop()
        if name not in components:
            raise AirgapError(f"there is no component named {name!r}", f"the components are {', '.join(components)}")
        if name not in wanted:
            wanted.add(name)
            pending += components[name].needs
    return [name for name in components if name in wanted]


def check_disk(needed: Mapping[Path, float]) -> None:
    """Raise `AirgapError` if a filesystem has less free space than `needed` says (path: GiB)."""
    by_device: dict[int, tuple[Path, float]] = {}
    for path, size in needed.items():
        existing = path
        while not existing.exists():
            existing = existing.parent
        device = existing.stat().st_dev
        by_device[device] = (existing, by_device.get(device, (existing, 0.0))[1] + size)
    for existing, size in by_device.values():
        free = shutil.disk_usage(existing).free / GIB
        if free < size:
            raise AirgapError(
                f"the build needs {size:.1f} GiB free on the filesystem of {existing}, which has {free:.1f} GiB",
                "free some space there, or point NETSPEC_CACHE, GOCACHE and GOMODCACHE at a larger disk",
            )
