"""The JSON Schema of the spec file, generated from the models; committed as netspec.schema.json beside this module."""

import json
from pathlib import Path
from typing import Any

from netspec.spec.v1alpha1 import NetworkSpec

FILE = Path(__file__).with_name("netspec.schema.json")


def schema() -> dict[str, Any]:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **NetworkSpec.model_json_schema(by_alias=True, mode="validation"),
    }


def render() -> str:
    """The bytes of the committed file."""
    return json.dumps(schema(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
