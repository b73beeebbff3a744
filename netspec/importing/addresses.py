"""The ranges of pods and Services, from what of the input knows them; a guess is said to be one."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, ip_address, ip_network
from typing import Any

import yaml

from netspec.importing.documents import Bodies
from netspec.importing.model import Draft
from netspec.ir.model import Inventory
from netspec.passes.addresses import SERVICE_BITS, SERVICE_MASK_MAX, UNUSABLE
from netspec.spec.v1alpha1 import Network

POD_DEFAULT, SERVICE_DEFAULT = (
    IPv4Network(Network.model_fields[field].get_default()[0]) for field in ("pod_cidrs", "service_cidrs")
)
#: Prefix lengths that a spec takes; of pods those that leave room for a few nodes, whatever shares these take.
_LENGTHS = {"Services": range(32 - SERVICE_BITS, SERVICE_MASK_MAX + 1), "pods": range(8, 25)}
#: Addresses that were seen stand for the range of this length around them.
_AROUND = 16
#: Where a default overlaps the other range, the first of these that does not is taken.
_PRIVATE = tuple(IPv4Network("10.0.0.0/8").subnets(new_prefix=_AROUND))


def add_network(draft: Draft, inventory: Inventory, bodies: Bodies) -> None:
    """Fills the draft's network."""
    kubeadm = _kubeadm(bodies)
    pods, pods_note = _pods(draft, inventory, kubeadm.get("podSubnet"))
    services, services_note = _services(draft, bodies, kubeadm.get("serviceSubnet"), inventory)
    if pods is None:
        pods = _free(POD_DEFAULT, services)
        pods_note = "The input does not say where pods get their addresses: this is a default."
    if services is None or services.overlaps(pods):
        services = _free(SERVICE_DEFAULT, pods)
        services_note = "The input does not say where Services get their addresses: this is a default."
    draft.network = {"podCIDRs": [str(pods)], "serviceCIDRs": [str(services)]}
    draft.notes |= {"podCIDRs": pods_note, "serviceCIDRs": services_note}
    if pods.prefixlen > 22:  # the default share of a node, a /24, would not leave room for three nodes
        draft.network["nodeCIDRMask"] = min(pods.prefixlen + 2, 30)
        room = 2 ** (32 - draft.network["nodeCIDRMask"]) - 2
        draft.network |= {"maxPods": room} if room < Network.model_fields["max_pods"].get_default() else {}


def _free(wanted: IPv4Network, taken: IPv4Network | None) -> IPv4Network:
    if taken is None or not wanted.overlaps(taken):
        return wanted
    return next(n for n in _PRIVATE if not n.overlaps(taken))


def _kubeadm(bodies: Bodies) -> dict[str, Any]:
    """ClusterConfiguration.networking (kubeadm API v1beta3 and v1beta4)."""
    for _, body in bodies.of_the_cluster:
        config: Any = body
        if body.get("kind") == "ConfigMap":
            data = body.get("data")
            try:
                config = yaml.safe_load(str(data.get("ClusterConfiguration"))) if isinstance(data, dict) else None
            except yaml.YAMLError:
                continue
        if isinstance(config, dict) and config.get("kind") == "ClusterConfiguration":
            networking = config.get("networking")
            if isinstance(networking, dict):
                return networking
    return {}


def _pods(draft: Draft, inventory: Inventory, subnet: Any) -> tuple[IPv4Network | None, str]:
    given = _usable(draft, "pods", _split(subnet))
    if given:
        return given[0], "From kubeadm's configuration."
    seen = [n for n in inventory.pod_cidrs if isinstance(n, IPv4Network)]
    if len(seen) < len(inventory.pod_cidrs):
        draft.lost("IPv6 of pods", "the spec's family is IPv4")
    if not seen:
        return None, ""
    found = around(seen)
    note = "The nodes' ranges and pods' addresses that were read are in it; the cluster's own may be another."
    return (found, note) if _usable(draft, "pods", [str(found)]) else (None, "")


def _services(draft: Draft, bodies: Bodies, subnet: Any, inventory: Inventory) -> tuple[IPv4Network | None, str]:
    named: list[str] = []
    for _, body in bodies.of_the_cluster:
        spec = body.get("spec")
        if body.get("kind") == "ServiceCIDR" and isinstance(spec, dict) and isinstance(spec.get("cidrs"), list):
            named += [str(c) for c in spec["cidrs"]]
    for texts, note in ((named, "From the ServiceCIDR."), (_split(subnet), "From kubeadm's configuration.")):
        found = _usable(draft, "Services", texts)
        if found:
            if len(found) > 1:
                draft.lost(f"Service ranges {', '.join(map(str, found[1:]))}", "a spec has one of a family")
            return found[0], note
    seen = list(_cluster_ips(bodies, inventory))
    if not seen:
        return None, ""
    found_around = around([IPv4Network(a) for a in seen])
    note = "The Services' addresses that were read are in it; the cluster's own range may be another."
    return (found_around, note) if _usable(draft, "Services", [str(found_around)]) else (None, "")


def _cluster_ips(bodies: Bodies, inventory: Inventory) -> Iterable[IPv4Address]:
    for service in inventory.services:
        if service.headless or service.type == "ExternalName":
            continue
        spec = bodies.at(service.place).get("spec")
        try:
            address = ip_address(str(spec.get("clusterIP")) if isinstance(spec, dict) else "")
        except ValueError:
            continue
        if isinstance(address, IPv4Address):
            yield address


def _split(subnet: Any) -> list[str]:
    return subnet.split(",") if isinstance(subnet, str) and subnet else []


def _usable(draft: Draft, what: str, texts: Iterable[str]) -> list[IPv4Network]:
    """Those that a spec takes; the others are said to be lost."""
    found = []
    for text in texts:
        try:
            network = ip_network(text.strip(), strict=False)
        except ValueError:
            continue
        if not isinstance(network, IPv4Network):
            draft.lost(f"range {network} of {what}", "the spec's family is IPv4")
        elif any(network.overlaps(u) for u in UNUSABLE):
            draft.lost(f"range {network} of {what}", "pods and Services cannot have such addresses")
        elif network.prefixlen in _LENGTHS[what]:
            found.append(network)
        else:
            shortest, longest = _LENGTHS[what][0], _LENGTHS[what][-1]
            draft.lost(f"range {network} of {what}", f"it must be /{shortest} to /{longest} here")
    return found


def around(networks: list[IPv4Network]) -> IPv4Network:
    """The smallest range that holds all of them, and at least a /16.

    >>> around([IPv4Network("10.244.0.0/24"), IPv4Network("10.244.3.0/24")])
    IPv4Network('10.244.0.0/16')
    """
    low = min(int(n[0]) for n in networks)
    high = max(int(n[-1]) for n in networks)
    length = min(32 - (low ^ high).bit_length(), _AROUND)
    return ip_network((low, length), strict=False)  # type: ignore[return-value]
