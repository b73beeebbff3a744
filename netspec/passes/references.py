"""Checks what intents and expectations name: the peers exist, have pods, and listen on the ports.

What names something that does not exist is left out of the IR."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from ipaddress import IPv4Network

from netspec.diagnostics import Path
from netspec.ir.model import (
    ContainerPort,
    Expectation,
    IntentKind,
    IntentPeer,
    IntentPolicy,
    Ir,
    PolicyPort,
    Service,
    ServicePort,
)
from netspec.passes.addresses import check_canonical
from netspec.passes.context import Context
from netspec.passes.endpoints import covers, given_addresses
from netspec.passes.objects import BUILT_IN
from netspec.spec.types import network

_SECTIONS = {"workload": "workloads", "namespace": "namespaces", "service": "services"}
#: Peers that are not pods of the spec: a policy can be written only on the other side.
OPEN_ENDS = frozenset({"cidr", "outside", "anywhere", "dns", "entity"})


def references(ir: Ir, context: Context) -> Ir:
    intents = tuple(i for i in ir.intents if _intent(ir, i, context))
    if intents != ir.intents:
        context.incomplete.add("policies")
    return replace(
        ir,
        intents=intents,
        expectations=tuple(e for e in ir.expectations if _expectation(ir, e, context)),
    )


def _intent(ir: Ir, intent: IntentPolicy, context: Context) -> bool:
    path = intent.place.path
    if not _both_ends(ir, intent.source, intent.destination, path, context):
        return False
    if intent.source.kind == "dns":
        message = f"a flow comes from an address, and which are {intent.source}'s is not known when it does"
        context.report.error("NS417", (*path, "from"), message, "a name is for `to`; give a CIDR")
        return False
    found = [_port(ir, intent.destination, p, (*path, "ports", i), context) for i, p in enumerate(intent.ports)]
    return all(found)


def _expectation(ir: Ir, expectation: Expectation, context: Context) -> bool:
    """A pod's port may be any number: that nobody reaches port 22 may be expected of pods that do not listen there."""
    path, destination, port = expectation.place.path, expectation.destination, expectation.port
    if not _both_ends(ir, expectation.source, destination, path, context):
        return False
    if port is not None:
        is_open = isinstance(port.port, int) and destination.kind != "service"
        return is_open or _port(ir, destination, port, (*path, "port"), context)
    if not _declared(ir, destination):
        hint = "write the port: {from: ..., to: ..., port: 443/TCP, expect: ...}"
        context.report.error("NS503", path, f"{destination} declares no port: which one is meant?", hint)
        return False
    return True


def _both_ends(ir: Ir, source: IntentPeer, destination: IntentPeer, path: Path, context: Context) -> bool:
    known = [_peer(ir, source, (*path, "from"), context), _peer(ir, destination, (*path, "to"), context)]
    if source.kind in OPEN_ENDS and destination.kind in OPEN_ENDS:
        message = f"{source} to {destination}: one side must be pods of the spec"
        context.report.error("NS414", path, message, "name a workload, namespace or service on one side")
        return False
    return all(known)


def _peer(ir: Ir, peer: IntentPeer, path: Path, context: Context) -> bool:
    if peer.kind == "cidr":
        cidr = network(peer.name)
        if not isinstance(cidr, IPv4Network):
            context.report.error("NS109", path, f"{cidr} is IPv6; the cluster's family is ipv4", "give an IPv4 CIDR")
            return False
        check_canonical(path, peer.name, context)
        return True
    if peer.kind not in _SECTIONS:
        return True
    names = _known(ir, peer.kind)
    if peer.name not in names:
        if not context.loaded.may_have(_SECTIONS[peer.kind], peer.name):
            context.unknown("NS401", path, peer.kind, peer.name, names)
        return False
    service = ir.services_by_id[peer.name] if peer.kind == "service" else None
    if service is not None and not has_ends(ir, service):
        why = "it has no selector" if service.selector is None else "it is of type ExternalName"
        message = f"the Service {service.id} has no pods of its own: {why}"
        hint = "name the workload or CIDR behind it, or give the Service endpoints"
        context.report.error("NS413", path, message, hint)
        return False
    return True


def has_ends(ir: Ir, service: Service) -> bool:
    """Whether pods or addresses are behind it."""
    if service.type == "ExternalName":
        return False
    return service.selector is not None or bool(given_addresses(ir, service))


def _known(ir: Ir, kind: IntentKind) -> Collection[str]:
    if kind == "namespace":
        return {n.name for n in ir.namespaces} | BUILT_IN
    return ir.workloads_by_id if kind == "workload" else ir.services_by_id


def _declared(ir: Ir, peer: IntentPeer) -> Sequence[ContainerPort | ServicePort]:
    match peer.kind:
        case "workload":
            return ir.workloads_by_id[peer.name].ports
        case "namespace":
            return [p for w in ir.workloads_in.get(peer.name, ()) for p in w.ports]
        case "service":
            return ir.services_by_id[peer.name].ports
        case _:
            return []


def _port(ir: Ir, peer: IntentPeer, port: PolicyPort, path: Path, context: Context) -> bool:
    """A name must be one that the destination has; a number one that it declares, where it declares any."""
    if port.port is None:  # `all`
        return True
    declared = _declared(ir, peer)
    if any(covers(port, p.port, p.name, p.protocol) for p in declared):
        return True
    if isinstance(port.port, int) and (not declared or peer.kind == "namespace"):
        return True
    wanted = f"{port.port}{f'-{port.end_port}' if port.end_port else ''}/{port.protocol}"
    has = ", ".join(dict.fromkeys(f"{p.port}/{p.protocol}" for p in declared))
    message = f"{peer} has no port {wanted}"
    own = "give the Service's own ports" if peer.kind == "service" else "it has"
    hint = f"{own}: {has}" if has else "give the port's number"
    context.report.error("NS408", path, message, hint)
    return False
