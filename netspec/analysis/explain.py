"""A verdict walked through: every policy that selects an end, each of its rules, and why it matches or not."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from netspec.analysis.engine import Reachability, Spaces
from netspec.analysis.evaluate import Evaluator
from netspec.analysis.l7 import L7, has_l7
from netspec.analysis.spaces import PROTOCOLS, Ranges, families, pod_ranges
from netspec.analysis.unknown import is_every_pod, unknown_reach
from netspec.analysis.verdict import AddressEnd, End, PodEnd, ProxyEnd
from netspec.analysis.words import labels_text, peer_text, port_text, selector_text, stage_text
from netspec.ir.model import (
    NAME_LABEL,
    Direction,
    Inventory,
    NetworkPolicy,
    Peer,
    Place,
    PolicyPort,
    Protocol,
    Rule,
    TierPolicy,
    TierRule,
    Workload,
)
from netspec.ir.selectors import Labels

Outcome = str
"""A step's result: allows, denies, passes, "no match", isolates, open, "maybe"."""


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the walk. `rule` counts from 0; None: the policy itself, or (policy "") the side as a whole."""

    direction: Direction
    policy: str
    rule: int | None
    outcome: Outcome
    reason: str
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """`allow` and `undefined` over all ports; `steps` go by `port` where one was asked about. `l7`: of what is
    undefined, what passes at L4."""

    source: End | ProxyEnd
    destination: End
    allow: Ranges
    undefined: Ranges
    steps: tuple[Step, ...]
    l7: Ranges = field(default_factory=dict)

    def answer(self, port: int, protocol: Protocol) -> str:
        """allow, deny or undefined."""
        for word, ranges in (("allow", self.allow), ("undefined", self.undefined)):
            if any(low <= port <= high for low, high in ranges.get(protocol, ())):
                return word
        return "deny"


class Explainer:
    """Explains pairs of one inventory, each from the policies that select one of its ends; never the whole matrix."""

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory
        self._evaluator = Evaluator(inventory)
        self._versions = families(inventory)
        self._workloads = {w.id: w for w in inventory.workloads}
        self._labels = {n.name: n.labels for n in inventory.namespaces}

    def explain(
        self, source: End, destination: End, port: int | None = None, protocol: Protocol = "TCP"
    ) -> Explanation:
        """Raises Problem for an unknown workload, ValueError when neither end is a pod."""
        if isinstance(source, AddressEnd) and isinstance(destination, AddressEnd):
            raise ValueError("a flow needs a pod at one end")
        about = self._evaluator.about(source, destination)
        allow, undefined, l7 = _ports(about, source, destination, self._versions)
        flow = _Flow(self, about, source, destination, port, protocol)
        steps = (*_side(flow, "Egress"), *_side(flow, "Ingress"))
        return Explanation(source, destination, allow, undefined, steps, l7)

    def explain_proxy(self, destination: PodEnd, port: int | None = None, protocol: Protocol = "TCP") -> Explanation:
        """From the pods that lead routes in, on whatever port a route may lead to. Raises Problem for an unknown
        workload."""
        about = self._evaluator.about(destination)
        reach = Reachability(about, Spaces(about, versions=self._versions))
        known = unknown_reach(reach, reach.ingress_keys[0])
        flow = _Flow(self, about, ProxyEnd(), destination, port, protocol)
        steps = (*_side(flow, "Egress"), *_side(flow, "Ingress"))
        allow, undefined = reach.ranges(known.every), reach.ranges(known.some & ~known.every)
        return Explanation(flow.source, destination, allow, undefined, steps)

    def workload(self, end: End | ProxyEnd) -> Workload | None:
        return self._workloads[end.workload] if isinstance(end, PodEnd) else None

    def namespace_labels(self, workload: Workload) -> Labels | None:
        """None: they are not known, except for the name."""
        return self._labels.get(workload.namespace)


def _ports(about: Inventory, source: End, destination: End, versions: tuple[int, ...]) -> tuple[Ranges, Ranges, Ranges]:
    """Of this pair alone."""
    if isinstance(source, PodEnd) and source == destination:
        (workload,) = about.workloads
        if workload.replicas <= 1:  # a pod always reaches itself
            return dict.fromkeys(PROTOCOLS, ((1, 65535),)), {}, {}
        destination = PodEnd(f"{workload.id}/another")
        about = replace(about, workloads=(workload, replace(workload, name=f"{workload.name}/another")))
    reach = Reachability(about, Spaces(about, versions=versions))
    numbers = {w.id: i for i, w in enumerate(reach.workloads)}

    def number(end: End) -> int:
        if isinstance(end, PodEnd):
            return numbers[end.workload]
        wanted = end.address
        for i, external in enumerate(reach.externals):
            if external.holds(wanted.version, int(wanted)):
                return len(reach.workloads) + i
        raise AssertionError(f"no external peer holds {wanted}")

    target = number(destination)
    for connection in reach.connections(number(source)):
        if connection.destination == target:
            l7 = L7(reach).ports(connection) if has_l7(about) else 0
            return reach.ranges(connection.allow), reach.ranges(connection.undefined), reach.ranges(l7)
    return {}, {}, {}


@dataclass(frozen=True, slots=True)
class _Flow:
    explainer: Explainer
    about: Inventory
    source: End | ProxyEnd
    destination: End
    port: int | None
    protocol: Protocol

    @property
    def target(self) -> Workload | None:
        return self.explainer.workload(self.destination)


def _side(flow: _Flow, direction: Direction) -> Iterator[Step]:
    subject = flow.explainer.workload(flow.source if direction == "Egress" else flow.destination)
    peer = flow.destination if direction == "Egress" else flow.source
    whose = "source" if direction == "Egress" else "destination"
    if subject is None:
        what = "not known: its pods may be any" if isinstance(flow.source, ProxyEnd) else "an address outside"
        after = "" if isinstance(flow.source, ProxyEnd) else ": no policy selects it"
        yield Step(direction, "", None, "open", f"the {whose} is {what}{after}")
        return
    if subject.host_network:
        yield Step(
            direction,
            "",
            None,
            "maybe",
            f"{subject.id} is on the host network: Kubernetes leaves open whether policies select it",
        )
    selecting = 0
    for tier in ("Admin", "NetworkPolicy", "Baseline"):
        if tier == "NetworkPolicy":
            for policy in flow.about.policies:
                if _selects(policy, direction, subject):
                    selecting += 1
                    yield Step(direction, policy.id, None, "isolates", f"selects {subject.id}", policy.place)
                    yield from _rules(flow, policy, direction, peer)
            if selecting:
                return  # NetworkPolicy decides; the Baseline tier is not asked
            continue
        for tier_policy in sorted((t for t in flow.about.tiers if t.tier == tier), key=lambda t: t.place_in_tier):
            selects, why = _selected(flow, None, tier_policy.subject, subject)
            if tier_policy.rules(direction) and not subject.host_network and selects != "no":
                about = stage_text(tier_policy) + (f"; {why}" if why else "")
                word = "selects" if selects == "yes" else "maybe"
                yield Step(direction, tier_policy.id, None, word, about, tier_policy.place)
                yield from _rules(flow, tier_policy, direction, peer)
    yield Step(direction, "", None, "open", f"no NetworkPolicy isolates {subject.id} for {direction.lower()}")


def _selects(policy: NetworkPolicy, direction: Direction, subject: Workload) -> bool:
    return direction in policy.types and policy.namespace == subject.namespace and policy.pods.matches(subject.labels)


_OUTCOMES = {"Accept": "allows", "Deny": "denies", "Pass": "passes", "Unread": "maybe"}


def _rules(
    flow: _Flow, policy: NetworkPolicy | TierPolicy, direction: Direction, peer: End | ProxyEnd
) -> Iterator[Step]:
    home = policy.namespace if isinstance(policy, NetworkPolicy) else None
    rules: tuple[Rule | TierRule, ...] = policy.rules(direction)
    for index, rule in enumerate(rules):
        matched, reason = _match(flow, home, rule, peer)
        action = _OUTCOMES[rule.action] if isinstance(rule, TierRule) else "allows"
        outcome = {"yes": action, "maybe": "maybe", "no": "no match"}[matched]
        yield Step(direction, policy.id, index, outcome, reason, rule.place)
    if not rules and isinstance(policy, NetworkPolicy):
        reason = f"it has no {direction.lower()} rule: nothing is allowed"
        yield Step(direction, policy.id, None, "no match", reason, policy.place)


def _match(flow: _Flow, home: str | None, rule: Rule | TierRule, peer: End | ProxyEnd) -> tuple[str, str]:
    """yes, maybe or no, and why."""
    matched, who = "yes", "any peer"
    if rule.peers or isinstance(rule, TierRule):
        found = [(_match_peer(flow, home, wanted, peer), wanted) for wanted in rule.peers]
        best = next((f for word in ("yes", "maybe") for f in found if f[0][0] == word), None)
        if best is None:
            return "no", "; ".join(dict.fromkeys(reason for (_, reason), _ in found)) or "it names no peer"
        matched, who = best[0]
    ports = [_match_port(flow, p) for p in rule.ports]
    if ports and not any(hit for hit, _ in ports):
        return "no", f"{who}, but {'; '.join(dict.fromkeys(text for _, text in ports))}"
    if ports and all(p.unread or p.l7 for p, (hit, _) in zip(rule.ports, ports, strict=True) if hit):
        matched = "maybe"
    which = ", ".join(dict.fromkeys(text for hit, text in ports if hit)) or "any port"
    return matched, f"{who}; {which}"


def _match_peer(flow: _Flow, home: str | None, wanted: Peer, peer: End | ProxyEnd) -> tuple[str, str]:
    if isinstance(peer, ProxyEnd):
        text = peer_text(wanted, home)
        return ("yes", f"{text} matches") if is_every_pod(wanted) else ("maybe", f"{text} may be the proxy")
    workload = flow.explainer.workload(peer)
    if wanted.unread:
        if wanted.unread in ("nodes", "api-server") and workload is not None and not workload.host_network:
            return "no", f"{workload.id} is not a node"
        return "maybe", f"{peer_text(wanted, home)} may be {peer}"
    if wanted.unsure:
        matched, why = _match_peer(flow, home, replace(wanted, unsure=False), peer)
        return ("no", why) if matched == "no" else ("maybe", f"{peer_text(wanted, home)} may be {peer}")
    if wanted.entity is not None or wanted.outside:
        return _match_known(flow, wanted, peer, workload)
    if wanted.ip_block is not None:
        return _match_block(flow, home, wanted, peer, workload)
    text = peer_text(wanted, home)
    if workload is None:
        return "no", f"{text} matches pods only"
    if workload.host_network:
        return ("no" if home is None else "maybe"), f"{text} may not see a host-network pod"
    selects, why = _selected(flow, home, wanted, workload)
    return selects, f"{text} matches" if selects == "yes" else why


def _match_known(flow: _Flow, wanted: Peer, peer: End, workload: Workload | None) -> tuple[str, str]:
    """Of what a policy knows by whom an address belongs to."""
    text = peer_text(wanted, None)
    is_node = workload.host_network if workload else _is_node(flow, peer)
    if wanted.entity is None:
        if workload is not None or is_node:
            return "no", f"{text}: {peer} is not outside the cluster"
        return _match_block(flow, None, replace(wanted, outside=False), peer, None)
    is_inside = workload is not None or is_node
    hit = {"all": True, "cluster": is_inside, "world": not is_inside, "nodes": is_node, "proxy": False}[wanted.entity]
    return ("yes", f"{text} matches") if hit else ("no", f"{peer} is not {text}")


def _is_node(flow: _Flow, peer: End) -> bool:
    return isinstance(peer, AddressEnd) and any(peer.address in n for n in flow.about.node_addresses)


def _match_block(flow: _Flow, home: str | None, wanted: Peer, peer: End, workload: Workload | None) -> tuple[str, str]:
    block = wanted.ip_block
    assert block is not None
    text = peer_text(wanted, home)
    if isinstance(peer, AddressEnd):
        inside = peer.address in block.cidr and not any(peer.address in n for n in block.excluded)
        dialect = flow.about.dialect
        if inside and home is not None and dialect and not dialect.blocks_match_nodes and _is_node(flow, peer):
            return "no", f"{text}: {dialect.because}"
        return ("yes", f"{text} holds {peer}") if inside else ("no", f"{text} does not hold {peer}")
    assert workload is not None
    cidrs = () if workload.host_network else pod_ranges(flow.about)
    overlaps = not cidrs or any(c.version == block.cidr.version and c.overlaps(block.cidr) for c in cidrs)
    dialect = flow.about.dialect
    if not overlaps:
        return "no", f"{text} is not where pods are"
    if home is not None and dialect is None:
        return "maybe", f"{text}: Kubernetes leaves open whether a block matches a pod"
    if home is not None and dialect is not None and not dialect.blocks_match(workload.host_network):
        return "no", f"{text}: {dialect.because}"
    return "maybe", f"{text}: the pod's address decides"


def _selected(flow: _Flow, home: str | None, wanted: Peer, workload: Workload) -> tuple[str, str]:
    """Whether selectors match (yes, maybe or no), and why not or why that is not known."""
    name, doubt = workload.namespace, ""
    if wanted.unread or wanted.entity is not None:
        return ("maybe" if wanted.unread else "yes"), peer_text(wanted, home)
    if wanted.namespaces is None:
        if name != home:
            return "no", f"podSelector alone is pods of namespace {home}, not of {name}"
    else:
        text = f"namespaceSelector {selector_text(wanted.namespaces)}"
        labels, asked = flow.explainer.namespace_labels(workload), wanted.namespaces
        if labels is None:
            labels, asked = {NAME_LABEL: name}, asked.speaks_of(NAME_LABEL)
            if asked != wanted.namespaces:
                doubt = f"{text}: the labels of namespace {name} are not known"
        if not asked.matches(labels):
            return "no", f"{text} does not match namespace {name}"
    if wanted.pods is not None and not wanted.pods.matches(workload.labels):
        text = f"podSelector {selector_text(wanted.pods)}"
        return "no", f"{text} does not match {workload.id} ({labels_text(workload.labels)})"
    doubt = doubt or (peer_text(wanted, home) if wanted.unsure else "")
    return ("maybe", doubt) if doubt else ("yes", "")


def _match_port(flow: _Flow, wanted: PolicyPort) -> tuple[bool, str]:
    text = port_text(wanted)
    if wanted.unread:
        return True, text
    if isinstance(wanted.port, str):
        number = flow.target.port_named(wanted.port, wanted.protocol) if flow.target else None
        if number is None:
            return False, f"{text} is not a port of the destination"
        text, low, high = f"{text} ({number} there)", number, number
    elif wanted.port is None:
        low, high = 1, 65535
    else:
        low, high = wanted.port, wanted.end_port or wanted.port
    if flow.port is None:
        return True, text
    hit = wanted.protocol == flow.protocol and low <= flow.port <= high
    return hit, text if hit else f"{flow.port}/{flow.protocol} is not {text}"
