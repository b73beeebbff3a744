"""The JSON Schema of the spec file, generated from the models, the core's and the backends'; committed as
netspec.schema.json beside this module."""

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema

from netspec.spec.v1alpha1 import NetworkSpec
from netspec.target import LAYERS, Backend, Layer, Registry

FILE = Path(__file__).with_name("netspec.schema.json")
STACK = "Stack"


class _Generator(GenerateJsonSchema):
    """Without a title for every field: it would only repeat the field's name."""

    def field_title_should_be_set(self, schema: core_schema.CoreSchema | Any) -> bool:
        return False


def schema(registry: Registry) -> dict[str, Any]:
    """The whole file's. A layer is one of its backends' settings, told apart by the field that names the backend."""
    whole = _of(NetworkSpec)
    definitions: dict[str, Any] = whole["$defs"]
    layers = [layer for layer in LAYERS if registry.providers(layer.name)]
    (names,) = (key for key in ("patternProperties", "additionalProperties") if key in whole["properties"]["stacks"])
    inner = {"$ref": f"#/$defs/{STACK}"}
    whole["properties"]["stacks"][names] = (
        dict.fromkeys(whole["properties"]["stacks"][names], inner) if names == "patternProperties" else inner
    )
    definitions[STACK] = {
        "title": STACK,
        "description": "One environment: a cluster, its network plugin and what else serves it. "
        "The Pulumi stack's name picks it.",
        "type": "object",
        "properties": {layer.name: _layer(layer, registry, definitions) for layer in layers},
        "required": [layer.name for layer in layers if layer.required],
        "additionalProperties": False,
    }
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **whole}


def _of(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema(by_alias=True, mode="validation", schema_generator=_Generator)


def _layer(layer: Layer, registry: Registry, definitions: dict[str, Any]) -> dict[str, Any]:
    """Adds the definition of each backend's settings."""
    choices = []
    for backend in registry.providers(layer.name).values():
        name = definition_of(layer, backend)
        settings = _of(backend.settings)
        for shared, definition in settings.pop("$defs", {}).items():
            assert definitions.setdefault(shared, definition) == definition, f"two definitions of {shared}"
        key = {"const": backend.name, "description": "Names the backend.", "type": "string"}
        settings["title"] = name
        settings["properties"] = {layer.key: key, **settings.get("properties", {})}
        settings["required"] = [layer.key, *settings.get("required", ())]
        definitions[name] = settings
        choices.append({"$ref": f"#/$defs/{name}"})
    return {"description": layer.what, "oneOf": choices}


def definition_of(layer: Layer, backend: Backend) -> str:
    """What a backend's settings are called: their class's name, with the layer's."""
    return backend.settings.__name__.removesuffix("Settings") + layer.name[0].upper() + layer.name[1:]


def render(registry: Registry) -> str:
    """The text of the committed file."""
    return json.dumps(schema(registry), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
