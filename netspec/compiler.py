"""The whole compile: spec -> IR -> plan and probes, for one stack."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from netspec.capacity import is_short, limits
from netspec.diagnostics import Diagnostic, Problem, Report, Severity
from netspec.ir.features import required
from netspec.ir.model import Ir, Place
from netspec.passes import resolve_and_check
from netspec.plan import (
    CLUSTER,
    CNI_READY,
    NODES,
    UNBALANCED,
    Condition,
    ManifestNode,
    Node,
    Plan,
    ReadyNode,
    ResourceNode,
    images_of,
    order,
)
from netspec.spec.load import LoadedSpec
from netspec.spec.stacks import example, parts_of
from netspec.spec.types import did_you_mean
from netspec.target import LAYERS, Fact, Feature, Limit, Needs, Part, Registry

if TYPE_CHECKING:
    from netspec.probes import Probe


@dataclass(frozen=True, slots=True)
class CompileResult:
    """`ir` is None when the file could not be read; `plan` is None when a diagnostic is an error."""

    ir: Ir | None
    plan: Plan | None
    diagnostics: tuple[Diagnostic, ...]
    facts: tuple[Fact, ...] = ()
    limits: tuple[Limit, ...] = ()
    features: Mapping[Feature, tuple[str, ...]] = field(default_factory=dict)

    @property
    def probes(self) -> "tuple[Probe, ...]":
        """Derived when asked for: every pair of workloads is a question, and most commands have none."""
        from netspec.probing import derive_probes

        return derive_probes(self.ir, self.facts) if self.ir is not None and self.plan is not None else ()

    @property
    def needs_engine(self) -> bool:
        """Whether a container engine has part in applying it."""
        return self.ir is None or (self.ir.traits.there is None and not self.ir.traits.remote)

    @property
    def ok(self) -> bool:
        return not any(d.severity is Severity.ERROR for d in self.diagnostics)


#: Features whose lack has a rule, and a way out, of its own.
LACKING = {Feature.LOAD_BALANCER: ("NS310", "nothing would give it an address; use type NodePort")}


def check_spec(loaded: LoadedSpec, stack: str | None, registry: Registry) -> tuple[Diagnostic, ...]:
    """Every finding of the file, for one stack or (None) for all. Raises Problem for a stack it does not have."""
    report = _report(loaded)
    if loaded.spec is None:
        return report.sorted()
    stacks = loaded.spec.stacks
    if not stacks and not any(p[0] == "stacks" for p in loaded.dropped):
        layers = ", ".join(example(layer, registry) for layer in LAYERS if layer.required)
        hint = f"add one: stacks: {{dev: {{{layers}}}}}"
        report.error("NS702", (), "the spec has no stack, so nothing to compile for", hint)
    chosen = _choices(loaded, registry, report)
    if stack is not None and not _is_broken(loaded, stack):
        _must_have(loaded, stack)
        chosen = {name: parts for name, parts in chosen.items() if name == stack}
    for name, parts in chosen.items():
        ir = resolve_and_check(loaded, name, parts, report)
        if ir is not None and _is_whole(parts):
            _check_backends(ir, _all_parts(ir, parts, registry), registry, report)
    if not chosen:  # the rest of the file is checked as if it had one
        resolve_and_check(loaded, "", (), report)
    return report.sorted()


def compile_spec(loaded: LoadedSpec, stack: str, registry: Registry) -> CompileResult:
    """Compiles one stack. Raises Problem for a stack the spec does not have."""
    report = _report(loaded)
    if loaded.spec is None or _is_broken(loaded, stack):
        return CompileResult(None, None, check_spec(loaded, None, registry))
    _must_have(loaded, stack)
    chosen = _choices(loaded, registry, report)
    ir = resolve_and_check(loaded, stack, chosen[stack], report)
    assert ir is not None
    parts = _all_parts(ir, chosen[stack], registry)
    needs, bounds = _check_backends(ir, parts, registry, report) if _is_whole(parts) else (Needs(), ())
    if report.has_errors:
        return CompileResult(ir, None, report.sorted(), limits=bounds)
    managed = [part for part in parts if part.managed]
    nodes = [node for part in managed for node in part.backend.lower(part.view(ir), part.settings, needs)]
    nodes += _grants(ir, parts, nodes)
    if any(part.layer == "cni" for part in parts if not part.managed):
        nodes.append(ReadyNode(CNI_READY, (Condition("nodes", "Ready", at_least=ir.traits.nodes),), (CLUSTER, NODES)))
    facts = tuple(fact for part in managed for fact in part.backend.facts(part.view(ir), part.settings))
    network = {"podCIDRs": [str(cidr) for cidr in ir.network.pod_cidrs], "cni": ir.providers["cni"]}
    plan = Plan(ir.name, ir.stack, order(_swept(nodes)), network)
    named = {image for manifest in plan.manifests() for image in images_of(manifest)}
    said = {image for part in managed for image in part.backend.images(part.view(ir), part.settings)}
    return CompileResult(
        ir, replace(plan, images=tuple(sorted(named | said))), report.sorted(), facts, bounds, able(ir, parts)
    )


def _grants(ir: Ir, parts: Sequence[Part], nodes: Sequence[Node]) -> list[Node]:
    """What opens the flows of `ir.grants`, each object after its namespace."""
    there = {node.id for node in nodes}
    found: list[Node] = []
    for node in (n for part in parts for n in part.backend.grants(ir, part.settings)):
        if isinstance(node, ManifestNode):
            home = f"namespace:{node.manifest['metadata'].get('namespace', '')}"
            node = replace(node, depends_on=(*node.depends_on, home)) if home in there else node
        found.append(node)
    return found


def _swept(nodes: Sequence[Node]) -> Sequence[Node]:
    """What makes something beside the cluster comes after the node that sweeps what others made there, and so goes
    before it: what is found then is not the stack's."""
    if not any(node.id == UNBALANCED for node in nodes):
        return nodes
    return [
        replace(node, depends_on=(*node.depends_on, UNBALANCED))
        if isinstance(node, ManifestNode | ResourceNode) and node.outlives
        else node
        for node in nodes
    ]


def _report(loaded: LoadedSpec) -> Report:
    """A fresh report that begins with what loading found: compiling twice does not report twice."""
    report = Report(loaded.source.locate)
    for diagnostic in loaded.report.sorted():
        report.add(diagnostic)
    return report


def _is_broken(loaded: LoadedSpec, stack: str) -> bool:
    """Whether the file may well have the stack, but it could not be read."""
    return loaded.spec is None or ("stacks",) in loaded.dropped or ("stacks", stack) in loaded.dropped


def _must_have(loaded: LoadedSpec, stack: str) -> None:
    stacks = loaded.spec.stacks if loaded.spec is not None else {}
    if stack not in stacks:
        known = f"it has {', '.join(sorted(stacks))}" if stacks else "it has none; add one under stacks:"
        raise Problem(f"{loaded.source.file} has no stack {stack!r}", did_you_mean(stack, stacks) or known)


def _choices(loaded: LoadedSpec, registry: Registry, report: Report) -> dict[str, tuple[Part, ...]]:
    """The backends of every stack; what is wrong with one is reported whichever stack is compiled."""
    assert loaded.spec is not None
    chosen = {}
    for name in loaded.spec.stacks:
        chosen[name], found = parts_of(loaded, name, registry)
        for finding in found:
            report.add(finding.located(loaded.source))
    return chosen


def _is_whole(parts: Sequence[Part]) -> bool:
    """Whether every layer that a stack must have could be read."""
    return {layer.name for layer in LAYERS if layer.required} <= {part.layer for part in parts}


def _all_parts(ir: Ir, chosen: Sequence[Part], registry: Registry) -> tuple[Part, ...]:
    """In lowering order: what the stack chooses, then what every cluster gets."""
    dns = () if ir.traits.brings_dns else (Part("dns", registry.dns),)
    return (*chosen, *dns, Part("common", registry.common))


def _check_backends(
    ir: Ir, parts: Sequence[Part], registry: Registry, report: Report
) -> tuple[Needs, tuple[Limit, ...]]:
    """`required(ir) - supports` is an error, never a silent drop (NS901); then what each backend has to say, and what
    does not fit."""
    found = able(ir, parts)
    for feature, place in required(ir).items():
        if feature not in found or found[feature]:
            _unsupported(ir, feature, place, parts, found.get(feature, ()), registry, report)
    needs, managed = Needs(), [part for part in parts if part.managed]
    _check_managed(ir, parts, report)
    for part in managed:
        needs = part.backend.needs(ir, part.settings, needs)
    for part in managed:
        part.backend.check(part.view(ir), part.settings, needs, report)
    bounds = limits(ir, managed, needs)
    for limit in bounds:
        if limit.code and is_short(limit, ir):
            report.error(limit.code, limit.path, limit.message, limit.hint)
    for addon in (a for a in needs.addons if a.name not in ir.traits.addons):
        message = f"{addon.name} is software of a cluster's provider, which {ir.providers['cluster']} does not have"
        report.error("NS903", ("stacks", ir.stack, "cni"), message, "choose another cni, or a cluster that has it")
    return needs, bounds


def _check_managed(ir: Ir, parts: Sequence[Part], report: Report) -> None:
    """NS951: what is there already is on a cluster that is, and netspec installs no CNI on one."""
    for part in parts:
        if part.managed is (ir.traits.there is None) or part.layer != "cni":
            continue
        path = (*part.path, "managed")
        if part.managed:
            message = "the cluster is there already, with its CNI: netspec installs none there"
            report.error("NS951", part.path, message, "set managed: false; the other settings say how it is")
        else:
            message = f"a cluster of type {ir.providers['cluster']} comes without this CNI"
            report.error("NS951", path, message, "leave it out: netspec installs it")


def able(ir: Ir, parts: Sequence[Part]) -> dict[Feature, tuple[str, ...]]:
    """What a stack's backends can do, with () for what they do as they are set, else with what to set."""
    has: dict[Feature, None] = {}
    could: dict[Feature, tuple[str, ...]] = {}
    # Where there is an ingress controller, the HTTP routes are its alone.
    of_routes = {f for f in Feature if f.value.startswith("http-")} if "ingress" in ir.providers else set()
    for part in parts:
        lacks = part.backend.lacks(ir, part.settings)
        for feature in part.backend.supports:
            if feature in of_routes and part.layer == "gateway":
                continue
            if feature in lacks:
                could[feature] = (*could.get(feature, ()), lacks[feature])
            else:
                has[feature] = None
    return could | dict.fromkeys(has, ())


def _unsupported(
    ir: Ir,
    feature: Feature,
    place: Place,
    parts: Sequence[Part],
    ways: Sequence[str],
    registry: Registry,
    report: Report,
) -> None:
    """`ways`: what would make backends of the stack that have it do it."""
    able = [
        f"{name} ({layer.name})"
        for layer in LAYERS
        for name, backend in registry.providers(layer.name).items()
        if feature in backend.supports
    ]
    if feature in registry.dns.supports:
        able.append(f"{registry.dns.name} (where the cluster brings no DNS)")
    code, instead = LACKING.get(feature, ("NS901", "no backend has it"))
    hint = "; or ".join(ways) or (f"backends that have it: {', '.join(able)}" if able else instead)
    chosen = " and ".join(part.backend.name for part in parts if part.path)
    message = f"stack {ir.stack}: {chosen} do not support {feature.value}: {feature.summary}"
    report.error(code, place.path, message, hint)
