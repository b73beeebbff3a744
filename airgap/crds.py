"""The custom resource definitions that backends install, from their projects' Go modules: `python -m airgap.crds`.

Descriptions are left out: they are most of the bytes, and nothing checks by them. The files it writes are committed, so
that `netspec compile` needs no network.
"""

import json
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from airgap.component import PACKAGE
from netspec import catalogue

BACKENDS = PACKAGE.parent / "backends"


class Source(NamedTuple):
    """Where a backend's definitions are: `files` are patterns below the module; `target` is below backends/."""

    module: str
    version: str
    files: tuple[str, ...]
    target: str


SOURCES = (
    Source(
        "go.universe.tf/metallb",
        f"v{catalogue.METALLB.official}",
        ("config/manifests/metallb-native.yaml",),
        "edge/metallb/crds.json",
    ),
    Source(
        "github.com/traefik/traefik/v3",
        # Of what users get the module is not on the proxy.
        f"v{catalogue.TRAEFIK.airgap}",
        ("docs/content/reference/dynamic-configuration/kubernetes-crd-definition-v1.yml",),
        "edge/traefik/crds.json",
    ),
    Source(
        "sigs.k8s.io/gateway-api",
        f"v{catalogue.GATEWAY_API.official}",
        ("config/crd/standard/gateway.networking.k8s.io_*.yaml",),
        "edge/gateway-api.json",
    ),
)


def definitions(texts: list[str]) -> list[dict[str, Any]]:
    """The definitions among these documents, by name, as they are applied."""
    found = [d for text in texts for d in yaml.safe_load_all(text) if d and d["kind"] == "CustomResourceDefinition"]
    kept = []
    for item in sorted(found, key=lambda d: str(d["metadata"]["name"])):
        annotations = item["metadata"].get("annotations", {})
        metadata = {"name": item["metadata"]["name"]} | ({"annotations": annotations} if annotations else {})
        spec = _plain(item["spec"])
        kept.append({"apiVersion": item["apiVersion"], "kind": item["kind"], "metadata": metadata, "spec": spec})
    return kept


def _plain(value: Any, *, names: bool = False) -> Any:
    """Without descriptions; `names`: the keys are names of fields, and one may be called description."""
    if isinstance(value, dict):
        return {k: _plain(v, names=k == "properties") for k, v in value.items() if names or k != "description"}
    return [_plain(v) for v in value] if isinstance(value, list) else value


def _module(source: Source) -> Path:
    command = ["go", "mod", "download", "-json", f"{source.module}@{source.version}"]
    done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=True)
    return Path(json.loads(done.stdout)["Dir"])


def main() -> None:
    for source in SOURCES:
        module = _module(source)
        files = sorted(path for pattern in source.files for path in module.glob(pattern))
        lines = [
            json.dumps(d, separators=(",", ":"), sort_keys=True) for d in definitions([f.read_text() for f in files])
        ]
        target = BACKENDS / source.target
        target.write_text("[\n" + ",\n".join(lines) + "\n]\n")
        print(f"{source.target}: {len(lines)} of {source.module} {source.version}")


if __name__ == "__main__":
    main()
