"""The import rules of docs/architecture.md, held by reading every module's imports."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
#: The top-level folders of ours. `backends` is imported as netspec.backends only (netspec/backends is a link to it).
TOPS = ("netspec", "airgap")
#: What is above the core; everything else in netspec is the core.
ABOVE = (
    "netspec.backends",
    "netspec.deploy",
    "netspec.verify",
    "netspec.toolchain",
    "netspec.report",
    "netspec.cli",
    "netspec.program",
    "airgap",
)

#: Package -> what of ABOVE it may import besides the core; the most specific entry counts.
MAY_IMPORT: dict[str, set[str]] = {
    "netspec": set(),
    "netspec.cli": set(ABOVE),
    "netspec.backends": {"netspec.backends.objects", "netspec.backends.corefile"},
    "netspec.backends.registry": {"netspec.backends"},
    "netspec.backends.clusters": {
        "netspec.backends.objects",
        "netspec.backends.corefile",
        "netspec.backends.instances",  # EC2's, which nodes of EKS are and those of kind may pretend to be
        "netspec.backends.clusters.managed",  # rules that clusters of clouds have alike
    },
    "netspec.backends.cni": {"netspec.backends.objects", "netspec.backends.cni.dialects", "netspec.backends.cni.vpc"},
    # What those that are told by Ingress objects, or have pods in front, have in common.
    "netspec.backends.edge": {
        "netspec.backends.objects",
        "netspec.backends.edge.ingresses",
        "netspec.backends.edge.gatewayapi",
        "netspec.backends.edge.patterns",
        "netspec.backends.edge.precedence",
    },
    "netspec.toolchain": {"netspec.toolchain", "airgap"},
    "netspec.deploy": {"netspec.toolchain", "netspec.deploy"},
    "netspec.verify": {"netspec.toolchain", "netspec.report", "netspec.verify"},
    "netspec.report": {"netspec.report"},
    # A composition root: pytest loads it, so it is what compiles the stack.
    "netspec.verify.items": {"netspec.backends", "netspec.toolchain", "netspec.verify"},
    "airgap": {"airgap"},
    "netspec.program": {"netspec.backends", "netspec.deploy", "netspec.toolchain"},
    "__main__": {"netspec.program"},
}
#: What of the core airgap may import: it is given a catalogue and builds what that names.
AIRGAP_CORE = "netspec.catalogue"

#: Modules that import the others inside functions only: the command line loads no more than the chosen command uses
#: (a command's own module is loaded only when it is the chosen one), and users of toolchain do without airgap.
LAZY: dict[str, set[str]] = {
    "netspec.cli": set(ABOVE) - {"netspec.cli"},
    "netspec.cli.check": set(ABOVE) - {"netspec.cli"},
    "netspec.cli.compile": set(ABOVE) - {"netspec.cli"},
    "netspec.toolchain": {"airgap"},
}

#: Heavy packages -> who may import them. The stand-in plugin speaks Pulumi's own protocol.
HEAVY: dict[str, set[str]] = {
    "pulumi": {"netspec.deploy", "netspec.program", "airgap.standin"},
    "pulumi_kubernetes": {"netspec.deploy"},
    "kubernetes": {"netspec.verify", "airgap.standin"},
    "testinfra": {"netspec.verify"},
    "jinja2": {"netspec.report"},
    "markupsafe": {"netspec.report"},
    "graphlay": {"netspec.report"},
}


@dataclass(frozen=True)
class Import:
    importer: str
    imported: str
    lazy: bool
    place: str


def _module(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    parts = ("netspec", *parts) if parts[0] == "backends" else parts
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
            # `from netspec import toolchain` imports a module; `from x.y import z` at least x.y.
            names = [
                f"{node.module}.{a.name}" if "." not in (node.module or "") else str(node.module) for a in node.names
            ]
        for name in names:
            yield Import(module, name, id(node) in lazy, f"{place}:{node.lineno}")


def _all_imports() -> list[Import]:
    files = [path for folder in ("netspec", "backends", "airgap") for path in sorted((ROOT / folder).rglob("*.py"))]
    files = [path for path in files if "netspec/backends/" not in path.as_posix()]
    return [
        found
        for path in [*files, ROOT / "__main__.py"]
        for found in imports_of(path.read_text(encoding="utf-8"), _module(path), str(path.relative_to(ROOT)))
    ]


def _may(item: Import) -> bool:
    """Whether one import of ours keeps the layers."""
    importer = max((package for package in MAY_IMPORT if _is_under(item.importer, package)), key=len)
    above = next((layer for layer in ABOVE if _is_under(item.imported, layer)), None)
    if above is None:
        return importer != "airgap" or _is_under(item.imported, AIRGAP_CORE)
    if above == "netspec.cli":
        return importer in ("netspec.cli", "__main__") or item.importer == "netspec.__main__"
    own = importer != "netspec" and _is_under(item.imported, _folder(item.importer))
    return own or any(_is_under(item.imported, allowed) for allowed in MAY_IMPORT[importer])


def _folder(module: str) -> str:
    """What a module belongs to: a backend's own folder, or the module itself."""
    parts = module.split(".")
    if parts[:2] != ["netspec", "backends"]:
        return module
    return ".".join(parts[: 3 if parts[2:3] == ["common"] else 4])


def _must_be_lazy(item: Import) -> bool:
    toolchain = "netspec.toolchain"
    importer = toolchain if _is_under(item.importer, toolchain) else item.importer
    return any(_is_under(item.imported, other) for other in LAZY.get(importer, ()))


def violations(found: list[Import]) -> list[str]:
    """Each import that breaks a rule, with its place."""
    out = []
    for item in found:
        says = f"{item.place}: {item.importer} imports {item.imported}"
        root = item.imported.partition(".")[0]
        if root == "backends" or (root in TOPS and not _may(item)):
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
        ("netspec.passes.x", "import netspec.backends.registry"),
        ("netspec.passes.x", "def f():\n    from netspec.deploy import program"),
        ("netspec.compiler", "from netspec.cli.check import summary"),
        ("netspec.backends.cni.calico", "from netspec.backends.clusters.kind import Kind"),
        ("netspec.backends.cni.calico", "from netspec.backends.common import services"),
        ("netspec.backends.common.services", "from netspec.backends.cni.calico import Calico"),
        ("netspec.backends.cni.other", "from netspec.backends.cni.calico import Calico"),
        ("netspec.backends.cni.other.objects", "from netspec.backends.cni.calico.settings import CalicoSettings"),
        ("netspec.deploy.program", "from netspec.verify import state"),
        ("netspec.verify.state", "from netspec.backends.registry import REGISTRY"),
        ("netspec.verify.state", "import pulumi"),
        ("netspec.toolchain.find", "from airgap.build import build"),
        ("airgap.build", "from netspec.plan import Plan"),
        ("netspec.cli", "import netspec.deploy.program"),
        ("netspec.verify.state", "from netspec.deploy import kind"),
        ("netspec.cli.up", "def f():\n    from backends.registry import REGISTRY"),
        ("netspec.cli.check", "from netspec.backends.registry import REGISTRY"),
        ("netspec.cli.up", "def f():\n    import pulumi.automation"),
        ("netspec.verify.report.page", "from jinja2 import Environment"),
        ("netspec.report.page", "from netspec.verify.model import Run"),
    ],
)
def test_a_forbidden_import_is_found(module: str, source: str) -> None:
    assert violations(list(imports_of(source, module)))


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("netspec.backends.common", "from netspec.backends.common.services import services"),
        ("netspec.backends.cni.calico", "from netspec.backends.cni.calico.operator import operator"),
        ("netspec.backends.cni.calico.operator", "from netspec.backends.cni.calico.settings import CalicoSettings"),
        ("netspec.backends.cni.calico", "from netspec.backends.cni.dialects import DIALECTS"),
        ("netspec.backends.registry", "from netspec.backends.cni.calico import Calico"),
        ("netspec.cli.compile", "def run():\n    from netspec.backends.registry import REGISTRY"),
        ("netspec.cli.up", "import netspec.deploy.program"),
        ("netspec.toolchain.find", "def f():\n    from airgap.build import build"),
        ("airgap.build", "from netspec.catalogue import IMAGES"),
        ("netspec.deploy.cluster", "import pulumi.dynamic"),
        ("netspec.verify.report.page", "from netspec.report.templates import render"),
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
        "heavy = {'pulumi', 'kubernetes', 'testinfra', 'grpc', 'jinja2', 'graphlay', 'rich'} & set(sys.modules);"
        "heavy |= {'netspec.deploy', 'netspec.verify', 'netspec.toolchain', 'airgap'} & set(sys.modules);"
        "sys.exit(f'loaded {heavy}' if heavy else code)"
    )
    done = subprocess.run([sys.executable, "-c", program, *words], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
