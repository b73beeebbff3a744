"""Manifests in, imported spec out: its text, what it means, and what was said."""

from typing import Any

import yaml

from netspec.backends.registry import REGISTRY
from netspec.compiler import compile_spec
from netspec.importing.convert import Imported, Target, convert
from netspec.importing.write import text
from netspec.ir.model import Ir
from netspec.manifests.read import Reading, read_texts
from netspec.spec.load import loads

STACK: dict[str, Any] = {"cluster": {"type": "kind"}, "cni": {"provider": "calico"}}


def reading(manifests: str | list[dict[str, Any]]) -> Reading:
    written = manifests if isinstance(manifests, str) else yaml.safe_dump_all(manifests)
    return read_texts([("k8s.yaml", written)])


def imported(manifests: str | list[dict[str, Any]]) -> Imported:
    return of_reading(reading(manifests))


def of_reading(found: Reading) -> Imported:
    return convert(found, "shop", lambda _: Target("dev", STACK), REGISTRY)


def spec(found: Imported) -> dict[str, Any]:
    """The file as data."""
    data: dict[str, Any] = yaml.safe_load(text(found.draft, []))
    return data


def meaning(found: Imported) -> Ir:
    """What the file says, read again; it must have no errors."""
    result = compile_spec(loads(text(found.draft, []), "spec.yaml"), "dev", REGISTRY)
    assert result.ok and result.ir is not None, [d.render() for d in result.diagnostics]
    return result.ir


def said(found: Imported, kind: str = "") -> set[tuple[str, str]]:
    """(what, why) of the remarks, of one kind or of all."""
    return {(r.what, r.why) for r in found.draft.remarks if r.kind.startswith(kind)}


def deployment(name: str, namespace: str = "shop", ports: Any = (), **labels: str) -> dict[str, Any]:
    """A port is a number, or (name, number)."""
    listed = [{"containerPort": p} if isinstance(p, int) else {"name": p[0], "containerPort": p[1]} for p in ports]
    return workload("Deployment", name, namespace, labels or {"app": name}, listed)


def workload(
    kind: str, name: str, namespace: str, labels: dict[str, str], ports: list[dict[str, Any]], **pod: Any
) -> dict[str, Any]:
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "ports": ports}], **pod}}
    metadata = {"name": name, "namespace": namespace}
    if kind == "Pod":
        return {"apiVersion": "v1", "kind": kind, "metadata": metadata | {"labels": labels}, "spec": template["spec"]}
    version = "batch/v1" if kind == "Job" else "apps/v1"
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": {"template": template}}


def namespace(name: str, **labels: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def policy(name: str, within: str = "shop", **fields: Any) -> dict[str, Any]:
    """`fields` are the policy's spec; its podSelector selects every pod where it is not given."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": within},
        "spec": {"podSelector": {}, **fields},
    }


def service(name: str, within: str = "shop", **fields: Any) -> dict[str, Any]:
    body = {"selector": {"app": name}, "ports": [{"port": 80}], **fields}
    kept = {k: v for k, v in body.items() if v is not None}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": within}, "spec": kept}


DENY = policy("deny", policyTypes=["Ingress", "Egress"])


def app(name: str) -> dict[str, Any]:
    """A selector, as a peer and as a policy's subject."""
    return {"podSelector": {"matchLabels": {"app": name}}}
