"""What a CNI does where Kubernetes leaves a question open. Each answer names its source; see docs/semantics.md."""

from typing import NamedTuple

from netspec.ir.model import Workload


class Dialect(NamedTuple):
    """`blocks_match_pods`: an ipBlock matches a pod by its address; `blocks_match_nodes`: a node by its.
    `host_pods_are_pods`: selectors and policies apply to host-network pods (otherwise they are the node)."""

    cni: str
    blocks_match_pods: bool
    blocks_match_nodes: bool
    host_pods_are_pods: bool
    because: str

    def blocks_match(self, workload: Workload) -> bool:
        return self.blocks_match_nodes if workload.host_network else self.blocks_match_pods


DIALECTS: dict[str, Dialect] = {
    d.cni: d
    for d in (
        Dialect("calico", True, True, False, "Calico matches ipBlock on packet addresses, pods' own included"),
        Dialect("cilium", False, False, False, "Cilium never matches ipBlock against pods or nodes it manages"),
        Dialect("vpc-cni", True, True, False, "the AWS agent matches ipBlock on packet addresses, pods' own included"),
    )
}
