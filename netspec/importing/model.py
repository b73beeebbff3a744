"""What an import is made of: items of the future spec, and remarks about what it does not say, or says otherwise."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from netspec.diagnostics import Position
from netspec.ir.model import Place

#: lost: the input has it and the spec does not; changed: the spec says it otherwise, or says what the input does not.
RemarkKind = Literal["lost", "changed"]
#: A place in an object -> its line; None where nothing is known of it.
Locate = Callable[[Place], Position | None]

#: The lists of a spec, in the order of the file.
SECTIONS = ("namespaces", "workloads", "services", "policies", "networkPolicies")


@dataclass(frozen=True, slots=True)
class Remark:
    """`what` names the object ("Ingress shop/web"), `why` is a reason that many objects may share."""

    kind: RemarkKind
    what: str
    why: str
    where: Position | None = None

    def to_json(self) -> dict[str, object]:
        return {
            "kind": self.kind,
            "what": self.what,
            "why": self.why,
            "file": self.where.file if self.where else None,
            "line": self.where.line if self.where else None,
        }


@dataclass(slots=True)
class Item:
    """One entry of a section: `data` in the spec's own shape. `what` and `where` are its origin's; `comment` stands in
    a line before it, `note` after it."""

    data: dict[str, Any]
    what: str
    where: Position | None = None
    comment: str = ""
    note: str = ""


@dataclass(slots=True)
class Draft:
    """A spec in the making. `network` and `dns` are their sections; `notes`: a field of them -> its comment."""

    name: str
    network: dict[str, Any] = field(default_factory=dict)
    dns: dict[str, Any] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    sections: dict[str, list[Item]] = field(default_factory=lambda: {name: [] for name in SECTIONS})
    stacks: dict[str, Any] = field(default_factory=dict)
    remarks: list[Remark] = field(default_factory=list)

    def lost(self, what: str, why: str, where: Position | None = None) -> None:
        self.remarks.append(Remark("lost", what, why, where))

    def changed(self, what: str, why: str, where: Position | None = None) -> None:
        self.remarks.append(Remark("changed", what, why, where))

    def data(self) -> Iterator[tuple[str, Any]]:
        """The sections in the order of the file, empty ones left out."""
        yield "network", self.network
        if self.dns:
            yield "dns", self.dns
        for section, items in self.sections.items():
            if items:
                yield section, [item.data for item in items]
        yield "stacks", self.stacks


def where_text(where: Position | None) -> str:
    """
    >>> where_text(Position("k8s/web.yaml", 3, 7))
    'k8s/web.yaml:3'
    """
    return f"{where.file}:{where.line}" if where else ""
