"""What is suspicious about policies. Every finding is about meaning, computed; docs/matrix.md lists the codes."""

from collections.abc import Callable, Iterator

from netspec.analysis.lint.context import Context, Finding
from netspec.analysis.lint.flows import asymmetric, cut_off_from_dns, no_default_deny, reachable_from_everywhere
from netspec.analysis.lint.policies import (
    changes_nothing,
    peers_match_nothing,
    ports_that_no_pod_has,
    redundant_rules,
    selects_nothing,
)
from netspec.analysis.lint.services import leads_to_nothing
from netspec.analysis.lint.tiers import shadowed_tier_rules, ties
from netspec.ir.model import Inventory

CODES: dict[str, str] = {
    "NL001": "a policy selects no pod",
    "NL002": "a peer of a rule matches nothing",
    "NL003": "a rule allows nothing that others do not allow already",
    "NL004": "a rule's port is one that no pod has",
    "NL005": "a policy changes nothing",
    "NL006": "a workload can be reached from everywhere",
    "NL007": "one side allows what the other does not",
    "NL008": "a namespace has no default deny",
    "NL009": "pods are cut off from DNS",
    "NL010": "a tier rule never decides anything: earlier ones do",
    "NL011": "two policies of one tier and priority disagree",
    "NL012": "a Service or route leads to nothing",
}

CHECKS: tuple[Callable[[Context], Iterator[Finding]], ...] = (
    selects_nothing,
    peers_match_nothing,
    redundant_rules,
    ports_that_no_pod_has,
    changes_nothing,
    reachable_from_everywhere,
    asymmetric,
    no_default_deny,
    cut_off_from_dns,
    shadowed_tier_rules,
    ties,
    leads_to_nothing,
)


def lint(inventory: Inventory) -> Iterator[Finding]:
    """Ordered by check, then by object."""
    context = Context(inventory)
    for check in CHECKS:
        yield from check(context)


__all__ = ["CHECKS", "CODES", "Finding", "lint"]
