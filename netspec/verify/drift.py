"""Policies on the cluster against the spec's. Probes ask between the spec's own workloads and ports: a policy that
opens the way for a pod that the spec does not have, or for an address that nobody probes from, shows here alone."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from netspec.analysis.diff import Diff
from netspec.analysis.matrix import ports_text
from netspec.diagnostics import Severity
from netspec.ir.model import NAME_LABEL, Ir, NetworkPolicy, Peer, Rule, TierPolicy
from netspec.ir.selectors import Labels, Selector
from netspec.manifests.kinds import (
    CALICO_GROUP,
    CALICO_KINDS,
    CALICO_STORED,
    CILIUM_POLICIES,
    REFUSED,
    TIER_GROUP,
    decides,
)
from netspec.manifests.read import read_texts
from netspec.probes import FactProbe
from netspec.verify.findings import Finding, delete, probe_tag, set_back
from netspec.verify.model import Observation, Status
from netspec.verify.objects import Item, Objects, id_of, of_group
from netspec.verify.state import Pod

#: Connections that differ: so many are named.
NAMED = 12
PROBE = "fact:policies:cluster"


@dataclass(frozen=True, slots=True)
class Drift:
    """`findings`: what is not as the spec has it; `connections`: which of those that it knows differ by that, and by
    the namespaces' labels; `listed`: policies of others that concern none of the spec's pods. `problem`: why the
    cluster could not be read. `stated`: what the spec would mean with the cluster's own policies and labels."""

    findings: tuple[Finding, ...] = ()
    connections: tuple[str, ...] = ()
    listed: tuple[str, ...] = ()
    problem: str = ""
    stated: Ir | None = None

    @property
    def policies(self) -> tuple[str, ...]:
        return tuple(f.what for f in self.findings)

    @property
    def stated_if_other(self) -> Ir | None:
        """`stated`, where it may mean something else than the spec."""
        return self.stated if self.findings or self.connections else None

    def observe(self, probe: FactProbe) -> Observation:
        if self.problem:
            return Observation(probe, Status.CHECK_FAILED, None, self.problem, "API server")
        if not self.policies and not self.connections:
            listed = f"not the spec's: {', '.join(self.listed)}" if self.listed else ""
            return Observation(probe, Status.PASS, probe.expect, listed, "API server")
        seen = list(self.policies) or "those of the spec, but others, or labels, change connections"
        return Observation(probe, Status.WRONG, seen, "; ".join(self.connections), "API server")


def compare(ir: Ir, objects: Objects, pods: Sequence[Pod] = ()) -> Drift:
    """Policies of the spec's own namespaces and of its proxies' one by one; those of others, and labels, by the
    connections they change.
    `pods`: those that run, for policies that select pods which the spec does not have."""
    if objects.problem:
        return Drift(problem=objects.problem)
    depends = any(i["kind"] in CILIUM_POLICIES for i in objects.items)
    around = ("Namespace", *_AROUND) if depends else ("Namespace",)
    items = [i for i in objects.items if i["kind"] in around or is_policy(i)]
    own = {n.name for n in ir.namespaces if not n.system} | {front.workload.namespace for front in ir.traits.fronts}
    known = json.dumps({"kind": "List", "items": [i for i in items if not _is_refused(i)]})
    reading = read_texts([("the cluster", known)])
    live = reading.inventory
    labels = {n.name: n.labels for n in live.namespaces}
    there = replace(
        ir.inventory,
        namespaces=tuple(replace(n, labels=labels.get(n.name, n.labels)) for n in ir.namespaces),
        policies=live.policies,
        tiers=live.tiers,
    )
    wanted = {p.id: p for p in ir.policies if p.namespace in own}
    found = {p.id: p for p in live.policies if p.namespace in own}
    subjects = [(w.namespace, w.labels) for w in ir.workloads] + [(p.namespace, p.labels) for p in pods]
    strangers = [found[name] for name in sorted(found.keys() - wanted.keys())]
    idle = [p.id for p in strangers if not _selects(p, subjects)]
    # What they say is a fact of their own.
    granted = {*(g.id for g in ir.grants), *(t.object[1] for t in ir.tiers)}
    others = [t for t in live.tiers if not (t.stage and t.object[1] in granted)]
    tiers = {t.id: _governs(t, labels, own, subjects) for t in others}
    up = set_back(ir.stack)
    findings = [
        *(_finding(f"policy {name} is missing", up, name) for name in sorted(wanted.keys() - found.keys())),
        *(
            _finding(f"policy {p.id} is not in the spec", delete(ir.stack, _NETWORK_POLICY, p.id), p.id, _door(ir, p))
            for p in strangers
            if p.id not in idle
        ),
        *(
            _finding(f"policy {name} says something else", up, name)
            for name in sorted(wanted.keys() & found.keys())
            if _meaning(wanted[name]) != _meaning(found[name])
        ),
        *(
            Finding(
                f"{kind} {name} is not in the spec",
                delete(ir.stack, _RESOURCES.get(kind, kind), name),
                frozenset({"cluster", _SAID}),
            )
            for kind, name in dict.fromkeys(t.object for t in others if tiers[t.id])
        ),
        *(_unread(ir.stack, i) for i in items if _is_refused(i) and _is_near(i, own) and not _is_made(ir, i)),
        *(Finding(d.message, up, frozenset({_SAID})) for d in reading.diagnostics if d.severity is Severity.ERROR),
    ]
    listed = [*(f"policy {name}" for name in idle), *(name for name, governs in tiers.items() if not governs)]
    stated = replace(ir, namespaces=there.namespaces, policies=there.policies)
    return Drift(tuple(findings), tuple(_changes(Diff(ir.inventory, there))), tuple(listed), stated=stated)


_SAID = probe_tag(PROBE)
#: What some policies are about, besides pods and namespaces. (Which addresses are nodes' a spec does not say either.)
_AROUND = ("Service", "CiliumCIDRGroup")
#: kubectl's names of kinds that have another one here.
_RESOURCES = {
    CALICO_KINDS[kind]: f"{kinds}.{CALICO_STORED}"
    for kind, kinds in (("NetworkPolicy", "networkpolicies"), ("GlobalNetworkPolicy", "globalnetworkpolicies"))
}
_NETWORK_POLICY = "networkpolicy.networking.k8s.io"


def _finding(what: str, command: str, policy: str, more: frozenset[str] = frozenset()) -> Finding:
    return Finding(what, command, frozenset({f"policy:{policy}", _SAID}) | more)


def _door(ir: Ir, policy: NetworkPolicy) -> frozenset[str]:
    """What a policy for the proxy's own pods explains: all that comes in by them."""
    doors = [f for f in ir.traits.fronts if _selects(policy, [(f.workload.namespace, f.workload.labels)])]
    return frozenset(f"service:{front.service.id}" for front in doors)


def _is_near(item: Item, own: set[str]) -> bool:
    return item["metadata"].get("namespace", "") in ("", *own)


def _is_made(ir: Ir, item: Item) -> bool:
    """A controller's policy on a route: what it says, answers show."""
    front = ir.traits.front
    return front is not None and any((item["kind"], id_of(item)) in front.objects_of(r) for r in ir.http)


def _unread(stack: str, item: Item) -> Finding:
    """A policy in a language of its own may explain any flow of its namespace, or of the cluster."""
    group, kind = of_group(item), item["kind"]
    resource = REFUSED.get((group, kind), f"{kind.lower()}.{group}")
    namespace = item["metadata"].get("namespace")
    tag = f"namespace:{namespace}" if namespace else "cluster"
    what = f"{item['kind']} {id_of(item)} is not in the spec, and not analysed"
    return Finding(what, delete(stack, resource, id_of(item)), frozenset({tag, _SAID}))


def _selects(policy: NetworkPolicy, subjects: Sequence[tuple[str, Labels]]) -> bool:
    return any(policy.namespace == namespace and policy.pods.matches(labels) for namespace, labels in subjects)


def _governs(
    tier: TierPolicy, labels: Mapping[str, Labels], own: set[str], subjects: Sequence[tuple[str, Labels]]
) -> bool:
    """Whether it decides for pods of the spec's namespaces."""
    namespaces, pods = tier.subject.namespaces, tier.subject.pods
    return any(
        namespace in own
        and (namespaces is None or namespaces.matches({NAME_LABEL: namespace, **labels.get(namespace, {})}))
        and (pods is None or pods.matches(theirs))
        for namespace, theirs in subjects
    )


def is_policy(item: Item) -> bool:
    """Of those that are read, and those that decide in a language of their own."""
    group = of_group(item)
    if _is_refused(item) or group == TIER_GROUP or item["kind"] in CILIUM_POLICIES:
        return True
    if group in (CALICO_GROUP, CALICO_STORED):
        return item["kind"] in (*CALICO_KINDS, "Tier")
    return group == "networking.k8s.io" and "Policy" in item["kind"]


def _changes(diff: Diff) -> Iterator[str]:
    label = {peer.id: peer.label for peer in diff.peers}
    changes = diff.changes()
    for c in islice(changes, NAMED):
        ports = [
            f"{verb} {ports_text(ranges)}" for verb, ranges in (("opens", c.opens), ("closes", c.closes)) if ranges
        ]
        yield f"{label[c.source]} -> {label[c.destination]} {', '.join(ports) or 'is no longer certain'}"
    if rest := sum(1 for _ in changes):
        yield f"and {rest} more"


def _is_refused(item: Item) -> bool:
    return decides(item["apiVersion"], item["kind"])


def _meaning(policy: NetworkPolicy) -> object:
    """Equal for policies that differ in the order of their lists alone."""
    return (
        _selector(policy.pods),
        frozenset(policy.types),
        [
            frozenset(map(_rule, policy.rules(direction)))
            for direction in ("Ingress", "Egress")
            if direction in policy.types
        ],
    )


def _rule(rule: Rule) -> object:
    return frozenset(map(_peer, rule.peers)), frozenset(rule.ports)


def _peer(peer: Peer) -> object:
    if peer.ip_block is not None:
        return peer.ip_block.cidr, frozenset(peer.ip_block.excluded)
    return peer.pods and _selector(peer.pods), peer.namespaces and _selector(peer.namespaces)


def _selector(selector: Selector) -> object:
    requirements = frozenset((e.key, e.operator, frozenset(e.values)) for e in selector.expressions)
    return frozenset(selector.match_labels), requirements
