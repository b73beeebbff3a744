"""What a CNI does where Kubernetes leaves a question open. Each answer names its source; see docs/semantics.md."""

from typing import NamedTuple


class Dialect(NamedTuple):
    """`blocks_match_pods`: an ipBlock matches a pod by its address. `host_pods_are_pods`: selectors and policies
    apply to host-network pods (otherwise they are the node)."""

    cni: str
    blocks_match_pods: bool
    host_pods_are_pods: bool
    because: str


DIALECTS: dict[str, Dialect] = {
    d.cni: d
    for d in (
        Dialect("calico", True, False, "Calico matches ipBlock on packet addresses, pods' own included"),
        Dialect("cilium", False, False, "Cilium never matches ipBlock against pods or nodes it manages"),
        Dialect("vpc-cni", True, False, "the AWS agent matches ipBlock on packet addresses, pods' own included"),
    )
}
