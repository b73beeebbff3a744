"""docs/spec.md, generated from the models, the core's and the backends': `netspec schema --output markdown`."""

from typing import Any

from netspec.spec.schema import schema
from netspec.spec.v1alpha1 import API_VERSION
from netspec.target import Registry

_INTRO = f"""\
# The spec file

What `{API_VERSION}` has, field for field. Generated from the models:
`netspec schema --output markdown > docs/spec.md`. The rules that hold between fields are in [rules.md](rules.md).
`netspec schema` prints the JSON Schema, for an editor that completes and checks while you type.

The file is one YAML 1.2 document: `yes`, `on` and `08:30` are text. Anchors and aliases may be used; merge keys and
tags may not. An unknown field is an error.
"""

_PEERS = """\
## Peers

One side of a policy or an expectation:

| written | is |
|---|---|
| `shop/web` or `{workload: shop/web}` | the pods of a workload |
| `{namespace: shop}` | every pod of a namespace |
| `{service: shop/web}` | the pods behind a Service; ports are then the Service's own |
| `{cidr: 192.0.2.0/24}` | addresses |
| `outside` | every address that is neither a pod's nor a Service's |
| `anywhere` | everyone, in the cluster or not |

A policy opens both sides: egress of the pods of `from`, ingress of the pods of `to`, each only where something isolates
those pods already (`defaultDeny`, `networkPolicies`). On an open side it writes nothing, because a NetworkPolicy that
selects an open pod would isolate it. `cidr`, `outside` and `anywhere` are not pods of the spec: such a policy is
written on the other side only. So `from: shop/web, to: anywhere` opens the egress of web, and no pod's ingress.

An expectation asks every pod and address of its peers. A `cidr` that holds the whole pod CIDR holds every pod; one
inside the pod or Service CIDR is an error there, since nothing says whose addresses these are: name the pods.

## Ports

`8080`, `8080/TCP`, `53/UDP`, `8000-8010/TCP`, or a port's name: `http`, `dns/UDP`. Without a protocol it is TCP. In a
policy `all` is every port of every protocol. In an expectation the port may follow the peer: `to: shop/db:5432`,
`to: shop/dns:53/UDP`.
"""

_STACK_NOTE = """\
A LoadBalancer Service is an error in a stack that has nothing to give it an address: it would wait for ever (NS310).
"""


def render(registry: Registry) -> str:
    """The text of docs/spec.md."""
    whole = schema(registry)
    definitions: dict[str, Any] = whole["$defs"]
    parts = [_INTRO, _section("The file", whole), _PEERS]
    done: set[str] = set()
    queue = _references(whole)
    while queue:
        name = queue.pop(0)
        if name not in done:
            done.add(name)
            parts.append(_section(name, definitions[name]) + (f"\n{_STACK_NOTE}" if name == "Service" else ""))
            queue = _references(definitions[name]) + queue
    return "\n".join(parts)


def _references(node: Any) -> list[str]:
    if isinstance(node, list):
        return [name for item in node for name in _references(item)]
    if not isinstance(node, dict):
        return []
    own = [node["$ref"].rpartition("/")[2]] if "$ref" in node else []
    return own + [name for key, value in node.items() if key != "$defs" for name in _references(value)]


def _section(title: str, definition: dict[str, Any]) -> str:
    required = definition.get("required", [])
    lines = [f"## {title}", "", definition["description"], "", "| field | type | default | |", "|---|---|---|---|"]
    for name, field in definition["properties"].items():
        default = "required" if name in required else _default(field)
        lines.append(f"| `{name}` | {_type(field)} | {default} | {field.get('description', '')} |")
    return "\n".join(lines) + "\n"


def _default(field: dict[str, Any]) -> str:
    value = field.get("default")
    if value is None:
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`[{', '.join(value)}]`" if isinstance(value, list) else f"`{value}`"


def _type(field: dict[str, Any]) -> str:
    match field:
        case {"title": "peer"}:
            return "[peer](#peers)"
        case {"title": "port"}:
            return "[port](#ports)"
        case {"title": str(title)}:
            return title
        case {"$ref": str(reference)}:
            name = reference.rpartition("/")[2]
            return f"[{name}](#{name.lower()})"
        case {"const": value}:
            return f"`{value}`"
        case {"enum": list(values)}:
            return " or ".join(f"`{v}`" for v in values)
        case {"anyOf": list(options)} | {"oneOf": list(options)}:
            return " or ".join(_type(o) for o in options if o.get("type") != "null")
        case {"type": "array", "items": dict(items)}:
            return f"list of {_type(items)}"
        case {"patternProperties": dict(values)} | {"additionalProperties": dict() as values, "type": "object"}:
            inner = next(iter(values.values())) if "patternProperties" in field else values
            return f"mapping to {_type(inner)}"
        case {"type": "integer"}:
            return _range(field)
        case {"type": "boolean"}:
            return "`true` or `false`"
        case _:
            return "text"


def _range(field: dict[str, Any]) -> str:
    return f"{field['minimum']} to {field['maximum']}" if "minimum" in field and "maximum" in field else "number"
