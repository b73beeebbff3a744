"""Services of an inventory as the spec's; what a Service has beyond the spec's fields is said."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from netspec.importing.documents import Bodies
from netspec.importing.model import Draft, Item, Locate
from netspec.importing.workloads import Kept, find_undeclared
from netspec.ir.model import Inventory, Place, Service, ServicePort
from netspec.passes.objects import BROUGHT
from netspec.passes.service_fields import LOAD_BALANCER_ONLY
from netspec.passes.services import OUTWARD

#: What a Service may have of a field without saying anything: the default, or what goes without saying.
_SILENT: dict[str, tuple[Any, ...]] = {
    "sessionAffinity": ("None",),
    "internalTrafficPolicy": ("Cluster",),
    "ipFamilyPolicy": ("SingleStack",),
    "ipFamilies": (["IPv4"],),
    "allocateLoadBalancerNodePorts": (True,),
    "externalTrafficPolicy": ("Cluster", "Local"),
    "publishNotReadyAddresses": (True, False),
}
#: Fields that the spec has, or that follow from one that was named already.
_SAID = frozenset(("type", "clusterIP", "clusterIPs", "selector", "ports", "externalName"))
_PORT_SAID = frozenset(("name", "port", "targetPort", "protocol", "nodePort", "appProtocol"))
#: Fields that the spec has as the API has them. What the API server fills in of itself stays its own choice.
_FURTHER = (
    "internalTrafficPolicy",
    "sessionAffinity",
    "sessionAffinityConfig",
    "loadBalancerClass",
    "loadBalancerSourceRanges",
    "allocateLoadBalancerNodePorts",
    "trafficDistribution",
    "externalIPs",
    "ipFamilyPolicy",
)
#: What asks for a family that a spec's cluster has not.
_FAMILIES = {"ipFamilies": ("IPv6",), "ipFamilyPolicy": ("RequireDualStack",)}


def add_services(draft: Draft, inventory: Inventory, kept: list[Kept], bodies: Bodies, locate: Locate) -> None:
    """Fills the draft's services; a port that a Service leads to and no pod declares is added to its pods."""
    for service in inventory.services:
        if service.id in BROUGHT:
            continue
        body = bodies.at(service.place)
        what = f"Service {service.id}"
        for path, why in _unsaid(service, body):
            draft.lost(what, why, locate(Place((*service.place.path, "spec", *path), service.place.position)))
        ports = list(service.ports)
        where = locate(service.place)
        data = _data(service, ports) | _further(service, body) | _endpoints(service, inventory)
        draft.sections["services"].append(Item(data, what, where))
        _add_undeclared(draft, service, ports, kept)
        if service.selector is None and service.type != "ExternalName" and "endpoints" not in data:
            draft.lost(what, "it has no selector, and no endpoints that are addresses outside were given", where)


def _data(service: Service, ports: list[ServicePort]) -> dict[str, object]:
    data: dict[str, object] = {"name": service.name, "namespace": service.namespace}
    if service.type != "ClusterIP":
        data["type"] = service.type
    if service.headless:
        data["clusterIP"] = "None"
    if service.external_traffic_policy == "Local" and service.type in OUTWARD:
        data["externalTrafficPolicy"] = "Local"
    if service.publish_not_ready:
        data["publishNotReadyAddresses"] = True
    if service.selector is not None:
        data["selector"] = dict(service.selector.match_labels)
    if service.external_name is not None:
        data["externalName"] = service.external_name
    if ports:
        data["ports"] = [_port(p, service.headless) for p in ports]
    return data


def _further(service: Service, body: dict[str, Any]) -> dict[str, object]:
    """The fields of `_FURTHER` that say something of this type of Service."""
    found = body.get("spec")
    spec: dict[str, Any] = found if isinstance(found, dict) else {}
    if not service.has_cluster_ip:
        return {}
    given = {f: spec[f] for f in _FURTHER if not _says_nothing(f, spec.get(f)) and not _asks_too_much(f, spec[f])}
    if given.get("sessionAffinity") != "ClientIP":
        given.pop("sessionAffinityConfig", None)
    return {f: v for f, v in given.items() if service.type == "LoadBalancer" or f not in LOAD_BALANCER_ONLY}


def _endpoints(service: Service, inventory: Inventory) -> dict[str, object]:
    """The addresses that somebody put behind it, and its ports as those have them; nothing where pods are among them,
    or where two of its EndpointSlices have other numbers for a port."""
    parts = [part for part in inventory.slices if part.service == service.id]
    addresses = sorted({a for part in parts for a in part.addresses}, key=int)
    if service.selector is not None or not addresses or any(part.workloads for part in parts):
        return {}
    ports = []
    for port in service.ports:
        numbers = {
            n
            for part in parts
            for name, protocol, n in part.ports
            if (name, protocol) == (port.name or "", port.protocol)
        }
        if len(numbers) != 1:
            return {}
        (number,) = numbers
        ports.append(_port(replace(port, target_port=port.port if number is None else number), service.headless))
    return {"ports": ports, "endpoints": [{"addresses": [str(a) for a in addresses]}]}


def _says_nothing(field: str, value: Any) -> bool:
    return value in (None, "", [], {}) or value in _SILENT.get(field, ())


def _asks_too_much(field: str, value: Any) -> bool:
    wanted = value if isinstance(value, list) else [value]
    return any(one in wanted for one in _FAMILIES.get(field, ()))


def _port(port: ServicePort, headless: bool) -> dict[str, object]:
    data: dict[str, object] = {"name": port.name} if port.name else {}
    data["port"] = port.port
    if port.target_port != port.port:
        data["targetPort"] = port.target_port
    if port.protocol != "TCP":
        data["protocol"] = port.protocol
    if port.node_port is not None:
        data["nodePort"] = port.node_port
    if port.app_protocol:
        data["appProtocol"] = port.app_protocol
    return data


def _unsaid(service: Service, body: dict[str, Any]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """What the object says and the spec cannot: (path below `spec`, why)."""
    found = body.get("spec")
    spec: dict[str, Any] = found if isinstance(found, dict) else {}
    for field, value in spec.items():
        if field in _SAID or _says_nothing(field, value):
            continue
        if field in _FAMILIES:
            if _asks_too_much(field, value):
                yield (field,), "a spec's cluster has one address family, IPv4"
            continue
        if field in _FURTHER:
            if not service.has_cluster_ip or (service.type != "LoadBalancer" and field in LOAD_BALANCER_ONLY):
                yield (field,), f"{field} does nothing for this type of Service"
            continue
        if field == "healthCheckNodePort" and service.type == "LoadBalancer":
            continue  # the API server picks one
        yield (field,), f"the spec's Services have no {field}"
    metadata = body.get("metadata")
    is_live = isinstance(metadata, dict) and "uid" in metadata  # the address is then the API server's choice
    address = spec.get("clusterIP")
    if isinstance(address, str) and address not in ("", "None") and not is_live:
        yield ("clusterIP",), "its address is left to the API server: write clusterIP if it must keep it"
    ports = spec.get("ports")
    for i, port in enumerate(ports if isinstance(ports, list) else []):
        if not isinstance(port, dict):
            continue
        for field in port:
            if field not in _PORT_SAID and port[field] not in (None, ""):
                yield ("ports", i, field), f"the spec's Service ports have no {field}"


def _add_undeclared(draft: Draft, service: Service, ports: list[ServicePort], kept: list[Kept]) -> None:
    """containerPorts are only a note to the reader, but a Service that leads to a port says that it is there."""
    if service.selector is None:
        return
    behind = [k for k in kept if k.workload.namespace == service.namespace and k.item is not None]
    behind = [k for k in behind if service.selector.matches(k.workload.labels)]
    for port in ports:
        if not isinstance(port.target_port, int):
            continue
        for workload in find_undeclared((k.workload for k in behind), port.target_port, port.protocol):
            item = next(k.item for k in behind if k.workload is workload)
            assert item is not None
            declared = item.data.setdefault("ports", [])
            new: dict[str, object] = {"port": port.target_port}
            new |= {"protocol": port.protocol} if port.protocol != "TCP" else {}
            if new not in declared:
                declared.append(new)
                number = f"{port.target_port}/{port.protocol}"
                why = f"Service {service.id} leads to its port {number}: it declares that in the spec"
                draft.changed(item.what, why, item.where)
