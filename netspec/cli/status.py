"""netspec status: what a stack has applied, and whether its cluster still runs."""

import argparse
from collections import Counter

from netspec.cli import OK
from netspec.cli._session import check_name, show, stack_argument

EXAMPLES = """\
  netspec status --stack dev
  netspec status --stack dev --output json"""


def arguments(parser: argparse.ArgumentParser) -> None:
    stack_argument(parser, spec=False)


def run(args: argparse.Namespace) -> int:
    from netspec import toolchain
    from netspec.deploy.containers import EngineDown, nodes
    from netspec.deploy.session import Session
    from netspec.toolchain import project
    from netspec.toolchain.engine import is_recorded
    from netspec.toolchain.find import say

    check_name(args.stack)
    spec = project.spec_of(args.stack)
    applied = None
    if project.has_state():
        toolchain.activate(start=False, with_engine=is_recorded(args.stack))
        applied = Session(args.stack, None, say).applied()
    if applied is None or not applied.resources:
        show(args, f"{args.stack}: nothing is applied", spec=spec, resources={}, nodes={})
        return OK
    cluster = str(applied.cluster.get("name", ""))
    try:
        found = {node.name: node.state for node in nodes(cluster)} if cluster else {}
    except EngineDown:
        found = {}
    foreign = any(urn.split("::")[2].endswith(":ExistingCluster") for urn in applied.resources)
    elsewhere = "somebody else's, which `down` leaves as it is" if foreign else "at its provider"
    gone = "there is no node; `up` creates it again" if cluster else elsewhere
    kinds = Counter(urn.split("::")[2].rpartition(":")[2] for urn in applied.resources)
    lines = [
        f"{args.stack}: {len(applied.resources)} resources applied from {spec}",
        f"cluster {cluster}: ".replace(" :", ":") + (", ".join(f"{n} {s}" for n, s in found.items()) or gone),
        *(f"  {count:>3} {kind}" for kind, count in sorted(kinds.items())),
    ]
    data = {"spec": spec, "cluster": cluster, "nodes": found, "resources": dict(sorted(kinds.items()))}
    show(args, "\n".join(lines), **data)
    return OK
