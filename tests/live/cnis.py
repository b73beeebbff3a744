"""What faults must know of the CNI that the running stack has: its agent, its tunnel, its own kinds of policy."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Cni:
    """`agent`: what pgrep finds its process by. `daemons`: namespace and name of its DaemonSet. `port`: the tunnel's.
    `group` and `version` of its policies, and the `kinds` of one namespace and of the cluster. `allow`: the spec of one
    that lets everything pass, whatever the NetworkPolicies. `prefix`: what a name must begin with. `answers_as_asked`:
    whether a UDP server on a node, listening on all addresses, answers a pod from the one that the pod asked. (Cilium
    sends pods to nodes with their own address, and gives nodes routes to pods by another address of the node's: `ip
    route get`. Of what comes from there the pod that asked hears nothing.) `own_services`: it carries pods' traffic to
    Services itself, whatever kube-proxy's rules are. `own_forwarding`: and to pods, whatever the node's ip_forward.
    `asks_by_service`: its plugin asks the API server by its Service for each pod, so none starts without kube-proxy's
    rules."""

    agent: str
    daemons: str
    port: int
    group: str
    version: str
    kinds: tuple[str, str]
    allow: Mapping[str, Any]
    prefix: str = ""
    answers_as_asked: bool = True
    own_services: bool = False
    own_forwarding: bool = False
    asks_by_service: bool = True

    def resource(self, kind: str) -> str:
        """kubectl's name for it."""
        return f"{kind.lower()[:-1]}ies.{self.group}"


_RULES = [{"action": "Allow"}]

CNIS: dict[str, Cni] = {
    "calico": Cni(
        "-f '[c]alico-node -felix'",
        "calico-system/calico-node",
        4789,
        "crd.projectcalico.org",
        "v1",
        ("NetworkPolicy", "GlobalNetworkPolicy"),
        # Before any NetworkPolicy (those have order 1000) is looked at.
        {"order": 0, "selector": "all()", "types": ["Ingress", "Egress"], "ingress": _RULES, "egress": _RULES},
        "default.",
    ),
    "cilium": Cni(
        "-x cilium-agent",
        "kube-system/cilium",
        8472,
        "cilium.io",
        "v2",
        ("CiliumNetworkPolicy", "CiliumClusterwideNetworkPolicy"),
        # Policies add up: one that allows is enough.
        {"endpointSelector": {}, "ingress": [{"fromEntities": ["all"]}], "egress": [{"toEntities": ["all"]}]},
        answers_as_asked=False,
        own_services=True,
        own_forwarding=True,
        # Its plugin asks its agent alone, by a socket (plugins/cilium-cni/cmd/cmd.go: NewDefaultClientWithTimeout).
        asks_by_service=False,
    ),
}
#: With Calico's agent beside it.
CNIS["flannel"] = replace(CNIS["calico"], daemons="kube-flannel/calico-node", port=8472)


def cni_of(provider: str, addons: Collection[str]) -> Cni:
    """`addons`: of the cluster. The VPC CNI's plugin asks its agent alone, on the node's loopback (amazon-vpc-cni-k8s,
    cmd/routed-eni-cni-plugin/cni.go: ipamdAddress), whoever enforces policies beside it."""
    return replace(CNIS[provider], asks_by_service=False) if "vpc-cni" in addons else CNIS[provider]
