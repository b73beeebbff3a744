"""What a stack may say of Azure's CNI."""

from typing import Literal

from pydantic import Field

from netspec.spec.model import MayBeThere


class AzureCniSettings(MayBeThere):
    """Azure CNI, which AKS installs, with the policy engine and the data plane that AKS has for it."""

    mode: Literal["overlay", "nodeSubnet", "podSubnet"] = Field(
        "overlay",
        description="Pods' addresses: of network.podCIDRs, a /24 a node; of the nodes' subnet; of one of their own.",
    )
    dataplane: Literal["azure", "cilium"] | None = Field(
        None, description="cilium: in place of kube-proxy. Unset: cilium where network.proxy.mode is none, else azure."
    )
    policy: Literal["none", "azure", "calico", "cilium"] | None = Field(
        None, description="Who enforces NetworkPolicies. Unset: cilium on its data plane, else calico."
    )
