"""What the input leaves out, and what therefore is left open: said once, with the command that gives it."""

from collections.abc import Iterator, Sequence

from netspec.analysis.spaces import rules_of
from netspec.diagnostics import Diagnostic, Severity
from netspec.ir.model import NAME_LABEL, Inventory
from netspec.ir.selectors import Selector

#: How many names a message has.
_NAMED = 5
CODE = "NM006"


def missing(inventory: Inventory) -> Iterator[Diagnostic]:
    """Namespaces whose labels some selector asks for, what decides whether a Gateway takes a route, and pods."""
    unknown = [n for n in namespaces_not_given(inventory) if _matters(inventory, n)]
    if unknown:
        yield _said(
            f"the labels of {_names('namespace', unknown)} are not known: what selectors on them decide is left open",
            "add the Namespace objects: kubectl get namespaces -o yaml",
        )
    routes = [f"{r.kind} {r.id}" for r in inventory.routes if not r.certain and r.backends]
    if routes:
        yield _said(
            f"whether a Gateway takes {_listed(routes)} is not known: that depends on what was not given",
            "add Gateways and Namespaces: kubectl get gateways,namespaces --all-namespaces -o yaml",
        )
    selects = inventory.policies or inventory.tiers or any(s.selector for s in inventory.services)
    if selects and not inventory.workloads:
        yield _said(
            "no pods were given, nor what makes them: who is selected, and who reaches whom, is not known",
            "add them: kubectl get all --all-namespaces -o yaml",
        )


def namespaces_not_given(inventory: Inventory) -> list[str]:
    """Those that pods are in and that no Namespace object describes."""
    given = {n.name for n in inventory.namespaces}
    return sorted({w.namespace for w in inventory.workloads} - given)


def _matters(inventory: Inventory, name: str) -> bool:
    """Whether its labels besides the name decide something."""
    return any(
        (by_name := s.speaks_of(NAME_LABEL)) != s and by_name.matches({NAME_LABEL: name}) for s in _selectors(inventory)
    )


def _selectors(inventory: Inventory) -> set[Selector]:
    peers = [p for rule in rules_of(inventory) for p in rule.peers] + [t.subject for t in inventory.tiers]
    return {p.namespaces for p in peers if p.namespaces is not None}


def _names(what: str, names: Sequence[str]) -> str:
    return f"{what}{'s' if len(names) > 1 else ''} {_listed(names)}"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _said(message: str, hint: str) -> Diagnostic:
    return Diagnostic(CODE, Severity.WARNING, message, hint=hint)
