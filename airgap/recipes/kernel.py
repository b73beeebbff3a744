"""A second kernel, as an ordinary process: Debian's user-mode Linux, and the root of a system that it boots.

What the kernel of this machine lacks is proven with it (`tests/kernel`). Output: `linux.uml`, `xstate.so` to preload
into it, `uml_switch`, and `root.tar`: the node's base system, the kernel's modules, and what the proofs run.
"""

import shutil
import subprocess
from pathlib import Path

from airgap import host
from airgap.component import PACKAGE, Component, Context
from airgap.errors import AirgapError
from airgap.recipes.base import SUITE

PACKAGES = ("user-mode-linux", "uml-utilities", "openvswitch-switch", "lksctp-tools", "iputils-ping")
_MODULES = "usr/lib/uml/modules"


def _recipe(context: Context) -> None:
    host.require_root("Making the second kernel's system")
    host.install({"gcc": "gcc"}, "The second kernel")
    root, source = context.out / "root", PACKAGE / "src" / "kernel"
    root.mkdir()
    try:
        context.run(["tar", "-xf", context.needs["base"] / "rootfs.tar", "-C", root])
        _install(context, root)
        for version in (root / _MODULES).iterdir():
            (root / "lib/modules").mkdir(exist_ok=True)
            shutil.move(version, root / "lib/modules" / version.name)
        context.run(["gcc", "-O2", "-shared", "-fPIC", "-o", context.out / "xstate.so", source / "xstate.c", "-ldl"])
        for name in ("linux.uml", "uml_switch"):
            shutil.move(root / "usr/bin" / name, context.out / name)
        shutil.copy2(source / "proof.service", root / "etc/systemd/system/proof.service")
        shutil.copy2(source / "proof", root / "usr/local/sbin/proof")
        (root / "usr/local/sbin/proof").chmod(0o755)
        wants = root / "etc/systemd/system/multi-user.target.wants"
        wants.mkdir(parents=True, exist_ok=True)
        (wants / "proof.service").symlink_to("/etc/systemd/system/proof.service")
        context.run(["tar", "-C", root, "--numeric-owner", "--sort=name", "-cf", context.out / "root.tar", "."])
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _install(context: Context, root: Path) -> None:
    """What the packages hold, of those too that they need and the base system lacks: fetched by this host's apt, which
    checks their signatures, and unpacked. Their scripts are not run."""
    archives = context.out / "archives"
    (archives / "partial").mkdir(parents=True)
    options = [f"Dir::State::status={root / 'var/lib/dpkg/status'}", f"Dir::Cache::archives={archives}"]
    fetch = ["install", "--download-only", "--no-install-recommends", "-y", *PACKAGES]
    try:
        context.run(["apt-get", "-q", "update"])
        context.run(["apt-get", "-q", *(word for option in options for word in ("-o", option)), *fetch])
    except subprocess.CalledProcessError as error:
        message = f"apt could not fetch {' '.join(PACKAGES)}"
        raise AirgapError(message, f"see the end of {context.log.name}") from error
    unpacked = context.out / "unpacked"
    for archive in sorted(archives.glob("*.deb")):
        context.run(["dpkg-deb", "-x", archive, unpacked])
    # dpkg-deb would replace the base system's links to its merged directories by directories.
    context.run(["sh", "-c", 'tar -C "$1" -c . | tar -C "$2" -x --keep-directory-symlink', "sh", unpacked, root])
    (root / "usr/sbin/ovs-vswitchd").symlink_to("/usr/lib/openvswitch-switch/ovs-vswitchd")
    for folder in (archives, unpacked):
        shutil.rmtree(folder)


COMPONENT = Component(
    "second-kernel",
    SUITE,
    _recipe,
    needs=("base",),
    sources=("recipes/kernel.py", *(f"src/kernel/{name}" for name in ("proof", "proof.service", "xstate.c"))),
    definition=PACKAGES,
    disk=1.5,
)
