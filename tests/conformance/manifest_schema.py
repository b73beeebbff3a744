"""Checks an object against the Kubernetes API's own types, as the official Python client carries them."""

import re
from typing import Any

from kubernetes import client
from pydantic import BaseModel, ValidationError

#: The client's models of these groups begin with V1: V1Deployment.
_GROUPS = {"v1", "apps/v1", "networking.k8s.io/v1", "rbac.authorization.k8s.io/v1"}
_QUANTITY = re.compile(r"([1-9][0-9]*)(m|k|M|G|Ki|Mi|Gi)?|0")


def problems(manifest: dict[str, Any]) -> str | None:
    """What is wrong with one object ("" for nothing); None for a kind that is not Kubernetes' own."""
    if manifest["apiVersion"] not in _GROUPS:
        return None
    model: type[BaseModel] = getattr(client, "V1" + manifest["kind"])
    try:
        read = model.model_validate(manifest)
    except ValidationError as error:
        return str(error)
    # The models also take Python's names for fields; the API does not.
    back = read.model_dump(by_alias=True, exclude_unset=True)
    return "" if back == manifest else f"read back as {back}"


#: Lists that the API merges by key (x-kubernetes-list-map-keys): server-side apply refuses two entries of one key.
_KEYED = {
    "containers": ("name",),
    "initContainers": ("name",),
    "env": ("name",),
    "volumes": ("name",),
    "volumeMounts": ("mountPath",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
}


def duplicates(value: Any, path: str = "") -> list[str]:
    """Every entry of a keyed list that has the key of an earlier one."""
    if isinstance(value, list):
        return [d for i, v in enumerate(value) for d in duplicates(v, f"{path}[{i}]")]
    if not isinstance(value, dict):
        return []
    out = [d for k, v in value.items() for d in duplicates(v, f"{path}.{k}")]
    for name, keys in _KEYED.items():
        seen = set()
        for entry in value.get(name) or []:
            key = tuple(entry[k] for k in keys)
            out += [f"{path}.{name}: {key}"] if key in seen else []
            seen.add(key)
    return out


def quantities(value: Any, inside: bool = False) -> list[str]:
    """Every resource quantity of an object."""
    if isinstance(value, dict):
        return [q for k, v in value.items() for q in quantities(v, inside or k in ("requests", "limits"))]
    if isinstance(value, list):
        return [q for v in value for q in quantities(v, inside)]
    return [value] if inside else []


def is_canonical(quantity: str) -> bool:
    """Whether the API server gives the quantity back as it was written (apimachinery's resource.Quantity)."""
    match = _QUANTITY.fullmatch(quantity)
    if match is None:
        return False
    step = 1024 if (match[2] or "").endswith("i") else 1000
    return match[2] in (None, "G", "Gi") or int(match[1]) % step != 0
