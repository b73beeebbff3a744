"""NetworkPolicy and GlobalNetworkPolicy of Calico, as far as they are about pods.

Policies are in tiers, which have an order too. NetworkPolicies of Kubernetes are in the last one, `default`, at 1000.
In a tier the first rule that matches decides, the lowest order first, and names where that is equal; Pass leads on to
the next tier. A pod that some policy of a tier selects is isolated in that policy's directions: what no rule of the
tier matches is denied, unless the tier passes it on. For the tiers before `default` that is a group of the Admin tier
each, with a last policy that denies; for `default` it is:

- before 1000: rules of the Admin tier, in this order; Pass leaves the tier, behind which a namespace allows everything;
- behind 1000, what NetworkPolicies allow is allowed already, and the rest is denied in the end: so a Deny only keeps
  the rules behind it from allowing, which is a Pass, and rules that allow may stand before NetworkPolicies as well;
- isolation: a Baseline tier that denies, asked for pods that no NetworkPolicy isolates.

Sources: projectcalico/calico 3.28 to 3.32, api/pkg/apis/projectcalico/v3 (fields, defaults), felix/calc
(policy_sorter.go: order), felix/rules/endpoints.go (end of a tier, profiles), libcalico-go/lib/backend/k8s/conversion
(NetworkPolicies).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from ipaddress import ip_network
from typing import Any, NamedTuple

from netspec.diagnostics import Path
from netspec.ir.model import (
    Action,
    Direction,
    IpBlock,
    IPNetwork,
    Peer,
    Place,
    Stage,
    Tier,
    TierPolicy,
    TierRule,
)
from netspec.ir.policies import STAGES
from netspec.ir.selectors import Selector
from netspec.manifests.calico_ports import Ports
from netspec.manifests.calico_selectors import Of, alternatives, both, of_namespace
from netspec.manifests.fields import Bad, Missing, Object, items, known, network, text
from netspec.manifests.kinds import CALICO_KINDS, Refused
from netspec.manifests.policies import At, Complain

#: Where NetworkPolicies of Kubernetes stand.
KUBERNETES_ORDER = 1000
#: The tier that NetworkPolicies are in, its order, and that of the tier of AdminNetworkPolicies.
DEFAULT, _DEFAULT_ORDER, _ADMIN_ORDER = "default", 1_000_000, 1000
#: Calico's copies of Kubernetes' own NetworkPolicies, which its API server shows.
_COPIES = ("knp.", "kanp.", "kbanp.", "kcnp.")

_SPEC = frozenset(
    (
        *("order", "tier", "selector", "namespaceSelector", "serviceAccountSelector", "types", "ingress", "egress"),
        *("doNotTrack", "preDNAT", "applyOnForward", "performanceHints"),
    )
)
_RULE = frozenset(
    (
        *("action", "ipVersion", "protocol", "notProtocol", "icmp", "notICMP", "source", "destination", "http"),
        "metadata",
    )
)
_ENTITY = frozenset(
    (
        *("nets", "notNets", "selector", "notSelector", "namespaceSelector", "ports", "notPorts"),
        *("serviceAccounts", "services", "domains"),
    )
)
_SIDES: dict[Direction, tuple[str, str]] = {"Ingress": ("source", "destination"), "Egress": ("destination", "source")}
_ACTIONS: dict[str, Action | None] = {"Allow": "Accept", "Deny": "Deny", "Pass": "Pass", "Log": None}
_WHOLE: tuple[IPNetwork, ...] = (ip_network("0.0.0.0/0"), ip_network("::/0"))
_EVERYONE = Peer(entity="all")


@dataclass(frozen=True, slots=True)
class Ordered:
    """A policy with its place among the others. `order` None: behind all. `subjects`: it is about any of them."""

    kind: str
    name: str
    tier: str
    order: float | None
    subjects: tuple[Peer, ...]
    rules: Mapping[Direction, tuple[TierRule, ...]]
    place: Place

    @property
    def is_late(self) -> bool:
        return self.order is None or self.order > KUBERNETES_ORDER


@dataclass(frozen=True, slots=True)
class OrderedTier:
    """A tier besides `default`. `denies`: what no rule of it matches; else that is passed on."""

    name: str
    order: float
    denies: bool


def calico_tier(name: str, body: Object) -> OrderedTier | None:
    """None: the tier `default`, or one that Calico has for copies of other objects. Raises Bad, and Refused for a tier
    behind `default`."""
    path: Path = ("spec",)
    spec = known(body.get("spec"), path, frozenset(("order", "defaultAction")))
    if name in (DEFAULT, *_TIERS_OF_COPIES):
        return None
    if (action := spec.get("defaultAction") or "Deny") not in ("Deny", "Pass"):
        raise Bad((*path, "defaultAction"), "is neither Deny nor Pass")
    order = _number(spec.get("order"), (*path, "order"))
    if order is None or order >= _DEFAULT_ORDER:
        raise Refused(
            (*path, "order"), f"is not before {_DEFAULT_ORDER}, the default tier's, and is not analysed", _WITHOUT
        )
    return OrderedTier(name, order, action == "Deny")


#: Of AdminNetworkPolicies and ClusterNetworkPolicies, and of those of the Baseline tier.
_TIERS_OF_COPIES = ("adminnetworkpolicy", "baselineadminnetworkpolicy", "kube-admin", "kube-baseline")


def calico_policy(kind: str, namespace: str, name: str, body: Object, at: At, complain: Complain) -> Ordered | None:
    """What a policy says; `namespace` is "" for a global one. None: it is a copy of another object. Raises Bad for one
    that Calico does not take, Refused for one that is about hosts. A rule of which something cannot be read may match
    whatever the rest leaves open."""
    if name.startswith(_COPIES):
        return None
    path: Path = ("spec",)
    spec = known(body.get("spec"), path, _SPEC)
    tier = text(spec.get("tier") or DEFAULT, (*path, "tier"))
    for field in ("doNotTrack", "preDNAT"):
        if spec.get(field):
            raise Refused((*path, field), "is about hosts, which are not analysed", _WITHOUT)
    reader = _Reader(namespace, at, complain)
    lists = {d: items(spec.get(d.lower()), (*path, d.lower())) for d in _SIDES}
    return Ordered(
        CALICO_KINDS[kind],
        f"{namespace}/{name}" if namespace else name,
        tier,
        _order(spec.get("order"), (*path, "order"), tier),
        reader.subjects(spec, path),
        {d: reader.rules(lists[d], (*path, d.lower()), d) for d in _types(spec, path, lists)},
        at(()),
    )


_WITHOUT = "what is said holds without it"


def read_all(
    given: Iterable[tuple[str, str, str, Object, Place]], place_in: Callable[[Place, Path], Place]
) -> tuple[list[TierPolicy], list[tuple[Object, Place, Bad]]]:
    """All policies of a cluster (kind, namespace or "", name, object, place), and what is wrong with some."""
    read: list[Ordered] = []
    tiers: list[OrderedTier] = []
    wrong: list[tuple[Object, Place, Bad]] = []
    # Tiers first: a policy is in one that is known.
    for kind, namespace, name, body, place in sorted(given, key=lambda each: each[0] != "Tier"):
        found: list[Bad] = []
        try:
            if kind == "Tier":
                tier = calico_tier(name, body)
                tiers += [] if tier is None else [tier]
                continue
            policy = calico_policy(kind, namespace, name, body, partial(place_in, place), found.append)
            if policy is not None and policy.tier not in (DEFAULT, *(t.name for t in tiers)):
                hint = "add it: kubectl get tiers.crd.projectcalico.org -o yaml"
                raise Refused(("spec", "tier"), f"is a tier that is not known ({policy.tier})", hint)
            read += [] if policy is None else [policy]
        except Bad as bad:
            found.append(bad)
        wrong += [(body, place, bad) for bad in found]
    return list(ranked(read, tiers)), wrong


def ranked(policies: Iterable[Ordered], tiers: Iterable[OrderedTier] = ()) -> Iterator[TierPolicy]:
    """As they are judged, each behind the one before it; those of a tier that is not among `tiers` are left out."""
    by_tier: dict[str, list[Ordered]] = {}
    for policy in sorted(policies, key=lambda p: (p.order is None, p.order or 0, p.name)):
        by_tier.setdefault(policy.tier, []).append(policy)
    # AdminNetworkPolicies are group 0.
    before = sorted(tiers, key=lambda t: (t.order, t.name))
    early = sum(tier.order < _ADMIN_ORDER for tier in before)
    for number, tier in enumerate(before):
        group = number - early + (1 if number >= early else 0)
        own = by_tier.get(tier.name, [])
        for rank, policy in enumerate(own):
            yield from _made(policy, "Admin", rank, policy.rules, "ordered", group)
        for policy in own if tier.denies else ():
            yield from _made(policy, "Admin", len(own), _closed(policy), "default", group)
    last = len(before) - early + 1
    for rank, policy in enumerate(by_tier.get(DEFAULT, [])):
        rules = {d: _late(found) if policy.is_late else _early(found) for d, found in policy.rules.items()}
        yield from _made(policy, "Admin", rank, rules, "ordered", last)
        yield from _made(policy, *STAGES["default"], _closed(policy), "default", 0)


def _closed(policy: Ordered) -> dict[Direction, tuple[TierRule, ...]]:
    return {d: (TierRule("Deny", (_EVERYONE,), place=policy.place),) for d in policy.rules}


def _made(
    policy: Ordered,
    tier: Tier,
    rank: int,
    rules: Mapping[Direction, tuple[TierRule, ...]],
    stage: Stage,
    group: int,
) -> Iterator[TierPolicy]:
    """One for each of the subjects: for pods that are several of them, they say the same."""
    ingress, egress = rules.get("Ingress", ()), rules.get("Egress", ())
    for number, subject in enumerate(policy.subjects if ingress or egress else ()):
        name = f"{policy.name} selector[{number}]" if len(policy.subjects) > 1 else policy.name
        yield TierPolicy(policy.kind, name, tier, rank, subject, ingress, egress, policy.place, stage, group)


def _early(rules: tuple[TierRule, ...]) -> tuple[TierRule, ...]:
    """Behind the last tier a namespace's profile allows everything."""
    return tuple(replace(r, action="Accept") if r.action == "Pass" else r for r in rules)


def _late(rules: tuple[TierRule, ...]) -> tuple[TierRule, ...]:
    actions: dict[Action, Action] = {"Deny": "Pass", "Pass": "Accept"}
    return tuple(replace(r, action=actions.get(r.action, r.action)) for r in rules)


def _order(value: Any, path: Path, tier: str) -> float | None:
    order = _number(value, path)
    if order == KUBERNETES_ORDER and tier == DEFAULT:
        hint = "give one below or above: before NetworkPolicies, or behind them"
        raise Refused(path, "is that of NetworkPolicies, among which names decide, and is not analysed", hint)
    return order


def _number(value: Any, path: Path) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Bad(path, "is not a number")
    return float(value)


def _types(spec: Object, path: Path, lists: Mapping[Direction, list[Any]]) -> tuple[Direction, ...]:
    """types; where there are none, the directions that have rules, and Ingress where none has."""
    given = items(spec.get("types"), (*path, "types"))
    for i, kind in enumerate(given):
        if kind not in _SIDES:
            raise Bad((*path, "types", i), "is neither Ingress nor Egress")
    wanted = given or [d for d in _SIDES if lists[d]] or ["Ingress"]
    if rest := [d for d in _SIDES if lists[d] and d not in wanted]:
        raise Bad((*path, "types"), f"has no {rest[0]}, for which there are rules")
    return tuple(d for d in _SIDES if d in wanted)


class _Reader(NamedTuple):
    namespace: str
    at: At
    complain: Complain

    def subjects(self, spec: Object, path: Path) -> tuple[Peer, ...]:
        found = [of_namespace(self.namespace)] if self.namespace else [_EVERY_POD]
        if self.namespace and spec.get("namespaceSelector"):
            raise Bad((*path, "namespaceSelector"), "is for global policies")
        given = [(field, of) for field, of in _SELECTORS if spec.get(field)]
        found = self._selected(found, spec, given, path, "what its {} asks for")
        if spec.get("serviceAccountSelector"):
            self.complain(Missing((*path, "serviceAccountSelector"), *_ACCOUNTS))
            found = [replace(p, unsure=True, because="certain service accounts") for p in found]
        return tuple(dict.fromkeys(found))

    def rules(self, given: list[Any], path: Path, direction: Direction) -> tuple[TierRule, ...]:
        return tuple(r for i, value in enumerate(given) if (r := self._rule(value, (*path, i), direction)) is not None)

    def _rule(self, value: Any, path: Path, direction: Direction) -> TierRule | None:
        """None: it decides nothing."""
        found = known(value, path, _RULE)
        given = text(found.get("action"), (*path, "action"))
        if given not in _ACTIONS:
            raise Bad((*path, "action"), f"is not one of {', '.join(_ACTIONS)}")
        action = _ACTIONS[given]
        if action is None:
            return None
        side, own = _SIDES[direction]
        peer, subject = (known(found.get(s), (*path, s), _ENTITY) for s in (side, own))
        to, to_path = (peer, (*path, side)) if direction == "Egress" else (subject, (*path, own))
        ports = Ports(found, path, to, to_path).read()
        peers = self._peers(peer, (*path, side), found.get("ipVersion")) if ports is not None else []
        extra = [(*path, side, f) for f in ("ports", "notPorts") if direction == "Ingress" and peer.get(f)]
        extra += [(*path, own, f) for f in sorted(subject) if subject[f] and (direction == "Egress" or not _is_port(f))]
        for at in extra:  # the caller's port, or more about whom the policy is about
            self.complain(Missing(at, "narrows a rule in a way that is not analysed", _LEFT_OPEN))
        peers = [_perhaps(p, "more that the rule asks for") for p in peers] if extra else peers
        return TierRule(action, tuple(dict.fromkeys(peers)), tuple(ports or ()), place=self.at(path))

    def _peers(self, found: Object, path: Path, version: Any) -> list[Peer]:
        """The rule's peers; none: it matches nobody."""
        asked = [f for f in _UNKNOWN if found.get(f)]
        for field in asked:
            self.complain(Missing((*path, field), "is not in the manifests, or not analysed", _LEFT_OPEN))
        nets, excluded = (
            [network(n, (*path, f, i)) for i, n in enumerate(items(found.get(f), (*path, f)))]
            for f in ("nets", "notNets")
        )
        pods = self._pods(found, path)
        if pods is not None:
            narrowed = bool(nets or excluded or asked or version is not None)
            return [_perhaps(p, "an address that the rule asks for") for p in pods] if narrowed else pods
        if nets or excluded or version is not None:
            whole = [n for n in nets or _WHOLE if version in (None, n.version)]
            blocks = [Peer(ip_block=IpBlock(n, _inside(excluded, n))) for n in whole if not _covered(n, excluded)]
            return [_perhaps(p, "more that the rule asks for") for p in blocks] if asked else blocks
        return [_perhaps(_EVERYONE, f"what {asked[0]} asks for")] if asked else [_EVERYONE]

    def _pods(self, found: Object, path: Path) -> list[Peer] | None:
        """The pods that selectors describe; None: there is no selector."""
        given = [(f, of) for f, of in _SELECTORS if found.get(f)]
        if not given:
            return None
        within = self.namespace and "namespaceSelector" not in dict(given)
        peers = [of_namespace(self.namespace)] if within else [_EVERY_POD]
        return self._selected(peers, found, given, path, "what {} asks for")

    def _selected(
        self, peers: list[Peer], found: Object, given: Iterable[tuple[str, Of]], path: Path, because: str
    ) -> list[Peer]:
        """Those of the peers that the selectors leave; where one cannot be read, each only may be."""
        for field, of in given:
            at = (*path, field)
            try:
                more = alternatives(text(found[field], at), at, of)
                peers = [both(one, other) for one in peers for other in more]
            except Missing as missing:
                self.complain(missing)
                peers = [_perhaps(p, because.format(field)) for p in peers]
        return peers


_EVERY_POD = Peer(Selector(), Selector())
_SELECTORS: tuple[tuple[str, Of], ...] = (("selector", "pods"), ("namespaceSelector", "namespaces"))
_UNKNOWN = ("notSelector", "serviceAccounts", "services", "domains")
_LEFT_OPEN = "what the rule decides for certain flows is left open; the other rules count"
_ACCOUNTS = ("asks for service accounts, which are not analysed", _LEFT_OPEN)


def _is_port(field: str) -> bool:
    return field in ("ports", "notPorts")


def _perhaps(peer: Peer, because: str) -> Peer:
    """One that it only may be. An address may be anybody's then."""
    if peer.ip_block is not None or peer.entity is not None:
        return Peer(unread="anything", because=because)
    return replace(peer, unsure=True, because=because)


def _inside(excluded: list[IPNetwork], whole: IPNetwork) -> tuple[IPNetwork, ...]:
    return tuple(e for e in excluded if e.version == whole.version and e != whole and e.overlaps(whole))


def _covered(whole: IPNetwork, excluded: list[IPNetwork]) -> bool:
    return any(e.version == whole.version and e.overlaps(whole) and e.prefixlen <= whole.prefixlen for e in excluded)
