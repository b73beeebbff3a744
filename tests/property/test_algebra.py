"""Selector and CIDR algebra: laws that follow from the API's definitions, for any labels and any blocks."""

from dataclasses import replace
from ipaddress import IPv4Network, ip_address, ip_network
from pathlib import Path

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from reach_strategies import labels, pod_selectors, requirements

from netspec.analysis.oracle import evaluate
from netspec.analysis.verdict import AddressEnd, Answer, PodEnd
from netspec.compiler import check_spec
from netspec.ir.model import (
    NAME_LABEL,
    Inventory,
    IpBlock,
    Namespace,
    NetworkPolicy,
    Peer,
    Rule,
    Workload,
)
from netspec.ir.selectors import Requirement, Selector
from netspec.spec.load import loads

OPPOSITE = {"In": "NotIn", "NotIn": "In", "Exists": "DoesNotExist", "DoesNotExist": "Exists"}
SPEC = yaml.safe_load((Path(__file__).parents[2] / "stacks/shop.yaml").read_text(encoding="utf-8"))


@given(labels, pod_selectors)
def test_a_selector_is_the_conjunction_of_its_parts(pod: dict[str, str], selector: Selector) -> None:
    parts = [Selector((pair,)) for pair in selector.match_labels]
    parts += [Selector((), (expression,)) for expression in selector.expressions]
    assert selector.matches(pod) == all(part.matches(pod) for part in parts)


@given(labels, requirements())
def test_opposite_operators_divide_all_pods(pod: dict[str, str], requirement: Requirement) -> None:
    other = replace(requirement, operator=OPPOSITE[requirement.operator])
    assert requirement.matches(pod) != other.matches(pod)


@given(labels, labels)
def test_match_labels_are_a_subset(pod: dict[str, str], wanted: dict[str, str]) -> None:
    assert Selector.of(wanted).matches(pod) == (wanted.items() <= pod.items())
    assert Selector.of(pod).matches(pod) and Selector().matches(pod)


networks = st.builds(
    lambda address, bits: ip_network((address, bits), strict=False),
    st.integers(0, 2**32 - 1),
    st.integers(8, 24),
)


@given(networks, networks, networks)
@settings(max_examples=60, deadline=None)
def test_overlap_is_an_error_exactly_when_an_address_is_in_both(
    pods: IPv4Network, services: IPv4Network, nodes: IPv4Network
) -> None:
    ranges = (pods, services, nodes)
    spec = SPEC | {"network": {"podCIDRs": [str(pods)], "serviceCIDRs": [str(services)]}}
    stack = {"cluster": {"type": "kind", "workers": 1, "networkCIDR": str(nodes)}, "cni": {"provider": "calico"}}
    loaded = loads(yaml.safe_dump(spec | {"stacks": {"shop": stack}}), "spec.yaml")
    from netspec.backends.registry import REGISTRY

    codes = [d.code for d in check_spec(loaded, "shop", REGISTRY)]
    shared = [
        (a, b)
        for i, a in enumerate(ranges)
        for b in ranges[i + 1 :]
        # Two CIDRs share an address exactly when one's first address is in the other.
        if a.network_address in b or b.network_address in a
    ]
    assert ("NS102" in codes) == bool(shared)


@given(st.integers(0, 2**32 - 1), networks, st.lists(networks, max_size=3))
def test_an_ip_block_is_its_cidr_without_what_is_excepted(
    number: int, cidr: IPv4Network, excluded: list[IPv4Network]
) -> None:
    address = ip_address(number)
    block = IpBlock(cidr, tuple(excluded))
    policy = NetworkPolicy("a", "p", Selector(), ("Ingress",), ingress=(Rule((Peer(ip_block=block),)),))
    inventory = Inventory(
        (Namespace("a", {NAME_LABEL: "a"}),), (Workload("a", "w", {}),), policies=(policy,), pod_cidrs=()
    )
    inside = address in cidr and not any(address in hole for hole in excluded)
    verdict = evaluate(inventory, AddressEnd(address), PodEnd("a/w"), 80, "TCP")
    assert verdict.answer is (Answer.ALLOW if inside else Answer.DENY)
