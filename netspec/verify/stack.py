"""The stack to verify: its spec's meaning and its probes, as the same compile gives them."""

from pathlib import Path

from netspec.compiler import compile_spec
from netspec.diagnostics import Problem
from netspec.ir.model import Ir
from netspec.probes import Probe
from netspec.spec.load import load
from netspec.target import Registry
from netspec.toolchain import project


def load_stack(stack: str, spec: str | None, registry: Registry) -> tuple[Ir, tuple[Probe, ...]]:
    """`spec` None: the file that the Pulumi stack's configuration names. Raises Problem for a spec with errors."""
    path = Path(spec) if spec else spec_of(stack)
    result = compile_spec(load(path), stack, registry)
    if result.ir is None or result.plan is None:
        raise Problem(f"{path} has errors", f"netspec check {path}")
    return result.ir, result.probes


def spec_of(stack: str) -> Path:
    """The file that the stack's configuration names. Raises Problem where none does."""
    named = project.spec_of(stack)
    if named is None:
        raise Problem(
            f"nothing says which spec the stack {stack} is made from",
            "name the file: netspec verify SPEC --stack STACK",
        )
    return project.from_here(named)
