"""Reachability at size: the whole command, its parts, and the engine against the oracle and a naive method in one run.

    python -m bench.reach              # the sizes of docs/performance.md
    python -m bench.reach --quick      # the small ones

The naive method is what one writes first: for every pair of workloads and every port that the destination declares, ask
every policy, matching its selectors anew. The oracle is netspec's plain evaluator. Both are measured on a sample and
scaled to all pairs and ports; the engine gives all ports at once, so it answers more than they do.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.reach_clusters import documents
from netspec.analysis.engine import Reachability
from netspec.analysis.matrix import Matrix
from netspec.analysis.oracle import evaluate
from netspec.analysis.verdict import PodEnd
from netspec.ir.model import NAME_LABEL, Direction, Inventory, NetworkPolicy, PolicyPort, Workload
from netspec.manifests.read import read

#: (workloads, policies, namespaces, the issue's limit in seconds for the whole command)
SIZES: tuple[tuple[int, int, int | None, float], ...] = (
    (100, 130, None, 0.3),
    (500, 260, None, 0.5),
    (2000, 520, None, 3.0),
    (10000, 2000, 200, 20.0),
)
RUNS, SAMPLE = 3, 3000


@dataclass(frozen=True, slots=True)
class Whole:
    """One run of the command: seconds on the clock, seconds of processor, MiB at most, bytes printed."""

    seconds: float
    processor: float
    memory: float
    printed: int


#: Runs the command line and says on standard error how much memory it took at most (VmHWM, which is of this program
#: alone; ru_maxrss would count what started it).
_CHILD = """
import sys
from netspec.cli import main
code = main(sys.argv[1:])
sys.stdout.flush()
with open("/proc/self/status") as status:
    print(*(line.split()[1] for line in status if line.startswith("VmHWM")), file=sys.stderr)
sys.exit(code)
"""


def command(file: Path) -> Whole:
    """`netspec matrix --output json`, reading counted. The best of several runs: the machine has other work."""
    words = [sys.executable, "-c", _CHILD, "matrix", "--manifests", str(file), "--output", "json"]
    found = []
    for _ in range(RUNS):
        with tempfile.TemporaryFile() as out:
            before = os.times()
            start = time.perf_counter()
            done = subprocess.run(words, stdout=out, stderr=subprocess.PIPE, text=True, check=True)
            seconds = time.perf_counter() - start
            after = os.times()
            spent = after.children_user + after.children_system - before.children_user - before.children_system
            found.append(Whole(seconds, spent, int(done.stderr.split()[-1]) / 1024, os.fstat(out.fileno()).st_size))
    return min(found, key=lambda w: w.seconds)


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def all_rows(inventory: Inventory) -> int:
    """Every row of the matrix as the engine holds it: neither read nor printed."""
    reach = Reachability(inventory)
    classes = {reach.class_of(peer) for peer in range(reach.peer_count())}
    return sum(where.bit_count() for number in classes for _, _, where in reach.row(number))


# The naive method

NamespaceLabels = dict[str, dict[str, str]]


def naive(
    inventory: Inventory, source: Workload, destination: Workload, port: int, labels: dict[str, dict[str, str]]
) -> bool:
    return _side(inventory, "Egress", source, destination, destination, port, labels) and _side(
        inventory, "Ingress", destination, source, destination, port, labels
    )


def _side(
    inventory: Inventory,
    direction: Direction,
    subject: Workload,
    peer: Workload,
    destination: Workload,
    port: int,
    labels: NamespaceLabels,
) -> bool:
    isolated = False
    for policy in inventory.policies:
        if direction in policy.types and policy.namespace == subject.namespace and policy.pods.matches(subject.labels):
            isolated = True
            if _allows(policy, direction, peer, destination, port, labels):
                return True
    return not isolated


def _allows(
    policy: NetworkPolicy,
    direction: Direction,
    peer: Workload,
    destination: Workload,
    port: int,
    labels: NamespaceLabels,
) -> bool:
    for rule in policy.rules(direction):
        who = not rule.peers or any(
            p.ip_block is None
            and (
                peer.namespace == policy.namespace
                if p.namespaces is None
                else p.namespaces.matches(labels[peer.namespace])
            )
            and (p.pods is None or p.pods.matches(peer.labels))
            for p in rule.peers
        )
        if who and (not rule.ports or any(_on_port(p, destination, port) for p in rule.ports)):
            return True
    return False


def _on_port(wanted: PolicyPort, destination: Workload, port: int) -> bool:
    number = destination.port_named(wanted.port, "TCP") if isinstance(wanted.port, str) else wanted.port
    return wanted.protocol == "TCP" and (number is None or number <= port <= (wanted.end_port or number))


def per_question(inventory: Inventory, ask: Callable[[Workload, Workload, int], object], limit: float = 5.0) -> float:
    """Seconds that one question (a pair and a port) takes, over a sample; stops after `limit` seconds."""
    dice = random.Random(1)
    start, asked = time.perf_counter(), 0
    while asked < SAMPLE and time.perf_counter() - start < limit:
        source, destination = dice.choice(inventory.workloads), dice.choice(inventory.workloads)
        for port in {p.port for p in destination.ports} or {80}:
            ask(source, destination, port)
            asked += 1
    return (time.perf_counter() - start) / asked


def questions(inventory: Inventory) -> int:
    """All pairs with all the ports that the destination declares."""
    ports = sum(len(w.ports) for w in inventory.workloads)
    return (len(inventory.workloads) - 1) * ports


COLUMNS = (
    *("workloads", "policies", "command s", "limit s", "processor s", "MiB", "read s", "engine s", "print s", "rows"),
    *("naive/engine", "oracle/engine"),
)


def size(workloads: int, policies: int, namespaces: int | None, limit: float) -> tuple[str, ...]:
    """One line of the table; see COLUMNS."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "cluster.yaml"
        file.write_text("---\n".join(documents(workloads, policies, namespaces)))
        whole = command(file)
        reading = min(timed(lambda: read([str(file)])) for _ in range(RUNS))
        inventory = read([str(file)]).inventory
    engine = min(timed(lambda: all_rows(inventory)) for _ in range(RUNS))
    matrix = Matrix(inventory)
    rows = sum(len(found) for _, found in matrix.rows())
    printing = timed(lambda: sum(len(text) for text in matrix.to_json()))
    labels = {n.name: dict(n.labels) for n in inventory.namespaces}
    for name in {w.namespace for w in inventory.workloads}:
        labels.setdefault(name, {NAME_LABEL: name})

    def by_hand(source: Workload, destination: Workload, port: int) -> object:
        return naive(inventory, source, destination, port, labels)

    def plain(source: Workload, destination: Workload, port: int) -> object:
        return evaluate(inventory, PodEnd(source.id), PodEnd(destination.id), port, "TCP")

    count = questions(inventory)
    return (
        *(str(workloads), str(policies), f"{whole.seconds:.2f}", f"{limit:g}", f"{whole.processor:.2f}"),
        *(f"{whole.memory:.0f}", f"{reading:.2f}", f"{engine:.3f}", f"{printing:.2f}", str(rows)),
        f"{per_question(inventory, by_hand) * count / engine:.0f}",
        f"{per_question(inventory, plain) * count / engine:.0f}",
    )


def curve(open_namespaces: int, workloads: int = 2000, policies: int = 520) -> tuple[str, ...]:
    """The whole command with so many namespaces that no policy guards: its output grows."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "cluster.yaml"
        file.write_text("---\n".join(documents(workloads, policies, None, open_namespaces)))
        whole = command(file)
        rows = sum(len(found) for _, found in Matrix(read([str(file)]).inventory).rows())
    printed = f"{whole.printed / 1e6:.0f}"
    return (
        str(open_namespaces),
        str(rows),
        printed,
        f"{whole.seconds:.2f}",
        f"{whole.processor:.2f}",
        f"{whole.memory:.0f}",
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="the two small sizes, no curve")
    args = parser.parse_args(arguments)
    print(" | ".join(COLUMNS))
    for case in SIZES[:2] if args.quick else SIZES:
        print(" | ".join(size(*case)), flush=True)
    if not args.quick:
        print("\nopen namespaces | rows | printed MB | command s | processor s | MiB")
        for count in (0, 1, 2, 4, 8, 16, 32):
            print(" | ".join(curve(count)), flush=True)


if __name__ == "__main__":
    main()
