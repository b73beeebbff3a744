"""The import rules of docs/architecture.md, held by reading every module's imports."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LAYERS = ("netspec", "backends", "toolchain", "deploy", "verify", "airgap")

#: Package -> the packages of ours that it may import; the most specific entry counts.
MAY_IMPORT: dict[str, set[str]] = {
    "netspec": {"netspec"},
    "netspec.cli": set(LAYERS),
    "backends": {"netspec", "backends.objects"},
    "backends.registry": {"netspec", "backends"},
    "backends.common": {"netspec", "backends.objects", "backends.common"},
    "toolchain": {"netspec", "toolchain", "airgap"},
    "deploy": {"netspec", "toolchain", "deploy"},
    "verify": {"netspec", "toolchain", "verify"},
    "airgap": {"netspec.catalogue", "airgap"},
    "__main__": {"netspec", "backends", "deploy", "toolchain"},
}

#: Modules that import the others inside functions only: the command line loads no more than the chosen command uses
#: (a command's own module is loaded only when it is the chosen one), and users of toolchain do without airgap.
LAZY: dict[str, set[str]] = {
    "netspec.cli": {layer for layer in LAYERS if layer != "netspec"},
    "netspec.cli.check": set(LAYERS) - {"netspec"},
    "netspec.cli.compile": set(LAYERS) - {"netspec"},
    "toolchain": {"airgap"},
}

#: Heavy packages -> who may import them. The stand-in plugin speaks Pulumi's own protocol.
HEAVY: dict[str, set[str]] = {
    "pulumi": {"deploy", "__main__", "airgap.standin"},
    "pulumi_kubernetes": {"deploy", "__main__"},
    "kubernetes": {"verify", "airgap.standin"},
    "testinfra": {"verify"},
}


@dataclass(frozen=True)
class Import:
    importer: str
    imported: str
    lazy: bool
    place: str


def _module(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _is_under(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def imports_of(source: str, module: str, place: str = "") -> Iterator[Import]:
    tree = ast.parse(source)
    lazy: set[int] = set()
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            lazy.update(id(inner) for inner in ast.walk(function))
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{place}: imports are absolute here"
            # `from backends import registry` imports a module; `from x.y import z` at least x.y.
            names = [
                f"{node.module}.{a.name}" if "." not in (node.module or "") else str(node.module) for a in node.names
            ]
        for name in names:
            yield Import(module, name, id(node) in lazy, f"{place}:{node.lineno}")


def _all_imports() -> list[Import]:
    files = [path for layer in LAYERS for path in sorted((ROOT / layer).rglob("*.py"))]
    program = ROOT / "__main__.py"
    files += [program] if program.exists() else []
    return [
        found
        for path in files
        for found in imports_of(path.read_text(encoding="utf-8"), _module(path), str(path.relative_to(ROOT)))
    ]


def _may(item: Import) -> bool:
    """Whether one import of ours keeps the layers."""
    if _is_under(item.imported, "netspec.cli"):
        return _is_under(item.importer, "netspec.cli") or item.importer in ("netspec.__main__", "__main__")
    importer = max((package for package in MAY_IMPORT if _is_under(item.importer, package)), key=len)
    own = importer not in ("netspec", "backends") and _is_under(item.imported, item.importer)
    return own or any(_is_under(item.imported, allowed) for allowed in MAY_IMPORT[importer])


def _must_be_lazy(item: Import) -> bool:
    importer = "toolchain" if _is_under(item.importer, "toolchain") else item.importer
    return any(_is_under(item.imported, other) for other in LAZY.get(importer, ()))


def violations(found: list[Import]) -> list[str]:
    """Each import that breaks a rule, with its place."""
    out = []
    for item in found:
        says = f"{item.place}: {item.importer} imports {item.imported}"
        root = item.imported.partition(".")[0]
        if root in LAYERS and not _may(item):
            out.append(says)
        if _must_be_lazy(item) and not item.lazy:
            out.append(f"{says} when it is loaded")
        if root in HEAVY and not any(_is_under(item.importer, allowed) for allowed in HEAVY[root]):
            out.append(says)
    return out


def test_every_import_keeps_the_layers() -> None:
    found = _all_imports()
    assert len(found) > 100
    assert violations(found) == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("netspec.passes.x", "import backends.registry"),
        ("netspec.passes.x", "def f():\n    from deploy import program"),
        ("netspec.compiler", "from netspec.cli.check import summary"),
        ("backends.cni.calico", "from backends.clusters.kind import Kind"),
        ("backends.cni.calico", "from backends.common import coredns"),
        ("backends.common.services", "from backends.cni.calico import Calico"),
        ("deploy.program", "from verify import state"),
        ("verify.state", "from backends.registry import REGISTRY"),
        ("verify.state", "import pulumi"),
        ("toolchain.find", "from airgap.build import build"),
        ("airgap.build", "from netspec.plan import Plan"),
        ("netspec.cli", "import deploy.program"),
        ("netspec.cli.check", "from backends.registry import REGISTRY"),
        ("netspec.cli.up", "def f():\n    import pulumi.automation"),
    ],
)
def test_a_forbidden_import_is_found(module: str, source: str) -> None:
    assert violations(list(imports_of(source, module)))


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("backends.common", "from backends.common.coredns import coredns"),
        ("backends.registry", "from backends.cni.calico import Calico"),
        ("netspec.cli.compile", "def run():\n    from backends.registry import REGISTRY"),
        ("netspec.cli.up", "import deploy.program"),
        ("toolchain.find", "def f():\n    from airgap.build import build"),
        ("airgap.build", "from netspec.catalogue import IMAGES"),
        ("deploy.cluster", "import pulumi.dynamic"),
    ],
)
def test_an_allowed_import_is_not_reported(module: str, source: str) -> None:
    assert violations(list(imports_of(source, module))) == []


@pytest.mark.parametrize(
    "command", [["check", "SPEC"], ["compile", "SPEC", "--stack", "dev", "--out", "OUT"], ["schema"]]
)
def test_offline_commands_load_nothing_they_do_not_use(command: list[str], tmp_path: Path) -> None:
    spec = ROOT / "tests" / "golden" / "minimal" / "spec.yaml"
    words = [{"SPEC": str(spec), "OUT": str(tmp_path / "out")}.get(word, word) for word in command]
    program = (
        "import sys; from netspec.cli import main; code = main(sys.argv[1:]);"
        "heavy = {'pulumi', 'kubernetes', 'testinfra', 'grpc', 'jinja2', 'rich'} & set(sys.modules);"
        "heavy |= {'deploy', 'verify', 'toolchain', 'airgap'} & set(sys.modules);"
        "sys.exit(f'loaded {heavy}' if heavy else code)"
    )
    done = subprocess.run([sys.executable, "-c", program, *words], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
