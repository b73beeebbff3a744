"""The JSON Schema of the spec file, generated from the models; committed as netspec.schema.json beside this module."""

import json
from pathlib import Path
from typing import Any

from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema

from netspec.spec.v1alpha1 import NetworkSpec

FILE = Path(__file__).with_name("netspec.schema.json")


class _Generator(GenerateJsonSchema):
    """Without a title for every field: it would only repeat the field's name."""

    def field_title_should_be_set(self, schema: core_schema.CoreSchema | Any) -> bool:
        return False


def schema() -> dict[str, Any]:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **NetworkSpec.model_json_schema(by_alias=True, mode="validation", schema_generator=_Generator),
    }


def render() -> str:
    """The text of the committed file."""
    return json.dumps(schema(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
