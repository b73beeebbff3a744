"""The definitions of custom resources that Cilium's own module ships, and whether an object fits them.

The module is read where Go keeps it; nothing of it is kept here.
"""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from airgap.golang import GO_ENV
from tests.oracle.cilium import VERSION

_MODULE = "github.com/cilium/cilium"
_CRDS = "pkg/k8s/apis/cilium.io/client/crds/v2"


def module() -> Path:
    """Where Go keeps Cilium's module. Skips where that is out of reach, unless everything is required (live tests)."""
    required = os.environ.get("NETSPEC_REQUIRE_LIVE") == "1"
    if shutil.which("go") is None and not required:
        pytest.skip("not run: no `go` is on PATH, which fetches Cilium's module")
    command = ["go", "mod", "download", "-json", f"{_MODULE}@{VERSION}"]
    done = subprocess.run(
        command, env={**os.environ, **GO_ENV}, cwd="/", capture_output=True, text=True, check=required, timeout=300
    )
    if done.returncode:
        pytest.skip(f"not run: Cilium's module is out of reach: {done.stderr.strip()[:200]}")
    return Path(json.loads(done.stdout)["Dir"])


def schema(resource: str) -> dict[str, Any]:
    """The OpenAPI schema of a resource ("ciliumnetworkpolicies")."""
    text = (module() / _CRDS / f"{resource}.yaml").read_text(encoding="utf-8")
    (version,) = (v for v in yaml.safe_load(text)["spec"]["versions"] if v["name"] == "v2")
    found: dict[str, Any] = version["schema"]["openAPIV3Schema"]
    return found


_TYPES = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool}


def problems(value: Any, schema: dict[str, Any], path: str = "") -> list[str]:
    """What the API server would refuse, or drop: structural schemas of apiextensions.k8s.io/v1, as far as these use
    them. A field that the schema does not have is dropped, so it counts."""
    found: list[str] = []
    if "anyOf" in schema and all(problems(value, each, path) for each in schema["anyOf"]):
        found.append(f"{path}: fits none of anyOf")
    if "oneOf" in schema and sum(not problems(value, each, path) for each in schema["oneOf"]) != 1:
        found.append(f"{path}: fits not exactly one of oneOf")
    wanted = schema.get("type")
    if wanted and (not isinstance(value, _TYPES[wanted]) or (wanted == "integer" and isinstance(value, bool))):
        return [*found, f"{path}: {value!r} is not of type {wanted}"]
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{path}: {value!r} is not one of {schema['enum']}")
    if isinstance(value, str) and "pattern" in schema and not re.search(schema["pattern"], value):
        found.append(f"{path}: {value!r} does not match {schema['pattern']}")
    if isinstance(value, str) and len(value) > schema.get("maxLength", len(value)):
        found.append(f"{path}: {value!r} is too long")
    if isinstance(value, int) and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        found.append(f"{path}: {value} is out of range")
    if isinstance(value, list):
        if len(value) > schema.get("maxItems", len(value)):
            found.append(f"{path}: has too many items")
        found += [p for i, item in enumerate(value) for p in problems(item, schema.get("items", {}), f"{path}[{i}]")]
    if isinstance(value, dict):
        found += [f"{path}.{name} is required" for name in schema.get("required", ()) if name not in value]
        known, rest = schema.get("properties", {}), schema.get("additionalProperties")
        for name, inner in value.items():
            if name in known:
                found += problems(inner, known[name], f"{path}.{name}")
            elif rest:
                found += problems(inner, rest if isinstance(rest, dict) else {}, f"{path}.{name}")
            elif known and wanted:
                found.append(f"{path}.{name} is an unknown field")
    return found
