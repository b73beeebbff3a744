"""Cilium: its programs as data, its images, and its chart as the module carries it.

Agents compile their BPF programs when they start, with clang, from the sources beside them: both are in their image.
"""

import re
import shutil
import subprocess
from pathlib import Path

from airgap import host
from airgap.archive import Image, Layer, write_archive
from airgap.component import PACKAGE, Component, Context
from airgap.golang import GoBuild, go_build
from airgap.recipes import base
from netspec import catalogue

_CILIUM = "github.com/cilium/cilium"
_VERSION = f"v{catalogue.CILIUM.airgap}"
_STAMPS = ((f"{_CILIUM}/pkg/version.ciliumVersion", catalogue.CILIUM.airgap),)

CILIUM = GoBuild(
    module=_CILIUM,
    version=_VERSION,
    programs=(
        ("cilium-agent", "daemon"),
        ("cilium-dbg", "cilium-dbg"),
        ("cilium-cni", "plugins/cilium-cni"),
        ("cilium-health", "cilium-health"),
        ("cilium-mount", "tools/mount"),
        ("hubble-relay", "hubble-relay"),
    ),
    tags="osusergo",
    stamps=_STAMPS,
    inherit=True,
)
#: The operator knows the address managers that it is built with: kubernetes and cluster-pool are this one's.
CILIUM_OPERATOR = GoBuild(
    module=_CILIUM,
    version=_VERSION,
    programs=(("cilium-operator-generic", "operator"),),
    tags="osusergo,ipam_provider_operator",
    stamps=_STAMPS,
    inherit=True,
)

#: The compiler, and of its libraries those that the base system lacks. For BPF it needs no header and no assembler.
CLANG = "clang-19"
_DEBIAN = (*(CLANG, "libclang-cpp19", "libllvm19", "libz3-4", "libedit2", "libxml2", "libbsd0", "libicu72", "libffi8"),)
#: Of the base system: what the chart's scripts run, beside the network tools.
_TOOLS = ("usr/bin/bash", "usr/bin/nsenter")
#: Agents take these programs from their image: here they find what they compile.
_BPF = "var/lib/cilium/bpf"
_UNUSED = ("tests", "complexity-tests")


def _programs(context: Context) -> None:
    go_build(context, CILIUM, "cilium-agent")
    go_build(context, CILIUM_OPERATOR, "cilium-operator-generic")


def _recipe(context: Context) -> None:
    work = context.out / "layers"
    work.mkdir()
    module = context.go_module(f"{_CILIUM}@{_VERSION}")
    images = [_agent(context, work, module), _operator(context, work), _relay(context, work)]
    write_archive(context.out / "images.tar", images)
    shutil.rmtree(work)
    charts = context.out / "charts"
    shutil.copytree(module / "install" / "kubernetes" / "cilium", charts / f"cilium-{catalogue.CILIUM.airgap}")
    shutil.copyfile(PACKAGE / "src" / "cilium" / "values.yaml", charts / "cilium.values.yaml")


def _agent(context: Context, work: Path, module: Path) -> Image:
    binaries, source = context.needs["cilium"] / "bin", PACKAGE / "src" / "cilium"
    tools, agent = work / "tools.tar", work / "agent.tar"
    _write_tools(context, work / "rootfs", tools)
    with Layer(agent) as layer:
        layer.file(source / "cilium-agent", "usr/bin/cilium-agent")
        layer.file(binaries / "cilium-agent", "usr/lib/cilium/cilium-agent")
        for name in ("cilium-dbg", "cilium-health", "cilium-mount"):
            layer.file(binaries / name, f"usr/bin/{name}")
        layer.link("usr/bin/cilium", "cilium-dbg")
        layer.link("var/run", "../run")  # the chart mounts below the one, the agent's settings name the other
        layer.file(binaries / "cilium-cni", "opt/cni/bin/cilium-cni")
        layer.file(context.needs["cni-plugins"] / "bin" / "loopback", "cni/loopback")
        layer.file(module / "images" / "cilium" / "init-container.sh", "init-container.sh")
        for name in ("install-plugin.sh", "cni-uninstall.sh"):
            layer.file(module / "plugins" / "cilium-cni" / name, name)
        layer.directory(_BPF)
        for path in sorted((module / "bpf").iterdir()):
            if path.is_dir() and path.name not in _UNUSED:
                layer.tree(path, f"{_BPF}/{path.name}")
            elif path.is_file():
                layer.file(path, f"{_BPF}/{path.name}", 0o644)
    return Image(catalogue.IMAGES["cilium"], [context.needs["base"] / "net.tar", tools, agent], {"WorkingDir": "/"})


def _write_tools(context: Context, rootfs: Path, target: Path) -> None:
    """clang with its libraries, and a few programs, as a layer on top of the network tools."""
    host.require_root("Making Cilium's image")
    host.debian_mirror(base.SUITE)  # apt has that suite
    debs = rootfs.with_name("debs")
    rootfs.mkdir()
    debs.mkdir()
    try:
        context.run(["tar", "-C", rootfs, "-xf", context.needs["base"] / "rootfs.tar"])
        context.run(["apt-get", "download", "-q", *(f"{name}/{base.SUITE}" for name in _DEBIAN)], cwd=debs)
        for deb in sorted(debs.iterdir()):
            context.run(["dpkg", "-x", deb, rootfs])
        version = CLANG.partition("-")[2]
        clang = f"usr/lib/llvm-{version}/bin/clang"
        with Layer(target) as layer:
            for name in (clang, *_TOOLS):
                layer.file(rootfs / name, name)
            layer.link("usr/bin/clang", f"/{clang}")
            for library in _libraries(rootfs, (clang, *_TOOLS)):
                layer.file(_followed(rootfs, rootfs / library), library)
    finally:
        shutil.rmtree(rootfs, ignore_errors=True)


def _libraries(rootfs: Path, programs: tuple[str, ...]) -> list[str]:
    """What programs load, by the paths that they look at."""
    words = [f"/{name}" for name in programs]
    listed = subprocess.run(["chroot", rootfs, "ldd", *words], capture_output=True, text=True, check=True).stdout
    found = {str(Path(path).resolve(strict=False)) if ".." in path else path for path in _LOADED.findall(listed)}
    return sorted(path.lstrip("/") if path.startswith("/usr/") else f"usr{path}" for path in found)


def _followed(rootfs: Path, path: Path) -> Path:
    """What a link is to in there."""
    while path.is_symlink():
        to = path.readlink()
        path = rootfs / str(to)[1:] if to.is_absolute() else path.parent / to
    return path


_LOADED = re.compile(r"(/\S+) \(0x")


def _operator(context: Context, work: Path) -> Image:
    path = work / "operator.tar"
    with Layer(path) as layer:
        layer.file(context.needs["cilium"] / "bin" / "cilium-operator-generic", "usr/bin/cilium-operator-generic")
        layer.directory("tmp", 0o1777)
    return Image(catalogue.IMAGES["cilium-operator"], [path], {"Entrypoint": ["/usr/bin/cilium-operator-generic"]})


def _relay(context: Context, work: Path) -> Image:
    path = work / "relay.tar"
    with Layer(path) as layer:
        layer.file(context.needs["cilium"] / "bin" / "hubble-relay", "usr/bin/hubble-relay")
    return Image(catalogue.IMAGES["hubble-relay"], [path], {"Entrypoint": ["/usr/bin/hubble-relay"]})


PROGRAMS = Component(
    "cilium", catalogue.CILIUM.airgap, _programs, definition=(CILIUM, CILIUM_OPERATOR), disk=0.8, go_disk=4.0
)
IMAGES = Component(
    "cilium-images",
    catalogue.CILIUM.airgap,
    _recipe,
    needs=("cilium", "cni-plugins", "base"),
    sources=("recipes/cilium.py", "archive.py", "src/cilium"),
    definition=[catalogue.IMAGES[name] for name in ("cilium", "cilium-operator", "hubble-relay")],
    disk=1.5,
)
EXTRAS = {IMAGES.name: frozenset(catalogue.IMAGES[name] for name in ("cilium", "cilium-operator", "hubble-relay"))}
