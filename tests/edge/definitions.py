"""What an API server needs to take the objects of gateway controllers that bring their definitions by a chart."""

from pathlib import Path
from typing import Any

import yaml

from netspec import catalogue


def chart_definitions(component: Path) -> list[dict[str, Any]]:
    """Of the Gateway API's experimental channel and of Envoy Gateway, as its chart has them."""
    (folder,) = component.glob("charts/*/charts/crds/crds")
    files = sorted(folder.rglob("*.yaml"))
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    found = [obj for file in files for obj in yaml.load_all(file.read_text(), loader) if obj]
    return [obj for obj in found if obj["kind"] == "CustomResourceDefinition"]


def on_this_host(obj: dict[str, Any]) -> dict[str, Any]:
    """With Envoy as a process of this machine, where it is a Deployment."""
    if obj["kind"] != "EnvoyProxy":
        return obj
    host = {"type": "Host", "host": {"envoyVersion": catalogue.ENVOY.official}}
    return obj | {"spec": obj["spec"] | {"provider": host}}
