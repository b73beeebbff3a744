"""The fast engine gives the plain evaluator's answer on every flow of random clusters.

NETSPEC_REACH_EXAMPLES says how many clusters; docs/performance.md, how many were compared when it was written.
"""

import os
from ipaddress import IPv4Address, IPv6Address
from itertools import product

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reach_strategies import inventories

from netspec.analysis import oracle
from netspec.analysis.engine import Reachability
from netspec.analysis.evaluate import evaluate
from netspec.analysis.spaces import PROTOCOLS
from netspec.analysis.verdict import AddressEnd, Answer, End, PodEnd, Verdict
from netspec.ir.model import Inventory, Protocol

EXAMPLES = int(os.environ.get("NETSPEC_REACH_EXAMPLES", "100"))
relaxed = settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)

#: One port of every interval that the strategies' policies can cut, and the edges.
PORTS = (1, 2, 53, 54, 80, 81, 8080, 8081, 9000, 9001, 65534, 65535)


def ports_of(inventory: Inventory) -> list[int]:
    """Those of PORTS at which an answer may change: the first, the last, each that a policy or a pod names, and the one
    after it."""
    rules = [r for p in (*inventory.policies, *inventory.tiers) for r in (*p.ingress, *p.egress)]
    named = {n for r in rules for port in r.ports for n in (port.port, port.end_port) if isinstance(n, int)}
    named |= {port.port for w in inventory.workloads for port in w.ports}
    return [port for port in PORTS if port in (1, 65535) or {port, port - 1} & named]


def ends_of(reach: Reachability) -> list[End]:
    """A representative of every peer, in the engine's numbering."""
    ends: list[End] = [PodEnd(w.id) for w in reach.workloads]
    for external in reach.externals:
        version, low, _ = external.intervals[0]
        ends.append(AddressEnd(IPv4Address(low) if version == 4 else IPv6Address(low)))
    return ends


def answers(verdict: Verdict) -> tuple[bool, bool]:
    """(allow, undefined), as the engine says it."""
    return verdict.expected == "allow", verdict.answer is Answer.UNDEFINED


@settings(parent=relaxed, max_examples=EXAMPLES)
@given(inventories())
def test_engine_is_the_oracle(inventory: Inventory) -> None:
    reach = Reachability(inventory)
    ends, ports = ends_of(reach), ports_of(inventory)
    for source, start in enumerate(ends):
        row = {c.destination: c for c in reach.connections(source)}
        for destination, end in enumerate(ends):
            if source == destination or (isinstance(start, AddressEnd) and isinstance(end, AddressEnd)):
                assert destination not in row
                continue
            found = row.get(destination)
            for protocol in PROTOCOLS:
                for port in ports:
                    got = (
                        found is not None and reach.ports.holds(found.allow, protocol, port),
                        found is not None and reach.ports.holds(found.undefined, protocol, port),
                    )
                    want = answers(oracle.evaluate(inventory, start, end, port, protocol))
                    assert got == want, f"{start} -> {end} {port}/{protocol}: engine {got}, oracle {want}"


@settings(parent=relaxed, max_examples=100)
@given(inventories(), st.sampled_from(PORTS), st.sampled_from(PROTOCOLS))
def test_the_evaluator_is_the_oracle_to_the_word(inventory: Inventory, port: int, protocol: Protocol) -> None:
    ends = ends_of(Reachability(inventory))
    for start, end in product(ends, repeat=2):
        if isinstance(start, PodEnd) or isinstance(end, PodEnd):
            want = oracle.evaluate(inventory, start, end, port, protocol)
            assert evaluate(inventory, start, end, port, protocol) == want
