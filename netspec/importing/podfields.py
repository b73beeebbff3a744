"""What pods say of the network that a workload of a spec has no field for."""

from collections.abc import Iterator
from typing import Any

from netspec.diagnostics import Path
from netspec.manifests.workloads import TEMPLATES

#: core/v1 PodSpec: how the pod looks up names, where that is not the cluster's way.
_DNS = {"dnsPolicy": ("ClusterFirst", "Default"), "dnsConfig": (None, {}), "hostAliases": (None, [])}


def unsaid(body: dict[str, Any], kind: str) -> Iterator[tuple[Path, str]]:
    """(path in the object, why), of a pod or of what makes pods. `kind`: of an item of a typed list."""
    path = (*(TEMPLATES.get(str(body.get("kind") or kind)) or ()), "spec")
    spec: Any = body
    for part in path:
        spec = spec.get(part) if isinstance(spec, dict) else None
    if not isinstance(spec, dict):
        return
    for field, silent in _DNS.items():
        if field in spec and spec[field] not in silent and spec[field] is not None:
            yield (*path, field), f"a workload has no {field}"
    for listed in ("initContainers", "containers"):
        containers = spec.get(listed)
        for i, container in enumerate(containers if isinstance(containers, list) else ()):
            ports = container.get("ports") if isinstance(container, dict) else None
            for j, port in enumerate(ports if isinstance(ports, list) else ()):
                if isinstance(port, dict) and port.get("hostPort"):
                    yield (*path, listed, i, "ports", j, "hostPort"), "hostPort is left out: not every CNI has it"
