"""What can be compiled for what: every cluster with every CNI, by compiling a small spec, and what the two can do."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from netspec.compiler import CompileResult, compile_spec
from netspec.diagnostics import Severity
from netspec.spec.errors import field_names
from netspec.spec.load import loads
from netspec.target import LAYERS, Backend, Feature, Layer, Registry

_SPEC = {
    "apiVersion": "netspec.dev/v1alpha1",
    "kind": "NetworkSpec",
    "metadata": {"name": "target"},
    "namespaces": [{"name": "shop"}],
    "workloads": [{"name": "web", "namespace": "shop", "labels": {"app": "web"}, "ports": [{"port": 8080}]}],
}


@dataclass(frozen=True, slots=True)
class Target:
    """A cluster with a CNI. `refused`: why there is no such; else `features` are what the two can do: () as they are
    by default, else what to set. `given`: what a stack must say to have the two. `beside`: the backends of further
    layers that go with them. `proven`: how far the two were taken beyond compiling."""

    cluster: str
    cni: str
    refused: str = ""
    features: Mapping[Feature, tuple[str, ...]] | None = None
    given: Mapping[str, Any] = field(default_factory=dict)
    beside: tuple[str, ...] = ()
    proven: str = ""


def targets(registry: Registry, proven: Mapping[tuple[str, str], str]) -> Iterator[Target]:
    cluster, cni, *further = LAYERS
    for where, backend in registry.providers(cluster.name).items():
        for name, plugin in registry.providers(cni.name).items():
            stack = {cluster.name: said(cluster, backend), cni.name: said(cni, plugin)}
            result = _compiled(stack, registry)
            refused, given = _refusal(result), dict(plugin.example)
            if refused and "managed" in field_names(plugin.settings):  # a CNI that comes with the cluster
                there = {**stack, cni.name: {**stack[cni.name], "managed": False}}
                second = _compiled(there, registry)
                if not _refusal(second):
                    stack, result, refused, given = there, second, "", {**given, "managed": False}
            if refused:
                yield Target(where, name, refused)
                continue
            beside = tuple(
                more
                for layer in further
                for more, other in registry.providers(layer.name).items()
                if not _refusal(_compiled({**stack, layer.name: said(layer, other)}, registry))
            )
            yield Target(where, name, "", result.features, given, beside, proven.get((where, name), ""))


def said(layer: Layer, backend: Backend) -> dict[str, Any]:
    """What a stack says to have a backend."""
    return {layer.key: backend.name, **backend.example}


def _compiled(stack: Mapping[str, Any], registry: Registry) -> CompileResult:
    return compile_spec(loads(json.dumps({**_SPEC, "stacks": {"one": stack}}), "target"), "one", registry)


def _refusal(result: CompileResult) -> str:
    return next((d.message for d in result.diagnostics if d.severity is Severity.ERROR), "")
