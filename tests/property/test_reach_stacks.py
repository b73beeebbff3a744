"""The same spec on another cluster with another CNI: who reaches whom is the same, but for what a dialect decides."""

from typing import Any

import yaml
from eks_support import cluster
from hypothesis import given, settings
from hypothesis import strategies as st

from netspec.analysis.diff import Diff, alike
from netspec.backends.registry import REGISTRY
from netspec.compiler import compile_spec
from netspec.ir.model import Inventory
from netspec.spec.load import loads
from netspec.target import LAYERS
from netspec.targets import said, targets

APPS, SPACES = ("a", "b", "c"), ("one", "two")
STACKS = {
    "kind": {"cluster": {"type": "kind"}, "cni": {"provider": "calico"}},
    "vpc": {
        "cluster": cluster(vpc={"podSubnets": True}),
        "cni": {"provider": "vpc-cni", "customNetworking": True, "prefixDelegation": True},
    },
    "calico": {"cluster": cluster(), "cni": {"provider": "calico"}},
    "cilium": {"cluster": cluster(), "cni": {"provider": "cilium"}},
    "calico-on-vpc": {
        "cluster": cluster(vpc={"podSubnets": True}),
        "cni": {"provider": "calico", "vpcCni": {"customNetworking": True}},
    },
    "cilium-eni": {
        "cluster": cluster(vpc={"podSubnets": True}),
        "cni": {"provider": "cilium", "eni": {"podSubnetsOnly": True}},
    },
    "cilium-on-vpc": {
        "cluster": cluster(vpc={"podSubnets": True}),
        "cni": {"provider": "cilium", "vpcCni": {"customNetworking": True}},
    },
}

selector = st.sampled_from([{}, *({"matchLabels": {"app": app}} for app in APPS)])
space = st.sampled_from([{}, *({"matchLabels": {"kubernetes.io/metadata.name": name}} for name in SPACES)])
pods = st.one_of(
    st.builds(lambda p: {"podSelector": p}, selector),
    st.builds(lambda n: {"namespaceSelector": n}, space),
    st.builds(lambda p, n: {"podSelector": p, "namespaceSelector": n}, selector, space),
)
blocks = st.sampled_from(["0.0.0.0/0", "10.0.0.0/8", "10.244.0.0/16", "192.0.2.0/24"])
block = st.builds(lambda cidr: {"ipBlock": {"cidr": cidr}}, blocks)
numbers = st.sampled_from([{"port": 8080}, {"port": 8000, "endPort": 8090}, {"protocol": "UDP"}])
ports = st.one_of(numbers, st.just({"port": "http"}))


def policies(
    peer: st.SearchStrategy[dict[str, Any]], port: st.SearchStrategy[dict[str, Any]] = ports
) -> st.SearchStrategy[list[dict[str, Any]]]:
    def rule(side: str) -> st.SearchStrategy[list[dict[str, Any]]]:
        one = st.fixed_dictionaries(
            {}, optional={side: st.lists(peer, max_size=2), "ports": st.lists(port, max_size=2)}
        )
        return st.lists(one, max_size=2)

    types = st.sampled_from([["Ingress"], ["Egress"], ["Ingress", "Egress"]])

    def policy(name: int, where: str, who: Any, kinds: list[str], into: Any, out: Any) -> dict[str, Any]:
        body = {"podSelector": who, "policyTypes": kinds}
        body |= {"ingress": into} if "Ingress" in kinds else {}
        body |= {"egress": out} if "Egress" in kinds else {}
        return {"name": f"p{name}", "namespace": where, "spec": body}

    made = st.builds(policy, st.integers(0, 99), st.sampled_from(SPACES), selector, types, rule("from"), rule("to"))
    return st.lists(made, max_size=4, unique_by=lambda p: (p["namespace"], p["name"]))


#: What a stack says so that the CNI enforces policies.
ENFORCES: dict[str, dict[str, Any]] = {"flannel": {"policy": "calico"}, "vpc-cni": {"networkPolicy": "standard"}}


def every_stack() -> dict[str, dict[str, Any]]:
    """Each cluster with each CNI that goes with it, at its simplest."""
    out = {}
    for target in targets(REGISTRY, {}):
        if target.refused:
            continue
        cluster = said(LAYERS[0], REGISTRY.providers("cluster")[target.cluster])
        cni = said(LAYERS[1], REGISTRY.providers("cni")[target.cni])
        chosen = {**cni, **target.given, **ENFORCES.get(target.cni, {})}
        out[f"{target.cluster} with {target.cni}"] = {"cluster": cluster, "cni": chosen}
    return out


EVERY = every_stack()
STACKS |= EVERY


def inventory(found: list[dict[str, Any]], stack: str) -> Inventory:
    workloads = [
        {"name": app, "namespace": name, "labels": {"app": app}, "ports": [{"name": "http", "port": 8080}]}
        for name in SPACES
        for app in APPS
    ]
    spec = {
        "apiVersion": "netspec.dev/v1alpha1",
        "kind": "NetworkSpec",
        "metadata": {"name": "same"},
        "namespaces": [{"name": name} for name in SPACES],
        "workloads": workloads,
        "networkPolicies": found,
        "stacks": {"s": STACKS[stack]},
    }
    result = compile_spec(loads(yaml.safe_dump(spec, sort_keys=False), "same.yaml"), "s", REGISTRY)
    assert result.ir is not None and result.plan is not None, [d.render() for d in result.diagnostics]
    return result.ir.inventory


def differ(found: list[dict[str, Any]], one: str, other: str) -> list[tuple[str, str, str]]:
    diff = Diff(*alike(inventory(found, one), inventory(found, other)))
    return [(change.kind, change.source, change.destination) for change in diff.changes()]


@settings(max_examples=100, deadline=None)
@given(policies(st.one_of(pods, block)))
def test_calico_and_the_vpc_cni_decide_alike(found: list[dict[str, Any]]) -> None:
    """Blocks of addresses too: both match packets by address, and pods have the same range."""
    assert differ(found, "kind", "vpc") == []
    assert differ(found, "kind", "calico") == []
    assert differ(found, "kind", "calico-on-vpc") == []


@settings(max_examples=60, deadline=None)
@given(policies(pods, numbers))
def test_cilium_differs_by_its_dialect_alone(found: list[dict[str, Any]]) -> None:
    """Blocks of addresses and names of ports are what it takes otherwise (docs/semantics.md); the rest is the same."""
    assert differ(found, "vpc", "cilium") == []


@settings(max_examples=40, deadline=None)
@given(policies(st.one_of(pods, block)))
def test_where_cilium_s_pods_have_their_addresses_decides_nothing(found: list[dict[str, Any]]) -> None:
    """With its dialect as without: an overlay, ENI mode and a chained Cilium judge alike."""
    assert differ(found, "cilium", "cilium-eni") == []
    assert differ(found, "cilium", "cilium-on-vpc") == []


#: What every CNI knows of ports.
plain = st.sampled_from([{"port": 8080}, {"protocol": "UDP"}, {"port": 9090, "protocol": "TCP"}])


@settings(max_examples=5, deadline=None)
@given(policies(pods, plain))
def test_every_target_decides_alike(found: list[dict[str, Any]]) -> None:
    """Whatever the cluster and the CNI: who reaches whom by labels and by ports' numbers is what Kubernetes says."""
    assert [(stack, d) for stack in EVERY if (d := differ(found, "kind", stack))] == []


@settings(max_examples=5, deadline=None)
@given(policies(st.one_of(pods, block), plain))
def test_every_target_of_one_dialect_decides_alike(found: list[dict[str, Any]]) -> None:
    """Blocks of addresses too, where the pods' range is the same (of the VPC CNI at its simplest it is another: `vpc`
    has the same, above)."""
    first: dict[Any, str] = {}
    for stack in EVERY:
        own = inventory(found, stack)
        dialect = own.dialect
        assert dialect is not None, stack
        matches = (own.pod_cidrs, dialect.blocks_match_pods, dialect.blocks_match_nodes, bool(dialect.departs))
        assert differ(found, first.setdefault(matches, stack), stack) == [], (first[matches], stack)


def test_the_dialect_is_there() -> None:
    body = {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}]}
    found = [{"name": "p", "namespace": "one", "spec": body}]
    assert differ(found, "vpc", "cilium") and not differ(found, "vpc", "kind")
