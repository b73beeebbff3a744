"""The Pulumi program: the spec that the stack's configuration names, compiled and applied."""

import pulumi

from backends.registry import REGISTRY
from deploy.program import apply
from netspec.compiler import compile_spec
from netspec.diagnostics import Problem
from netspec.spec.load import load

try:
    result = compile_spec(load(pulumi.Config("netspec").require("spec")), pulumi.get_stack(), REGISTRY)
except Problem as problem:
    raise pulumi.RunError(str(problem)) from problem
if result.plan is None:
    raise pulumi.RunError("\n".join(d.render() for d in result.diagnostics))
apply(result.plan)
