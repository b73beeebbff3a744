"""Where L7 rules decide: a flow passes at L4, and then by what it says (an HTTP request, a DNS question)."""

from dataclasses import replace
from functools import cached_property

from netspec.analysis.engine import Connection, Reachability
from netspec.analysis.spaces import rules_of
from netspec.ir.model import Inventory, TierRule


def has_l7(inventory: Inventory) -> bool:
    """Whether any rule leaves a port to L7."""
    return any(port.l7 for rule in rules_of(inventory) for port in rule.ports)


def at_l4(inventory: Inventory) -> Inventory:
    """The inventory as it would be if what comes to such a port passed, whatever it says."""

    def plain(rules: tuple[TierRule, ...]) -> tuple[TierRule, ...]:
        return tuple(replace(r, ports=tuple(replace(p, l7="") for p in r.ports)) for r in rules)

    return replace(
        inventory,
        tiers=tuple(replace(t, ingress=plain(t.ingress), egress=plain(t.egress)) for t in inventory.tiers),
    )


class L7:
    """Tells, of what is left open, what passes at L4."""

    def __init__(self, reach: Reachability) -> None:
        self._reach = reach
        self._rows: dict[int, list[tuple[int, int, int]]] = {}

    @cached_property
    def _at_l4(self) -> Reachability:
        return Reachability(at_l4(self._reach.inventory), self._reach.spaces)

    def ports(self, connection: Connection) -> int:
        """The undefined ports of a connection on which L7 rules decide; none of the ingress peer's."""
        if not connection.undefined or connection.source >= self._reach.peer_count():
            return 0
        source = self._reach.class_of(connection.source)
        bit = 1 << self._reach.class_of(connection.destination)
        if source not in self._rows:
            self._rows[source] = self._at_l4.row(source)
        return connection.undefined & sum(allow for allow, _, where in self._rows[source] if where & bit)
