"""What a stack may say of Flannel."""

from typing import Annotated, Literal

from pydantic import Field

from netspec.spec.model import MayBeThere


class FlannelSettings(MayBeThere):
    """Flannel. Alone it enforces no policies."""

    backend: Literal["vxlan", "host-gw", "wireguard"] = Field(
        "vxlan", description="How packets cross nodes; host-gw: as they are, between nodes on one link."
    )
    direct_routing: bool = Field(False, description="With vxlan: no tunnel between nodes of one subnet.")
    policy: Literal["calico", "netpol"] | None = Field(
        None,
        description="Who enforces policies: Calico's agent beside it (Canal), or kube-network-policies. Unset: nobody.",
    )
    mtu: Annotated[int, Field(ge=576, le=65535)] | None = Field(
        None, description="The pods' MTU. Unset: the interface's, less the backend's header."
    )
