"""HAProxy Ingress: the controller from its module, with Debian's HAProxy (2.6; the users' image has 2.8)."""

import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterable
from pathlib import Path

from airgap import host
from airgap.archive import Image, Layer, write_archive
from airgap.component import Component, Context
from airgap.errors import AirgapError
from airgap.golang import GoBuild, go_component
from airgap.recipes import base
from netspec import catalogue

_MODULE = "github.com/jcmoraisjr/haproxy-ingress"
_VERSION = f"v{catalogue.HAPROXY_INGRESS.airgap}"
HAPROXY_INGRESS = GoBuild(
    module=_MODULE,
    version=_VERSION,
    programs=(("haproxy-ingress-controller", "pkg"),),
    stamps=((f"{_MODULE}/pkg/version.RELEASE", _VERSION),),
    inherit=True,
)
#: What the node's base system lacks.
_PACKAGES = (
    *("haproxy", "liblua5.3-0", "lua-json", "lua-lpeg", "dumb-init"),
    *("libopentracing-c-wrapper0", "libopentracing1"),
)
#: Where Debian has a program -> where the users' image has it.
_PROGRAMS = {
    "usr/sbin/haproxy": "usr/local/sbin/haproxy",
    "usr/bin/dumb-init": "usr/bin/dumb-init",
    "usr/bin/socat": "usr/bin/socat",
}
#: What the controller's Lua scripts need.
_LUA = ("usr/share/lua/5.3", "usr/lib/x86_64-linux-gnu/lua/5.3")
#: The user haproxy of the users' image, and what it writes to.
_USER = 99
_WRITTEN = ("etc/haproxy", "var/lib/haproxy", "var/run/haproxy")
#: cap_net_bind_service=+ep, as the users' image gives it to HAProxy (linux/capability.h: revision 2, effective).
_BINDS = (b"\x01\x00\x00\x02" + (1 << 10).to_bytes(4, "little") + bytes(12)).decode()


class _Layer(Layer):
    """One of whose files has a right."""

    def binding(self, source: Path, target: str) -> None:
        """A program that may listen on a port below 1024, whoever runs it."""
        info = tarfile.TarInfo(target)
        info.size, info.mode = source.stat().st_size, 0o755
        info.pax_headers = {"SCHILY.xattr.security.capability": _BINDS}
        with source.open("rb") as content:
            self._tar.addfile(info, content)


def _recipe(context: Context) -> None:
    host.require_root("Making the image of HAProxy Ingress")
    host.debian_mirror(base.SUITE)  # apt has that suite
    rootfs, path = context.out / "rootfs", context.out / "haproxy.tar"
    rootfs.mkdir()
    try:
        context.run(["tar", "-C", rootfs, "-xf", context.needs["base"] / "rootfs.tar"])
        _unpack(context, rootfs)
        files = context.go_module(f"{_MODULE}@{_VERSION}") / "rootfs"
        with _Layer(path) as layer:
            _system(layer, rootfs)
            for script in sorted(files.glob("*.sh")):
                layer.file(script, script.name)
            for source in sorted(p for p in (files / "etc").rglob("*") if p.is_file()):
                layer.file(source, str(source.relative_to(files)), 0o644)
            program = "haproxy-ingress-controller"
            layer.file(context.needs["haproxy-ingress"] / "bin" / program, program)
            for name in _WRITTEN:
                layer.directory(name, 0o755, _USER)
            layer.directory("var/empty", 0)
    finally:
        shutil.rmtree(rootfs, ignore_errors=True)
    config = {"Entrypoint": ["/usr/bin/dumb-init", "--", "/start.sh"], "User": str(_USER)}
    reference = catalogue.IMAGES["haproxy-ingress"]
    # Below it the shell and the few tools that the scripts of the module call.
    write_archive(
        context.out / "images.tar", [Image(reference, [context.needs["base"] / "net.tar", path], dict(config))]
    )
    path.unlink()


def _unpack(context: Context, rootfs: Path) -> None:
    """The packages that the base system lacks, beside it."""
    folder = context.out / "packages"
    folder.mkdir()
    context.run(["apt-get", "download", "-q", *(f"{name}/{base.SUITE}" for name in _PACKAGES)], cwd=folder)
    for deb in sorted(folder.glob("*.deb")):
        # Through the links of a merged /usr, which `dpkg -x` would replace.
        data = subprocess.run(["dpkg-deb", "--fsys-tarfile", str(deb)], capture_output=True, check=True).stdout
        command = ["tar", "-C", str(rootfs), "--keep-directory-symlink", "-xf", "-"]
        subprocess.run(command, input=data, check=True)
    shutil.rmtree(folder)


def _system(layer: _Layer, rootfs: Path) -> None:
    """Debian's programs with the libraries that they load, and Lua's modules."""
    modules = [p for name in _LUA for p in sorted((rootfs / name).rglob("*")) if p.is_file()]
    shared = [str(p.relative_to(rootfs)) for p in modules if p.suffix == ".so"]
    for source, target in _PROGRAMS.items():
        if source.endswith("/haproxy"):
            layer.binding(rootfs / source, target)
        else:
            layer.file(rootfs / source, target)
    for module in modules:
        layer.file(module, str(module.relative_to(rootfs)), 0o644)
    for library in _libraries(rootfs, [*_PROGRAMS, *shared]):
        layer.file((rootfs / f"usr{library}").resolve(), f"usr{library}")


def _libraries(rootfs: Path, programs: Iterable[str]) -> list[str]:
    """Of programs below `rootfs`; Debian has them all below /usr."""
    command = ["chroot", str(rootfs), "ldd", *(f"/{name}" for name in programs)]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if missing := re.findall(r"(\S+) => not found", text):
        raise AirgapError(
            f"HAProxy needs libraries that are in none of the packages: {', '.join(sorted(set(missing)))}",
            "add the packages that hold them in airgap/recipes/haproxy.py",
        )
    return sorted(set(re.findall(r"(/lib\S+) \(0x", text)))


EXTRAS = {"haproxy-ingress-images": frozenset({catalogue.IMAGES["haproxy-ingress"]})}

COMPONENTS: tuple[Component, ...] = (
    go_component("haproxy-ingress", catalogue.HAPROXY_INGRESS.airgap, HAPROXY_INGRESS, go_disk=1.0),
    Component(
        "haproxy-ingress-images",
        catalogue.HAPROXY_INGRESS.airgap,
        _recipe,
        needs=("haproxy-ingress", "base"),
        sources=("recipes/haproxy.py", "archive.py"),
        definition=sorted(EXTRAS["haproxy-ingress-images"]),
        disk=1.0,
    ),
)
