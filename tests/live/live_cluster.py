"""The running stack, as live tests see it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cnis import Cni, cni_of

from airgap import engine
from netspec.backends.registry import REGISTRY
from netspec.ir.model import Ir
from netspec.probes import Probe
from netspec.toolchain import activate
from netspec.toolchain.engine import docker_info
from netspec.verify.access import Access, kubeconfig_file
from netspec.verify.model import Run
from netspec.verify.runner import verify_cluster
from netspec.verify.sites import site_of
from netspec.verify.stack import load_stack

#: Another one than `make up`'s: `make faults STACK=...`.
STACK = os.environ.get("NETSPEC_LIVE_STACK", "dev")


@dataclass(frozen=True, slots=True)
class Live:
    """The running stack. `verify` asks all its probes."""

    ir: Ir
    probes: tuple[Probe, ...]
    kubeconfig: Path
    access: Access

    @property
    def cni(self) -> Cni:
        return cni_of(self.ir.providers["cni"], self.ir.traits.addons)

    def verify(self) -> Run:
        return verify_cluster(self.ir, self.probes, site_of(self.ir), self.kubeconfig)

    def on_node(self, node: str, script: str) -> None:
        """The test fails where the script does."""
        host = site_of(self.ir).node(node)
        assert host is not None, f"{node} cannot be entered"
        done = host.run(script)
        assert done.rc == 0, f"{script} on {node}: {done.stderr}"

    def kubectl(self, *args: str, stdin: str = "", limit: float = 120) -> str:
        """What it printed; the test fails where kubectl does."""
        done = self.access.kubectl(*args, stdin=stdin, limit=limit)
        assert done.returncode == 0, f"kubectl {' '.join(args)}: {done.stderr}"
        return done.stdout


def engine_runs() -> bool:
    """Looks only: nothing is started or built for a test that would be skipped."""
    return bool(docker_info("ServerVersion") or engine.status())


def activated(*programs: str) -> None:
    """With these programs within reach, this process moves into the cluster's network."""
    # Which happens only once in a process.
    if activate(programs).engine == "private":
        engine.enter()


@contextmanager
def open_live() -> Iterator[Live]:
    """Moves this process into the cluster's network, until it is closed. Raises Problem without a cluster."""
    with engine.back_outside():
        ir, probes = load_stack(STACK, None, REGISTRY)
        activated("kind", "kubectl")
        with kubeconfig_file(site_of(ir).kubeconfig()) as kubeconfig:
            yield Live(ir, probes, kubeconfig, Access(kubeconfig))
