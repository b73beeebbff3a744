"""Inputs of a plan's resources against what a provider's own classes say (tests/aws/describe_types.py)."""

from collections.abc import Iterator
from typing import Any

from netspec.plan import Cut, Json, Ref, ResourceNode

Nodes = dict[str, ResourceNode]
Types = dict[str, Any]
SCALARS = {"str": str, "int": int, "bool": bool, "float": (int, float)}


def wrong(value: Any, kind: Any, where: str, of: Nodes, types: Types) -> Iterator[str]:
    """What is wrong with an input."""
    if isinstance(value, Ref):
        made = of[value.node]
        found = types[made.token]["outputs"].get(value.output.partition(".")[0])
        if value.output not in made.outputs and found is None:
            yield f"{where}: {made.token} has no output {value.output}"
        elif "." not in value.output and value.output not in made.outputs and kind not in (found, "any"):
            yield f"{where}: {value} is {found}, wanted {kind}"
    elif isinstance(value, Json | Cut):
        if kind not in ("str", "any"):
            yield f"{where}: text, wanted {kind}"
    elif isinstance(kind, list):
        if not isinstance(value, list | tuple):
            yield f"{where}: not a list"
        else:
            for index, inner in enumerate(value):
                yield from wrong(inner, kind[0], f"{where}[{index}]", of, types)
    elif isinstance(kind, dict):
        yield from wrong_mapping(value, kind, where, of, types)
    elif kind != "any" and (not isinstance(value, SCALARS[kind]) or (kind == "int" and isinstance(value, bool))):
        yield f"{where}: {value!r} is not {kind}"


def wrong_mapping(value: Any, kind: dict[str, Any], where: str, of: Nodes, types: Types) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{where}: not a mapping"
        return
    fields = {name.removesuffix("!"): inner for name, inner in kind.items()}
    for name, inner in value.items():
        if name not in fields and "*" not in fields:
            yield f"{where}.{name}: unknown"
        else:
            yield from wrong(inner, fields.get(name, fields.get("*")), f"{where}.{name}", of, types)
    yield from (f"{where}.{n}: required" for k in kind if k.endswith("!") and (n := k[:-1]) not in value)
