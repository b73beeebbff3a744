"""netspec dns: every query that a lookup makes, in order, to whom, which one answers, and what it costs."""

import argparse
import json
import sys
from collections.abc import Iterator

from netspec.cli import FAILED, OK
from netspec.diagnostics import Problem
from netspec.ir.model import Ir, Workload
from netspec.probing.lookup import Lookups, Plan, Query
from netspec.probing.services import reaches_dns
from netspec.report.listing import Edge, Listing, Row, write
from netspec.spec.types import did_you_mean

EXAMPLES = """\
  netspec dns stacks/boutique.yaml www.example.com --from boutique/frontend
  netspec dns stacks/boutique.yaml cartservice --from boutique/frontend --stack dev
  netspec dns stacks/boutique.yaml redis-cart.boutique.svc.cluster.local. --from boutique/cart --output json"""

OUTPUTS = ("text", "json", "csv", "md", "html")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("spec", metavar="SPEC", help="the spec file")
    parser.add_argument("name", metavar="NAME", help="the name as the program has it, with or without its last dot")
    parser.add_argument("--from", dest="source", required=True, metavar="NS/NAME", help="the workload that asks")
    parser.add_argument("--stack", help="which of the spec's stacks (default: its only one)")
    parser.add_argument("--output", choices=OUTPUTS, default="text", help="how to print (default: text)")


def run(args: argparse.Namespace) -> int:
    """Exit code 1 where nobody answers, for all that the spec says, or the pod may not ask."""
    ir = ir_of(args.spec, args.stack)
    workload = ir.workloads_by_id.get(args.source)
    if workload is None:
        hint = did_you_mean(args.source, ir.workloads_by_id) or "name a workload of the spec: namespace/name"
        raise Problem(f"there is no workload {args.source}", hint)
    plan = Lookups(ir).plan(workload, args.name)
    may_ask = reaches_dns(ir, workload) or plan.conf.nameservers[:1] != (ir.dns.address,)
    if not may_ask:
        print(f"policies keep {workload.id} from the cluster's DNS: no query is answered", file=sys.stderr)
    write(_listing(plan, may_ask), args.output)
    if args.output == "text":
        print(summary(plan, workload))
    return OK if may_ask and plan.is_answered else FAILED


def ir_of(spec: str, stack: str | None) -> Ir:
    from netspec.backends.registry import REGISTRY
    from netspec.compiler import compile_spec
    from netspec.spec.load import load

    loaded = load(spec)
    names = list(loaded.spec.stacks) if loaded.spec is not None else []
    if stack is None and len(names) > 1:
        raise Problem(f"{spec} has several stacks", f"choose one with --stack: {', '.join(names)}")
    result = compile_spec(loaded, stack or (names[0] if names else ""), REGISTRY)
    if result.ir is None or not result.ok:
        for diagnostic in result.diagnostics:
            print(diagnostic.render(), file=sys.stderr)
        raise Problem(f"{spec} has errors", "correct them first: netspec check")
    return result.ir


def summary(plan: Plan, workload: Workload) -> str:
    """What it costs, in a sentence or two."""
    names = len(plan.queries)
    said = f"{plan.sent} queries: A and AAAA of {names} name{'' if names == 1 else 's'} (ndots {plan.conf.ndots})"
    if plan.leaving:
        said += f", {plan.leaving} of them answered by servers outside the cluster"
    if not plan.is_answered:
        return f"{said}; nobody has an answer"
    if not plan.wasted:
        return f"{said}; the first name answers"
    cheaper = f"{plan.queries[-1].name}."
    own = "" if plan.name.endswith(".") else f"; {cheaper} would take 2"
    return f"{said}; {plan.wasted} are in vain{own}"


def _listing(plan: Plan, may_ask: bool) -> Listing:
    def found(query: Query) -> str:
        return "no" if query.found is False else "yes" if query.found else "as it says"

    def rows() -> Iterator[Row]:
        for number, query in enumerate(plan.queries, start=1):
            yield str(number), f"{query.name}.", query.to, query.server, found(query), query.answer

    def document() -> Iterator[str]:
        queries = [
            {"name": f"{q.name}.", "to": q.to, "by": q.by, "server": q.server, "found": q.found, "answer": q.answer}
            for q in plan.queries
        ]
        body = {
            "version": "dns/v1",
            "name": plan.name,
            "from": plan.workload,
            "ndots": plan.conf.ndots,
            "search": list(plan.conf.searches),
            "mayAsk": may_ask,
            "queries": queries,
            "sent": plan.sent,
            "wasted": plan.wasted,
            "leaving": plan.leaving,
            "answered": plan.is_answered,
        }
        yield json.dumps(body, indent=1) + "\n"

    def edges() -> Iterator[Edge]:
        for query in plan.queries:
            tone = "bad" if query.found is False else "good"
            yield Edge(plan.workload, query.server, f"{query.name}.", query.found is None, tone)

    columns = ("#", "name (A and AAAA)", "asked", "answered by", "ends it", "answer")
    return Listing(f"how {plan.workload} looks up {plan.name}", columns, rows, document, edges)
