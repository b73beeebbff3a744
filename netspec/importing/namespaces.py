"""Namespaces: those that the input has, and those that its objects are in."""

from netspec.importing.model import Draft, Item, Locate
from netspec.importing.words import split_labels
from netspec.ir.model import NAME_LABEL, Inventory, Namespace
from netspec.passes.objects import BUILT_IN, RESERVED

_NOT_GIVEN = "it has no Namespace object (kubectl get namespaces -o yaml) and is written without labels"


def add_namespaces(draft: Draft, inventory: Inventory, locate: Locate) -> tuple[Namespace, ...]:
    """Fills the draft's namespaces, once its other sections are filled. Gives all namespaces with the labels that the
    input gives them, none where it does not say."""
    given = {n.name: n for n in inventory.namespaces}
    used = {str(item.data["namespace"]) for items in draft.sections.values() for item in items}
    found: list[Namespace] = []
    for name in sorted(given.keys() | used):
        namespace = given.get(name, Namespace(name, {NAME_LABEL: name}))
        found.append(namespace)
        where = locate(namespace.place) if name in given else None
        labels, refused = split_labels({k: v for k, v in namespace.labels.items() if k != NAME_LABEL})
        if name not in given and name not in BUILT_IN:
            draft.changed(f"namespace {name}", _NOT_GIVEN)
        for key in refused:
            draft.lost(f"namespace {name}", f"the spec does not take the label {key}", where)
        if not is_declarable(name) or (name in BUILT_IN and not labels):
            continue
        data: dict[str, object] = {"name": name} | ({"labels": labels} if labels else {})
        draft.sections["namespaces"].append(Item(data, f"namespace {name}", where))
    return tuple(found)


def is_declarable(name: str) -> bool:
    """Whether a spec may have an entry for the namespace."""
    return name not in RESERVED
