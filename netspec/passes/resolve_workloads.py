"""A workload of the file as IR, every default filled in."""

from netspec.ir import model as ir
from netspec.ir.pods import Container, ContainerRole, PodDns, Spread
from netspec.passes.context import Context
from netspec.spec import workloads as spec
from netspec.spec.v1alpha1 import NetworkSpec


def dns_configs(file: NetworkSpec, given: spec.Workload) -> list[spec.DnsConfig]:
    """Of the spec, of the workload's namespace and of its own, as far as they are given."""
    namespace = next((n for n in file.namespaces if n.name == given.namespace), None)
    found = [file.dns.dns_config, namespace.dns_config if namespace else None, given.dns_config]
    return [config for config in found if config is not None]


def workload(given: spec.Workload, dns: list[spec.DnsConfig], context: Context, index: int) -> ir.Workload:
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
        dns=_dns(given, dns),
    )


def _dns(given: spec.Workload, configs: list[spec.DnsConfig]) -> PodDns:
    """The nearest list of servers and of search domains counts, and of each option the nearest value."""
    nameservers: list[str] = []
    searches: list[str] = []
    options: dict[str, str] = {}
    for config in configs:
        nameservers = config.nameservers or nameservers
        searches = config.searches or searches
        options |= {o.name: o.value or "" for o in config.options}
    return PodDns(given.dns_policy or "ClusterFirst", tuple(nameservers), tuple(searches), tuple(options.items()))


def _init(given: spec.InitContainer) -> Container:
    return _container(given, "sidecar" if given.restart_policy else "init")


def _container(given: spec.Container, role: ContainerRole) -> Container:
    return Container(given.name, tuple(map(_port, given.ports)), role)


def _port(given: spec.ContainerPort) -> ir.ContainerPort:
    return ir.ContainerPort(given.port, given.protocol, given.name, given.host_port or 0)
