"""Label selectors of the file as the IR has them."""

from netspec.ir.selectors import Requirement, Selector
from netspec.spec.selectors import LabelSelector


def resolved_selector(selector: LabelSelector) -> Selector:
    expressions = tuple(
        Requirement(e.key, e.operator, tuple(dict.fromkeys(e.values))) for e in selector.match_expressions
    )
    return Selector(tuple(sorted(selector.match_labels.items())), expressions)
