"""The objects behind an inventory once more, for the fields and kinds that it has no place for."""

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from netspec.diagnostics import Position
from netspec.ir.model import Place
from netspec.manifests.documents import Broken, Document
from netspec.manifests.read import objects_of

#: What `of_the_cluster` looks for, seen without parsing.
_MENTIONED = re.compile(r"\b(ServiceCIDR|ServiceCIDRList|kubeadm-config|ClusterConfiguration)\b")


class Bodies:
    """Reads a document when an object of it is asked for, and keeps lists, of which more will be asked."""

    def __init__(self, documents: Mapping[Position, Document]) -> None:
        self._documents = documents
        self._lists: dict[Position, Any] = {}

    def at(self, place: Place) -> dict[str, Any]:
        """The object at a place; empty where it cannot be read again."""
        value: Any = self._load(place.position) if place.position is not None else None
        for part in place.path:
            try:
                value = value[part]
            except (KeyError, IndexError, TypeError):
                return {}
        return value if isinstance(value, dict) else {}

    def _load(self, position: Position) -> Any:
        if position in self._lists:
            return self._lists[position]
        document = self._documents.get(position)
        try:
            loaded = next(document.load(), None) if document else None  # the reading holds one for each value
        except Broken:
            return None
        value = loaded.value if loaded else None
        if isinstance(value, dict) and "items" in value:
            self._lists[position] = value
        return value

    @cached_property
    def of_the_cluster(self) -> tuple[tuple[Position, dict[str, Any]], ...]:
        """Objects that say how the cluster was made: ServiceCIDRs, kubeadm's ConfigMap or its ClusterConfiguration."""
        found: list[tuple[Position, dict[str, Any]]] = []
        for position, document in self._documents.items():
            if _MENTIONED.search(document.text):
                objects = objects_of(self._load(position), ())
                found += [(position, body) for _, body in objects if isinstance(body, dict)]
        return tuple(found)
