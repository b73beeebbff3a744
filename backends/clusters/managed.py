"""Rules that clusters which a cloud makes have alike. Their codes and sources are each backend's own."""

from collections.abc import Sequence
from typing import Protocol

from netspec.diagnostics import Path, Report
from netspec.ir.model import Ir
from netspec.target import Needs


class Pool(Protocol):
    """Nodes that are alike, as a stack's settings have them."""

    @property
    def name(self) -> str: ...
    @property
    def min(self) -> int: ...
    @property
    def max(self) -> int: ...


def check_name(ir: Ir, limit: int, code: str, report: Report) -> None:
    if len(ir.cluster_name) > limit:
        message = f"the cluster's name {ir.cluster_name} is longer than {limit} characters"
        report.error(code, ("stacks", ir.stack), message, "a shorter metadata.name or stack name")


def check_cni(ir: Ir, needs: Needs, own: str, code: str, report: Report) -> None:
    """`own`: the CNI without which no such cluster is made."""
    if not any(addon.name == own for addon in needs.addons):
        message = f"a cluster of type {ir.providers['cluster']} is made with a CNI of its own, "
        message += f"and {ir.providers['cni']} is another"
        report.error(code, ("stacks", ir.stack, "cni"), message, f"set cni.provider: {own}")


def check_pools(pools: Sequence[Pool], what: str, code: str, at: Path, report: Report) -> None:
    """`at`: where the pools stand; `what` one is called."""
    seen: set[str] = set()
    for i, pool in enumerate(pools):
        if pool.name in seen:
            report.error(code, (*at, i, "name"), f"two {what}s are called {pool.name}", "rename one")
        seen.add(pool.name)
        if pool.min > pool.max:
            message = f"{pool.name} has at least {pool.min} and at most {pool.max} nodes"
            report.error(code, (*at, i, "max"), message, "max is min or more")
