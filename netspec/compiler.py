"""The whole compile: spec -> IR -> plan and probes, for one stack."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from netspec.diagnostics import Diagnostic, Problem, Report, Severity
from netspec.ir.features import LAYERS, Feature, Layer, required
from netspec.ir.model import Ir
from netspec.passes import resolve_and_check
from netspec.plan import Node, Plan, order
from netspec.spec.load import LoadedSpec
from netspec.spec.types import did_you_mean
from netspec.spec.v1alpha1 import CalicoCni, KindCluster, Stack

if TYPE_CHECKING:
    from netspec.probes import Probe


class Backend(Protocol):
    """One cluster or CNI target. `supports` names features (netspec.ir.features); `lower` returns plan nodes."""

    @property
    def name(self) -> str: ...

    @property
    def supports(self) -> frozenset[str]: ...

    def check(self, ir: Ir, report: Report) -> None: ...

    def lower(self, ir: Ir) -> tuple[Node, ...]: ...


class Registry(Protocol):
    """Explicit tables of backends, passed in by the composition root (backends.registry)."""

    @property
    def clusters(self) -> Mapping[str, Backend]: ...

    @property
    def cnis(self) -> Mapping[str, Backend]: ...

    @property
    def common(self) -> Backend: ...


@dataclass(frozen=True, slots=True)
class CompileResult:
    """`ir` is None when the file could not be read; `plan` is None when a diagnostic is an error."""

    ir: Ir | None
    plan: Plan | None
    diagnostics: tuple[Diagnostic, ...]

    @property
    def probes(self) -> "tuple[Probe, ...]":
        """Derived when asked for: every pair of workloads is a question, and most commands have none."""
        from netspec.probing import derive_probes

        return derive_probes(self.ir) if self.ir is not None and self.plan is not None else ()

    @property
    def ok(self) -> bool:
        return not any(d.severity is Severity.ERROR for d in self.diagnostics)


#: Features whose lack has a rule, and a way out, of its own.
LACKING = {Feature.LOAD_BALANCER: ("NS310", "nothing would give it an address; use type NodePort")}


def check_spec(loaded: LoadedSpec, stack: str | None, registry: Registry) -> tuple[Diagnostic, ...]:
    """Every finding of the file, for one stack or (None) for all. Raises Problem for a stack it does not have."""
    report = _report(loaded)
    stacks = loaded.spec.stacks if loaded.spec is not None else {}
    names = [stack] if stack is not None and not _is_broken(loaded, stack) else list(stacks)
    if loaded.spec is not None and not stacks and not any(p[0] == "stacks" for p in loaded.dropped):
        hint = "add one: stacks: {dev: {cluster: {type: kind}, cni: {provider: calico}}}"
        report.error("NS702", (), "the spec has no stack, so nothing to compile for", hint)
    for name in names:
        ir = resolve_and_check(loaded, name, _stack(loaded, name), report)
        if ir is not None:
            _check_backends(ir, registry, report)
    if not names:  # the rest of the file is checked as if it had one
        resolve_and_check(loaded, "", Stack(cluster=KindCluster(type="kind"), cni=CalicoCni(provider="calico")), report)
    return report.sorted()


def compile_spec(loaded: LoadedSpec, stack: str, registry: Registry) -> CompileResult:
    """Compiles one stack. Raises Problem for a stack the spec does not have."""
    report = _report(loaded)
    if loaded.spec is None or _is_broken(loaded, stack):
        return CompileResult(None, None, check_spec(loaded, None, registry))
    ir = resolve_and_check(loaded, stack, _stack(loaded, stack), report)
    assert ir is not None
    _check_backends(ir, registry, report)
    if report.has_errors:
        return CompileResult(ir, None, report.sorted())
    nodes = [node for backend in _backends(ir, registry).values() for node in backend.lower(ir)]
    plan = Plan(ir.name, ir.stack, order(nodes))
    return CompileResult(ir, plan, report.sorted())


def _report(loaded: LoadedSpec) -> Report:
    """A fresh report that begins with what loading found: compiling twice does not report twice."""
    report = Report(loaded.source.locate)
    for diagnostic in loaded.report.sorted():
        report.add(diagnostic)
    return report


def _is_broken(loaded: LoadedSpec, stack: str) -> bool:
    """Whether the file may well have the stack, but it could not be read."""
    return loaded.spec is None or ("stacks",) in loaded.dropped or ("stacks", stack) in loaded.dropped


def _stack(loaded: LoadedSpec, name: str) -> Stack:
    stacks = loaded.spec.stacks if loaded.spec is not None else {}
    if name not in stacks:
        known = f"it has {', '.join(sorted(stacks))}" if stacks else "it has none; add one under stacks:"
        raise Problem(f"{loaded.source.file} has no stack {name!r}", did_you_mean(name, stacks) or known)
    return stacks[name]


def _backends(ir: Ir, registry: Registry) -> dict[Layer, Backend]:
    """In lowering order: the cluster, its network, then what every cluster gets."""
    return {
        "cluster": registry.clusters[ir.cluster.type],
        "cni": registry.cnis[ir.cni.provider],
        "common": registry.common,
    }


def _check_backends(ir: Ir, registry: Registry, report: Report) -> None:
    """`required(ir) - supports` is an error, never a silent drop (NS901); then what each backend has to say."""
    backends = _backends(ir, registry)
    everyone: dict[Layer, list[Backend]] = {
        "cluster": list(registry.clusters.values()),
        "cni": list(registry.cnis.values()),
        "common": [registry.common],
    }
    assert set(everyone) == set(LAYERS)
    for feature, place in required(ir).items():
        backend = backends[feature.layer]
        if feature in backend.supports:
            continue
        able = sorted(b.name for b in everyone[feature.layer] if feature in b.supports)
        code, instead = LACKING.get(feature, ("NS901", "no backend has it"))
        hint = f"backends that have it: {', '.join(able)}" if able else instead
        message = f"stack {ir.stack}: {backend.name} does not support {feature.value}"
        report.error(code, place.path, message, hint)
    for backend in backends.values():
        backend.check(ir, report)
