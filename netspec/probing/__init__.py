"""IR -> the question list. The only place that decides what is asked of a cluster.

Each module here derives one kind of probe; all take the answer from the evaluator, none looks at a cluster.
"""

from netspec.ir.model import Ir
from netspec.probes import Probe
from netspec.probing.facts import dns, facts, kept_addresses
from netspec.probing.flows import outside, pairs
from netspec.probing.services import node_ports, services


def derive_probes(ir: Ir) -> tuple[Probe, ...]:
    """Every question about the cluster that `ir` describes, in a stable order, ids unique."""
    flows = tuple(pairs(ir))
    return (*flows, *services(ir), *node_ports(ir), *outside(ir), *dns(ir), *kept_addresses(ir, flows), *facts(ir))
