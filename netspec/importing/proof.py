"""Whether a spec says what the input says: who reaches whom, compared exactly."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from netspec.analysis.diff import Change, Diff, alike
from netspec.importing.workloads import Kept
from netspec.ir.model import Inventory, IPNetwork, Ir, Namespace
from netspec.target import Dialect


@dataclass(frozen=True, slots=True)
class Proof:
    """`changes`: connections that differ between what was taken over and the spec: none, or a mistake of ours.
    `shown`: how many differ between the whole input and the spec, as `netspec diff` shows them: what is lost counts.
    `absent`: those of them that are of peers which the spec does not have (pods on the host's network, routes).
    """

    peers: int
    changes: tuple[Change, ...]
    shown: int
    absent: int


class Taken:
    """The part of the input that is taken over, under the spec's names: what the spec must say."""

    def __init__(
        self, whole: Inventory, inventory: Inventory, kept: Iterable[Kept], namespaces: Sequence[Namespace]
    ) -> None:
        """`whole` is the input as read; `inventory` as the spec has words for it."""
        self.whole = whole
        self._part = replace(
            inventory,
            namespaces=tuple(namespaces),
            workloads=tuple(k.workload for k in kept),
            services=(),
            slices=(),
            tiers=(),
            routes=(),
        )

    def part(self, lost: frozenset[str], pod_cidrs: tuple[IPNetwork, ...], dialect: Dialect | None) -> Inventory:
        """Without what is lost (as items name it), and with the pod ranges and CNI that the spec had to choose."""
        return replace(
            self._part,
            workloads=tuple(w for w in self._part.workloads if f"workload {w.id}" not in lost),
            policies=tuple(p for p in self._part.policies if f"NetworkPolicy {p.id}" not in lost),
            pod_cidrs=pod_cidrs,
            dialect=dialect,
        )


def prove(taken: Taken, lost: frozenset[str], ir: Ir) -> Proof:
    spec = ir.inventory
    diff = Diff(*alike(taken.part(lost, spec.pod_cidrs, spec.dialect), spec))
    shown = list(Diff(*alike(taken.whole, spec)).changes())
    own = {w.id for w in spec.workloads}
    absent = sum(any(not _is_known(end, own) for end in (c.source, c.destination)) for c in shown)
    return Proof(len(diff.peers), tuple(diff.changes()), len(shown), absent)


def _is_known(peer: str, workloads: set[str]) -> bool:
    return peer in workloads or peer.startswith("external:")
