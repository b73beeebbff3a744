"""A user-mode Linux: its disk, its start, what it says, its end."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from airgap.errors import AirgapError

#: GiB of a disk; the file is sparse.
_DISK = 12


def make_disk(tars: Sequence[Path], disk: Path) -> None:
    """A disk with an ext4 of these archives, each over those before it. As root, for what they hold has owners."""
    root = disk.with_suffix(".root")
    root.mkdir()
    try:
        for tar in tars:
            # A link to a directory stays one where a later archive has the directory.
            subprocess.run(["tar", "-xf", tar, "-C", root, "--keep-directory-symlink"], check=True, capture_output=True)
        with disk.open("wb") as file:
            file.truncate(_DISK << 30)
        options = ["-q", "-F", "-E", "lazy_itable_init=1,lazy_journal_init=1", "-d", str(root)]
        subprocess.run(["mkfs.ext4", *options, str(disk)], check=True, capture_output=True)
    finally:
        subprocess.run(["rm", "-rf", root], check=True)


class Guest:
    """One kernel and what runs on it.

    `kernel` is the component's folder, `init` the first program. It runs `script`, a file of the folder `share`, which
    it sees as /share; there it leaves `log<role>` and `exit<role>`. `links` are network devices in the kernel's own
    words (`eth0=...`); `netns` is the file of the network namespace in which it runs.
    """

    def __init__(
        self, kernel: Path, disk: Path, share: Path, script: str, role: str = "", *, mebibytes: int, init: str
    ) -> None:
        self._preload = kernel / "xstate.so"
        self._console = share / f"console{role}"
        self._exit = share / f"exit{role}"
        self._log = share / f"log{role}"
        self._scratch = disk.with_suffix(".uml")
        self._scratch.mkdir()
        system = [f"mem={mebibytes}M", f"ubda={disk}", "root=/dev/ubda", "rw", f"init={init}", "selinux=0", "quiet"]
        console = ["con=null", "con0=null,fd:1", f"uml_dir={self._scratch}", f"umid=guest{role}"]
        self._command = [
            str(kernel / "linux.uml"),
            *system,
            *console,
            f"share={share}",
            f"script={script}",
            f"role={role}",
        ]

    @contextlib.contextmanager
    def running(self, links: Sequence[str], netns: str | None = None) -> Iterator["Guest"]:
        """It runs, and no process of it does afterwards."""
        command = [*self._command, *links]
        if netns:
            command = ["nsenter", f"--net={netns}", *command]
        with self._console.open("wb") as console:
            process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *command],
                env={**os.environ, "LD_PRELOAD": str(self._preload)},
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            self._process = process
            try:
                yield self
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def await_(self, there: Callable[[], bool], seconds: float, what: str) -> None:
        """Until `there`. Raises `AirgapError` where it does not come, with the last words of the guest."""
        deadline = time.monotonic() + seconds
        while not there():
            ended = self._process.poll() is not None
            if ended or self._exit.exists() or time.monotonic() > deadline:
                if there():
                    return
                why = "the kernel ended" if ended or self._exit.exists() else f"waited {seconds:.0f} s"
                raise AirgapError(f"{what}: {why}: {self.last_words()}", f"its files are in {self._log.parent}")
            time.sleep(0.5)

    def await_end(self, seconds: float) -> None:
        """Until its script has ended. Raises `AirgapError` where that failed."""
        self.await_(self._exit.exists, seconds, "the script does not end")
        if (code := self._exit.read_text().strip()) != "0":
            raise AirgapError(
                f"the script failed ({code}): {self.last_words()}", f"its files are in {self._log.parent}"
            )

    def last_words(self) -> str:
        for file in (self._log, self._console):
            if file.exists() and (lines := file.read_text(errors="replace").strip().splitlines()):
                return lines[-1]
        return "it said nothing"
