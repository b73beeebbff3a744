"""Pod and Service ranges of an import: what of the input knows them, and what is said where nothing does."""

from typing import Any

import pytest
from import_support import deployment, imported, meaning, namespace, said, service, spec

from netspec.importing.convert import Imported

SHOP = namespace("shop")
WEB = deployment("web", ports=[("http", 8080)])


def network(*documents: dict[str, Any]) -> tuple[dict[str, Any], Imported]:
    found = imported([SHOP, WEB, *documents])
    meaning(found)
    return spec(found)["network"], found


def node(*cidrs: str) -> dict[str, Any]:
    metadata = {"name": cidrs[0].replace("/", "-")}
    return {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": {"podCIDRs": list(cidrs)}}


SERVICE_CIDR = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "ServiceCIDR",
    "metadata": {"name": "kubernetes"},
    "spec": {"cidrs": ["10.32.0.0/16", "fd00::/112"]},
}


def kubeadm(networking: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "kubeadm-config", "namespace": "kube-system"},
        "data": {"ClusterConfiguration": f"kind: ClusterConfiguration\nnetworking: {networking}\n"},
    }


KUBEADM = kubeadm("{podSubnet: 10.200.0.0/16, serviceSubnet: 10.112.0.0/12}")


def test_addresses_that_nobody_says_are_defaults_and_said_to_be() -> None:
    found = network()[1]
    assert spec(found)["network"] == {"podCIDRs": ["10.244.0.0/16"], "serviceCIDRs": ["10.96.0.0/16"]}
    assert all("default" in found.draft.notes[field] for field in ("podCIDRs", "serviceCIDRs"))


@pytest.mark.parametrize(
    ("documents", "pods", "services"),
    [
        ([node("10.7.0.0/24"), node("10.7.9.0/24")], "10.7.0.0/16", "10.96.0.0/16"),
        ([node("10.128.0.0/24"), node("10.131.4.0/24")], "10.128.0.0/14", "10.96.0.0/16"),
        ([KUBEADM], "10.200.0.0/16", "10.112.0.0/12"),
        ([kubeadm("[]")], "10.244.0.0/16", "10.96.0.0/16"),
        ([kubeadm("{podSubnet: nonsense, serviceSubnet: 10.0.0.0/8}")], "10.244.0.0/16", "10.96.0.0/16"),
        ([SERVICE_CIDR], "10.244.0.0/16", "10.32.0.0/16"),
        ([SERVICE_CIDR, KUBEADM], "10.200.0.0/16", "10.32.0.0/16"),
        ([service("a", clusterIP="10.43.0.1"), service("b", clusterIP="10.43.99.1")], "10.244.0.0/16", "10.43.0.0/16"),
        ([node("10.96.0.0/24")], "10.96.0.0/16", "10.0.0.0/16"),
    ],
)
def test_addresses_are_the_inputs(documents: list[dict[str, Any]], pods: str, services: str) -> None:
    got, _ = network(*documents)
    assert (got["podCIDRs"], got["serviceCIDRs"]) == ([pods], [services])


def test_ranges_of_ipv6_are_listed() -> None:
    got, found = network(node("10.7.0.0/24", "fd00:7::/64"), SERVICE_CIDR)
    assert got == {"podCIDRs": ["10.7.0.0/16"], "serviceCIDRs": ["10.32.0.0/16"]}
    assert {w for w, why in said(found, "lost") if "IPv4" in why} == {"IPv6 of pods", "range fd00::/112 of Services"}


@pytest.mark.parametrize("subnet", ["10.9.0.0/26", "127.1.0.0/16", "fd00::/64"])
def test_a_range_that_no_spec_takes_is_listed_and_a_default_taken(subnet: str) -> None:
    got, found = network(kubeadm(f"{{podSubnet: '{subnet}'}}"))
    assert got["podCIDRs"] == ["10.244.0.0/16"]
    assert [r.what for r in found.draft.remarks if r.kind == "lost"] == [f"range {subnet} of pods"]


def test_a_small_range_of_pods_gets_shares_of_nodes_that_fit() -> None:
    got, _ = network(kubeadm("{podSubnet: 10.9.0.0/24}"))
    assert got == {"podCIDRs": ["10.9.0.0/24"], "serviceCIDRs": ["10.96.0.0/16"], "nodeCIDRMask": 26, "maxPods": 62}
