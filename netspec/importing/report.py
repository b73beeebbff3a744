"""What came of an import: the opening comment of the spec, lines for the terminal, and JSON."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from netspec.analysis.diff import Change
from netspec.importing.convert import Imported
from netspec.importing.model import Remark, where_text
from netspec.importing.write import text

VERSION = "import/v1"
#: Objects that are named for one reason; the JSON names all.
_NAMED = 8
_SAID = {
    "lost": "Not in the spec, which has no word for it:",
    "changed": "Said otherwise than in the input:",
}


def spec_text(found: Imported, command: str, old: str, new: str) -> str:
    """The file. `command` is what made it; `old` and `new` name both sides for `netspec diff` ("" where it cannot)."""
    head = [f"Written by `{command}`.", *summary(found, old, new)]
    for lines in remarks(found.draft.remarks):
        head += ["", *lines]
    return text(found.draft, head)


def summary(found: Imported, old: str, new: str) -> Iterator[str]:
    """One sentence a line."""
    sections = found.draft.sections
    counted = [_count(len(sections[section]), *words) for section, words in _COUNTED.items() if sections[section]]
    yield f"{', '.join(counted) or 'Nothing'}."
    if found.fates:
        yield f"{_count(len(found.fates), 'NetworkPolicy', 'NetworkPolicies')}: {', '.join(_fates(found))}."
    yield from _proven(found, old, new)


_COUNTED = {
    "namespaces": ("namespace", "namespaces"),
    "workloads": ("workload", "workloads"),
    "services": ("Service", "Services"),
}


def _count(number: int, one: str, several: str) -> str:
    return f"{number} {one if number == 1 else several}"


def _fates(found: Imported) -> Iterator[str]:
    intents = {item.data["name"] for item in found.draft.sections["policies"]}
    for words, ending in (
        ({"defaultDeny"}, "in `defaultDeny`"),
        ({"allowDNS"}, "in `allowDNS`"),
        (intents, f"in {_count(len(intents), 'intent', 'intents')} of `policies`"),
        ({"networkPolicies"}, "as they were in `networkPolicies`"),
    ):
        count = sum(not words.isdisjoint(fate.became) for fate in found.fates)
        if count:
            yield f"{count} {ending}"
    silent = sum(not fate.became for fate in found.fates)
    if silent:
        yield f"{silent} in none, for others close what they close"


def _proven(found: Imported, old: str, new: str) -> Iterator[str]:
    proof = found.proof
    if proof.changes:
        yield f"{_connections(len(proof.changes))} from the input without a reason: please report it, with the input."
    elif not proof.shown:
        how = f": `netspec diff {old} {new}` is empty" if old and new else ""
        yield f"Who reaches whom is the same, for all {proof.peers} workloads and ranges of addresses{how}."
    elif proof.shown == proof.absent:
        how = f"`netspec diff {old} {new}` shows" if old and new else "There are"
        more = "1 connection more" if proof.shown == 1 else f"{proof.shown} connections more"
        yield f"Who reaches whom is the same, for all {proof.peers} workloads and ranges of addresses of the spec."
        yield f"{how} {more}, of what is listed below and is not in the spec."
    else:
        how = f" (`netspec diff {old} {new}`)" if old and new else ""
        yield f"Who reaches whom is the same except for what is listed: {_connections(proof.shown)} by it{how}."


def _connections(number: int) -> str:
    return "1 connection differs" if number == 1 else f"{number} connections differ"


def remarks(found: Sequence[Remark]) -> Iterator[list[str]]:
    """Per kind of remark, its heading and a line for each reason."""
    for kind, heading in _SAID.items():
        reasons: dict[str, list[Remark]] = defaultdict(list)
        for remark in found:
            if remark.kind == kind:
                reasons[remark.why].append(remark)
        if reasons:
            yield [heading, *(_reason(why, about) for why, about in sorted(reasons.items()))]


def _reason(why: str, about: list[Remark]) -> str:
    listed = sorted(about, key=lambda r: (r.what, where_text(r.where)))
    named = [f"{r.what} ({where_text(r.where)})" if r.where else r.what for r in listed[:_NAMED]]
    more = f" and {len(listed) - _NAMED} more" if len(listed) > _NAMED else ""
    return f"  {', '.join(named)}{more}: {why}"


def to_json(found: Imported, spec: str) -> dict[str, Any]:
    """import/v1 (docs/import.md)."""
    return {
        "version": VERSION,
        "spec": spec,
        "stack": found.stack,
        "counts": {section: len(items) for section, items in found.draft.sections.items()},
        "policies": [
            {
                "policy": fate.policy,
                "file": fate.where.file if fate.where else None,
                "line": fate.where.line if fate.where else None,
                "became": list(fate.became),
                "why": fate.why,
            }
            for fate in found.fates
        ],
        "remarks": [remark.to_json() for remark in found.draft.remarks],
        "skipped": dict(sorted(found.reading.skipped.items())),
        "proof": {
            "peers": found.proof.peers,
            "differences": found.proof.shown,
            "absent": found.proof.absent,
            "unexplained": [_change(change) for change in found.proof.changes],
        },
        "warnings": [warning.to_json() for warning in found.warnings],
    }


def _change(change: Change) -> dict[str, Any]:
    """As `netspec diff --output json` has it."""
    return {
        "change": change.kind,
        "source": change.source,
        "destination": change.destination,
        "opens": change.opens,
        "closes": change.closes,
    }
