"""What moto's clusters hold besides: add-ons, access entries, identities, updates; and how this stand-in is steered."""

import uuid
from dataclasses import dataclass, field
from typing import Any

from moto.core.utils import utcnow
from moto.eks.exceptions import ResourceNotFoundException

Json = dict[str, Any]


@dataclass
class Extra:
    """By name, principal or id."""

    addons: dict[str, Json] = field(default_factory=dict)
    entries: dict[str, Json] = field(default_factory=dict)
    identities: dict[str, Json] = field(default_factory=dict)
    updates: dict[str, Json] = field(default_factory=dict)
    bootstrapped: bool = True


@dataclass
class World:
    """`endpoint`: where clusters' API servers answer; `foreign_cni`: nodes get their network from something else;
    `failing`: node groups whose name begins so fail. `calls`: what was changed, in order."""

    endpoint: str = ""
    foreign_cni: bool = False
    failing: str = ""
    calls: list[str] = field(default_factory=list)


WORLD = World()


def extra(cluster: Any) -> Extra:
    if not hasattr(cluster, "netspec_extra"):
        cluster.netspec_extra = Extra()
    found: Extra = cluster.netspec_extra
    return found


def found_in(table: dict[str, Json], key: str, what: str) -> Json:
    if key not in table:
        raise ResourceNotFoundException(message=f"No {what} found for: {key}")
    return table[key]


def update_record(cluster: Any, kind: str, **params: str) -> Json:
    made = {
        "id": str(uuid.uuid4()),
        "status": "Successful",
        "type": kind,
        "params": [{"type": key, "value": value} for key, value in params.items()],
        "createdAt": utcnow(),
        "errors": [],
    }
    extra(cluster).updates[made["id"]] = made
    return made
