"""A Service of the file as IR, every default filled in."""

from ipaddress import ip_address

from netspec.ir import model as ir
from netspec.ir.selectors import Selector
from netspec.passes.context import Context
from netspec.spec import services as spec
from netspec.spec.types import network


def service(given: spec.Service, context: Context, index: int) -> ir.Service:
    address = given.cluster_ip or ""
    return ir.Service(
        namespace=given.namespace,
        name=given.name,
        type=given.type,
        headless=address == "None",
        selector=Selector.of(given.selector) if given.selector else None,
        ports=tuple(_port(p) for p in given.ports),
        external_name=given.external_name,
        external_traffic_policy=given.external_traffic_policy or "Cluster",
        publish_not_ready=given.publish_not_ready_addresses,
        external_ips=tuple(given.external_ips),
        place=context.place(context.loaded.path("services", index)),
        internal_traffic_policy=given.internal_traffic_policy or "Cluster",
        source_ranges=tuple(network(c) for c in given.load_balancer_source_ranges),
        node_ports=given.allocate_load_balancer_node_ports is not False,
        cluster_ip="" if address == "None" else address,
        affinity_seconds=_seconds(given),
        load_balancer_class=given.load_balancer_class or "",
        health_check_node_port=given.health_check_node_port or 0,
        traffic_distribution=given.traffic_distribution or "",
        ip_family_policy=given.ip_family_policy or "SingleStack",
    )


def _seconds(given: spec.Service) -> int:
    """The API server fills its default in where ClientIP is given without a time."""
    if given.session_affinity != "ClientIP":
        return 0
    return (given.session_affinity_config or spec.SessionAffinityConfig()).client_ip.timeout_seconds


def _port(given: spec.ServicePort) -> ir.ServicePort:
    return ir.ServicePort(
        given.port,
        given.port if given.target_port is None else given.target_port,
        given.protocol,
        given.name,
        given.node_port,
        given.app_protocol or "",
    )


def endpoint_slice(given: spec.Service) -> ir.EndpointSlice:
    """What is behind a Service by its own word; a target port's name would be a pod's."""
    found = [(ip_address(a), e.hostname) for e in given.endpoints for a in e.addresses]
    ports = [(p.name or "", p.protocol, p.port if p.target_port is None else p.target_port) for p in given.ports]
    return ir.EndpointSlice(
        f"{given.namespace}/{given.name}",
        tuple((name, protocol, number) for name, protocol, number in ports if isinstance(number, int)),
        addresses=tuple(dict.fromkeys(address for address, _ in found)),
        hostnames=tuple((address, hostname) for address, hostname in found if hostname),
    )
