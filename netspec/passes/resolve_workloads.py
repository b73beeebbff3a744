"""A workload of the file as IR, every default filled in."""

from netspec.ir import model as ir
from netspec.passes.context import Context
from netspec.spec import workloads as spec


def workload(given: spec.Workload, context: Context, index: int) -> ir.Workload:
    return ir.Workload(
        namespace=given.namespace,
        name=given.name,
        labels=dict(given.labels),
        ports=tuple(ir.ContainerPort(p.port, p.protocol, p.name) for p in given.ports),
        replicas=given.replicas,
        stand_in=given.stand_in,
        place=context.place(context.loaded.path("workloads", index)),
    )
