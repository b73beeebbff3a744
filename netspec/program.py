"""The Pulumi program of a project: its `__main__.py` calls `main()`, so `pulumi up` by hand is what `netspec up` is."""

import pulumi

from netspec.backends.registry import REGISTRY
from netspec.compiler import compile_spec
from netspec.deploy.program import apply
from netspec.diagnostics import Problem
from netspec.spec.load import load
from netspec.toolchain import project


def main() -> None:
    """Compiles the spec that the stack's configuration names and declares its plan. Raises `pulumi.RunError` with every
    finding of a spec that has errors."""
    stack = pulumi.get_stack()
    try:
        spec = pulumi.Config("netspec").get("spec") or project.spec_of(stack)
        if spec is None:
            raise Problem(
                f"nothing says which spec the stack {stack} is made from", "write netspec:spec into its configuration"
            )
        result = compile_spec(load(project.from_here(spec)), stack, REGISTRY)
    except Problem as problem:
        raise pulumi.RunError(str(problem)) from problem
    if result.plan is None:
        raise pulumi.RunError("\n".join(d.render() for d in result.diagnostics))
    apply(result.plan)
