"""The base systems: a Debian for the cluster's nodes, and the few network tools of it that kube-proxy and Calico run.

Output: `rootfs.tar` (the node's base), `net.tar` (network tools, their libraries and busybox),
`busybox` and `applets` (the names it answers to).
"""

import re
import shutil
import subprocess
from pathlib import Path

from airgap import host
from airgap.archive import Layer
from airgap.component import Component, Context
from airgap.errors import AirgapError

#: Its containerd (1.6) serves kubelet 1.34, and its systemd still supports cgroup v1.
SUITE = "bookworm"
PACKAGES = (
    *("systemd", "systemd-sysv", "dbus", "containerd", "runc", "iptables", "nftables", "ipset", "conntrack"),
    *("socat", "ethtool", "iproute2", "kmod", "mount", "procps", "util-linux", "jq", "curl", "ca-certificates"),
    *("hostname", "busybox-static", "netbase"),
)
#: What goes into net.tar: programs and modules of programs.
NET_PROGRAMS = (
    *("xtables-nft-multi", "xtables-legacy-multi", "nft", "ipset", "conntrack", "ip", "tc", "ss", "kmod", "ethtool"),
    *("iptables*", "ip6tables*", "modprobe", "lsmod"),
)
_LIBRARIES = "usr/lib/x86_64-linux-gnu"
#: Units a container cannot or must not run; links that would start them.
_UNWANTED = (
    "lib/systemd/system/multi-user.target.wants/*",
    "etc/systemd/system/*.wants/*",
    "lib/systemd/system/local-fs.target.wants/*",
    "lib/systemd/system/sockets.target.wants/*udev*",
    "lib/systemd/system/sockets.target.wants/*initctl*",
    "lib/systemd/system/basic.target.wants/*",
    "lib/systemd/system/sysinit.target.wants/systemd-tmpfiles-setup.service",
)
_USELESS = ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale")


def _recipe(context: Context) -> None:
    host.require_root("Making the node's base system")
    host.install(host.BUILD_PACKAGES, "The build")
    rootfs = context.out / "rootfs"
    try:
        _debootstrap(context, rootfs)
        for pattern in _UNWANTED:
            for path in rootfs.glob(pattern):
                path.unlink()
        for name in _USELESS:
            shutil.rmtree(rootfs / name, ignore_errors=True)
            (rootfs / name).mkdir(parents=True)
        busybox = context.out / "busybox"
        shutil.copy2(rootfs / "usr/bin/busybox", busybox)
        applets = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout
        (context.out / "applets").write_text(applets)
        with Layer(context.out / "net.tar") as layer:
            write_net(layer, rootfs, busybox, applets.split())
        tar = ["tar", "-C", str(rootfs), "--numeric-owner", "--sort=name", "--mtime=@0"]
        excludes = ["--exclude=./dev/*", "--exclude=./proc/*", "--exclude=./sys/*"]
        context.run([*tar, *excludes, "-cf", str(context.out / "rootfs.tar"), "."])
    finally:
        shutil.rmtree(rootfs, ignore_errors=True)


def _debootstrap(context: Context, rootfs: Path) -> None:
    mirror = host.debian_mirror(SUITE)
    include = f"--include={','.join(PACKAGES)}"
    # In a mount namespace of its own: what it mounts below rootfs is gone when it ends, even when it is killed.
    command = ["unshare", "--mount", "debootstrap", "--variant=minbase", include, SUITE, str(rootfs), mirror]
    try:
        context.run(command)
    except subprocess.CalledProcessError as error:
        log = rootfs / "debootstrap" / "debootstrap.log"
        if log.exists():
            context.log.write(log.read_text(errors="replace"))
        raise AirgapError(
            f"debootstrap could not make a Debian {SUITE}",
            f"its log is {context.log.name}; check that apt's mirror is reachable, then run the build again",
        ) from error


def write_net(layer: Layer, rootfs: Path, busybox: Path, applets: list[str]) -> None:
    """The network tools of `rootfs` with the libraries they load, on the usual merged directories."""
    for name in ("bin", "sbin", "lib", "lib64"):
        layer.link(name, f"usr/{name}")
    for name, mode in (("tmp", 0o1777), ("run", 0o755), ("var/lib", 0o755), ("var/log", 0o755), ("root", 0o700)):
        layer.directory(name, mode)
    found: dict[str, Path] = {}
    for pattern in NET_PROGRAMS:
        for folder in ("usr/sbin", "usr/bin", "etc/alternatives"):
            found |= {str(path.relative_to(rootfs)): path for path in (rootfs / folder).glob(pattern)}
    found |= {str(p.relative_to(rootfs)): p for p in (rootfs / _LIBRARIES / "xtables").glob("*.so")}
    for name in ("etc/protocols", "etc/services", "etc/passwd", "etc/group", "etc/iproute2"):
        found |= {str(p.relative_to(rootfs)): p for p in _files(rootfs / name)}
    programs = [f"/{name}" for name, path in found.items() if not path.is_symlink() and name.startswith("usr/")]
    listed = subprocess.run(["chroot", rootfs, "ldd", *programs], capture_output=True, text=True, check=False).stdout
    for library in sorted(set(re.findall(r"(/lib\S+) \(0x", listed))):
        # The loader's name may be a link; the layer gets the file under the name that is asked for.
        found[f"usr{library}"] = rootfs / f"usr{library}"
    for name, path in sorted(found.items()):
        if path.is_symlink() and ".so" not in name:
            layer.link(name, str(path.readlink()))
        else:
            real = path.resolve() if path.resolve().is_relative_to(rootfs) else rootfs / str(path.readlink())[1:]
            layer.file(real, name, real.stat().st_mode & 0o7777)
    layer.file(busybox, "usr/bin/busybox")
    taken = {name.rpartition("/")[2] for name in found}
    for applet in applets:
        if applet not in taken and applet != "busybox":
            layer.link(f"usr/bin/{applet}", "busybox")


def _files(path: Path) -> list[Path]:
    return [p for p in path.rglob("*") if p.is_file()] if path.is_dir() else [path]


COMPONENT = Component(
    "base",
    SUITE,
    _recipe,
    sources=("recipes/base.py",),
    disk=1.3,
)
