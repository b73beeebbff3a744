"""Label selectors as the file has them: those of Kubernetes, meta/v1."""

from typing import Literal

from pydantic import Field

from netspec.spec.model import Model
from netspec.spec.types import LabelKey, Labels, LabelValue


class SelectorRequirement(Model):
    """One condition on a label."""

    key: LabelKey = Field(description="The label.")
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"] = Field(description="What must hold of it.")
    values: list[LabelValue] = Field(default_factory=list, description="For In and NotIn.")


class LabelSelector(Model):
    """Selects objects by label; an empty selector selects all."""

    match_labels: Labels = Field(default_factory=dict, description="Labels that must be equal.")
    match_expressions: list[SelectorRequirement] = Field(default_factory=list, description="Conditions; all must hold.")
