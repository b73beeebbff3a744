"""Checks identities: names given once, namespaces that exist, workloads that selectors can tell apart.

Duplicates are left out of the IR, so that one mistake is one finding."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol, TypeVar

from netspec.ir.dns import KUBE_DNS
from netspec.ir.model import NAME_LABEL, Ir, Place, Workload
from netspec.ir.selectors import Selector
from netspec.passes.context import Context
from netspec.passes.endpoints import ports_with_places

#: Namespaces that every cluster has; a spec may use them without declaring them.
BUILT_IN = frozenset({"default", "kube-system", "kube-public", "kube-node-lease"})
RESERVED_PREFIX = "kube-"
#: Those of them that are Kubernetes' own: a spec cannot declare them.
RESERVED = frozenset(n for n in BUILT_IN if n.startswith(RESERVED_PREFIX))
#: Services that every cluster has: CoreDNS's, and the API server's own.
BROUGHT = frozenset({KUBE_DNS.service_id, "default/kubernetes"})


class _Object(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def place(self) -> Place: ...


Item = TypeVar("Item", bound=_Object)


def objects(ir: Ir, context: Context) -> Ir:
    _namespaces(ir, context)
    ir = replace(
        ir,
        namespaces=_unique(ir.namespaces, "namespace", context),
        workloads=_unique(ir.workloads, "workload", context),
        services=_unique(ir.services, "Service", context),
        intents=_unique(ir.intents, "policy", context),
        http=_unique(ir.http, "ingress route", context),
        gateways=_unique(ir.gateways, "Gateway", context),
        gateway_routes=tuple(
            route
            for kind in dict.fromkeys(r.kind for r in ir.gateway_routes)
            for route in _unique([r for r in ir.gateway_routes if r.kind == kind], kind, context)
        ),
        policies=_unique(ir.policies, "NetworkPolicy", context),
    )
    _known_namespaces(ir, context)
    _brought(ir, context)
    for workload in ir.workloads:
        _ports(workload, context)
    _distinct(ir, context)
    return ir


def _key(item: _Object) -> str:
    namespace = getattr(item, "namespace", None)
    return f"{namespace}/{item.name}" if namespace else item.name


def _unique(items: Sequence[Item], what: str, context: Context) -> tuple[Item, ...]:
    first: dict[str, Item] = {}
    for item in items:
        key = _key(item)
        if key not in first:
            first[key] = item
            continue
        context.incomplete.add(str(item.place.path[0]))
        where = first[key].place.position
        at = f"; line {where.line} has it already" if where else ""
        context.report.error("NS203", item.place.path, f"there are two {what} objects named {key}{at}", "rename one")
    return tuple(first.values())


def _namespaces(ir: Ir, context: Context) -> None:
    for namespace in ir.namespaces:
        if namespace.name in RESERVED:
            message = f"every cluster has the namespace {namespace.name}"
            context.report.error("NS206", (*namespace.place.path, "name"), message, "rename it, or remove the entry")
        elif namespace.name.startswith(RESERVED_PREFIX):
            message = f"{namespace.name}: names that begin with {RESERVED_PREFIX} are for Kubernetes' own namespaces"
            context.report.warning("NS211", (*namespace.place.path, "name"), message, "rename it if you can")
        if namespace.labels[NAME_LABEL] != namespace.name:
            message = f"the API server sets this label to {namespace.name}; it cannot have another value"
            context.report.error("NS207", (*namespace.place.path, "labels", NAME_LABEL), message, "remove the label")


def _known_namespaces(ir: Ir, context: Context) -> None:
    known = {n.name for n in ir.namespaces} | BUILT_IN
    used = [(w.namespace, w.place) for w in ir.workloads]
    used += [(s.namespace, s.place) for s in ir.services]
    used += [(p.namespace, p.place) for p in ir.policies]
    used += [(r.namespace, r.place) for r in ir.http]
    used += [(g.namespace, g.place) for g in ir.gateways]
    used += [(r.namespace, r.place) for r in ir.gateway_routes]
    for name, place in used:
        if name not in known and not context.loaded.may_have("namespaces", name):
            context.unknown("NS205", (*place.path, "namespace"), "namespace", name, known)


def _brought(ir: Ir, context: Context) -> None:
    """What the cluster brings is not the spec's to make, and no other pods are to answer for its DNS."""
    for service in ir.services:
        if service.id in BROUGHT:
            message = f"every cluster has the Service {service.id}"
            context.report.error("NS209", service.place.path, message, "rename it, or remove the entry")
    dns = Selector.of(KUBE_DNS.labels)
    for workload in ir.workloads:
        if workload.id == KUBE_DNS.workload_id:
            message = f"every cluster has {workload.id}: dns.coredns is where it is described"
            context.report.error("NS209", workload.place.path, message, "rename it, or remove the entry")
        elif workload.namespace == KUBE_DNS.namespace and dns.matches(workload.labels):
            message = f"the Service {KUBE_DNS.service_id} would send the cluster's lookups to {workload.id} too"
            context.report.error("NS209", (*workload.place.path, "labels"), message, "give it labels of its own")


def _ports(workload: Workload, context: Context) -> None:
    """The containers of a pod share its address: what one listens on is taken for the others."""
    numbers: set[tuple[int, str]] = set()
    names: set[str] = set()
    for path, port in ports_with_places(workload):
        if (port.port, port.protocol) in numbers:
            context.report.error("NS208", path, f"port {port.port}/{port.protocol} is given twice", "remove one")
        elif port.name in names:
            context.report.error("NS208", path, f"two ports are named {port.name}", "rename one")
        numbers.add((port.port, port.protocol))
        if port.name is not None:
            names.add(port.name)


def _distinct(ir: Ir, context: Context) -> None:
    """Policies select by labels: two workloads of a namespace with the same labels cannot be told apart."""
    seen: dict[tuple[str, frozenset[tuple[str, str]]], Workload] = {}
    for workload in ir.workloads:
        first = seen.setdefault((workload.namespace, frozenset(workload.labels.items())), workload)
        if first is not workload:
            message = f"{workload.id} and {first.id} have the same labels: no selector can tell them apart"
            context.report.error("NS204", (*workload.place.path, "labels"), message, "give each a label of its own")
