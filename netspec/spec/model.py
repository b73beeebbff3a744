"""The base of every model of the spec file, the core's and the backends' own."""

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class Model(BaseModel):
    """Strict: a value has its field's type, an unknown field is an error. Field names are camelCase in the file."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, alias_generator=to_camel, defer_build=True)


class Settings(Model):
    """A backend's own settings in a stack. The docstring and the fields' descriptions are what docs/spec.md says."""


class MayBeThere(Settings):
    """Of a backend that a cluster may have already, made by somebody else."""

    managed: bool = Field(True, description="netspec installs it. false: it is there, and the settings say how it is.")
