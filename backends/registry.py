"""Every backend, in explicit tables: nothing registers itself by being imported."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from netspec.backends.clusters.kind import Kind
from netspec.backends.cni.calico import Calico
from netspec.backends.common import Common
from netspec.compiler import Backend


@dataclass(frozen=True)
class Backends:
    """netspec.compiler.Registry, filled: tables by the name that the spec uses (cluster.type, cni.provider)."""

    clusters: Mapping[str, Backend] = field(default_factory=lambda: {"kind": Kind()})
    cnis: Mapping[str, Backend] = field(default_factory=lambda: {"calico": Calico()})
    common: Backend = field(default_factory=Common)


REGISTRY = Backends()
