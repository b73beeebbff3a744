"""Limits where pods have addresses of the VPC: pods a node, and addresses a subnet when every node is full."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from netspec.backends.cni.vpc.arithmetic import (
    HOST_PODS,
    Mode,
    Taken,
    Warm,
    arithmetic,
    pods,
    recommended,
    taken,
    usable,
)
from netspec.ir.model import Ir
from netspec.target import Limit, NodeGroup, Range

#: Addresses of a subnet that AWS keeps (AWS docs, "Subnet sizing"), and the least that the control plane wants.
RESERVED, CONTROL_PLANE = 5, 6


class Interfaces(NamedTuple):
    """How a plugin uses a node's interfaces. `elsewhere`: pods have addresses of the pod subnets alone; `discovers`: of
    those too."""

    mode: Mode
    warm: Warm
    elsewhere: bool = False
    discovers: bool = False


def max_pods(group: NodeGroup, use: Interfaces) -> int:
    """Room by interfaces, and by what a node of that size should have. Pods with an interface of their own are more."""
    branches = group.branches if use.mode.trunk else 0
    return recommended(pods(group.interfaces, group.addresses, use.mode) + branches, group.cpus)


def node_limits(ir: Ir, use: Interfaces) -> tuple[Limit, ...]:
    """A limit of pods that is more than the interfaces have room for: pods would wait for an address for ever."""
    at = ("network", "maxPods")
    mode, found = use.mode, []
    for group in ir.traits.groups:
        if not group.interfaces:
            continue
        room = pods(group.interfaces, group.addresses, mode)
        room += group.branches if mode.trunk else 0
        how = arithmetic(group.interfaces, group.addresses, mode, group.cpus)
        how += f"; {group.branches} more with interfaces of their own" if mode.trunk else ""
        given = at in ir.given
        needed = ir.network.max_pods if given else max_pods(group, use)
        message = f"a node of {group.name} ({', '.join(group.types)}) has room for {room} pods, and maxPods is {needed}"
        what = f"pods on a node of {group.name}"
        found.append(Limit(room, "NS814", at, f"{message}: {how}", _lift(group, mode), what, needed, how))
    return tuple(found)


def _lift(group: NodeGroup, mode: Mode) -> str:
    if not mode.prefixes and group.prefixes:
        return "prefixDelegation: true, or a smaller maxPods"
    return "an instance type with more interfaces, or a smaller maxPods"


def subnet_limits(ir: Ir, use: Interfaces) -> tuple[Limit, ...]:
    """Each zone's nodes at most, each of them full. Nodes and pods share subnets, unless pods have their own."""
    outputs = ir.traits.outputs
    zones = outputs.get("zones", ())
    found: Mapping[tuple[str, str], Range] = {(r, z): where for r, z, where in outputs.get("subnets", ())}
    limits = []
    for zone in zones:
        private, own = found.get(("private", zone)), found.get(("pods", zone))
        if private is None:
            continue
        nodes, addresses = _needed(ir, use, len(zones))
        if use.elsewhere and own is not None:
            limits.append(_limit(f"node addresses in {zone}", [private], nodes + CONTROL_PLANE, f"{nodes} nodes"))
            limits.append(_limit(f"pod addresses in {zone}", [own], *addresses))
            continue
        ranges = [private, *([own] if own is not None and use.discovers else [])]
        needed, how = addresses
        how += f"; {CONTROL_PLANE} for the control plane"
        limits.append(_limit(f"addresses in {zone}", ranges, needed + CONTROL_PLANE, how))
    return tuple(limits)


def _needed(ir: Ir, use: Interfaces, zones: int) -> tuple[int, tuple[int, str]]:
    """Nodes in a zone at most, and the addresses that they take when they are full, with the arithmetic."""
    nodes, total, words = 0, 0, []
    for group in ir.traits.groups:
        here = -(-(group.most + group.surge) // zones)
        each = full(ir, group, use)
        nodes, total = nodes + here, total + here * each.addresses
        blocks = f", {each.blocks} blocks of 16" if each.blocks else ""
        words.append(f"{here} nodes of {group.name} x {each.addresses} ({each.interfaces} interfaces{blocks})")
    return nodes, (total, "; ".join(words))


def full(ir: Ir, group: NodeGroup, use: Interfaces) -> Taken:
    """What a node of the group takes when it runs as many pods as it may."""
    if not group.interfaces:
        return Taken(1, 1)
    mode = use.mode
    most = ir.network.max_pods if ("network", "maxPods") in ir.given else max_pods(group, use)
    running = max(min(most, pods(group.interfaces, group.addresses, mode)) - HOST_PODS, 0)
    return taken(running, usable(group.interfaces, mode), group.addresses, use.warm, mode.prefixes)


def _limit(what: str, ranges: list[Range], needed: int, how: str) -> Limit:
    sizes: list[Any] = [r.network for r in ranges]
    room = sum(size.num_addresses - RESERVED for size in sizes)
    have = " and ".join(f"{size} ({size.num_addresses} - {RESERVED})" for size in sizes)
    message = f"{have} cannot hold {needed} {what}: {how}"
    lift = "larger subnets; more of them by vpc.podSubnets with subnetDiscovery, which costs no interface"
    return Limit(room, "NS815", ranges[-1].path, message, lift, what, needed, f"{have}; {how}")
