"""The running stack, as live tests see it."""

from dataclasses import dataclass
from pathlib import Path

from netspec.ir.model import Ir
from netspec.probes import Probe
from netspec.verify.access import Access
from netspec.verify.model import Run
from netspec.verify.runner import verify_cluster

STACK = "dev"


@dataclass(frozen=True, slots=True)
class Live:
    """The running stack. `verify` asks all its probes."""

    ir: Ir
    probes: tuple[Probe, ...]
    kubeconfig: Path
    access: Access

    def verify(self) -> Run:
        return verify_cluster(self.ir, self.probes, self.kubeconfig)

    def kubectl(self, *args: str, stdin: str = "", limit: float = 120) -> str:
        """What it printed; the test fails where kubectl does."""
        done = self.access.kubectl(*args, stdin=stdin, limit=limit)
        assert done.returncode == 0, f"kubectl {' '.join(args)}: {done.stderr}"
        return done.stdout
