"""Words for what was not read and may change a conclusion: kinds whose controllers make pods, Services and routes."""

from collections import Counter
from collections.abc import Collection

from netspec.ir.model import Inventory, Makes, Unread

_NAMED = 3


def summary(inventory: Inventory) -> str | None:
    """All of it in one line, None where there is none.

    >>> summary(Inventory(unread=(Unread("Rollout", "shop", "api", ("pods",)),)))
    'not read: 1 Rollout (makes pods); what is said holds without it'
    """
    found = Counter((u.kind, u.makes) for u in inventory.unread)
    if not found:
        return None
    said = [f"{count} {kind} ({_makes(makes, count)})" for (kind, makes), count in sorted(found.items())]
    return f"not read: {', '.join(said)}; what is said holds without {'it' if found.total() == 1 else 'them'}"


def _makes(makes: Collection[Makes], count: int) -> str:
    return f"{'makes' if count == 1 else 'make'} {_listed(makes)}"


def but_for(inventory: Inventory, makes: Collection[str], namespace: str | None = None) -> str:
    """What a conclusion from what is not there depends on, as the end of its sentence; "" where it depends on nothing.
    `namespace`: the one that it is about; None for all.

    >>> but_for(Inventory(unread=(Unread("Rollout", "shop", "api", ("pods",)),)), ("pods",), "shop")
    ', but Rollout shop/api is not read and makes pods'
    """
    found = [u for u in inventory.unread if not set(makes).isdisjoint(u.makes) and namespace in (None, u.namespace)]
    if not found:
        return ""
    names = [f"{u.kind} {u.namespace}/{u.name}" for u in found[:_NAMED]]
    if len(found) > _NAMED:
        names.append(f"{len(found) - _NAMED} more")
    what = [m for m in makes if any(m in u.makes for u in found)]
    return f", but {_listed(names)} {_verbs(len(found))} {_listed(what)}"


def _listed(names: Collection[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def _verbs(count: int) -> str:
    return "is not read and makes" if count == 1 else "are not read and make"


def to_json(unread: Collection[Unread]) -> list[dict[str, object]]:
    return [{"kind": u.kind, "namespace": u.namespace, "name": u.name, "makes": list(u.makes)} for u in unread]
