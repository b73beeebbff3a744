"""The ways into a running cluster: kubectl, and pytest-testinfra's hosts for pods and containers, bounded in time."""

import fcntl
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from testinfra.backend.base import BaseBackend
from testinfra.backend.docker import DockerBackend
from testinfra.backend.kubectl import KubectlBackend
from testinfra.host import Host

from netspec.toolchain import programs

#: Seconds. A pod's script bounds itself; this is for a node or an API server that stops answering.
EXEC_LIMIT = 120
#: A kubeconfig's file name.
_PREFIX, _SUFFIX = "netspec-verify-", ".kubeconfig"


@contextmanager
def kubeconfig_file(text: str) -> Iterator[Path]:
    """A kubeconfig in a file of mode 0600 outside the project, removed afterwards."""
    _remove_left_ones()
    file = _locked_file()
    path = Path(file.name)
    try:
        file.write(text)
        file.flush()
        yield path
    finally:
        path.unlink(missing_ok=True)
        file.close()


def _locked_file() -> Any:
    """Locked for as long as it is open: by that it is known to be in use, also to who does not see this process (in
    another process namespace, with the same folder for temporary files)."""
    while True:
        file = tempfile.NamedTemporaryFile("w", prefix=_PREFIX, suffix=_SUFFIX, delete=False)  # noqa: SIM115
        fcntl.flock(file, fcntl.LOCK_EX)
        if Path(file.name).exists():  # else it was swept away before it was locked
            return file
        file.close()


def _remove_left_ones() -> None:
    """The kubeconfigs of runs that were killed."""
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*{_SUFFIX}"):
        with suppress(OSError), path.open() as file:  # in use, or another user's
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()


def _run_local(backend: BaseBackend, command: str, *args: str) -> Any:
    """testinfra's own `run_local` with an end: it waits forever for a kubectl whose node is gone."""
    quoted = backend.quote(command, *args).encode()
    process = subprocess.Popen(
        quoted,
        shell=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        stdout, stderr = process.communicate(timeout=EXEC_LIMIT)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        stdout, _ = process.communicate()
        said = f"no end after {EXEC_LIMIT} s".encode()
        return backend.result(programs.TIMED_OUT, quoted, stdout, said)
    return backend.result(process.returncode, quoted, stdout, stderr)


def _decode(data: bytes) -> str:
    """testinfra's own asks the pod's Python for an encoding as soon as a byte is not ASCII."""
    return data.decode("utf-8", "replace")


class _Kubectl(KubectlBackend):  # type: ignore[misc]
    decode = staticmethod(_decode)

    def run_local(self, command: str, *args: str) -> Any:
        return _run_local(self, command, *args)


class _Docker(DockerBackend):  # type: ignore[misc]
    decode = staticmethod(_decode)

    def run_local(self, command: str, *args: str) -> Any:
        return _run_local(self, command, *args)


class Access:
    """One cluster by its kubeconfig."""

    def __init__(self, kubeconfig: Path) -> None:
        self._kubeconfig = str(kubeconfig)

    def kubectl(self, *args: str, stdin: str = "", limit: float = programs.KUBECTL_LIMIT) -> programs.Done:
        return programs.kubectl(self._kubeconfig, *args, stdin=stdin, limit=limit)

    def pod(self, namespace: str, name: str, container: str) -> Host:
        return Host(_Kubectl(name, namespace=namespace, container=container, kubeconfig=self._kubeconfig))


def container(name: str) -> Host:
    """A container of the engine that netspec uses."""
    return Host(_Docker(name))
