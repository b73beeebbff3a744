"""Flows that are about one pod: between its containers, and by the ports that its node has for it."""

from collections.abc import Iterator

from netspec.analysis.evaluate import evaluate
from netspec.analysis.verdict import AddressEnd, PodEnd
from netspec.ir.model import ContainerPort, Ir, Workload
from netspec.probes import OUTSIDE, FlowProbe, Outcome
from netspec.probing.flows import SILENT, agreed, answers, callers, destinations, sources


def between_containers(ir: Ir) -> Iterator[FlowProbe]:
    """The containers of a pod share its loopback, and no policy is about it: each port from one of them."""
    for workload in sources(ir):
        if not workload.stand_in or len(workload.containers) < 2:
            continue
        for port in _ordered(workload):
            yield FlowProbe(
                f"flow:localhost:{workload.id}:{port.port}/{port.protocol}",
                workload.id,
                workload.id,
                "localhost",
                port.port,
                port.protocol,
                Outcome.CONNECTED,
                reason="containers of one pod share its loopback",
            )


def host_ports(ir: Ir) -> Iterator[FlowProbe]:
    """From the outside host, if there is one, to the ports that nodes have for their pods, on the nodes of the pods.
    The node passes on what comes to it with the caller's address: policies see that."""
    clients = callers(ir) if ir.traits.outside else []
    for workload in destinations(ir) if clients else ():
        for port in _ordered(workload):
            number = port.port if workload.host_network else port.host_port
            if workload.system or not number:
                continue
            expect, deciding, reason = agreed(
                evaluate(ir.inventory, AddressEnd(client), PodEnd(workload.id), port.port, port.protocol)
                for client in clients
            )
            if not answers(workload, port.port, port.protocol):
                expect, deciding, reason = None, (), SILENT
            yield FlowProbe(
                f"flow:host-port:{OUTSIDE}->{workload.id}:{number}/{port.protocol}",
                OUTSIDE,
                workload.id,
                "host-port",
                number,
                port.protocol,
                expect,
                deciding,
                reason,
            )


def _ordered(workload: Workload) -> list[ContainerPort]:
    return sorted(workload.ports, key=lambda p: (p.port, p.protocol))
