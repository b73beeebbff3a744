"""Values as Pulumi's protocol carries them."""

import json
from collections.abc import Iterator
from typing import Any

from google.protobuf import json_format, struct_pb2  # type: ignore[import-untyped]

Json = dict[str, Any]

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"  # the engine's "computed" sentinel


class Incomplete(Exception):
    """Made, but not as it should be: the engine must still record it, or the next run makes it again."""

    def __init__(self, ident: str, properties: Json, reason: str) -> None:
        super().__init__(reason)
        self.ident, self.properties, self.reason = ident, properties, reason


def ints(value: Any) -> Any:
    """google.protobuf.Struct only has doubles: 80.0 -> 80."""
    if isinstance(value, dict):
        return {k: ints(v) for k, v in value.items()}
    if isinstance(value, list):
        return [ints(v) for v in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def load(struct: Any) -> Json:
    """A protobuf Struct as plain data."""
    found: Json = ints(json_format.MessageToDict(struct))
    return found


def dump(value: Json) -> Any:
    """Plain data as a protobuf Struct."""
    return json_format.ParseDict(value, struct_pb2.Struct())


def drop_nulls(value: Any) -> Any:
    """Without the fields that are null: Pulumi sends unset inputs as such."""
    if isinstance(value, dict):
        return {k: drop_nulls(v) for k, v in value.items() if v is not None}
    return [drop_nulls(v) for v in value] if isinstance(value, list) else value


def has_unknown(value: Json) -> bool:
    """Whether something that only the apply will know is in it."""
    return UNKNOWN in json.dumps(value)


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted path, value) of every leaf; a list is a leaf."""
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from leaves(item, f"{path}.{key}" if path else key)
    else:
        yield path, value


def project(wanted: Any, live: Any) -> Any:
    """`live` cut down to the fields that `wanted` names: what a refresh records as inputs."""
    if isinstance(wanted, dict) and isinstance(live, dict):
        return {
            k: project(v, live[k]) if k in live else v
            for k, v in wanted.items()
            if k in live or k == "stringData" or not v
        }
    if isinstance(wanted, list) and isinstance(live, list) and len(wanted) == len(live):
        return [project(one, other) for one, other in zip(wanted, live, strict=True)]
    return live
