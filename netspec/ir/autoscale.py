"""How the number of DNS servers follows the cluster's size: the arithmetic of cluster-proportional-autoscaler (README,
Control patterns; what that leaves open as its source has it, pkg/autoscaler/controller)."""

import json
from dataclasses import dataclass
from math import ceil


@dataclass(frozen=True, slots=True)
class Linear:
    """So many cores, or nodes, for each replica; 0 for one that does not count. With
    `prevent_single_point` there are two at least where there are several nodes, whatever `max` says."""

    cores_per_replica: int = 0
    nodes_per_replica: int = 0
    min: int = 1
    max: int | None = None
    prevent_single_point: bool = True

    def replicas(self, nodes: int, cores: int | None) -> int | None:
        """None where the number of cores decides and is not known.

        >>> Linear(nodes_per_replica=16).replicas(3, None), Linear(256, 16, min=2).replicas(40, 320)
        (2, 3)
        >>> Linear(256, 16).replicas(3, None), Linear(nodes_per_replica=1, max=4).replicas(9, None)
        (None, 4)
        >>> Linear(nodes_per_replica=1, max=1).replicas(9, None)
        2
        """
        if self.cores_per_replica and cores is None:
            return None
        least = 2 if self.prevent_single_point and nodes > 1 else 1
        return max(self._of(cores or 0, self.cores_per_replica), self._of(nodes, self.nodes_per_replica), least)

    def _of(self, size: int, per_replica: int) -> int:
        if not per_replica:
            return 0
        wanted = ceil(size / per_replica)
        return max(self.min, wanted if self.max is None else min(wanted, self.max))

    @property
    def parameters(self) -> dict[str, str]:
        """As the autoscaler reads them."""
        found = {"coresPerReplica": self.cores_per_replica, "nodesPerReplica": self.nodes_per_replica, "min": self.min}
        found |= {} if self.max is None else {"max": self.max}
        given = {key: value for key, value in found.items() if value}
        return {"linear": json.dumps(given | {"preventSinglePointFailure": self.prevent_single_point})}


@dataclass(frozen=True, slots=True)
class Ladder:
    """(so many cores or nodes, so many replicas), ascending: the highest step that is reached counts, the first
    one where none is."""

    cores: tuple[tuple[int, int], ...] = ()
    nodes: tuple[tuple[int, int], ...] = ()

    def replicas(self, nodes: int, cores: int | None) -> int | None:
        """The higher one of both. None where the number of cores decides and is not known.

        >>> Ladder(nodes=((1, 1), (2, 2), (10, 4))).replicas(3, None)
        2
        >>> Ladder(((1, 1), (64, 3)), ((1, 1), (2, 2))).replicas(3, 64), Ladder(nodes=((5, 2),)).replicas(3, None)
        (3, 2)
        """
        if self.cores and cores is None:
            return None
        return max(_step(self.cores, cores or 0), _step(self.nodes, nodes))

    @property
    def parameters(self) -> dict[str, str]:
        found = {"coresToReplicas": self.cores, "nodesToReplicas": self.nodes}
        return {"ladder": json.dumps({key: steps for key, steps in found.items() if steps})}


def _step(steps: tuple[tuple[int, int], ...], size: int) -> int:
    reached = [replicas for start, replicas in steps if size >= start] or [replicas for _, replicas in steps[:1]]
    return reached[-1] if reached else 0
