"""Checks the fields of Services that not every type has, addresses of their own choice, and endpoints given by hand."""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, ip_address

from netspec.diagnostics import Path
from netspec.ir.model import IPAddress, Ir
from netspec.passes.addresses import UNUSABLE, check_canonical
from netspec.passes.context import Context
from netspec.spec.services import Service
from netspec.spec.types import network

#: What only a load balancer's Service may have: field -> its name in the model.
LOAD_BALANCER_ONLY = {
    "loadBalancerClass": "load_balancer_class",
    "loadBalancerSourceRanges": "load_balancer_source_ranges",
    "allocateLoadBalancerNodePorts": "allocate_load_balancer_node_ports",
}
#: What the proxy on a node does, and so only where there is a cluster IP.
_OF_PROXY = {
    "internalTrafficPolicy": "internal_traffic_policy",
    "sessionAffinity": "session_affinity",
    "sessionAffinityConfig": "session_affinity_config",
    "trafficDistribution": "traffic_distribution",
    "externalIPs": "external_ips",
}


def service_fields(ir: Ir, context: Context) -> Ir:
    assert context.loaded.spec is not None
    taken: dict[IPAddress, str] = {}
    for index, service in enumerate(context.loaded.spec.services):
        path = context.loaded.path("services", index)
        _of_type(service, path, context)
        _cluster_ip(ir, service, path, taken, context)
        _families(service, path, context)
        _endpoints(ir, service, path, context)
        for i, cidr in enumerate(service.load_balancer_source_ranges):
            where = (*path, "loadBalancerSourceRanges", i)
            if network(cidr).version != 4:
                context.report.error(
                    "NS109", where, f"{cidr} is IPv6; the cluster's family is ipv4", "give an IPv4 CIDR"
                )
            else:
                check_canonical(where, cidr, context)
        for i, address in enumerate(service.external_ips):
            _usable((*path, "externalIPs", i), address, context)
    return ir


def _of_type(service: Service, path: Path, context: Context) -> None:
    report, kind = context.report, service.type
    for field, name in LOAD_BALANCER_ONLY.items():
        if name in service.model_fields_set and kind != "LoadBalancer":
            message = f"{field} is for type LoadBalancer, not for {kind}"
            report.error("NS316", (*path, field), message, "make it type LoadBalancer, or remove the field")
    if service.health_check_node_port is not None and (kind, service.external_traffic_policy) != (
        "LoadBalancer",
        "Local",
    ):
        message = "healthCheckNodePort is for type LoadBalancer with externalTrafficPolicy Local"
        report.error("NS317", (*path, "healthCheckNodePort"), message, "remove the field, or add the other two")
    if kind == "ExternalName" or service.cluster_ip == "None":
        what = "an ExternalName Service" if kind == "ExternalName" else "a headless Service"
        for field in (f for f, name in _OF_PROXY.items() if name in service.model_fields_set):
            message = f"{what} has no address for a node to forward: {field} does nothing"
            report.error("NS318", (*path, field), message, "remove the field")
    elif service.session_affinity_config is not None and service.session_affinity != "ClientIP":
        message = "sessionAffinityConfig is for sessionAffinity ClientIP"
        report.error("NS319", (*path, "sessionAffinityConfig"), message, "add sessionAffinity: ClientIP")
    if service.external_ips and kind != "ExternalName":
        message = "externalIPs are deprecated: nodes take these addresses, whoever has them outside"
        hint = "use type LoadBalancer; the admission plugin DenyServiceExternalIPs forbids them"
        report.warning("NS320", (*path, "externalIPs"), message, hint)


def static_band(services: IPv4Network) -> tuple[IPv4Address, IPv4Address]:
    """The first and the last address that is kept for Services which choose one (KEP-3070).

    >>> [str(a) for a in static_band(IPv4Network("10.96.0.0/24"))]
    ['10.96.0.1', '10.96.0.16']
    >>> [str(a) for a in static_band(IPv4Network("10.96.0.0/12"))]
    ['10.96.0.1', '10.96.1.0']
    """
    size = services.num_addresses
    offset = min(max(16, size // 16), 256) if size > 16 else size - 2
    return services.network_address + 1, services.network_address + offset


def _cluster_ip(ir: Ir, service: Service, path: Path, taken: dict[IPAddress, str], context: Context) -> None:
    if service.cluster_ip in (None, "None"):
        return
    report, where, given = context.report, (*path, "clusterIP"), str(service.cluster_ip)
    address = ip_address(given)
    id_ = f"{service.namespace}/{service.name}"
    if service.type == "ExternalName":
        report.error("NS321", where, "an ExternalName Service has no address", "remove clusterIP")
        return
    services = ir.network.service_cidrs[0]
    if not isinstance(services, IPv4Network) or not isinstance(address, IPv4Address) or address not in services:
        report.error("NS321", where, f"{address} is not in serviceCIDRs, {services}", "choose an address of that range")
        return
    first, last = static_band(services)
    brought = {services.network_address + 1: "the API server's", ip_address(ir.dns.address): "the DNS Service's"}
    unusable = {services.network_address, services.broadcast_address}
    whose = "the range's own, not a Service's" if address in unusable else brought.get(address) or taken.get(address)
    if whose:
        report.error("NS321", where, f"{address} is {whose}", f"choose another, {first} to {last}")
    elif not first <= address <= last:
        message = f"{address} is where the API server picks from: another Service may have taken it"
        report.warning("NS322", where, message, f"{first} to {last} is kept for chosen addresses")
    taken[address] = f"the address of {id_}"


def _families(service: Service, path: Path, context: Context) -> None:
    """The cluster has one family: a Service that must have two is never made."""
    if service.ip_family_policy == "RequireDualStack":
        message = "the cluster has one address family: the API server refuses RequireDualStack"
        context.report.error("NS323", (*path, "ipFamilyPolicy"), message, "write PreferDualStack or SingleStack")
    if "IPv6" in service.ip_families:
        where = (*path, "ipFamilies", service.ip_families.index("IPv6"))
        context.report.error("NS323", where, "the cluster's family is ipv4", "write [IPv4]")


def _endpoints(ir: Ir, service: Service, path: Path, context: Context) -> None:
    if not service.endpoints:
        return
    report, where = context.report, (*path, "endpoints")
    if service.type == "ExternalName" or service.selector:
        what = "an ExternalName Service" if service.type == "ExternalName" else "a Service with a selector"
        report.error("NS324", where, f"{what} has no endpoints of its own", "remove the endpoints")
        return
    for i, port in enumerate(service.ports):
        if isinstance(port.target_port, str):
            message = f"targetPort {port.target_port} is a pod's name for a port, and these endpoints are not pods"
            report.error("NS324", (*path, "ports", i, "targetPort"), message, "give the number")
    seen: set[tuple[str, str]] = set()
    for at, text, hostname in _addresses(service):
        address = _usable((*where, *at), text, context)
        if (text, hostname) in seen:
            report.error("NS324", (*where, *at), f"{text} is given twice", "remove one")
        seen.add((text, hostname))
        if address is None:
            continue
        inside = next((c for c in ir.network.service_cidrs if address in c), None)
        if inside is not None:
            message = f"{address} is in serviceCIDRs, {inside}: a node does not forward from Service to Service"
            report.error("NS324", (*where, *at), message, "make it an ExternalName Service, or name what is behind")
        elif any(address in c for c in ir.network.pod_cidrs):
            message = f"{address} is in podCIDRs: a pod's address is not its own for long"
            report.warning("NS325", (*where, *at), message, "select the pods by their labels")


def _addresses(service: Service) -> Iterator[tuple[Path, str, str]]:
    for i, endpoint in enumerate(service.endpoints):
        for j, text in enumerate(endpoint.addresses):
            yield (i, "addresses", j), text, endpoint.hostname or ""


def _usable(path: Path, text: str, context: Context) -> IPAddress | None:
    """The address where the API server takes it for an endpoint, and the cluster's family is its own."""
    address = ip_address(text)
    if address.version != 4:
        message = f"{text} is IPv6; the cluster's family is ipv4"
        context.report.error("NS109", path, message, "give an IPv4 address")
        return None
    for unusable, what in UNUSABLE.items():
        if address in unusable:
            message = f"{text} is a {what} address: nothing can be reached at it"
            context.report.error("NS113", path, message, "give an address that the nodes have a route to")
            return None
    return address
