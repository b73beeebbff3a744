"""Checks networkPolicies as the API server would, and what it takes without a word but cannot be meant."""

from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network

from netspec.diagnostics import Path
from netspec.ir.model import Ir, NetworkPolicy
from netspec.passes.context import Context
from netspec.spec.selectors import LabelSelector
from netspec.spec.types import network
from netspec.spec.v1alpha1 import IpBlock, NetworkPolicyPeer, NetworkPolicyPort


def native_policies(ir: Ir, context: Context) -> Ir:
    """Reads the file's own models: what the API server checks is their shape, which the IR no longer has."""
    spec = context.loaded.spec
    assert spec is not None
    for index, policy in enumerate(spec.network_policies):
        path = (*context.loaded.path("networkPolicies", index), "spec")
        _selector(policy.spec.pod_selector, (*path, "podSelector"), context)
        for i, ingress in enumerate(policy.spec.ingress):
            _rule(ingress.from_, ingress.ports, (*path, "ingress", i), "from", context)
        for i, egress in enumerate(policy.spec.egress):
            _rule(egress.to, egress.ports, (*path, "egress", i), "to", context)
    for item in ir.policies:
        _effect(ir, item, context)
    return ir


def _rule(
    peers: list[NetworkPolicyPeer], ports: list[NetworkPolicyPort], path: Path, side: str, context: Context
) -> None:
    for index, peer in enumerate(peers):
        _peer(peer, (*path, side, index), context)
    for index, port in enumerate(ports):
        _port(port, (*path, "ports", index), context)


def _peer(peer: NetworkPolicyPeer, path: Path, context: Context) -> None:
    selects = peer.pod_selector is not None or peer.namespace_selector is not None
    if peer.ip_block is not None and selects:
        message = "ipBlock cannot be combined with podSelector or namespaceSelector"
        context.report.error("NS405", path, message, "make them two peers of the list")
    elif peer.ip_block is None and not selects:
        context.report.error("NS406", path, "the peer is empty", "name podSelector, namespaceSelector or ipBlock")
    for name, selector in (("podSelector", peer.pod_selector), ("namespaceSelector", peer.namespace_selector)):
        if selector is not None:
            _selector(selector, (*path, name), context)
    if peer.ip_block is not None:
        _block(peer.ip_block, (*path, "ipBlock"), context)


def _block(block: IpBlock, path: Path, context: Context) -> None:
    whole = network(block.cidr)
    for where, text in (
        ((*path, "cidr"), block.cidr),
        *(((*path, "except", i), c) for i, c in enumerate(block.except_)),
    ):
        cidr = network(text)
        if str(cidr) != text:
            context.report.warning("NS416", where, f"{text} is not canonical: it means {cidr}", f"write {cidr}")
    for index, text in enumerate(block.except_):
        part = network(text)
        if part == whole or not _within(part, whole):
            hint = "an exception is a strict part of the range"
            context.report.error("NS404", (*path, "except", index), f"{part} is not within {whole}", hint)


def _within(part: IPv4Network | IPv6Network, whole: IPv4Network | IPv6Network) -> bool:
    if isinstance(part, IPv4Network):
        return isinstance(whole, IPv4Network) and part.subnet_of(whole)
    return isinstance(whole, IPv6Network) and part.subnet_of(whole)


def _port(port: NetworkPolicyPort, path: Path, context: Context) -> None:
    if port.end_port is None:
        return
    where = (*path, "endPort")
    if not isinstance(port.port, int):
        found = "no port" if port.port is None else f"the named port {port.port}"
        context.report.error("NS403", where, f"endPort with {found}", "endPort needs a numeric port to begin at")
    elif port.end_port < port.port:
        message = f"endPort {port.end_port} is below port {port.port}"
        context.report.error("NS402", where, message, "endPort is the last port of the range, both included")


def _selector(selector: LabelSelector, path: Path, context: Context) -> None:
    for index, entry in enumerate(selector.match_expressions):
        needs = entry.operator in ("In", "NotIn")
        if needs != bool(entry.values):
            message = f"{entry.operator} needs values" if needs else f"{entry.operator} takes no values"
            hint = "add values" if needs else "remove values"
            context.report.error("NS412", (*path, "matchExpressions", index), message, hint)


def _effect(ir: Ir, policy: NetworkPolicy, context: Context) -> None:
    sides: Iterator[tuple[str, bool]] = iter(
        (name, bool(rules) and direction not in policy.types)
        for name, direction, rules in (("ingress", "Ingress", policy.ingress), ("egress", "Egress", policy.egress))
    )
    for name, ignored in sides:
        if ignored:
            message = f"policyTypes does not name {name.capitalize()}: these rules do nothing"
            context.report.warning("NS409", (*policy.place.path, "spec", name), message, "add it, or remove the rules")
    lost = context.loaded.may_select(policy.namespace, policy.pods)
    selected = any(w.namespace == policy.namespace and policy.pods.matches(w.labels) for w in ir.workloads)
    if not selected and not lost and not policy.pods.is_empty:
        message = f"podSelector matches no workload of namespace {policy.namespace}"
        hint = "correct the selector, or declare the workload"
        context.report.warning("NS410", (*policy.place.path, "spec", "podSelector"), message, hint)
