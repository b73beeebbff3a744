"""Policies on the cluster against the spec's. Probes ask between the spec's own workloads and ports: a policy that
opens the way for a pod that the spec does not have, or for an address that nobody probes from, shows here alone."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from netspec.analysis.diff import Diff
from netspec.analysis.matrix import ports_text
from netspec.diagnostics import Severity
from netspec.ir.model import Ir, NetworkPolicy, Peer, Rule
from netspec.ir.selectors import Selector
from netspec.manifests.kinds import decides, policy_resources
from netspec.manifests.read import read_texts
from netspec.probes import FactProbe
from netspec.toolchain.programs import last_line
from netspec.verify.access import Access
from netspec.verify.model import Observation, Status

#: Connections that differ: so many are named.
NAMED = 12


@dataclass(frozen=True, slots=True)
class Drift:
    """`policies`: what is not as the spec has it; `connections`: which of those that it knows differ by that, and by
    the namespaces' labels. `problem`: why the cluster could not be read."""

    policies: tuple[str, ...] = ()
    connections: tuple[str, ...] = ()
    problem: str = ""

    def observe(self, probe: FactProbe) -> Observation:
        if self.problem:
            return Observation(probe, Status.CHECK_FAILED, None, self.problem, "API server")
        if not self.policies and not self.connections:
            return Observation(probe, Status.PASS, probe.expect, asked_from="API server")
        seen = list(self.policies) or "those of the spec, but others, or labels, change connections"
        return Observation(probe, Status.WRONG, seen, "; ".join(self.connections), "API server")


def read_drift(access: Access, ir: Ir) -> Drift:
    served = access.kubectl("api-resources", "--verbs=list", "--output=name")
    if served.returncode:
        return Drift(problem=last_line(served.stderr))
    wanted = ["namespaces", *policy_resources(served.stdout.split())]
    done = access.kubectl("get", ",".join(wanted), "-A", "-o", "json")
    if done.returncode:
        return Drift(problem=last_line(done.stderr))
    return compare(ir, json.loads(done.stdout)["items"])


def compare(ir: Ir, items: Sequence[Mapping[str, Any]]) -> Drift:
    """Policies of the spec's own namespaces one by one; those of others, and labels, by the connections they change."""
    own = {n.name for n in ir.namespaces if not n.system}
    concerning = [i for i in items if i["metadata"].get("namespace", "") in ("", *own)]
    foreign = [f"{i['kind']} {_name(i)} is none of the spec's, and not analysed" for i in concerning if _is_refused(i)]
    known = json.dumps({"kind": "List", "items": [i for i in items if not _is_refused(i)]})
    reading = read_texts([("the cluster", known)])
    live = reading.inventory
    wanted = {p.id: p for p in ir.policies if p.namespace in own}
    found = {p.id: p for p in live.policies if p.namespace in own}
    differing = [
        *(f"{name} is missing" for name in sorted(wanted.keys() - found.keys())),
        *(f"{name} is none of the spec's" for name in sorted(found.keys() - wanted.keys())),
        *(
            f"{name} says something else"
            for name in sorted(wanted.keys() & found.keys())
            if _meaning(wanted[name]) != _meaning(found[name])
        ),
        *(f"{tier.id} is none of the spec's" for tier in live.tiers),
        *foreign,
        *(d.message for d in reading.diagnostics if d.severity is Severity.ERROR),
    ]
    labels = {n.name: n.labels for n in live.namespaces}
    there = replace(
        ir.inventory,
        namespaces=tuple(replace(n, labels=labels.get(n.name, n.labels)) for n in ir.namespaces),
        policies=live.policies,
        tiers=live.tiers,
    )
    return Drift(tuple(differing), tuple(_changes(Diff(ir.inventory, there))))


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


def _is_refused(item: Mapping[str, Any]) -> bool:
    return decides(item["apiVersion"], item["kind"])


def _name(item: Mapping[str, Any]) -> str:
    meta = item["metadata"]
    return f"{meta['namespace']}/{meta['name']}" if meta.get("namespace") else str(meta["name"])


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
