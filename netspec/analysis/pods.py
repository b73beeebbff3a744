"""Pods grouped by what policies can tell apart, and label selectors answered as bit sets over the groups."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from netspec.analysis.bits import from_members, to_members
from netspec.analysis.spaces import rules_of
from netspec.ir.model import NAME_LABEL, ContainerPort, Inventory, Peer, Protocol, Workload
from netspec.ir.selectors import Labels, Requirement, Selector

#: Stands for every value of a key that no selector names.
_OTHER = "\0"
_Signature = tuple[tuple[str, str], ...]
PortName = tuple[str, Protocol]


class LabelIndex:
    """Answers selectors over numbered members, given the labels of each."""

    def __init__(self, labels: Iterable[Labels]) -> None:
        by_label: dict[tuple[str, str], list[int]] = defaultdict(list)
        by_key: dict[str, list[int]] = defaultdict(list)
        count = 0
        for count, own in enumerate(labels, 1):
            for key, value in own.items():
                by_label[key, value].append(count - 1)
                by_key[key].append(count - 1)
        self.everyone = (1 << count) - 1
        self._by_label = {label: from_members(members) for label, members in by_label.items()}
        self._by_key = {key: from_members(members) for key, members in by_key.items()}
        self._known: dict[Selector, int] = {}

    def select(self, selector: Selector) -> int:
        found = self._known.get(selector)
        if found is None:
            found = self.everyone
            for label in selector.match_labels:
                found &= self._by_label.get(label, 0)
            for requirement in selector.expressions:
                found &= self._require(requirement)
            self._known[selector] = found
        return found

    def _require(self, requirement: Requirement) -> int:
        having = self._by_key.get(requirement.key, 0)
        if requirement.operator == "Exists":
            return having
        if requirement.operator == "DoesNotExist":
            return self.everyone & ~having
        named = 0
        for value in requirement.values:
            named |= self._by_label.get((requirement.key, value), 0)
        return named if requirement.operator == "In" else self.everyone & ~named


class _Vocabulary:
    """The keys and values that selectors name; all else is invisible to them."""

    def __init__(self, selectors: Iterable[Selector]) -> None:
        self._values: dict[str, set[str]] = defaultdict(set)
        for selector in selectors:
            for key, value in selector.match_labels:
                self._values[key].add(value)
            for requirement in selector.expressions:
                self._values[requirement.key].update(requirement.values)

    def asks_more_than(self, key: str) -> bool:
        return bool(self._values.keys() - {key})

    def visible(self, labels: Labels) -> _Signature:
        values = self._values
        return tuple(sorted((k, v if v in values[k] else _OTHER) for k, v in labels.items() if k in values))


class _Class(NamedTuple):
    """What one group of pods looks like to the policies. `home`: the namespace, where a policy lives in it.
    `is_known`: whether the namespace's labels are all known, as far as selectors ask."""

    home: str | None
    namespace_labels: _Signature
    is_known: bool
    labels: _Signature
    ports: tuple[tuple[PortName, int], ...]
    host_network: bool


class PodIndex:
    """`members[i]` are the indexes into `inventory.workloads` of class i; bit sets are over classes."""

    def __init__(self, inventory: Inventory) -> None:
        peers = _peers(inventory)
        pod_words = _Vocabulary([s for p in peers if (s := p.pods) is not None])
        namespace_words = _Vocabulary([s for p in peers if (s := p.namespaces) is not None])
        names = {(p.port, p.protocol) for r in rules_of(inventory) for p in r.ports if isinstance(p.port, str)}
        homes = {p.namespace for p in inventory.policies}
        declared = {n.name: n.labels for n in inventory.namespaces}
        by_name_alone = not namespace_words.asks_more_than(NAME_LABEL)
        seen = {
            name: namespace_words.visible(declared.get(name, {NAME_LABEL: name}))
            for name in {w.namespace for w in inventory.workloads}
        }
        ports: dict[tuple[ContainerPort, ...], tuple[tuple[PortName, int], ...]] = {}
        classes: dict[_Class, list[int]] = {}
        self.class_of: list[int] = []
        number: dict[_Class, int] = {}
        for i, workload in enumerate(inventory.workloads):
            if workload.ports not in ports:
                ports[workload.ports] = _named(workload, names)
            key = _Class(
                workload.namespace if workload.namespace in homes else None,
                seen[workload.namespace],
                by_name_alone or workload.namespace in declared,
                pod_words.visible(workload.labels),
                ports[workload.ports],
                workload.host_network,
            )
            classes.setdefault(key, []).append(i)
            self.class_of.append(number.setdefault(key, len(number)))
        self.members = list(classes.values())
        listed = list(classes)
        self.count = len(listed)
        self.everyone = (1 << self.count) - 1
        self.host = from_members(i for i, c in enumerate(listed) if c.host_network)
        #: Per class, the number that each port name means on its pods.
        self.ports = [dict(c.ports) for c in listed]
        self._labels = LabelIndex(dict(c.labels) for c in listed)
        kinds = {k: i for i, k in enumerate(dict.fromkeys((c.namespace_labels, c.is_known) for c in listed))}
        self._namespaces = LabelIndex(dict(signature) for signature, _ in kinds)
        self._unknown = from_members(i for (_, is_known), i in kinds.items() if not is_known)
        by_kind: list[list[int]] = [[] for _ in kinds]
        by_home: dict[str, list[int]] = defaultdict(list)
        by_port: dict[PortName, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
        for i, c in enumerate(listed):
            by_kind[kinds[c.namespace_labels, c.is_known]].append(i)
            if c.home is not None:
                by_home[c.home].append(i)
            for name, port in c.ports:
                by_port[name][port].append(i)
        self._by_kind = [from_members(m) for m in by_kind]
        self._by_home = {home: from_members(m) for home, m in by_home.items()}
        self._by_port = {n: {p: from_members(m) for p, m in found.items()} for n, found in by_port.items()}
        self._in_namespaces: dict[tuple[Selector, bool], int] = {}

    def peer(self, peer: Peer, home: str | None, perhaps: bool = False) -> int:
        """The classes that a peer's selectors match; `home` is the policy's namespace (None: cluster-wide). `perhaps`:
        those too that they may match, for all that the input says of their namespaces' labels, or of the peer."""
        if peer.unread:
            return self.everyone if perhaps and peer.unread not in ("nodes", "api-server") else 0
        if peer.ip_block is not None or (peer.unsure and not perhaps):
            return 0
        if peer.entity is not None:
            return self.everyone if peer.entity in ("all", "cluster") else self.host * (peer.entity == "nodes")
        within = self.in_namespaces(peer.namespaces, perhaps) if peer.namespaces is not None else self.in_home(home)
        return within if peer.pods is None else within & self._labels.select(peer.pods)

    def in_home(self, namespace: str | None) -> int:
        """The classes of a namespace that has a NetworkPolicy."""
        return self._by_home.get(namespace or "", 0)

    def in_namespaces(self, selector: Selector, perhaps: bool = False) -> int:
        """The classes in the namespaces that a selector matches. Of a namespace that is not known its name is all that
        can be held against it."""
        found = self._in_namespaces.get((selector, perhaps))
        if found is None:
            found = 0
            kinds = self._namespaces.select(selector)
            if self._unknown:
                by_name = selector.speaks_of(NAME_LABEL)
                told = self._namespaces.select(by_name) if perhaps or by_name == selector else 0
                kinds = kinds & ~self._unknown | told & self._unknown
            for kind in to_members(kinds):
                found |= self._by_kind[kind]
            self._in_namespaces[selector, perhaps] = found
        return found

    def with_port(self, name: PortName) -> Mapping[int, int]:
        """Port number -> the classes on which `name` means it."""
        return self._by_port.get(name, {})


def _peers(inventory: Inventory) -> list[Peer]:
    """Every selector that a policy has, as a peer: its subject and its rules' peers."""
    out = [Peer(pods=p.pods) for p in inventory.policies]
    out += [t.subject for t in inventory.tiers]
    for rule in rules_of(inventory):
        out += rule.peers
    return out


def _named(workload: Workload, names: set[PortName]) -> tuple[tuple[PortName, int], ...]:
    found: dict[PortName, int] = {}
    for port in workload.ports:
        if port.name is not None and (port.name, port.protocol) in names:
            found.setdefault((port.name, port.protocol), port.port)
    return tuple(sorted(found.items()))
