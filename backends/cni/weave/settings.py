"""What a stack may say of Weave Net."""

from typing import Annotated

from pydantic import Field

from netspec.spec.model import MayBeThere


class WeaveSettings(MayBeThere):
    """Weave Net, whose project is archived: nobody fixes it any more."""

    accept_archived: bool = Field(False, description="true: run it all the same.")
    mtu: Annotated[int, Field(ge=576, le=65535)] = Field(
        1376, description="The pods' MTU. Weave's own default fits most networks below it."
    )
