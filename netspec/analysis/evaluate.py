"""The evaluator that the rest of netspec asks: one flow, judged on the policies that can matter to it."""

from dataclasses import replace

from netspec.analysis.bits import to_members
from netspec.analysis.departures import as_taken
from netspec.analysis.oracle import departed, judge
from netspec.analysis.pods import PodIndex
from netspec.analysis.spaces import families
from netspec.analysis.verdict import End, PodEnd, Verdict
from netspec.diagnostics import Problem
from netspec.ir.model import Inventory, Peer, Protocol


class Evaluator:
    """Answers single flows over one inventory; building it costs about one pass over pods and policies."""

    def __init__(self, inventory: Inventory, *, as_written: bool = False) -> None:
        """`as_written`: as Kubernetes has it, where the CNI departs from that."""
        given, inventory = inventory, inventory if as_written else as_taken(inventory)
        #: Of the policies as they are written, where the CNI takes them otherwise.
        self._raw = None if inventory is given else Evaluator(given, as_written=True)
        self._inventory = inventory
        self._families = families(inventory)
        self._workloads = {w.id: i for i, w in enumerate(inventory.workloads)}
        self._namespaces = {n.name: n for n in inventory.namespaces}
        pods = PodIndex(inventory)
        self._class_of = pods.class_of
        self._policies: list[list[int]] = [[] for _ in range(pods.count)]
        self._tiers: list[list[int]] = [[] for _ in range(pods.count)]
        for i, policy in enumerate(inventory.policies):
            for member in to_members(pods.peer(Peer(pods=policy.pods), policy.namespace)):
                self._policies[member].append(i)
        for i, tier in enumerate(inventory.tiers):
            for member in to_members(pods.peer(tier.subject, None, True)):
                self._tiers[member].append(i)

    def evaluate(self, source: End, destination: End, port: int, protocol: Protocol) -> Verdict:
        """The verdict on one flow to `port` of the destination.

        Two equal ends with one replica are one pod; with more, two pods of the workload. Raises Problem for a workload
        that is not in the inventory, ValueError when neither end is a pod.
        """
        taken = judge(self.about(source, destination), source, destination, port, protocol, self._families)
        if self._raw is None:
            return taken
        raw = judge(self._raw.about(source, destination), source, destination, port, protocol, self._families)
        return departed(raw, taken, self._inventory)

    def about(self, *ends: End) -> Inventory:
        """The inventory cut down to these ends and the policies that select one of them, all in their order."""
        numbers = [self._number(end.workload) for end in ends if isinstance(end, PodEnd)]
        workloads = [self._inventory.workloads[n] for n in dict.fromkeys(numbers)]
        classes = {self._class_of[n] for n in numbers}
        policies = sorted({i for c in classes for i in self._policies[c]})
        tiers = sorted({i for c in classes for i in self._tiers[c]})
        return replace(
            self._inventory,
            namespaces=tuple(self._namespaces[n] for n in {w.namespace for w in workloads} if n in self._namespaces),
            workloads=tuple(workloads),
            services=(),
            policies=tuple(self._inventory.policies[i] for i in policies),
            tiers=tuple(self._inventory.tiers[i] for i in tiers),
            routes=(),
        )

    def _number(self, workload: str) -> int:
        if workload not in self._workloads:
            raise Problem(f"there is no workload {workload}", "name it as namespace/name")
        return self._workloads[workload]


_recent: list[tuple[Inventory, Evaluator]] = []


def evaluate(inventory: Inventory, source: End, destination: End, port: int, protocol: Protocol) -> Verdict:
    """`Evaluator.evaluate`, keeping the evaluator of the inventory that was asked about last."""
    if not _recent or _recent[0][0] is not inventory:
        _recent[:] = [(inventory, Evaluator(inventory))]
    return _recent[0][1].evaluate(source, destination, port, protocol)
