"""What stands behind Services without a selector finding it: EndpointSlices, and the older Endpoints."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from netspec.diagnostics import Path
from netspec.ir.model import EndpointSlice, IPAddress, Protocol, Service
from netspec.manifests.fields import Object, address, items, mapping, port_number, protocol, text

_LAST_PORT = 65535
_SERVICE = "kubernetes.io/service-name"
_MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
#: Who writes the slices of a Service's own pods, and copies those of Endpoints.
_CONTROLLERS = frozenset(("endpointslice-controller.k8s.io", "endpointslicemirroring-controller.k8s.io"))


class Target(NamedTuple):
    """One endpoint: its addresses, and the pod ("namespace/name") that it says it is; "" for none."""

    addresses: tuple[IPAddress, ...]
    pod: str


class Slice(NamedTuple):
    """As read. `own`: not written by a controller from what the Service selects, so it counts beside the selector."""

    service: str
    ports: tuple[tuple[str, Protocol, int | None], ...]
    targets: tuple[Target, ...]
    own: bool


def read(kind: str, namespace: str, name: str, body: Object) -> list[Slice]:
    """An EndpointSlice or Endpoints object. Raises Bad."""
    if kind == "Endpoints":
        return list(endpoints(namespace, name, body))
    found = endpoint_slice(namespace, body)
    return [] if found is None else [found]


def endpoint_slice(namespace: str, body: Object) -> Slice | None:
    """discovery.k8s.io EndpointSlice. None where it is no Service's, or its addresses are names. Raises Bad."""
    labels = mapping(mapping(body.get("metadata"), ("metadata",)).get("labels"), ("metadata", "labels"))
    service = labels.get(_SERVICE)
    if not isinstance(service, str) or not service or body.get("addressType") == "FQDN":
        return None
    targets = []
    for i, value in enumerate(items(body.get("endpoints"), ("endpoints",))):
        at: Path = ("endpoints", i)
        found = mapping(value, at)
        conditions = mapping(found.get("conditions"), (*at, "conditions"))
        if conditions.get("ready") is not False:  # nil is true (EndpointConditions)
            addresses = items(found.get("addresses"), (*at, "addresses"))
            targets.append(Target(tuple(_addresses(addresses)), _pod(found, namespace, at)))
    own = labels.get(_MANAGED_BY) not in _CONTROLLERS
    return Slice(f"{namespace}/{service}", _ports(body.get("ports"), ("ports",)), tuple(targets), own)


def endpoints(namespace: str, name: str, body: Object) -> Iterator[Slice]:
    """core/v1 Endpoints, of the Service of its name; a selector's are written by a controller. Raises Bad."""
    for i, value in enumerate(items(body.get("subsets"), ("subsets",))):
        at: Path = ("subsets", i)
        subset = mapping(value, at)
        targets = []
        for j, item in enumerate(items(subset.get("addresses"), (*at, "addresses"))):
            found = mapping(item, (*at, "addresses", j))
            targets.append(Target(tuple(_addresses([found.get("ip")])), _pod(found, namespace, at)))
        yield Slice(f"{namespace}/{name}", _ports(subset.get("ports"), (*at, "ports")), tuple(targets), False)


def _addresses(listed: list[object]) -> Iterator[IPAddress]:
    for value in listed:
        if (found := address(value)) is not None:
            yield found


def _pod(found: Object, namespace: str, path: Path) -> str:
    reference = mapping(found.get("targetRef"), (*path, "targetRef"))
    if reference.get("kind") != "Pod":
        return ""
    return f"{reference.get('namespace') or namespace}/{reference.get('name')}"


def _ports(value: object, path: Path) -> tuple[tuple[str, Protocol, int | None], ...]:
    out: list[tuple[str, Protocol, int | None]] = []
    for i, item in enumerate(items(value, path)):
        at = (*path, i)
        found = mapping(item, at)
        number = found.get("port")
        name = text(found.get("name"), (*at, "name"))
        kind = protocol(found.get("protocol"), (*at, "protocol"), empty=True)
        if isinstance(number, int) and not isinstance(number, bool) and not 1 <= number <= _LAST_PORT:
            continue  # the API server takes it, and nothing can be there
        out.append((name, kind, None if number is None else port_number(number, (*at, "port"))))
    return tuple(out)


def resolved(
    found: list[Slice], services: Mapping[str, Service], pods: Mapping[str, str], at: Mapping[IPAddress, str]
) -> tuple[EndpointSlice, ...]:
    """What counts of them. `pods`: "namespace/name" -> the workload that the pod is of; `at`: the same by address."""
    out: dict[EndpointSlice, None] = {}
    for each in found:
        service = services.get(each.service)
        if service is None or (service.selector is not None and not each.own):
            continue
        workloads: list[str] = []
        addresses: list[IPAddress] = []
        for target in each.targets:
            workload = pods.get(target.pod) or next((at[a] for a in target.addresses if a in at), None)
            if workload is not None:
                workloads.append(workload)
            else:
                addresses += target.addresses
        unique = tuple(sorted(set(workloads))), tuple(sorted(set(addresses), key=lambda a: (a.version, a)))
        out[EndpointSlice(each.service, each.ports, *unique)] = None
    return tuple(sorted(out, key=lambda s: (s.service, str(s.ports), str(s.addresses))))
