"""The pods of an inventory as workloads of a spec: names that the spec takes, labels and ports that tell them apart."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from netspec.analysis.spaces import rules_of
from netspec.importing.documents import Bodies
from netspec.importing.model import Draft, Item, Locate
from netspec.importing.podfields import unsaid
from netspec.importing.words import dns_label, split_labels
from netspec.ir.dns import KUBE_DNS
from netspec.ir.model import WORKLOAD_LABEL, ContainerPort, Inventory, Place, Workload
from netspec.ir.selectors import Selector
from netspec.manifests.workloads import OF_CONTROLLERS
from netspec.spec.workloads import MAX_PORTS

#: The models' own limits.
MAX_REPLICAS, MAX_DNS_REPLICAS = 1000, 100
#: Of what controllers label their pods with, what is known before they run: the Job's name.
_JOB_NAME = "batch.kubernetes.io/job-name"
#: What comes and goes with the pods: the controllers' labels, and netspec's own on stand-ins.
_OF_OTHERS = OF_CONTROLLERS | {WORKLOAD_LABEL}


class Kept(NamedTuple):
    """A workload as the input has it, except for its name in the spec, and its entry (None: the cluster's own DNS)."""

    workload: Workload
    item: Item | None


def add_workloads(draft: Draft, inventory: Inventory, bodies: Bodies, locate: Locate) -> list[Kept]:
    """Fills the draft's workloads. Gives those that are in the spec, under the names they have there."""
    named = _named_keys(inventory)
    kept: list[Kept] = []
    groups: dict[tuple[str, frozenset[tuple[str, str]]], list[Workload]] = defaultdict(list)
    for workload in inventory.workloads:
        labels = _labels(workload, named)
        if _is_dns(workload):
            if not any(k.item is None for k in kept):
                kept.append(Kept(_dns(draft, workload, locate), None))
            else:
                draft.lost(_what(workload), "the cluster's DNS is one workload", locate(workload.place))
        elif workload.host_network:
            draft.lost(
                _what(workload), "its pods are in the node's network: add it where it matters", locate(workload.place)
            )
        elif not labels:
            draft.lost(_what(workload), "its pods have no labels, and a workload has some", locate(workload.place))
        else:
            for path, why in unsaid(bodies.at(workload.place), workload.kind):
                place = Place((*workload.place.path, *path), workload.place.position)
                draft.lost(_what(workload), why, locate(place))
            groups[workload.namespace, frozenset(labels.items())].append(workload)
    taken: dict[str, set[str]] = defaultdict(set)
    # Those whose name may stay come first, so that it stays.
    for (namespace, labels_of), members in sorted(groups.items(), key=lambda group: _is_renamed(group[1][0])):
        kept.append(_one(draft, members, dict(sorted(labels_of)), taken[namespace], named, locate))
    return sorted(kept, key=lambda k: k.workload.id)


def _named_keys(inventory: Inventory) -> frozenset[str]:
    """The label keys that a selector names."""
    selectors: list[Selector | None] = [p.pods for p in inventory.policies]
    selectors += [s.selector for s in inventory.services]
    selectors += [peer.pods for rule in rules_of(inventory) for peer in rule.peers]
    found = [s for s in selectors if s is not None]
    return frozenset(k for s in found for k, _ in s.match_labels) | {e.key for s in found for e in s.expressions}


def _labels(workload: Workload, named: frozenset[str]) -> dict[str, str]:
    """Without what controllers add, unless a selector names it, or nothing else is there."""
    own = {k: v for k, v in workload.labels.items() if k not in _OF_OTHERS or k in named}
    if not own and _JOB_NAME in workload.labels:
        own = {_JOB_NAME: workload.labels[_JOB_NAME]}
    return split_labels(own)[0]


def _is_dns(workload: Workload) -> bool:
    """What takes the place of the DNS that netspec brings: it must be told apart from no other there."""
    if workload.host_network or workload.namespace != KUBE_DNS.namespace:
        return False
    return workload.id == KUBE_DNS.workload_id or Selector.of(KUBE_DNS.labels).matches(workload.labels)


def _dns(draft: Draft, workload: Workload, locate: Locate) -> Workload:
    if 0 < workload.replicas <= MAX_DNS_REPLICAS:
        draft.dns["coredns"] = {"replicas": workload.replicas}
    if workload.id != KUBE_DNS.workload_id:
        why = f"it answers the cluster's lookups: the spec calls it {KUBE_DNS.workload_id}"
        draft.changed(_what(workload), why, locate(workload.place))
    return replace(workload, name=KUBE_DNS.workload)


def _one(
    draft: Draft,
    members: list[Workload],
    labels: dict[str, str],
    taken: set[str],
    named: frozenset[str],
    locate: Locate,
) -> Kept:
    """Pods of one namespace with the same labels: no selector tells them apart, so they are one workload."""
    first = members[0]
    ports = _ports(draft, members, locate)
    workload = replace(
        first,
        name=dns_label(_short(first.name), taken, "pod"),
        ports=tuple(ports),
        replicas=min(sum(m.replicas for m in members), MAX_REPLICAS),
    )
    taken.add(workload.name)
    where = locate(first.place)
    for other in members[1:]:
        why = f"its labels are those of {first.id}: they are one workload in the spec"
        draft.changed(_what(other), why, locate(other.place))
    if workload.name != first.name:
        draft.changed(_what(first), f"it is called {workload.id} in the spec", where)
    if sum(m.replicas for m in members) > MAX_REPLICAS:
        draft.changed(_what(first), f"a workload has at most {MAX_REPLICAS} replicas", where)
    refused = split_labels({k: v for k, v in first.labels.items() if k not in _OF_OTHERS or k in named})[1]
    for key in refused:
        draft.lost(_what(first), f"the spec does not take the label {key}", where)
    data: dict[str, object] = {"name": workload.name, "namespace": first.namespace, "labels": labels}
    if workload.replicas != 1:
        data["replicas"] = workload.replicas
    if ports:
        data["ports"] = [_port(p) for p in ports]
    note = first.kind if first.kind != "Deployment" else ""
    return Kept(workload, Item(data, f"workload {workload.id}", where, note=note))


def _ports(draft: Draft, members: list[Workload], locate: Locate) -> list[ContainerPort]:
    """Each port once, each name once: what a workload of the spec may have."""
    found: dict[tuple[int, str], ContainerPort] = {}
    names: set[str] = set()
    for member in members:
        for port in member.ports:
            why = _trouble(port, found, names)
            if len(found) >= MAX_PORTS:
                draft.lost(f"port {_port_text(port)} of {member.id}", why, locate(member.place))
                continue
            first = found.get((port.port, port.protocol))
            if why:
                draft.lost(f"port name {port.name} ({_port_text(port)}) of {member.id}", why, locate(member.place))
                port = replace(port, name=None)
            if first is None or first.name is None:
                found[port.port, port.protocol] = port
            names |= {port.name} if port.name else set()
    return list(found.values())


def _trouble(port: ContainerPort, found: dict[tuple[int, str], ContainerPort], names: set[str]) -> str:
    """Why the spec does not take the port, or its name, beside those found so far; "" where it does."""
    if len(found) >= MAX_PORTS:
        return f"a workload has at most {MAX_PORTS} ports"
    first = found.get((port.port, port.protocol))
    if port.name is None or (first is not None and first.name == port.name):
        return ""
    if first is not None and first.name is not None:
        return "a workload's port has one name"
    return "a port name means one port of a workload" if port.name in names else ""


def _port(port: ContainerPort) -> dict[str, object]:
    data: dict[str, object] = {"name": port.name} if port.name else {}
    return data | {"port": port.port} | ({"protocol": port.protocol} if port.protocol != "TCP" else {})


def _port_text(port: ContainerPort) -> str:
    return f"{port.port}/{port.protocol}"


def _short(name: str) -> str:
    """The reader's name of a part ("web/web-0", "web/StatefulSet") as one word.

    >>> _short("web/web-0"), _short("web/StatefulSet")
    ('web-0', 'web-StatefulSet')
    """
    owner, slash, part = name.partition("/")
    return part if slash and part.startswith(owner) else name.replace("/", "-")


def _is_renamed(workload: Workload) -> bool:
    return dns_label(workload.name) != workload.name


def _what(workload: Workload) -> str:
    return f"{workload.kind} {workload.id}"


def find_undeclared(workloads: Iterable[Workload], number: int, protocol: str) -> list[Workload]:
    """The workloads, if none of them declares the port and some declare others."""
    listed = list(workloads)
    declared = {(p.port, p.protocol) for w in listed for p in w.ports}
    return listed if declared and (number, protocol) not in declared else []
