"""What moto's clusters hold besides: add-ons, access entries, identities, updates; and how this stand-in is steered."""

import time
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
    """`endpoint` and `authority`: where clusters' API servers answer, and whose certificate they show (base64);
    `foreign_cni`: nodes get their network from something else; `failing`: node groups and add-ons whose name begins so
    fail when they are made; `lacking`: a zone without such instances; `ailing`: those that are not well, by how their
    name begins, and why. `refusing`: calls that begin so are answered with an error, its code and message. `holding`: a
    call that begins so is done, and not answered. `calls`: what was changed, in order, and `times` when (seconds of the
    epoch)."""

    endpoint: str = ""
    authority: str = ""
    foreign_cni: bool = False
    failing: str = ""
    lacking: str = ""
    ailing: dict[str, str] = field(default_factory=dict)
    refusing: dict[str, list[str]] = field(default_factory=dict)
    holding: str = ""
    held: int = 0
    calls: list[str] = field(default_factory=list)
    times: list[float] = field(default_factory=list)

    def log(self, call: str) -> None:
        self.calls.append(call)
        self.times.append(time.time())

    def fails(self, name: str) -> bool:
        return bool(self.failing) and name.startswith(self.failing)

    def issue(self, name: str) -> Json | None:
        """What ails one of this name."""
        found = next((code for begins, code in self.ailing.items() if name.startswith(begins)), None)
        return {"code": found, "message": "it is not well", "resourceIds": []} if found else None

    def heal(self, name: str) -> None:
        """With what ailed."""
        self.ailing = {begins: code for begins, code in self.ailing.items() if not name.startswith(begins)}


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
