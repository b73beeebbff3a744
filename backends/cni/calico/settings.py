"""What a stack may say of Calico."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, WithJsonSchema

from netspec.spec.model import Settings
from netspec.spec.types import problem


def _block_size(value: int) -> int:
    if not 20 <= value <= 32:
        raise problem("NS112", f"{value} is not a block size", "the prefix length of a block is 20 to 32")
    return value


#: IPPool blockSize for IPv4.
BlockSize = Annotated[
    int,
    AfterValidator(_block_size),
    WithJsonSchema({"title": "20 to 32", "type": "integer", "minimum": 20, "maximum": 32}),
]


class CalicoSettings(Settings):
    """Calico, installed by its operator."""

    encapsulation: Literal["vxlan"] = Field("vxlan", description="How packets cross nodes.")
    block_size: BlockSize = Field(26, description="The prefix length of the blocks that nodes take from the pool.")
    mtu: Annotated[int, Field(ge=576, le=65535)] | None = Field(
        None, description="The pods' MTU. Unset: the interface's, less the encapsulation's header."
    )
