"""What `netspec explain` is asked about: ends, a port by number or by name, and what a flow goes through."""

import re
from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

from netspec.analysis.engine import Reachability
from netspec.analysis.services import Endpoint, Endpoints
from netspec.analysis.spaces import PROTOCOLS
from netspec.analysis.unread import but_for
from netspec.analysis.verdict import AddressEnd, End, PodEnd
from netspec.diagnostics import Problem
from netspec.ir.dns import service_of_name
from netspec.ir.model import Inventory, Protocol, Service, ServicePort, Workload
from netspec.spec.types import did_you_mean

_NUMBER = re.compile(r"(\d+)(?:/(tcp|udp|sctp))?\Z", re.IGNORECASE)
#: A port's name: small letters, digits and -, with a letter, at most 15 (IANA service name).
_NAME = re.compile(r"(?=[a-z0-9-]{1,15}(?:/|\Z))([a-z0-9-]*[a-z][a-z0-9-]*)(?:/(tcp|udp|sctp))?\Z", re.IGNORECASE)


#: The peers that stand for the outside: every address, and whatever leads routes in.
EXTERNAL, INGRESS = "external", "ingress"
Dialled = tuple[int, Protocol] | None


class Port(NamedTuple):
    """As written: a number, or a name of the destination's; `protocol` None: TCP for a number, any for a name."""

    port: int | str
    protocol: Protocol | None

    def __str__(self) -> str:
        return f"{self.port}/{self.protocol}" if self.protocol else str(self.port)


class Target(NamedTuple):
    """A name for the reader, the end, the port there, and what the flow goes through."""

    name: str
    end: End
    port: Dialled = None
    via: tuple[Service, Endpoint] | None = None


def split(words: Sequence[str]) -> tuple[Port | None, str | None]:
    """The port and the spec, each where given. Raises Problem."""
    port: Port | None = None
    spec: str | None = None
    for word in words:
        found = _port(word)
        if found is not None and port is None:
            port = found
        elif spec is None and found is None:
            spec = word
        else:
            raise Problem(f"one argument too many: {word}", "SRC DST [PORT[/PROTO]] [SPEC]")
    return port, spec


def _port(word: str) -> Port | None:
    match = _NUMBER.match(word)
    if match:
        number = int(match[1]) if len(match[1]) < 6 else 0
        if not 1 <= number <= 65535:
            raise Problem(f"{word} is not a port", "a port is 1 to 65535, with /TCP, /UDP or /SCTP behind it")
        return Port(number, _protocol(match[2] or "tcp"))
    match = None if Path(word).exists() else _NAME.match(word)
    return Port(match[1], _protocol(match[2])) if match else None


def _protocol(word: str | None) -> Protocol | None:
    return next((p for p in PROTOCOLS if p == (word or "").upper()), None)


def targets(inventory: Inventory, text: str, port: Port | None) -> list[Target]:
    """What the destination stands for. Raises Problem where there is none."""
    if text == INGRESS:
        raise Problem("the ingress cannot be the destination", "name what a route leads to")
    if text.startswith("service:"):
        return list(_service(inventory, text.removeprefix("service:"), port))
    found = list(ends(inventory, text))
    if port is None or isinstance(port.port, int):
        at = None if port is None or isinstance(port.port, str) else (port.port, port.protocol or "TCP")
        return [Target(name, end, at) for name, end in found]
    by_id = {w.id: w for w in inventory.workloads}
    workloads = [(name, by_id[end.workload]) for name, end in found if isinstance(end, PodEnd)]
    if not workloads:
        raise Problem(f"{text} has no names of ports", "give the port's number")
    named = [
        Target(name, PodEnd(workload.id), (declared.port, declared.protocol))
        for name, workload in workloads
        for declared in workload.ports
        if declared.name == port.port and port.protocol in (None, declared.protocol)
    ]
    if not named:
        has = dict.fromkeys(_declared(w) for _, w in workloads)
        raise Problem(f"{text} has no port {port}", f"its ports are {', '.join(has)}")
    return named


def _declared(workload: Workload) -> str:
    said = [f"{p.name} {p.port}/{p.protocol}" if p.name else f"{p.port}/{p.protocol}" for p in workload.ports]
    return ", ".join(said) or "not declared"


def ends(inventory: Inventory, text: str) -> Iterator[tuple[str, End]]:
    """A workload, all pods of an owner whose pods differ, an address, or one address of each external range."""
    if text == EXTERNAL:
        for i, external in enumerate(Reachability(inventory).externals):
            address = ip_address(external.ranges[0][0])
            yield f"external:{i} ({external.ranges[0][0]}-{external.ranges[0][1]})", AddressEnd(address)
        return
    found = [w.id for w in inventory.workloads if w.id == text or w.id.startswith(f"{text}/")]
    if found:
        for workload in found:
            yield workload, PodEnd(workload)
        return
    running = _workload_of_pod(inventory, text)
    if running is not None:
        yield text, PodEnd(running)
        return
    try:
        yield text, AddressEnd(ip_address(text))
    except ValueError:
        raise Problem(f"there is no workload {text}", _instead(inventory, text)) from None


def _instead(inventory: Inventory, text: str) -> str:
    namespace, _, name = text.partition("/")
    for unread in inventory.unread:
        if (unread.namespace, unread.name) == (namespace, name) and "pods" in unread.makes:
            return (
                f"{unread.kind} {text} makes pods and is not read; give the pods themselves (kubectl get pods -o yaml)"
            )
    names = [w.id for w in inventory.workloads]
    return did_you_mean(text, names) or "ns/name, service:ns/name, an address, external or ingress"


def _workload_of_pod(inventory: Inventory, text: str) -> str | None:
    """Of ns/name/pod, or ns/pod: the workload that the pod is one of."""
    owner, _, pod = text.rpartition("/")
    namespace = owner.partition("/")[0]
    for w in inventory.workloads:
        if w.namespace == namespace and pod in w.pods and (owner == namespace or f"{w.id}/".startswith(f"{owner}/")):
            return w.id
    return None


def _service(inventory: Inventory, name: str, port: Port | None) -> Iterator[Target]:
    endpoints = Endpoints(inventory)
    named = endpoints.find(name)
    if named is None:
        hint = did_you_mean(name, [s.id for s in inventory.services])
        raise Problem(f"there is no Service {name}", hint or "name it as service:namespace/name")
    service = endpoints.followed(named)
    if service is None:
        raise _leads_outside(endpoints, named)
    shown = f"service:{name}" if service is named else f"service:{name} (a name for {service.id})"
    wanted = [p for p in service.ports if port is None or _is(p, port)]
    if service.headless:  # its name is the pods' addresses; whoever asks picks the port
        at: Dialled = None
        if port is not None and isinstance(port.port, int):
            at = port.port, port.protocol or "TCP"
        elif port is not None:
            if not wanted:
                raise _no_port(service, name, port)
            at = wanted[0].port, wanted[0].protocol
        listed = endpoints.addresses(service)
        if not listed:
            raise _without_endpoints(inventory, endpoints, name, service, service.ports)
        for end in listed:
            yield Target(f"{shown} ({end})", end, at)
        return
    if not wanted:
        raise _no_port(service, name, port)
    found = [e for p in wanted for e in endpoints.of_port(service, p)]
    if not found:
        raise _without_endpoints(inventory, endpoints, name, service, wanted)
    for endpoint in found:
        behind = f"{endpoint.port.port}/{endpoint.protocol} ({endpoint.end} {endpoint.number})"
        yield Target(f"{shown} {behind}", endpoint.end, (endpoint.number, endpoint.protocol), (service, endpoint))


def _is(declared: ServicePort, port: Port) -> bool:
    if isinstance(port.port, int):
        return (declared.port, declared.protocol) == (port.port, port.protocol or "TCP")
    return declared.name == port.port and port.protocol in (None, declared.protocol)


def _no_port(service: Service, name: str, port: Port | None) -> Problem:
    has = ", ".join(f"{p.name} {p.port}/{p.protocol}" if p.name else f"{p.port}/{p.protocol}" for p in service.ports)
    what = f"it has no port {port}" if port is not None else "it has no ports"
    return Problem(f"nothing answers at Service {name}: {what}", f"its ports are {has}" if has else "it declares none")


def _leads_outside(endpoints: Endpoints, service: Service) -> Problem:
    inside = service_of_name(service.external_name or "", endpoints.domain)
    if inside is None:
        return Problem(
            f"Service {service.id} is an alias of {service.external_name}: its traffic goes outside",
            "explain to the address",
        )
    if endpoints.find(inside) is None:
        return Problem(f"Service {service.id} is a name for Service {inside}, which is not there", "add its object")
    return Problem(
        f"Service {service.id} is a name for Service {inside}, whose name comes back to itself or goes outside",
        "explain to the Service or address that is meant",
    )


def _without_endpoints(
    inventory: Inventory, endpoints: Endpoints, name: str, service: Service, ports: Sequence[ServicePort]
) -> Problem:
    """Why nothing is behind it, as far as the input tells."""
    message = f"nothing answers at Service {name}: it has no endpoints"
    if service.selector is None and not endpoints.slices(service):
        return Problem(
            f"{message}: it has no selector, and no EndpointSlice of it was given",
            "add them: kubectl get endpointslices --all-namespaces -o yaml",
        )
    if not inventory.workloads:
        return Problem(f"{message}: no pods were given", "add them: kubectl get all --all-namespaces -o yaml")
    if endpoints.selected(service):
        wanted = " or ".join(f"{p.target_port}/{p.protocol}" for p in ports)
        has = "; ".join(dict.fromkeys(map(_declared, endpoints.selected(service))))
        which = " and ".join(f"{p.port}/{p.protocol}" for p in ports)
        return Problem(f"{message} for {which}", f"no pod behind it has {wanted}; their ports are {has}")
    if service.selector is None:
        return Problem(message, "its slices are empty")
    depends = but_for(inventory, ("pods",), service.namespace)
    return Problem(message, f"no pod has the labels of its selector{depends}")
