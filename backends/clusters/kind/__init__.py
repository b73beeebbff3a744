"""kind: Kubernetes nodes as containers. Sources: kind's v1alpha4 config, kubeadm's v1beta3 and v1beta4 config."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import yaml

from netspec.backends.clusters.kind import pretended
from netspec.backends.clusters.kind.settings import KindSettings
from netspec.catalogue import IMAGES
from netspec.diagnostics import Path, Report
from netspec.ir.dns import CLUSTER_DOMAIN
from netspec.ir.model import Dns, IPNetwork, Ir, Network
from netspec.ir.ranges import largest_without
from netspec.plan import CLUSTER, NODES, Node, ResourceNode
from netspec.target import (
    Address,
    Backend,
    Fact,
    Feature,
    KernelOption,
    Limit,
    Needs,
    NodeGroup,
    NodeRead,
    Range,
    Taint,
    Traits,
)

#: The resource that netspec.deploy makes such a cluster with.
TOKEN = "netspec:kind:Cluster"
#: The kubelet sets a label to the node's name, <cluster>-control-plane: at most 63 characters. (kind takes 50.)
NAME_LIMIT = 63 - len("-control-plane")
#: Besides the nodes the container network has its own address, a gateway, a broadcast address and the outside host.
OTHER_ADDRESSES = 4
#: etcd, API server, scheduler and controller manager count where a control plane takes pods too.
CONTROL_PLANE_PODS = 4
#: kubeadm's own, and kind's inside the container network.
API_PORT = 6443
#: Kubernetes versions that warn of kube-proxy's ipvs mode, and that refuse it (KEP-5495; gone for good in 1.43).
IPVS_DEPRECATED, IPVS_OFF = (1, 35), (1, 40)
#: Kubernetes versions that serve MutatingAdmissionPolicy as v1beta1, if they are told to, and that do no more
#: (KEP-3962; k8s.io/api, APILifecycleRemoved).
ADMISSION_SINCE, ADMISSION_UNTIL = (1, 34), (1, 40)
#: kube-proxy answers this on every node's loopback (healthz and metrics server, /proxyMode).
_PROXY_MODE = "curl -s --max-time 3 http://127.0.0.1:10249/proxyMode"
#: Without it a node passes nothing on, neither to its pods nor from them (net.ipv4.ip_forward).
_IP_FORWARD = "cat /proc/sys/net/ipv4/ip_forward"


class Kind(Backend):
    name = "kind"
    settings = KindSettings
    supports = frozenset(
        {
            Feature.IPV4,
            Feature.PROXY_IPTABLES,
            Feature.PROXY_NFTABLES,
            Feature.PROXY_IPVS,
            Feature.MAX_PODS,
            Feature.NODE_MASK,
            Feature.CLUSTER_DOMAIN,
        }
    )

    def lacks(self, ir: Ir, settings: KindSettings) -> Mapping[Feature, str]:
        """What the nodes' Kubernetes no longer has."""
        if (version := kubernetes_of(settings)) is None or version < IPVS_OFF:
            return {}
        off = ".".join(map(str, IPVS_OFF))
        return {Feature.PROXY_IPVS: f"Kubernetes {off} and newer start no kube-proxy in that mode; use nftables"}

    def traits(self, ir: Ir, settings: KindSettings, traits: Traits) -> Traits:
        network = Range(settings.network_cidr, _path(ir, "networkCIDR"))
        # The container network resolves the nodes' names.
        api_server = Address(f"{ir.cluster_name}-control-plane", API_PORT)
        workers = settings.workers or 1  # without any, the control plane takes pods
        found = replace(
            traits,
            nodes=settings.workers + 1,
            open_nodes=settings.workers or 1,
            node_networks=(network,),
            outside=True,
            outside_address=ip_address(settings.outside_address) if settings.outside_address else None,
            shared_link=True,
            api_server=api_server,
            groups=(NodeGroup("workers" if settings.workers else "control-plane", workers, workers),),
            node_pods=traits.node_pods + 1 + (0 if settings.workers else CONTROL_PLANE_PODS),  # kube-proxy
            admission="v1beta1" if ADMISSION_SINCE <= (kubernetes_of(settings) or (0, 0)) < ADMISSION_UNTIL else "",
        )
        if settings.vpc is None:
            return found
        return pretended.traits(found, _subnet(ir, settings), pretended.known(settings))

    def needs(self, ir: Ir, settings: KindSettings, needs: Needs) -> Needs:
        if ir.network.proxy_mode != "ipvs":
            return needs
        return replace(needs, kernel=(*needs.kernel, KernelOption("CONFIG_IP_VS", "kube-proxy in ipvs mode")))

    def check(self, ir: Ir, settings: KindSettings, needs: Needs, report: Report) -> None:
        if len(ir.cluster_name) > NAME_LIMIT:
            message = f"the cluster's name {ir.cluster_name} is longer than {NAME_LIMIT} characters"
            report.error("NS701", ("stacks", ir.stack), message, "a shorter metadata.name or stack name")
        if settings.outside_address is not None and (why := _taken(ir, settings)):
            message = f"the host beside the nodes cannot have {settings.outside_address}: {why}"
            hint = f"an address in the middle of {settings.network_cidr}"
            report.error("NS115", _path(ir, "outsideAddress"), message, hint)
        if settings.vpc is not None:
            pretended.check(ir, settings, _subnet(ir, settings), needs, report)
        version = kubernetes_of(settings)
        if ir.network.proxy_mode == "ipvs" and version is not None and IPVS_DEPRECATED <= version < IPVS_OFF:
            message = f"kube-proxy's ipvs mode is deprecated; Kubernetes {'.'.join(map(str, IPVS_OFF))} switches it off"
            report.warning("NS930", ("network", "proxy", "mode"), message, "nftables does what it was for")

    def capacity(self, ir: Ir, settings: KindSettings) -> tuple[Limit, ...]:
        (network,), nodes = ir.traits.node_networks, ir.traits.nodes
        if network.network.version != 4:
            return ()
        message = f"{network.network} has too few addresses for {nodes} nodes and the host beside them"
        part = _given_range(ir, settings) or network.network
        how = f"{part}: {part.num_addresses} addresses - {OTHER_ADDRESSES}"
        room = part.num_addresses - OTHER_ADDRESSES
        return (Limit(room, "NS108", network.path, message, "a larger network", "node addresses", how=how),)

    def lower(self, ir: Ir, settings: KindSettings, needs: Needs) -> tuple[Node, ...]:
        name, network = ir.cluster_name, ir.network
        parted, instance = (_subnet(ir, settings), pretended.known(settings)) if settings.vpc else (None, None)
        if settings.vpc is not None:
            network = replace(network, max_pods=pretended.max_pods(ir, needs))
        properties = {
            "name": name,
            "image": settings.node_image or IMAGES["node"],
            "config": cluster_config(name, settings, network, ir.dns, needs),
            "network": f"netspec-{name}",
            "networkCidr": settings.network_cidr,
            # Left out where nothing else gives out addresses of the network.
            **({"networkRange": str(given)} if (given := _given_range(ir, settings)) else {}),
            "outsideName": f"{name}-outside",
            "outsideImage": IMAGES["agnhost"],
            **({"outsideAddress": settings.outside_address} if settings.outside_address else {}),
            "immutable": {"cni": ir.providers["cni"], **needs.immutable},
        }
        if needs.kernel:
            properties["kernel"] = {wanted.option: wanted.why for wanted in needs.kernel}
        cluster = ResourceNode(
            CLUSTER,
            TOKEN,
            properties,
            secrets=("kubeconfig",),
            provides=(NODES,),
            files={"config": "kind.yaml"},
            found_again=True,  # by the labels of its network
        )
        if parted is None or instance is None:
            return (cluster,)
        return (cluster, *pretended.lower(parted, instance, needs, ir.traits.nodes))

    def facts(self, ir: Ir, settings: KindSettings) -> tuple[Fact, ...]:
        mode = ir.network.proxy_mode
        forwards = Fact("ip-forward", "nodes", "1", NodeRead(_IP_FORWARD))
        asked = f"{_PROXY_MODE} || echo none" if mode == "none" else _PROXY_MODE
        return Fact("proxy-mode", "nodes", mode, NodeRead(asked)), forwards


def kubernetes_of(settings: KindSettings) -> tuple[int, int] | None:
    """Major and minor version of the nodes' Kubernetes, of the image's tag; None where that does not say.

    >>> kubernetes_of(KindSettings(nodeImage="kindest/node:v1.40.2@sha256:12"))
    (1, 40)
    """
    tag = re.search(r":v(\d+)\.(\d+)", settings.node_image or IMAGES["node"])
    return (int(tag[1]), int(tag[2])) if tag else None


def _given_range(ir: Ir, settings: KindSettings) -> IPNetwork | None:
    """The part of the container network that the engine gives out addresses of; None: all of it. What LoadBalancer
    Services take theirs from must not be given to a container."""
    network, balancing = Range(settings.network_cidr).network, ir.traits.balancing
    parted = _subnet(ir, settings) if settings.vpc else None
    if parted is not None:
        network = parted.nodes.network
    taken = [found.network for found in balancing.addresses] if balancing else []
    if any(found.overlaps(network) for found in taken):
        return largest_without(network, taken)
    return network if parted is not None else None


def _taken(ir: Ir, settings: KindSettings) -> str:
    """Why the host beside the nodes cannot have the address that is given for it; "" where it can. The engine gives out
    the first addresses of the network, or of its part, one after the other."""
    address, network = ip_address(settings.outside_address or ""), Range(settings.network_cidr).network
    parted = _subnet(ir, settings) if settings.vpc else None
    if address not in network:
        return f"it is not in the container network {network}"
    if parted is not None and address not in parted.nodes.network:
        return f"it is not among the nodes' addresses {parted.nodes.text}"
    balancing = ir.traits.balancing
    if any(address in found.network for found in (balancing.addresses if balancing else ())):
        return "it is one that LoadBalancer Services take"
    first = int((_given_range(ir, settings) or network).network_address)
    taken = range(first, first + OTHER_ADDRESSES + ir.traits.nodes)
    if int(address) in taken or address in (network[0], network[1], network[-1]):
        return "nodes take the first addresses, and the network its own"
    return ""


def _subnet(ir: Ir, settings: KindSettings) -> pretended.Subnet | None:
    return pretended.subnet(ir, settings, _path(ir)[:-1], OTHER_ADDRESSES)


def _path(ir: Ir, setting: str = "") -> Path:
    return ("stacks", ir.stack, "cluster", setting)


def cluster_config(name: str, settings: KindSettings, network: Network, dns: Dns, needs: Needs) -> dict[str, Any]:
    """kind's Cluster object: one control-plane node and the workers, without kind's own CNI."""
    shares = settings.vpc is None
    patches = kubeadm_patches(network, dns, tainted(needs.taints, settings.workers), needs.kube_proxy, shares)
    return {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "name": name,
        "networking": {
            "ipFamily": "ipv4",
            "podSubnet": ",".join(map(str, network.pod_cidrs)),
            "serviceSubnet": ",".join(map(str, network.service_cidrs)),
            "disableDefaultCNI": not needs.own_cni,
            "kubeProxyMode": network.proxy_mode if needs.kube_proxy else "none",
        },
        **(_ADMISSION if needs.admission else {}),
        "nodes": [{"role": "control-plane"}, *({"role": "worker"} for _ in range(settings.workers))],
        "kubeadmConfigPatches": [yaml.safe_dump(p, sort_keys=False) for p in patches],
    }


#: What makes an API server change pods by policy: off by default before 1.36, and as v1beta1 after it too.
_ADMISSION = {
    "featureGates": {"MutatingAdmissionPolicy": True},
    "runtimeConfig": {"admissionregistration.k8s.io/v1beta1": "true"},
}


def tainted(taints: Sequence[Taint], workers: int) -> dict[str, dict[str, Any]]:
    """Per kind of kubeadm config, what makes nodes start with these taints. A control plane that is given any loses its
    own, which keeps pods off it where there are workers."""
    if not taints:
        return {}
    given = [{"key": t.key, "value": t.value, "effect": t.effect} for t in taints]
    own = [{"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}] if workers else []
    return {
        "InitConfiguration": {"nodeRegistration": {"taints": [*own, *given]}},
        "JoinConfiguration": {"nodeRegistration": {"taints": given}},
    }


def kubeadm_patches(
    network: Network,
    dns: Dns,
    more: Mapping[str, dict[str, Any]] | None = None,
    kube_proxy: bool = True,
    shares: bool = True,
) -> tuple[dict[str, Any], ...]:
    """Merge patches (RFC 7386) of the kubeadm config that kind writes, matched by `kind`; `more` goes into the patch of
    the same kind. `shares`: each node is given a share of the pod CIDR.

    No apiVersion: kind picks kubeadm's (v1beta3 before Kubernetes 1.36) and converts `extraArgs` from this map form.
    """
    own_domain = dns.cluster_domain != CLUSTER_DOMAIN
    arguments = {"node-cidr-mask-size": str(network.node_mask)} if shares else {"allocate-node-cidrs": "false"}
    patches: tuple[dict[str, Any], ...] = (
        {
            "kind": "InitConfiguration",
            # A merge patch replaces lists, so kind's own entries are repeated: preflight, and kube-proxy where that is
            # off. CoreDNS is netspec's.
            "skipPhases": ["preflight", *([] if kube_proxy else ["addon/kube-proxy"]), "addon/coredns"],
        },
        {
            "kind": "ClusterConfiguration",
            "controllerManager": {"extraArgs": arguments},
            **({"networking": {"dnsDomain": dns.cluster_domain}} if own_domain else {}),
        },
        {"kind": "KubeletConfiguration", "maxPods": network.max_pods, "clusterDNS": [dns.address]}
        | ({"clusterDomain": dns.cluster_domain} if own_domain else {}),
    )
    rest = dict(more or {})
    merged = [patch | rest.pop(patch["kind"], {}) for patch in patches]
    return (*merged, *({"kind": kind, **patch} for kind, patch in rest.items()))
