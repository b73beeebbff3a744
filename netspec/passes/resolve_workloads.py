"""A workload of the file as IR, every default filled in."""

from netspec.ir import model as ir
from netspec.ir.pods import Container, ContainerRole, Spread
from netspec.passes.context import Context
from netspec.spec import workloads as spec


def workload(given: spec.Workload, context: Context, index: int) -> ir.Workload:
    """A DaemonSet's replicas are the nodes', which a later pass knows (netspec/passes/workloads.py)."""
    containers = (*map(_init, given.init_containers), *(_container(c, "main") for c in given.containers))
    listening = [p for c in containers if c.role != "init" for p in c.ports]
    return ir.Workload(
        namespace=given.namespace,
        name=given.name,
        labels=dict(given.labels),
        ports=(*map(_port, given.ports), *listening),
        replicas=1 if given.replicas is None else given.replicas,
        stand_in=given.stand_in,
        host_network=given.host_network,
        kind=given.kind,
        place=context.place(context.loaded.path("workloads", index)),
        containers=containers,
        ready=given.ready,
        service_name=given.service_name or "",
        hostname=given.hostname or "",
        subdomain=given.subdomain or "",
        spread=tuple(
            Spread(s.max_skew, s.topology_key, s.when_unsatisfiable, s.min_domains)
            for s in given.topology_spread_constraints
        ),
    )


def _init(given: spec.InitContainer) -> Container:
    return _container(given, "sidecar" if given.restart_policy else "init")


def _container(given: spec.Container, role: ContainerRole) -> Container:
    return Container(given.name, tuple(map(_port, given.ports)), role)


def _port(given: spec.ContainerPort) -> ir.ContainerPort:
    return ir.ContainerPort(given.port, given.protocol, given.name, given.host_port or 0)
