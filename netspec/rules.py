"""Every rule a spec is held to, with the source that says so; docs/rules.md is generated from this table."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class RuleEntry:
    """One code. `source`: where the rule comes from, for the reader to look up."""

    code: str
    severity: Literal["error", "warning"]
    rule: str
    source: str


def _error(code: str, rule: str, source: str) -> RuleEntry:
    return RuleEntry(code, "error", rule, source)


def _warning(code: str, rule: str, source: str) -> RuleEntry:
    return RuleEntry(code, "warning", rule, source)


_YAML = "YAML 1.2"
_OWN = "netspec"
_NAMES = "Kubernetes docs, Object Names and IDs; RFC 1123, RFC 1035; IANA service names (RFC 6335)"
_LABELS = "Kubernetes docs, Labels and Selectors: syntax and character set"
_API = "Kubernetes API, networking.k8s.io/v1 NetworkPolicy"
_API_CODE = "kubernetes pkg/apis/networking/validation"
_SERVICE = "Kubernetes API, core/v1 Service"
_SERVICE_CODE = "kubernetes pkg/apis/core/validation ValidateService"
_KUBEADM = "kubeadm, cmd/kubeadm/app/apis/kubeadm/validation"
_CALICO = "Calico docs, IPPool resource and IPAM"

RULES: tuple[RuleEntry, ...] = (
    _error("NS001", "The file is UTF-8 and one YAML document without tags, merge keys or complex keys.", _YAML),
    _error("NS002", "A mapping has each key once.", f"{_YAML}, 3.2.1.1"),
    _error("NS003", "The file is at most 1 MiB, 32 levels, 256 aliases and 200,000 values.", _OWN),
    _error("NS004", "The file is one document, a mapping at its top, and not empty.", _OWN),
    _error("NS010", "Every field is one that the API version has.", "docs/spec.md"),
    _error("NS011", "A value has its field's type.", "docs/spec.md"),
    _error("NS012", "CIDRs and addresses are well-formed.", "RFC 4632; RFC 4291"),
    _error("NS013", "A required field is there.", "docs/spec.md"),
    _error("NS014", "A value is one of its field's choices.", "docs/spec.md"),
    _error("NS015", "A number or list is within its field's limits.", "docs/spec.md"),
    _error("NS016", "Peers and ports are written as docs/spec.md has them.", "docs/spec.md"),
    _error("NS017", "apiVersion and kind are ones that this netspec reads.", "docs/spec.md"),
    _error("NS101", "A CIDR is canonical: no bit set after the prefix.", "RFC 4632; kubernetes KEP-4858 (IP/CIDR validation)"),
    _error("NS102", "Pod CIDR, Service CIDR and container network are pairwise disjoint.", "Kubernetes docs, Cluster Networking"),
    _error("NS103", "A Service CIDR has at most 20 bits (/12) and at least 16 addresses (/28).", "kubeadm constants MaximumBitsForServiceSubnet and MinimumAddressesInServiceSubnet; kube-apiserver, validateClusterIPFlags maxCIDRBits; kubeadm GetDNSIP takes the tenth address"),
    _error("NS104", "nodeCIDRMask is at least the pod CIDR's mask and at most 16 bits longer.", f"kube-controller-manager, pkg/controller/nodeipam/ipam/cidrset clusterSubnetMaxDiff; kubeadm constants PodSubnetNodeMaskMaxDiff"),
    _error("NS105", "The pod CIDR has a node CIDR for every node of every stack.", f"{_KUBEADM} validation of the pod subnet"),
    _error("NS106", "A node's CIDR has an address for each of maxPods.", "Kubernetes docs, Cluster Networking; kubelet configuration maxPods. Calico's IPAM does not use the node CIDR: its own limits are NS107 and NS111"),
    _error("NS107", "The Calico pool has a block of blockSize for every node.", _CALICO),
    _error("NS108", "The container network has an address for every node.", "Docker docs, bridge networks; kind, pkg/cluster/internal/providers/docker/network.go"),
    _error("NS109", "CIDRs are of the cluster's address family, ipv4.", "Kubernetes docs, IPv4/IPv6 dual-stack"),
    _error("NS110", "There is one pod CIDR and one Service CIDR of each family.", f"{_KUBEADM}, subnets: one CIDR, or one of each family"),
    _warning("NS111", "The Calico pool has maxPods addresses for every node.", _CALICO),
    _error("NS112", "A Calico blockSize is 20 to 32.", "Calico docs, IPPool resource: blockSize for IPv4"),
    _error("NS201", "Names are what Kubernetes takes for that object.", _NAMES),
    _error("NS202", "Label keys and values are well-formed.", _LABELS),
    _error("NS203", "Two objects of one kind have different names.", _NAMES),
    _error("NS204", "Two workloads of one namespace have different labels.", f"{_LABELS}; policies and Services select by labels alone"),
    _error("NS205", "The namespace of an object is declared, or one that every cluster has.", "Kubernetes docs, Namespaces"),
    _error("NS206", "A declared namespace does not begin with kube-.", "Kubernetes docs, Namespaces: avoid the prefix kube-"),
    _error("NS207", "kubernetes.io/metadata.name is the namespace's name.", "KEP-2161"),
    _error("NS208", "A workload gives each port and each port name once.", "Kubernetes API, core/v1 ContainerPort"),
    _error("NS301", "A node port is chosen once a protocol.", _SERVICE),
    _error("NS302", "A node port is 30000 to 32767.", "kube-apiserver --service-node-port-range"),
    _warning("NS303", "A chosen node port is in the static band, 30000 to 30085.", "KEP-3668 (reserve node port ranges)"),
    _error("NS304", "The ports of a Service with several have names.", "Kubernetes docs, Service: multi-port Services"),
    _error("NS305", "A targetPort is one that a selected workload listens on.", "Kubernetes docs, Service: defining a Service"),
    _warning("NS306", "A Service's selector matches a workload.", "Kubernetes docs, Service: Services without selectors"),
    _error("NS307", "A headless Service is of type ClusterIP.", f"{_SERVICE}; {_SERVICE_CODE}"),
    _warning("NS308", "An ExternalName Service has no selector.", "Kubernetes docs, Service: type ExternalName"),
    _error("NS309", "externalName is given for type ExternalName, and only for it.", _SERVICE_CODE),
    _error("NS310", "A LoadBalancer Service has a provider; kind brings none.", "kind docs, LoadBalancer (cloud-provider-kind)"),
    _error("NS311", "A Service gives each port and each port name once.", _SERVICE_CODE),
    _error("NS312", "A Service has a port, unless it is headless or ExternalName.", _SERVICE_CODE),
    _error("NS314", "nodePort is given only where the type has node ports.", _SERVICE_CODE),
    _warning("NS315", "Where an intent opens pods to addresses and a Service has node ports to them, externalTrafficPolicy is Local.", "Kubernetes docs, Using Source IP: type NodePort; with VXLAN the replaced address is the node's tunnel address, inside the pod CIDR"),
    _error("NS401", "Intents and expectations name workloads, namespaces and Services that exist.", _OWN),
    _error("NS402", "endPort is at least port.", _API),
    _error("NS403", "endPort goes with a numeric port.", _API),
    _error("NS404", "An exception is a strict part of its ipBlock.", f"{_API}; {_API_CODE} ValidateIPBlock"),
    _error("NS405", "An ipBlock stands alone in its peer.", f"{_API_CODE} ValidateNetworkPolicyPeer"),
    _error("NS406", "A peer names something.", f"{_API_CODE} ValidateNetworkPolicyPeer"),
    _error("NS408", "An intent's or expectation's port is one that the destination has.", _OWN),
    _warning("NS409", "Rules are in a direction that policyTypes names.", f"{_API}: policyTypes"),
    _warning("NS410", "A policy's podSelector matches a workload.", _OWN),
    _error("NS412", "In and NotIn have values, Exists and DoesNotExist none.", "Kubernetes API, meta/v1 LabelSelectorRequirement"),
    _error("NS413", "A Service that an intent or expectation names has pods: a selector.", _OWN),
    _error("NS414", "One side of an intent or expectation is pods of the spec.", f"{_OWN}: NetworkPolicies select pods"),
    _warning("NS416", "An ipBlock's CIDRs are canonical.", "kubernetes KEP-4858 (IP/CIDR validation): a warning for NetworkPolicy"),
    _error("NS501", "What the policies do is what an expectation says.", "docs/spec.md, expectations"),
    _warning("NS502", "An expectation is about a flow that Kubernetes decides.", _API),
    _error("NS503", "An expectation gives a port where the destination declares none.", _OWN),
    _warning("NS601", "dns.ndots reaches every workload: those that netspec deploys (standIn).", "Kubernetes docs, DNS for Services and Pods: pod's DNS config is a field of the pod"),
    _warning("NS602", "Pods whose egress is closed have a way to the cluster's DNS.", "Kubernetes docs, Network Policies: default deny all egress traffic"),
    _error("NS603", "A stub domain is not the cluster's own domain.", "CoreDNS docs, kubernetes and forward plugins; Kubernetes docs, Customizing DNS Service"),
    _error("NS701", "The cluster's name, <metadata.name>-<stack>, has at most 50 characters.", "kind, pkg/cluster/internal/create clusterNameMax"),
    _error("NS702", "A spec has a stack.", "docs/spec.md, stacks"),
    _error("NS901", "The stack's backends support every feature that the spec uses.", "docs/adding-a-cni.md"),
)  # fmt: skip

BY_CODE = {entry.code: entry for entry in RULES}


def render() -> str:
    """docs/rules.md."""
    lines = [
        "# Rules",
        "",
        "What `netspec check` holds a spec to. The codes are stable. Generated from netspec/rules.py;"
        " `tests/unit/test_rules.py` holds it current.",
        "",
        "| code | severity | rule | source |",
        "|---|---|---|---|",
        *(f"| {e.code} | {e.severity} | {e.rule.replace('<', '&lt;')} | {e.source} |" for e in RULES),
    ]
    return "\n".join(lines) + "\n"
