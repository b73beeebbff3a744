"""Official downloads, verified against the checksum that the project publishes beside them.

A download lies in `<cache>/tools/<name>/<version>/bin/` as a whole or not at all.
"""

import contextlib
import errno
import fcntl
import hashlib
import http.client
import ipaddress
import os
import platform
import re
import shutil
import tarfile
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netspec.catalogue import TOOLS
from netspec.diagnostics import Problem
from netspec.toolchain import project

#: Seconds without an answer, or without a byte, until a download host counts as out of reach.
TIMEOUT = 20
#: How often a download that was cut is taken up again.
ATTEMPTS = 4

#: Base addresses; NETSPEC_<NAME>_URL names a mirror with the same layout.
_BASES = {
    "kind": "https://kind.sigs.k8s.io/dl",
    "kubectl": "https://dl.k8s.io/release",
    "pulumi": "https://get.pulumi.com/releases/sdk",
}


class Unreachable(Exception):
    """The download host cannot be reached: another source has to do."""

    def __init__(self, host: str, reason: str) -> None:
        super().__init__(f"{host}: {reason}")
        self.host = host
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Release:
    """One published file and the file with its SHA-256, in which `file` names it (or which holds nothing else)."""

    url: str
    checksum_url: str
    file: str


def target(name: str) -> Path:
    """The directory of a downloaded program, `bin/<name>` in it."""
    return project.cache_root() / "tools" / name / TOOLS[name].official


def release(name: str, system: str | None = None, machine: str | None = None) -> Release:
    """What is published for a platform (this one by default). Raises `Problem` for one that nothing is published for.

    >>> release("kind", "Linux", "x86_64").url
    'https://kind.sigs.k8s.io/dl/v0.32.0/kind-linux-amd64'
    """
    system, machine = system or platform.system(), machine or platform.machine()
    operating_system = {"Linux": "linux", "Darwin": "darwin"}.get(system)
    arch = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}.get(machine)
    if operating_system is None or arch is None:
        raise Problem(
            f"there is no official {name} for {system} on {machine} that netspec knows",
            f"install {name} {TOOLS[name].minimum} or newer on PATH",
        )
    version, base = TOOLS[name].official, _base(name)
    if name == "pulumi":
        file = f"pulumi-v{version}-{operating_system}-{arch.replace('amd64', 'x64')}.tar.gz"
        return Release(f"{base}/{file}", f"{base}/pulumi-{version}-checksums.txt", file)
    if name == "kind":
        file = f"kind-{operating_system}-{arch}"
        return Release(f"{base}/v{version}/{file}", f"{base}/v{version}/{file}.sha256sum", file)
    url = f"{base}/v{version}/bin/{operating_system}/{arch}/{name}"
    return Release(url, f"{url}.sha256", name)


def variable(name: str) -> str:
    """The environment variable that names a mirror: NETSPEC_KIND_URL."""
    return f"NETSPEC_{name.upper()}_URL"


def _base(name: str) -> str:
    base = os.environ.get(variable(name), _BASES[name]).rstrip("/")
    if not base.startswith(("http://", "https://")):
        raise Problem(f"{variable(name)} is {base!r}, which is not the address of a site", "begin it with https://")
    if not _is_trusted(base):
        raise Problem(
            f"{variable(name)} is {base!r}, and plain http is refused: whoever is on the way could change the program",
            "begin it with https://; http:// is for addresses of this machine only",
        )
    return base


def _is_trusted(url: str) -> bool:
    """Whether nobody on the way can change what is read: TLS, or an address of this machine."""
    parts = urllib.parse.urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme == "https" or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows a site to where it sends us, never to plain http."""

    def redirect_request(
        self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        if not _is_trusted(newurl):
            host = urllib.parse.urlsplit(req.full_url).hostname
            raise Problem(
                f"{host} redirects to {newurl}: plain http is refused", "install the program on PATH, or name a mirror"
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


_OPENER = urllib.request.build_opener(_Redirects)


def install(name: str, report: Callable[[str], None]) -> Path:
    """Download, verify and unpack a program; returns its path.

    Raises `Unreachable` or `Problem`, and leaves nothing behind then.
    """
    published, final = release(name), target(name)
    try:
        return _install(name, published, final, report)
    except OSError as error:
        raise Problem(
            f"{name} cannot be kept in {final.parent}: {error.strerror or error}",
            "free some space there, or name another directory in NETSPEC_CACHE",
        ) from error


def _install(name: str, published: Release, final: Path, report: Callable[[str], None]) -> Path:
    program = final / "bin" / name
    final.parent.mkdir(parents=True, exist_ok=True)
    with _locked(final.parent / ".lock"):
        if program.is_file():  # another process was quicker
            return program
        for leftover in final.parent.glob(".work-*"):  # of a killed one
            shutil.rmtree(leftover)
        with tempfile.TemporaryDirectory(dir=final.parent, prefix=".work-") as text:
            work = Path(text)
            expected = _published_checksum(published)
            report(f"downloading {name} {TOOLS[name].official} from {urllib.parse.urlsplit(published.url).hostname}")
            _fetch(published.url, work / published.file, name)
            _verify(work / published.file, expected, published)
            _unpack(work / published.file, work / "tree" / "bin", name)
            (work / "tree").rename(final)
    return program


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _published_checksum(published: Release) -> str:
    host = urllib.parse.urlsplit(published.checksum_url).hostname or ""
    with _open(published.checksum_url) as answer:
        try:
            text = answer.read(1 << 20).decode("utf-8", "replace")
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(host, str(error)) from error
        if answer.length:
            raise Unreachable(host, "the connection broke off")
    for line in text.splitlines():
        words = line.lower().split()
        named = len(words) == 1 or (len(words) > 1 and words[1].lstrip("*") == published.file.lower())
        if named and re.fullmatch(r"[0-9a-f]{64}", words[0]):
            return words[0]
    raise Problem(
        f"{published.checksum_url} has no checksum for {published.file}", "install the program on PATH instead"
    )


def _open(url: str, start: int = 0) -> http.client.HTTPResponse:
    """Raises `Unreachable` whatever the reason: a name that does not resolve, a refusal, an error status."""
    request = urllib.request.Request(
        url, headers={"User-Agent": "netspec"} | ({"Range": f"bytes={start}-"} if start else {})
    )
    try:
        answer: http.client.HTTPResponse = _OPENER.open(request, timeout=TIMEOUT)
    except urllib.error.URLError as error:
        reason = f"HTTP status {error.code}" if isinstance(error, urllib.error.HTTPError) else str(error.reason)
        raise Unreachable(urllib.parse.urlsplit(url).hostname or url, reason) from error
    except (OSError, http.client.HTTPException) as error:
        raise Unreachable(urllib.parse.urlsplit(url).hostname or url, str(error)) from error
    return answer


def _fetch(url: str, to: Path, name: str) -> None:
    """Download to a file, going on where the connection broke off."""
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(attempt)
        have = to.stat().st_size if to.exists() else 0
        try:
            with _open(url, have) as answer, to.open("ab" if answer.status == 206 else "wb") as out:
                shutil.copyfileobj(answer, out, 1 << 20)
                # The length that is still announced after the end is what is missing.
                if not answer.length:
                    return
        except (OSError, http.client.HTTPException) as error:
            if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
                raise
        except Unreachable:
            if attempt == 0:
                raise
    raise Problem(
        f"downloading {name} from {urllib.parse.urlsplit(url).hostname} was cut {ATTEMPTS} times",
        "run the same command again when the connection is better",
    )


def _verify(path: Path, expected: str, published: Release) -> None:
    with path.open("rb") as handle:
        found = hashlib.file_digest(handle, "sha256").hexdigest()
    if found != expected:
        raise Problem(
            f"{published.url} has the SHA-256 {found}, but {expected} is published: it was not kept",
            "try again; if it stays so, the download site or something before it is not to be trusted",
        )


def _unpack(archive: Path, bin_dir: Path, name: str) -> None:
    bin_dir.mkdir(parents=True)
    if not archive.name.endswith(".tar.gz"):
        archive.chmod(0o755)
        archive.rename(bin_dir / name)
        return
    # Pulumi's archive holds one directory with the CLI, the language hosts and their launchers; nothing else is taken.
    with tarfile.open(archive) as tar:
        for member in tar:
            folder, _, program = member.name.rpartition("/")
            content = tar.extractfile(member)
            if folder == "pulumi" and content:
                with (bin_dir / program).open("wb") as out:
                    shutil.copyfileobj(content, out)
                (bin_dir / program).chmod(0o755)
