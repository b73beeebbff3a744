"""Laws that hold for every cluster, on random ones."""

import random
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_network

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reach_strategies import NAMESPACES, inventories, policies, rules

from netspec.analysis.diff import Diff
from netspec.analysis.engine import Reachability, Spaces
from netspec.analysis.evaluate import evaluate
from netspec.analysis.explain import Explainer
from netspec.analysis.spaces import Ranges
from netspec.analysis.verdict import PodEnd
from netspec.analysis.walk import NODE
from netspec.analysis.why import because
from netspec.ir.model import Inventory, NetworkPolicy, Rule
from netspec.ir.selectors import Selector

law = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])

#: (source, destination) -> (allowed, undefined) ports, as masks of the shared spaces.
Flows = dict[tuple[str, str], tuple[int, int]]


def flows(inventory: Inventory, *beside: Inventory) -> Flows:
    """All connections, on ports and addresses cut for the other inventories too."""
    reach = Reachability(inventory, Spaces(inventory, *beside))
    reach.regroup([1 << i for i in range(len(reach.sides.external_signatures))])
    ids = [w.id for w in reach.workloads] + [str(e.intervals) for e in reach.externals]
    return {
        (ids[c.source], ids[c.destination]): (c.allow, c.undefined)
        for source in range(reach.peer_count())
        for c in reach.connections(source)
    }


def opened(before: Flows, after: Flows) -> Flows:
    """What may pass after, or passes for certain, and did not before."""
    out = {}
    for pair, (allow, undefined) in after.items():
        had_allow, had_undefined = before.get(pair, (0, 0))
        more = allow & ~had_allow | (allow | undefined) & ~(had_allow | had_undefined)
        if more:
            out[pair] = (more, 0)
    return out


def with_policies(inventory: Inventory, *found: NetworkPolicy) -> Inventory:
    return replace(inventory, policies=(*inventory.policies, *found))


@law
@given(inventories(with_tiers=False), rules, st.sampled_from(("Ingress", "Egress")), st.data())
def test_a_rule_added_to_a_policy_never_closes_a_flow(
    inventory: Inventory, rule: Rule, direction: str, data: st.DataObject
) -> None:
    if not inventory.policies:
        return
    chosen = data.draw(st.integers(0, len(inventory.policies) - 1))
    policy = inventory.policies[chosen]
    if direction not in policy.types:  # in a dialect, its first rule there would isolate
        return
    if direction == "Ingress":
        wider = replace(policy, ingress=(*policy.ingress, rule))
    else:
        wider = replace(policy, egress=(*policy.egress, rule))
    changed = [wider if i == chosen else p for i, p in enumerate(inventory.policies)]
    after = replace(inventory, policies=tuple(changed))
    assert opened(flows(after, inventory), flows(inventory, after)) == {}


@law
@given(inventories(with_tiers=False), policies)
def test_a_policy_on_pods_it_isolates_anew_never_opens_a_flow(inventory: Inventory, policy: NetworkPolicy) -> None:
    namespaces = {p.namespace for p in inventory.policies}
    fresh = replace(policy, name="fresh")
    if policy.namespace in namespaces:
        return
    after = with_policies(inventory, fresh)
    assert opened(flows(inventory, after), flows(after, inventory)) == {}


@law
@given(inventories(with_tiers=False), policies)
def test_a_policy_on_pods_already_isolated_never_closes_a_flow(inventory: Inventory, policy: NetworkPolicy) -> None:
    walls = [NetworkPolicy(n, "wall", Selector(), ("Ingress", "Egress")) for n in NAMESPACES]
    before = with_policies(inventory, *walls)
    after = with_policies(before, replace(policy, name="fresh"))
    assert opened(flows(after, before), flows(before, after)) == {}


@law
@given(inventories(with_tiers=False, max_policies=0))
def test_deny_all_closes_all(inventory: Inventory) -> None:
    walls = [NetworkPolicy(n, "wall", Selector(), ("Ingress", "Egress")) for n in NAMESPACES]
    pods = [w for w in inventory.workloads if not w.host_network]
    assert flows(with_policies(replace(inventory, workloads=tuple(pods)), *walls)) == {}


@law
@given(inventories())
def test_a_cluster_does_not_differ_from_itself(inventory: Inventory) -> None:
    assert list(Diff(inventory, inventory).changes()) == []


@law
@given(inventories(), inventories())
def test_a_diff_read_backwards_closes_what_it_opened(old: Inventory, new: Inventory) -> None:
    swap = {"opened": "closed", "closed": "opened", "changed": "changed"}
    forth = {(c.source, c.destination): (swap[c.kind], c.closes, c.opens) for c in Diff(old, new).changes()}
    back = {(c.source, c.destination): (c.kind, c.opens, c.closes) for c in Diff(new, old).changes()}
    assert forth == back


@law
@given(inventories(with_tiers=False), inventories(with_tiers=False), inventories(with_tiers=False))
def test_diffs_compose(a: Inventory, b: Inventory, c: Inventory) -> None:
    """Pods only: each diff cuts addresses as it needs. Their ranges are known: where they are not, each diff takes the
    IP versions that its two sides speak of."""
    cidrs = a.pod_cidrs or (ip_network("10.244.0.0/16"),)
    a, b, c = (replace(inventory, pod_cidrs=cidrs) for inventory in (a, b, c))

    def states(old: Inventory, new: Inventory) -> dict[tuple[str, str], tuple[tuple[Ranges, Ranges], ...]]:
        found = Diff(old, new).changes()
        return {
            (x.source, x.destination): (x.before, x.after) for x in found if "external" not in x.source + x.destination
        }

    first, second, whole = states(a, b), states(b, c), states(a, c)
    for pair in first.keys() | second.keys() | whole.keys():
        steps = [s[pair] for s in (first, second) if pair in s]
        before, after = steps[0][0] if steps else None, steps[-1][1] if steps else None
        if pair in whole:
            assert whole[pair] == (before, after)
        else:
            assert before == after


@law
@given(inventories())
def test_an_explanation_says_what_the_matrix_says(inventory: Inventory) -> None:
    reach, explainer = Reachability(inventory), Explainer(inventory)
    for source, workload in enumerate(reach.workloads):
        row = {c.destination: (reach.ranges(c.allow), reach.ranges(c.undefined)) for c in reach.connections(source)}
        for destination, other in enumerate(reach.workloads):
            if source != destination:
                found = explainer.explain(PodEnd(workload.id), PodEnd(other.id))
                assert (found.allow, found.undefined) == row.get(destination, ({}, {}))


@law
@given(inventories())
def test_a_row_names_the_rules_that_decide_it_and_the_node_only_on_the_host_network(inventory: Inventory) -> None:
    inventory = replace(inventory, tiers=tuple(replace(t, name=f"t{i}") for i, t in enumerate(inventory.tiers)))
    reach = Reachability(inventory)
    for source, workload in enumerate(reach.workloads):
        for c in reach.connections(source):
            if c.destination >= len(reach.workloads):
                continue
            other, why = reach.workloads[c.destination], because(reach, c)
            assert why.egress is not None
            assert why.ingress is not None
            if workload.host_network or other.host_network:  # the evaluator may name a rule, the row the node
                continue
            assert NODE not in why.egress + why.ingress
            for port in (p for p in (1, 80) if reach.ports.holds(c.allow | c.undefined, "TCP", p)):
                verdict = evaluate(inventory, PodEnd(workload.id), PodEnd(other.id), port, "TCP")
                for side, named in ((verdict.egress, why.egress), (verdict.ingress, why.ingress)):
                    rules = {*side.matching, *(step.rule for step in side.tiers)}
                    assert {str(rule) for rule in rules} <= set(named)


@law
@given(inventories())
def test_external_peers_are_a_disjoint_partition_of_the_address_space(inventory: Inventory) -> None:
    reach = Reachability(inventory)
    found = sorted(interval for external in reach.externals for interval in external.intervals)
    for version in (4, 6):
        mine = [(low, high) for v, low, high in found if v == version]
        last = int(IPv4Address("255.255.255.255")) if version == 4 else int(IPv6Address("f" * 4 + ":ffff" * 7))
        assert mine[0][0] == 0
        assert mine[-1][1] == last
        assert all(mine[i][1] + 1 == mine[i + 1][0] for i in range(len(mine) - 1))


@law
@given(inventories())
def test_external_peers_are_as_few_as_can_be(inventory: Inventory) -> None:
    """No two of them have the same connections both ways."""
    reach = Reachability(inventory)
    count = len(reach.workloads)
    seen = set()
    incoming: dict[int, list[tuple[int, int, int]]] = {count + i: [] for i in range(len(reach.externals))}
    outgoing = {peer: [(c.destination, c.allow, c.undefined) for c in reach.connections(peer)] for peer in incoming}
    for source in range(count):
        for c in reach.connections(source):
            if c.destination >= count:
                incoming[c.destination].append((source, c.allow, c.undefined))
    for peer in incoming:
        seen.add((tuple(incoming[peer]), tuple(outgoing[peer])))
    assert len(seen) == len(reach.externals)


@law
@given(inventories(), st.randoms(use_true_random=False))
def test_the_order_of_policies_and_workloads_does_not_matter(inventory: Inventory, dice: random.Random) -> None:
    def shuffled(items: tuple[object, ...]) -> tuple[object, ...]:
        listed = list(items)
        dice.shuffle(listed)
        return tuple(listed)

    other = replace(
        inventory,
        policies=shuffled(inventory.policies),
        workloads=shuffled(inventory.workloads),
        tiers=shuffled(inventory.tiers),
    )
    assert list(Diff(inventory, other).changes()) == []
