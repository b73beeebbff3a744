"""What this package needs of the host: root, Debian, and a few Debian packages."""

import functools
import os
import re
import shutil
import subprocess
from collections.abc import Mapping

from airgap.errors import AirgapError

#: Program that shows a package is there -> package.
BUILD_PACKAGES = {"debootstrap": "debootstrap", "containerd": "containerd", "ctr": "containerd"}
ENGINE_PACKAGES = {
    "dockerd": "docker.io",
    "docker": "docker.io",
    "containerd": "containerd",
    "runc": "runc",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "iptables-nft": "iptables",
    "ipset": "ipset",
    "conntrack": "conntrack",
}
#: Root's login shell may not have the system directories on its PATH.
_SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


def which(program: str) -> str | None:
    """Where a program of the system is: its own directories first, then PATH."""
    return shutil.which(program, path=_SYSTEM_PATH) or shutil.which(program)


def require_root(what: str) -> None:
    """Raise `AirgapError` unless this process is root."""
    if os.geteuid() != 0:
        raise AirgapError(f"{what} needs root", "run the same command as root, or use a Docker engine that answers")


def missing_packages(programs: Mapping[str, str]) -> list[str]:
    """The packages of `programs` that are not installed."""
    return sorted({package for program, package in programs.items() if which(program) is None})


def install(programs: Mapping[str, str], what: str) -> None:
    """Install the packages of `programs` that are missing, without starting their services. Raises `AirgapError`."""
    packages = missing_packages(programs)
    if not packages:
        return
    names = " ".join(packages)
    hint = f"install them by hand: apt-get install {names}"
    if which("apt-get") is None:
        raise AirgapError(f"{what} needs the Debian packages {names}, and there is no apt-get here", hint)
    require_root(f"Installing the Debian packages {names}")
    # RUNLEVEL=1 is how a package's scripts are told not to start its daemon.
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for command in (
        ["apt-get", "update", "-q"],
        ["apt-get", "install", "-y", "-q", "--no-install-recommends", *packages],
    ):
        done = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        # An unreachable third-party list must not stop us, so only the installation itself is judged.
        if done.returncode and command[1] == "install":
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise AirgapError(f"apt-get could not install {names}: {last}", hint)


@functools.cache
def debian_mirror(suite: str) -> str:
    """The address this host's apt gets a Debian suite from. Raises `AirgapError`."""
    done = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(RELEASE) $(COMPONENT) $(SITE)", "Created-By: Packages"],
        capture_output=True,
        text=True,
        check=False,
    )
    for line in done.stdout.splitlines():
        release, component, site = line.split(" ", 2)
        if (release, component) == (suite, "main"):
            return site
    raise AirgapError(
        f"the node's base system is Debian {suite}, and apt on this host has no source for it",
        f"add a source with the suite {suite} and component main to /etc/apt/sources.list.d, then run the build again",
    )


def lacks_sys_resource() -> bool:
    """Whether this process has no CAP_SYS_RESOURCE, so that nothing it starts can have it."""
    with open("/proc/self/status", encoding="ascii") as status:  # noqa: PTH123
        found = re.search(r"^CapBnd:\s*([0-9a-f]+)$", status.read(), re.MULTILINE)
    return found is not None and not int(found[1], 16) >> 24 & 1
