"""What a spec needs of its backends, as data: `required(ir)` against each backend's `supports`.

A feature belongs to one layer: the cluster, the CNI, or what every cluster gets (common).
"""

from enum import StrEnum
from typing import Literal

from netspec.ir.model import NAME_LABEL, Ir, NetworkPolicy, Place, Rule

Layer = Literal["cluster", "cni", "common"]
LAYERS: tuple[Layer, ...] = ("cluster", "cni", "common")


class Feature(StrEnum):
    """The value is "<layer>.<feature>"; a backend of that layer lists it in `supports`."""

    IPV4 = "cluster.ipv4"
    PROXY_IPTABLES = "cluster.proxy-iptables"
    PROXY_NFTABLES = "cluster.proxy-nftables"
    MAX_PODS = "cluster.max-pods"
    NODE_MASK = "cluster.node-cidr-mask"
    NODE_IMAGE = "cluster.node-image"
    LOAD_BALANCER = "cluster.service-load-balancer"
    VXLAN = "cni.encapsulation-vxlan"
    BLOCK_SIZE = "cni.block-size"
    MTU = "cni.mtu"
    NETWORK_POLICY = "cni.network-policy"
    END_PORT = "cni.network-policy-end-port"
    NAMED_PORT = "cni.network-policy-named-port"
    SCTP = "cni.network-policy-sctp"
    CLUSTER_IP = "common.service-cluster-ip"
    HEADLESS = "common.service-headless"
    NODE_PORT = "common.service-node-port"
    EXTERNAL_NAME = "common.service-external-name"
    STAND_IN = "common.stand-in"
    DEFAULT_NAMESPACE_LABELS = "common.default-namespace-labels"
    NDOTS = "common.dns-ndots"
    DNS_REPLICAS = "common.dns-replicas"
    DNS_CACHE = "common.dns-cache"
    STUB_DOMAINS = "common.dns-stub-domains"

    @property
    def layer(self) -> Layer:
        return next(layer for layer in LAYERS if self.value.startswith(f"{layer}."))

    @property
    def summary(self) -> str:
        """A few words for a reader, as in docs/backends.md."""
        return SUMMARIES[self]


SUMMARIES: dict[Feature, str] = {
    Feature.IPV4: "IPv4 pod and Service addresses",
    Feature.PROXY_IPTABLES: "kube-proxy in iptables mode",
    Feature.PROXY_NFTABLES: "kube-proxy in nftables mode",
    Feature.MAX_PODS: "a limit of pods on a node",
    Feature.NODE_MASK: "the size of a node's share of the pod CIDR",
    Feature.NODE_IMAGE: "a node image of one's own",
    Feature.LOAD_BALANCER: "LoadBalancer Services that get an address",
    Feature.VXLAN: "VXLAN between nodes",
    Feature.BLOCK_SIZE: "the size of the address blocks that nodes take",
    Feature.MTU: "an MTU of one's own",
    Feature.NETWORK_POLICY: "NetworkPolicies are enforced",
    Feature.END_PORT: "port ranges in NetworkPolicies (endPort)",
    Feature.NAMED_PORT: "named ports in NetworkPolicies",
    Feature.SCTP: "SCTP ports in NetworkPolicies",
    Feature.CLUSTER_IP: "ClusterIP Services",
    Feature.HEADLESS: "headless Services",
    Feature.NODE_PORT: "NodePort Services",
    Feature.EXTERNAL_NAME: "ExternalName Services",
    Feature.STAND_IN: "stand-in workloads",
    Feature.DEFAULT_NAMESPACE_LABELS: "labels on the namespace `default`",
    Feature.NDOTS: "ndots of deployed pods",
    Feature.DNS_REPLICAS: "the number of CoreDNS pods",
    Feature.DNS_CACHE: "how long CoreDNS keeps answers",
    Feature.STUB_DOMAINS: "stub domains",
}


_SERVICES = {
    "ClusterIP": Feature.CLUSTER_IP,
    "NodePort": Feature.NODE_PORT,
    "LoadBalancer": Feature.LOAD_BALANCER,
    "ExternalName": Feature.EXTERNAL_NAME,
}


def required(ir: Ir) -> dict[Feature, Place]:
    """Every feature the IR uses, with the first place that uses it, in a stable order."""
    network, dns = ir.network, ir.dns
    found: dict[Feature, Place] = {}

    def need(feature: Feature, place: Place) -> None:
        found.setdefault(feature, place)

    need(Feature.IPV4, Place(("network", "podCIDRs")))
    mode = Feature.PROXY_IPTABLES if network.proxy_mode == "iptables" else Feature.PROXY_NFTABLES
    need(mode, Place(("network", "proxy", "mode")))
    need(Feature.MAX_PODS, Place(("network", "maxPods")))
    need(Feature.NODE_MASK, Place(("network", "nodeCIDRMask")))
    if ir.cluster.node_image is not None:
        need(Feature.NODE_IMAGE, ir.cluster.place)
    need(Feature.VXLAN, ir.cni.place)
    need(Feature.BLOCK_SIZE, ir.cni.place)
    if ir.cni.mtu is not None:
        need(Feature.MTU, ir.cni.place)
    need(Feature.DNS_REPLICAS, Place(("dns",)))
    need(Feature.DNS_CACHE, Place(("dns",)))
    if dns.ndots is not None:
        need(Feature.NDOTS, Place(("dns", "ndots")))
    if dns.stub_domains:
        need(Feature.STUB_DOMAINS, Place(("dns", "stubDomains")))
    for namespace in ir.namespaces:
        if namespace.name == "default" and set(namespace.labels) - {NAME_LABEL}:
            need(Feature.DEFAULT_NAMESPACE_LABELS, namespace.place)
    for workload in ir.workloads:
        if workload.stand_in:
            need(Feature.STAND_IN, workload.place)
    for service in ir.services:
        need(Feature.HEADLESS if service.headless else _SERVICES[service.type], service.place)
    for policy in ir.policies:
        _policy_features(policy, found)
    return {feature: found[feature] for feature in Feature if feature in found}


def _policy_features(policy: NetworkPolicy, found: dict[Feature, Place]) -> None:
    found.setdefault(Feature.NETWORK_POLICY, policy.place)
    rules: tuple[Rule, ...] = policy.ingress + policy.egress
    for port in (p for rule in rules for p in rule.ports):
        if port.end_port is not None:
            found.setdefault(Feature.END_PORT, policy.place)
        if isinstance(port.port, str):
            found.setdefault(Feature.NAMED_PORT, policy.place)
        if port.protocol == "SCTP":
            found.setdefault(Feature.SCTP, policy.place)
