"""CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy, as far as they are about pods.

Their rules have no order: a flow that a deny rule matches is denied; else one that a rule of theirs, or of a
NetworkPolicy, matches is allowed; else it is denied where some policy with rules for its direction asks for that. That
is what three tier policies say, one for each stage (`Stage`). Sources: Cilium 1.19, pkg/policy/api (fields and what is
refused), pkg/policy/utils (an empty rule), pkg/policy/repository.go (default deny); docs/semantics.md.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from netspec.diagnostics import Path
from netspec.ir.model import (
    NAME_LABEL,
    Action,
    Direction,
    IpBlock,
    IPNetwork,
    Peer,
    Protocol,
    Stage,
    TierPolicy,
    TierRule,
)
from netspec.ir.policies import STAGES
from netspec.ir.selectors import Labels, Selector
from netspec.manifests import cilium_labels
from netspec.manifests.cilium_labels import ANYTHING
from netspec.manifests.cilium_ports import Ports
from netspec.manifests.fields import Bad, Missing, Object, address, items, known, mapping, network, object_name, text
from netspec.manifests.kinds import Refused
from netspec.manifests.policies import At, Complain

_OBJECT = frozenset(("apiVersion", "kind", "metadata", "spec", "specs", "status"))
_SPEC = frozenset(
    (
        *("endpointSelector", "nodeSelector", "ingress", "ingressDeny", "egress", "egressDeny", "labels"),
        *("enableDefaultDeny", "description", "log"),
    )
)
_BOTH = ("Endpoints", "CIDR", "CIDRSet", "Entities", "Groups", "Nodes")
_PREFIX: dict[Direction, str] = {"Ingress": "from", "Egress": "to"}
#: The fields that say who the peers are; a rule has one of them.
_WHO: dict[Direction, tuple[str, ...]] = {
    "Ingress": tuple(f"from{each}" for each in _BOTH),
    "Egress": (*(f"to{each}" for each in _BOTH), "toServices", "toFQDNs"),
}
_WHAT = ("toPorts", "icmps", "authentication")
#: What a rule may not have, or may have empty.
_GONE = {"fromRequires", "toRequires"}
_ENTITIES = frozenset(
    (
        *("all", "world", "cluster", "host", "remote-node", "kube-apiserver", "ingress"),
        *("init", "unmanaged", "health", "none"),
    )
)
_PATTERN = re.compile(r"[-a-zA-Z0-9_.*]+\Z")


@dataclass(frozen=True, slots=True)
class ServiceSeen:
    """A Service, as far as a policy can ask for it."""

    namespace: str
    name: str
    labels: Labels
    selector: Selector | None


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a policy depends on besides its own text. `knows_nodes`: the addresses of all nodes were given. `groups`:
    name -> labels and CIDRs. `port_of`: the number that a name means on pods, None for no or several. `api_server`: its
    addresses, those behind the Service default/kubernetes, where they were given."""

    knows_nodes: bool
    services: Sequence[ServiceSeen]
    groups: Mapping[str, tuple[Labels, tuple[IPNetwork, ...]]]
    port_of: Callable[[str, Protocol], int | None]
    api_server: tuple[IPNetwork, ...] = ()


def cidr_group(body: Object) -> tuple[Labels, tuple[IPNetwork, ...]]:
    """A CiliumCIDRGroup's labels and CIDRs. Raises Bad."""
    found = mapping(mapping(body.get("metadata"), ("metadata",)).get("labels"), ("metadata", "labels"))
    path: Path = ("spec", "externalCIDRs")
    cidrs = items(known(body.get("spec"), ("spec",), frozenset(("externalCIDRs",))).get("externalCIDRs"), path)
    return {str(k): str(v) for k, v in found.items()}, tuple(network(c, (*path, i)) for i, c in enumerate(cidrs))


def cilium_policy(
    kind: str, namespace: str, name: str, body: Object, at: At, around: Surroundings, complain: Complain
) -> Iterator[TierPolicy]:
    """What a policy says; `namespace` is "" for a clusterwide one. Raises Bad for one that Cilium does not take: it
    then applies no part of it. A rule of which something cannot be read may match whatever the rest leaves open."""
    known(body, (), _OBJECT)
    spec, more = body.get("spec"), body.get("specs")
    given: list[tuple[Path, str, Any]] = [] if spec is None else [(("spec",), "", spec)]
    given += [(("specs", i), f" specs[{i}]", each) for i, each in enumerate(items(more, ("specs",)))]
    if spec is None and more is None:
        raise Bad(("spec",), "is required: spec or specs")
    called = f"{namespace}/{name}" if namespace else name
    found = [
        _Reader(kind, namespace, f"{called}{suffix}", at, around, complain).policies(each, path)
        for path, suffix, each in given
    ]
    for policies in found:
        yield from policies


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads one set of rules."""

    kind: str
    namespace: str
    name: str
    at: At
    around: Surroundings
    complain: Complain

    def policies(self, value: Any, path: Path) -> list[TierPolicy]:
        found = known(value, path, _SPEC)
        lists = {
            (field, direction): items(found.get(field), (*path, field))
            for direction in _PREFIX
            for field in (direction.lower(), f"{direction.lower()}Deny")
        }
        if not any(lists.values()):
            raise Bad(path, "must have a rule: ingress, ingressDeny, egress or egressDeny", "[{}] is a rule for nobody")
        selector, nodes = found.get("endpointSelector"), found.get("nodeSelector")
        if (selector is None) == (nodes is None):
            raise Bad(path, "must have an endpointSelector or, in a clusterwide policy, a nodeSelector")
        default = known(found.get("enableDefaultDeny"), (*path, "enableDefaultDeny"), frozenset(("ingress", "egress")))
        rules: dict[tuple[Stage, Direction], tuple[TierRule, ...]] = {}
        for (field, direction), each in lists.items():
            stage: Stage = "deny" if field.endswith("Deny") else "allow"
            read = (self._rule(r, (*path, field, i), direction, stage) for i, r in enumerate(each))
            rules[stage, direction] = tuple(read)
            if each and self._denies(default.get(direction.lower()), (*path, "enableDefaultDeny", direction.lower())):
                place = self.at((*path, field))
                rules["default", direction] = (TierRule("Deny", (Peer(entity="all"),), place=place),)
        if nodes is not None:
            if self.namespace:
                raise Bad((*path, "nodeSelector"), "is for clusterwide policies: a namespace has no nodes")
            hint = "what is said holds without it; pods' own policies are analysed"
            self.complain(Refused((*path, "nodeSelector"), "is about nodes, which are not analysed", hint))
            return []
        subject = self._subject(selector, (*path, "endpointSelector"))
        if subject is None:
            return []
        return [
            TierPolicy(
                self.kind,
                self.name,
                *STAGES[stage],
                subject,
                rules.get((stage, "Ingress"), ()),
                rules.get((stage, "Egress"), ()),
                self.at(path),
                stage,
            )
            for stage in STAGES
            if rules.get((stage, "Ingress")) or rules.get((stage, "Egress"))
        ]

    @staticmethod
    def _denies(value: Any, path: Path) -> bool:
        """Absent: yes, for a direction that has rules; the others are not asked about."""
        if value is not None and not isinstance(value, bool):
            raise Bad(path, "is not true or false")
        return value is not False

    def _subject(self, value: Any, path: Path) -> Peer | None:
        return cilium_labels.subject(cilium_labels.asked(value, path), self.namespace)

    # Rules

    def _rule(self, value: Any, path: Path, direction: Direction, stage: Stage) -> TierRule:
        action: Action = "Deny" if stage == "deny" else "Accept"
        who = _WHO[direction]
        fields = frozenset((*who, *(w for w in _WHAT if stage == "allow" or w != "authentication"), *_GONE))
        try:
            found = known(value, path, fields)
        except Bad as bad:  # what it does not know may say anything of the rule
            self.complain(bad)
            return TierRule(action, (ANYTHING,), place=self.at(path))
        if any(items(found.get(gone), (*path, gone)) for gone in _GONE):
            raise Bad(path, "has requirements, which Cilium no longer takes")
        named = [field for field in who if items(found.get(field), (*path, field))]
        if len(named) > 1:
            raise Bad(path, f"has {' and '.join(named)}, which Cilium does not take together", "write two rules")
        if stage == "deny" and found.get("toFQDNs") is not None:
            raise Bad((*path, "toFQDNs"), "is not possible in a rule that denies")
        ports = Ports(direction, stage == "deny", self.around.port_of).read(found, path)
        has_l4 = bool(found.get("toPorts") or found.get("icmps"))
        peers: list[Peer] = []
        for field in named:
            peers = self._peers(found[field], (*path, field), field.removeprefix(_PREFIX[direction]))
        is_nobody = any(found.get(field) == [] for field in who if field not in ("toServices", "toFQDNs"))
        if not named and has_l4 and not is_nobody:
            peers = [Peer(entity="all")]
        if has_l4 and not ports:
            peers = []  # ports of no protocol that is analysed (ICMP), or none at all
        return TierRule(action, tuple(dict.fromkeys(peers)), tuple(dict.fromkeys(ports)), place=self.at(path))

    def _peers(self, given: list[Any], path: Path, field: str) -> list[Peer]:
        if field == "Entities":
            return self._entities(given, path)
        if field == "Nodes":
            return self._unknown(path, "are nodes by their labels", [Peer(unread="nodes")])
        if field == "Groups":
            return self._unknown(
                path, "are addresses that the cloud knows", [self._somewhere("an address of the group")]
            )
        read: dict[str, Callable[[Any, Path], list[Peer]]] = {
            "Endpoints": self._endpoints,
            "CIDR": self._cidr,
            "CIDRSet": self._cidr_rule,
            "Services": self._service,
            "FQDNs": self._name,
        }
        each = read[field]
        return [peer for i, value in enumerate(given) for peer in each(value, (*path, i))]

    def _unknown(self, path: Path, what: str, peers: list[Peer]) -> list[Peer]:
        """Takes note of what the input does not say."""
        hint = "what the rule decides for certain flows is left open; the other rules count"
        self.complain(Missing(path, f"{what}, which are not in the manifests", hint))
        return peers

    @staticmethod
    def _somewhere(because: str) -> Peer:
        return Peer(entity="world", unsure=True, because=because)

    def _entities(self, given: list[Any], path: Path) -> list[Peer]:
        names = [text(value, (*path, i)) for i, value in enumerate(given)]
        for i, name in enumerate(names):
            if name not in _ENTITIES:
                raise Bad((*path, i), f"is not an entity: {', '.join(sorted(_ENTITIES))}")
        peers = [peer for name in names for peer in cilium_labels.entity(name)]
        if {"host", "remote-node"} <= set(names):
            peers = [p for p in peers if p.entity != "nodes"] + [Peer(entity="nodes")]
        return self._with_nodes(peers, path)

    def _with_nodes(self, peers: list[Peer], path: Path) -> list[Peer]:
        """Where nodes' addresses are not known, any address may be one. The API server's may be known, too."""
        if self.around.api_server and any(p.unread == "api-server" for p in peers):
            known = [Peer(ip_block=IpBlock(n)) for n in self.around.api_server]
            peers = [*(p for p in peers if p.unread != "api-server"), *known]
        if self.around.knows_nodes or not any(p.entity in ("nodes", "cluster") for p in peers):
            return peers
        self.complain(Missing(path, "are nodes whose addresses are not known", "add them: kubectl get nodes -o yaml"))
        return [*peers, Peer(unread="nodes")]

    def _endpoints(self, value: Any, path: Path) -> list[Peer]:
        return self._with_nodes(cilium_labels.peers(cilium_labels.asked(value, path), self.namespace), path)

    def _cidr(self, value: Any, path: Path) -> list[Peer]:
        single = address(value)
        return [_block(network(f"{single}/{single.max_prefixlen}" if single else value, path), ())]

    def _cidr_rule(self, value: Any, path: Path) -> list[Peer]:
        found = {
            field: given
            for field, given in known(
                value, path, frozenset(("cidr", "cidrGroupRef", "cidrGroupSelector", "except"))
            ).items()
            if given is not None and given != ""
        }
        excluded = [
            network(e, (*path, "except", i)) for i, e in enumerate(items(found.pop("except", None), (*path, "except")))
        ]
        if len(found) != 1:
            raise Bad(path, "must have one of cidr, cidrGroupRef and cidrGroupSelector")
        if "cidr" in found:
            whole = network(found["cidr"], (*path, "cidr"))
            for i, inner in enumerate(excluded):
                if inner.version != whole.version or inner.network_address not in whole:
                    raise Bad((*path, "except", i), f"is not within {whole}")
            return [_block(whole, excluded)]
        cidrs = self._groups(found, path)
        if cidrs is None:
            (field,) = found
            return self._unknown((*path, field), "are CIDR groups", [self._somewhere("an address of the CIDR group")])
        return [_block(cidr, [e for e in excluded if e.version == cidr.version]) for cidr in cidrs]

    def _groups(self, found: Object, path: Path) -> list[IPNetwork] | None:
        """None where the groups were not given."""
        if "cidrGroupRef" in found:
            group = self.around.groups.get(object_name(found["cidrGroupRef"], (*path, "cidrGroupRef")))
            return None if group is None else list(group[1])
        wanted = cilium_labels.asked(found["cidrGroupSelector"], (*path, "cidrGroupSelector"))
        if not self.around.groups:
            return None
        chosen = Selector((), tuple(a.requirement for a in wanted))
        return [c for own, cidrs in self.around.groups.values() if chosen.matches(own) for c in cidrs]

    def _service(self, value: Any, path: Path) -> list[Peer]:
        """Of a Service with a selector the pods that it selects, whatever the port; else what is behind it."""
        found = {k: v for k, v in known(value, path, frozenset(("k8sService", "k8sServiceSelector"))).items() if v}
        if "k8sServiceSelector" in found:
            at = (*path, "k8sServiceSelector")
            asked = known(found["k8sServiceSelector"], at, frozenset(("selector", "namespace")))
            wanted = cilium_labels.asked(asked.get("selector"), (*at, "selector"))
            chosen = Selector((), tuple(a.requirement for a in wanted))
            services = [s for s in self.around.services if chosen.matches(s.labels)]
        else:
            at = (*path, "k8sService")
            asked = known(found.get("k8sService"), at, frozenset(("serviceName", "namespace")))
            services = [s for s in self.around.services if s.name == asked.get("serviceName")]
        namespace = asked.get("namespace") or ""
        services = [s for s in services if namespace in ("", s.namespace)]
        if not services:  # nobody, or everybody on the rule's ports: Cilium's releases differ
            return self._unknown(path, "are Services", [ANYTHING])
        peers: list[Peer] = []
        for service in services:
            if service.selector is None or service.selector.is_empty:
                peers.append(self._somewhere(f"an address behind Service {service.namespace}/{service.name}"))
            else:
                home = Selector.of({NAME_LABEL: service.namespace})
                peers.append(Peer(service.selector, home))
        return peers

    def _name(self, value: Any, path: Path) -> list[Peer]:
        found = {k: v for k, v in known(value, path, frozenset(("matchName", "matchPattern"))).items() if v}
        if len(found) != 1:
            raise Bad(path, "must have one of matchName and matchPattern")
        ((field, name),) = found.items()
        if not _PATTERN.match(text(name, (*path, field))):
            raise Bad((*path, field), "is not a DNS name")
        return [self._somewhere(f"an address of {name}")]


def _block(cidr: IPNetwork, excluded: Sequence[IPNetwork]) -> Peer:
    """Addresses of pods and nodes do not count, whatever block they are in."""
    return Peer(ip_block=IpBlock(cidr, tuple(excluded)), outside=True)
