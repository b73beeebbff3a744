"""Spec to meaning: one file a pass, in the order of `PASSES`. A pass takes an IR and returns one; it never throws for
what is in the spec, and what it cannot use it leaves out."""

from netspec.diagnostics import Report
from netspec.ir.model import Ir
from netspec.passes.allow_dns import allow_dns
from netspec.passes.context import Context, Pass
from netspec.passes.default_deny import default_deny
from netspec.passes.intents import intents
from netspec.passes.resolve import resolve
from netspec.passes.system import system
from netspec.spec.load import LoadedSpec
from netspec.spec.v1alpha1 import Stack

PASSES: tuple[Pass, ...] = (system, default_deny, allow_dns, intents)


def resolve_and_check(loaded: LoadedSpec, name: str, stack: Stack, report: Report) -> Ir | None:
    """The spec's meaning for one stack; findings go to `report`. None when the file could not be read."""
    if loaded.spec is None:
        return None
    context = Context(loaded, report, name)
    ir = resolve(loaded.spec, stack, context)
    for step in PASSES:
        ir = step(ir, context)
    return ir
