"""Prints what pulumi-aws says of the resources named: their inputs and outputs, with types, as JSON.

Runs where pulumi_aws is installed (requirements/aws.txt); tests/unit/test_eks_types.py holds plans against what it
printed, tests/engine/test_aws_types.py that it still prints that.
"""

import importlib
import inspect
import json
import sys
from typing import Any, get_args, get_origin

import pulumi._types as types


def described(kind: Any) -> Any:
    """str, int, float, bool, any; [of lists]; {"*": of mappings}; {name: ...} of input types, required ones with !."""
    kind = types.unwrap_type(kind)
    if types.is_input_type(kind):
        return inputs(kind)
    if get_origin(kind) in (list, tuple) or "Sequence" in str(get_origin(kind)):
        return [described(get_args(kind)[0])]
    if get_origin(kind) is dict or "Mapping" in str(get_origin(kind)):
        return {"*": described(get_args(kind)[1])}
    return (
        kind.__name__
        if kind in (str, int, float, bool)
        else "str"
        if isinstance(kind, type) and issubclass(kind, str)
        else "any"
    )


def inputs(kind: Any) -> dict[str, Any]:
    needed = {n for n, p in inspect.signature(kind.__init__).parameters.items() if p.default is inspect.Parameter.empty}
    names = types.input_type_py_to_pulumi_names(kind)
    required = {names[n] for n in needed if n in names}
    return {f"{n}!" if n in required else n: described(t) for n, t in sorted(types.input_type_types(kind).items())}


def resource(token: str) -> dict[str, Any]:
    package, module, name = token.split(":")
    found = importlib.import_module(f"pulumi_{package}.{module.partition('/')[0]}")
    outputs = {n: described(t) for n, t in sorted(types.resource_types(getattr(found, name)).items()) if n != "urn"}
    return {"inputs": inputs(getattr(found, f"{name}Args")), "outputs": {"id": "str", **outputs}}


if __name__ == "__main__":
    print(json.dumps({token: resource(token) for token in sys.argv[1:]}, indent=1, sort_keys=True))
