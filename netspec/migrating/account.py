"""What became of each thing that was read."""

from dataclasses import dataclass
from typing import Literal

from netspec.diagnostics import Position, printable

#: carried: the spec says the same. changed: it says it, and something of the meaning is another, as the message says.
#: dropped: nothing answers otherwise without it. lost: the spec has no word for it, or what it says cannot be read.
Fate = Literal["carried", "changed", "dropped", "lost"]


@dataclass(frozen=True, slots=True)
class Account:
    """One annotation, field or default of one object. `what` names it, `of` the object."""

    position: Position | None
    of: str
    what: str
    fate: Fate
    message: str

    def render(self) -> str:
        where = f"{self.position}: " if self.position else ""
        return printable(f"{where}{self.of}: {self.what}: {self.fate}: {self.message}")

    def to_json(self) -> dict[str, object]:
        return {
            "file": self.position.file if self.position else None,
            "line": self.position.line if self.position else None,
            "object": self.of,
            "what": self.what,
            "fate": self.fate,
            "message": self.message,
        }
