"""Facts of the nodes, each asked inside its container: kube-proxy's mode, the tunnel device, the interface's MTU."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from netspec.probes import FactProbe
from netspec.toolchain.programs import last_line
from netspec.verify.access import Access
from netspec.verify.model import Observation, Status
from netspec.verify.state import State

#: kube-proxy answers this on every node's loopback (healthz and metrics server, /proxyMode).
_SCRIPT = """
printf "proxy-mode=%s\n" "$(curl -s --max-time 3 http://127.0.0.1:10249/proxyMode)"
printf "mtu=%s\n" "$(cat /sys/class/net/eth0/mtu)"
if [ -e /sys/class/net/vxlan.calico ]; then printf "encapsulation=vxlan\n"; else printf "encapsulation=none\n"; fi
"""


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """By node name; `problem` says why a node gave none."""

    facts: dict[str, dict[str, str]]
    problem: str = ""

    @property
    def mtu(self) -> dict[str, int]:
        return {node: int(f["mtu"]) for node, f in self.facts.items() if f.get("mtu", "").isdigit()}

    def observe(self, probe: FactProbe) -> Observation:
        """Every node must agree with the expectation."""
        values = {node: f.get(probe.fact, "") for node, f in self.facts.items()}
        if self.problem or not values:
            return Observation(probe, Status.CHECK_FAILED, None, self.problem or "no node could be asked")
        if missing := [node for node, value in values.items() if not value]:
            return Observation(probe, Status.CHECK_FAILED, None, f"{', '.join(missing)} gave no answer")
        distinct = sorted(set(values.values()))
        seen: Any = distinct[0] if len(distinct) == 1 else values
        status = Status.PASS if seen == probe.expect else Status.WRONG
        return Observation(probe, status, seen, asked_from=", ".join(sorted(values)))


def read_nodes(access: Access, state: State) -> NodeFacts:
    """kind's nodes are containers of the nodes' names."""
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda node: access.container(node.name).run(_SCRIPT), state.nodes))
    problems = [
        f"node {node.name} could not be asked: {last_line(result.stderr)}"
        for node, result in zip(state.nodes, results, strict=True)
        if result.rc
    ]
    facts = {
        node.name: dict(line.split("=", 1) for line in result.stdout.splitlines() if "=" in line)
        for node, result in zip(state.nodes, results, strict=True)
    }
    return NodeFacts(facts, "; ".join(problems))
