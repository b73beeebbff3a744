"""netspec explain: why a connection is allowed or denied."""

import argparse
import json
from collections.abc import Iterator, Sequence

from netspec.analysis.explain import Step
from netspec.cli import FAILED, OK, _sources
from netspec.cli._ends import split
from netspec.cli._flows import Found, flows
from netspec.report.listing import OUTPUTS, Edge, Listing, Row, write

EXAMPLES = """\
  netspec explain shop/web shop/db 5432 stacks/shop.yaml
  netspec explain shop/web service:shop/api --manifests deploy/
  netspec explain external shop/web 8080/TCP --manifests deploy/
  netspec explain ingress shop/web http --manifests deploy/
  netspec explain 203.0.113.9 shop/web stacks/shop.yaml --output json"""

_TONES = {"allow": "good", "deny": "bad", "undefined": "warn", "dialect": "warn"}


def arguments(parser: argparse.ArgumentParser) -> None:
    ends = "ns/name, ns/name/pod, service:ns/name, an address, or external"
    source = "ns/name, ns/name/pod, an address, external, or ingress (whatever leads routes in)"
    parser.add_argument("source", metavar="SRC", help=source)
    parser.add_argument("destination", metavar="DST", help=ends)
    parser.add_argument(
        "rest",
        nargs="*",
        metavar="[PORT[/PROTO]] [SPEC]",
        help="a port by number (TCP unless said) or name; a spec",
    )
    _sources.arguments(parser)
    parser.add_argument("--output", choices=OUTPUTS, default="text", help="how to print (default: text)")


def run(args: argparse.Namespace) -> int:
    """Exit code 1 when some of the input could not be used."""
    port, spec = split(args.rest)
    source = _sources.chosen(args, spec)
    source.complain()
    found = list(flows(source.inventory, args.source, args.destination, port))
    listing = _listing(source, found, f"{args.source} to {args.destination}")
    if args.output == "text":
        print(_text(source, found), end="")
    else:
        write(listing, args.output)
    return FAILED if source.has_errors else OK


# How it is said


def _place(source: _sources.Source, step: Step) -> str:
    position = source.locate(step.place) if step.place else None
    return f"{position.file}:{position.line}" if position else ""


def _listing(source: _sources.Source, found: Sequence[Found], what: str) -> Listing:
    def rows() -> Iterator[Row]:
        for flow in found:
            yield flow.title, flow.verdict, "", "", "", flow.sentence, ""
            for step in flow.explanation.steps:
                rule = "" if step.rule is None else str(step.rule)
                side = step.direction.lower()
                yield flow.title, step.outcome, side, step.policy, rule, step.reason, _place(source, step)

    def edges() -> Iterator[Edge]:
        for flow in found:
            start, end = str(flow.explanation.source), str(flow.explanation.destination)
            yield Edge(start, end, flow.sentence, flow.verdict == "undefined", _TONES[flow.verdict])
            for step in flow.explanation.steps:
                rule = "" if step.rule is None else f"[{step.rule}]"
                text = f"{step.policy or 'no policy'} {step.direction.lower()}{rule}"
                tone = {"allows": "good", "no match": "", "denies": "bad", "maybe": "warn"}.get(step.outcome, "")
                label = f"{step.outcome}: {step.reason}"
                tail, head = (start, text) if step.direction == "Egress" else (text, end)
                yield Edge(tail, head, label, step.outcome == "maybe", tone)

    def document() -> Iterator[str]:
        flows = []
        for flow in found:
            steps = [
                {
                    "side": s.direction.lower(),
                    "policy": s.policy or None,
                    "rule": s.rule,
                    "outcome": s.outcome,
                    "reason": s.reason,
                    "place": _place(source, s) or None,
                }
                for s in flow.explanation.steps
            ]
            flows.append(
                {
                    "flow": flow.title,
                    "source": str(flow.explanation.source),
                    "destination": str(flow.explanation.destination),
                    "port": None if flow.port is None else {"number": flow.port[0], "protocol": flow.port[1]},
                    "verdict": flow.verdict,
                    "note": flow.note or None,
                    "allow": flow.explanation.allow,
                    "undefined": flow.explanation.undefined,
                    **({"l7": flow.explanation.l7} if flow.explanation.l7 else {}),
                    "steps": steps,
                }
            )
        yield json.dumps({"version": "explain/v1", "flows": flows}, indent=1) + "\n"

    columns = ("flow", "outcome", "side", "policy", "rule", "reason", "place")
    return Listing(f"why: {what}", columns, rows, document, edges)


def _text(source: _sources.Source, found: Sequence[Found]) -> str:
    lines: list[str] = []
    for flow in found:
        lines += [f"{flow.title}: {flow.sentence}"]
        for side, end in (("Egress", flow.explanation.source), ("Ingress", flow.explanation.destination)):
            lines.append(f"  {side.lower()} of {end}")
            for step in flow.explanation.steps:
                if step.direction == side:
                    lines.append(_line(step, _place(source, step)))
        lines.append("")
    return "\n".join(lines)


def _line(step: Step, place: str) -> str:
    where = f"  {place}" if place else ""
    if not step.policy:
        return f"    {step.reason}"
    if step.rule is None:
        return f"    {step.policy}: {step.reason}{where}"
    return f"      {step.direction.lower()}[{step.rule}] {step.outcome}: {step.reason}{where}"
