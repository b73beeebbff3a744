"""The stack to verify: its spec's meaning and its probes, as the same compile gives them."""

from pathlib import Path

from netspec.diagnostics import Problem, Report
from netspec.ir.model import Ir
from netspec.passes import resolve_and_check
from netspec.probes import Probe
from netspec.probing import derive_probes
from netspec.spec.load import load
from netspec.toolchain import project


def load_stack(stack: str, spec: str | None = None) -> tuple[Ir, tuple[Probe, ...]]:
    """`spec` None: the file that the Pulumi stack's configuration names. Raises Problem for a spec with errors."""
    path = Path(spec) if spec else spec_of(stack)
    loaded = load(path)
    stacks = loaded.spec.stacks if loaded.spec else {}
    report = Report(loaded.source.locate)
    for diagnostic in loaded.report.sorted():
        report.add(diagnostic)
    ir = resolve_and_check(loaded, stack, stacks[stack], report) if stack in stacks else None
    if report.has_errors:
        raise Problem(f"{path} has errors", f"netspec check {path}")
    if ir is None:
        raise Problem(f"{path} has no stack {stack!r}", f"it has {', '.join(sorted(stacks)) or 'none'}")
    return ir, derive_probes(ir)


def spec_of(stack: str) -> Path:
    """The file that the stack's configuration names. Raises Problem where none does."""
    named = project.spec_of(stack)
    if named is None:
        raise Problem(
            f"nothing says which spec the stack {stack} is made from",
            "name the file: netspec verify SPEC --stack STACK",
        )
    return project.from_here(named)
