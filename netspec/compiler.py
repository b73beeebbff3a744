"""The whole compile: spec -> IR -> plan and probes, for one stack."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from netspec.diagnostics import Diagnostic, Report, Severity
from netspec.ir.model import Ir
from netspec.passes import resolve_and_check
from netspec.plan import Node, Plan, order
from netspec.probes import Probe
from netspec.probing import derive_probes
from netspec.spec.load import LoadedSpec


class Backend(Protocol):
    """One cluster or CNI target. `supports` names features (netspec.ir.features); `lower` returns plan nodes."""

    name: str
    supports: frozenset[str]

    def check(self, ir: Ir, report: Report) -> None: ...

    def lower(self, ir: Ir) -> tuple[Node, ...]: ...


class Registry(Protocol):
    """Explicit tables of backends, passed in by the composition root (backends.registry)."""

    clusters: Mapping[str, Backend]
    cnis: Mapping[str, Backend]
    common: Backend


@dataclass(frozen=True, slots=True)
class CompileResult:
    """`ir`, `plan` are None when a diagnostic is an error."""

    ir: Ir | None
    plan: Plan | None
    probes: tuple[Probe, ...]
    diagnostics: tuple[Diagnostic, ...]

    @property
    def ok(self) -> bool:
        return not any(d.severity is Severity.ERROR for d in self.diagnostics)
