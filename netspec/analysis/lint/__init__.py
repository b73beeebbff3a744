"""What is suspicious about policies. Every finding is about meaning, computed; docs/matrix.md lists the codes."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from netspec.analysis.lint.context import Context, Finding
from netspec.analysis.lint.flows import asymmetric, cut_off_from_dns, no_default_deny, reachable_from_everywhere
from netspec.analysis.lint.names import costly_names
from netspec.analysis.lint.policies import (
    changes_nothing,
    peers_match_nothing,
    ports_that_no_pod_has,
    redundant_rules,
    selects_nothing,
)
from netspec.analysis.lint.services import leads_to_nothing
from netspec.analysis.lint.tiers import shadowed_tier_rules, ties
from netspec.analysis.unread import but_for
from netspec.ir.model import Inventory, Makes

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
    "NL013": "a name costs queries in vain",
}

#: Findings from what is not there -> what might be there after all, and whether only in the namespace of the subject.
_DEPENDS: dict[str, tuple[tuple[Makes, ...], bool]] = {
    "NL001": (("pods",), True),
    "NL002": (("pods",), False),
    "NL003": (("pods",), False),
    "NL004": (("pods",), False),
    "NL005": (("pods",), False),
    "NL008": (("policies",), True),
    "NL009": (("policies",), True),
    "NL010": (("pods",), False),
    "NL012": (("pods", "services"), True),
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
    costly_names,
)


def lint(inventory: Inventory) -> Iterator[Finding]:
    """Ordered by check, then by object."""
    context = Context(inventory)
    for check in CHECKS:
        for finding in check(context):
            depends = _DEPENDS.get(finding.code)
            if depends is not None and inventory.unread:
                makes, is_near = depends
                namespace = finding.subject.partition("/")[0] if is_near and "/" in finding.subject else None
                finding = replace(finding, message=finding.message + but_for(inventory, makes, namespace))
            yield finding


__all__ = ["CHECKS", "CODES", "Finding", "lint"]
