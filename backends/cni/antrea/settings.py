"""What a stack may say of Antrea."""

from typing import Annotated, Literal

from pydantic import Field

from netspec.spec.model import MayBeThere


class AntreaSettings(MayBeThere):
    """Antrea, by its Helm chart: Open vSwitch on every node."""

    encap_mode: Literal["encap", "noEncap", "hybrid", "networkPolicyOnly"] = Field(
        "encap",
        description="How packets cross nodes; hybrid: a tunnel between subnets only; networkPolicyOnly: beside a CNI.",
    )
    tunnel: Literal["geneve", "vxlan", "gre"] | None = Field(None, description="The tunnel. Unset: geneve.")
    encryption: Literal["none", "wireGuard"] = Field("none", description="Of what crosses nodes; with encap only.")
    no_snat: Annotated[bool, Field(alias="noSNAT")] = Field(
        False, description="With noEncap: pods keep their address on the way out of the cluster."
    )
    mtu: Annotated[int, Field(ge=576, le=65535)] | None = Field(
        None, description="The pods' MTU. Unset: the interface's, less the encapsulation's header."
    )
