"""IR -> the question list. The only place that decides what is asked of a cluster.

Each module here derives one kind of probe; all take the answer from the evaluator, none looks at a cluster.
"""

from collections.abc import Sequence

from netspec.ir.model import Ir
from netspec.probes import Probe
from netspec.probing.balanced import health_checks, load_balancers
from netspec.probing.door import door_facts
from netspec.probing.facts import fact_probe, kept_addresses, own_addresses, own_facts
from netspec.probing.flows import outside, pairs
from netspec.probing.gateway_exchanges import gateway_exchanges
from netspec.probing.gateways import gateway_answers
from netspec.probing.http import http_answers
from netspec.probing.lookup import names_asked
from netspec.probing.named import outside_by_name
from netspec.probing.names import dns
from netspec.probing.objects import objects
from netspec.probing.packets import packets
from netspec.probing.pods import between_containers, host_ports
from netspec.probing.services import answering_pods, node_ports, services
from netspec.target import Fact


def derive_probes(ir: Ir, facts: Sequence[Fact] = ()) -> tuple[Probe, ...]:
    """Every question about the cluster that `ir` describes, in a stable order, ids unique. `facts` are those that its
    backends add."""
    flows = tuple(pairs(ir))
    through = (*services(ir), *node_ports(ir), *host_ports(ir), *outside(ir), *outside_by_name(ir))
    of_pods = (*kept_addresses(ir, flows), *own_addresses(ir), *answering_pods(ir, through), *names_asked(ir))
    balanced = (*load_balancers(ir), *health_checks(ir))
    ways = (*flows, *between_containers(ir), *through, *balanced, *http_answers(ir), *door_facts(ir))
    ways += (*gateway_answers(ir), *gateway_exchanges(ir))
    asked: tuple[Probe, ...] = (*ways, *packets(), *dns(ir), *of_pods)
    return (*asked, *own_facts(ir), *objects(ir), *(fact_probe(f) for f in facts))
