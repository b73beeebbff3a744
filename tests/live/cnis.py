"""What faults must know of the CNI that the running stack has: its agent, its tunnel, its own kinds of policy."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Cni:
    """`agent`: what pgrep finds its process by. `daemons`: namespace and name of its DaemonSet. `port`: the tunnel's.
    `group` and `version` of its policies, and the `kinds` of one namespace and of the cluster. `allow`: the spec of one
    that lets everything pass, whatever the NetworkPolicies. `prefix`: what a name must begin with."""

    agent: str
    daemons: str
    port: int
    group: str
    version: str
    kinds: tuple[str, str]
    allow: Mapping[str, Any]
    prefix: str = ""

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
    ),
}
