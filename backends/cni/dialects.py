"""What the CNIs do where Kubernetes leaves a question open, also those that only foreign clusters run."""

from netspec.manifests.cilium_labels import UNSEEN
from netspec.target import Dialect

DIALECTS: dict[str, Dialect] = {
    d.cni: d
    for d in (
        Dialect("calico", True, True, False, "Calico matches ipBlock on packet addresses, pods' own included"),
        Dialect(
            "cilium",
            False,
            False,
            False,
            "Cilium never matches ipBlock against pods or nodes it manages",
            departs="Cilium applies rules whatever policyTypes says, takes a port name of an egress rule for the one "
            "number that it has on all pods, and sees no label that does not make identities",
            rules_isolate=True,
            egress_names_are_one=True,
            unseen_labels=UNSEEN,
        ),
        Dialect(
            "kube-network-policies",
            True,
            True,
            False,
            "kube-network-policies matches ipBlock on packet addresses, pods' own included",
        ),
        Dialect("antrea", True, True, False, "Antrea's flows match ipBlock on packet addresses, pods' own included"),
        Dialect("weave", True, True, False, "weave-npc's rules match ipBlock on packet addresses, pods' own included"),
        Dialect(
            "azure-npm",
            True,
            True,
            False,
            "Azure's Network Policy Manager matches ipBlock on packet addresses (ipset), pods' own included",
        ),
        Dialect(
            "vpc-cni",
            True,
            True,
            False,
            "the AWS agent matches ipBlock on packet addresses, pods' own included",
            "AWS admits a cluster IP only where the rule's podSelector matches the Service's selector",
        ),
    )
}
