"""`netspec init` where something is there: manifests or a live cluster to a spec."""

import argparse
import json
import sys
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from netspec.backends.clusters.kind.settings import KindSettings
from netspec.backends.registry import REGISTRY
from netspec.cli import DIFFERENT, FAILED, OK, _scaffold, _sources
from netspec.compiler import check_spec
from netspec.diagnostics import Problem, Severity
from netspec.importing import report
from netspec.importing.convert import ChooseTarget, Imported, Target, convert
from netspec.manifests.missing import missing
from netspec.manifests.read import Reading, read, read_texts
from netspec.spec.load import loads

_CLUSTER, _CNI = "kind", "calico"
#: Container networks of the first stack's cluster: the usual one, else one that nothing in the input overlaps.
_USUAL = IPv4Network(KindSettings().network_cidr)
_NETWORKS = (_USUAL, *IPv4Network("172.16.0.0/12").subnets(new_prefix=16))


def run(args: argparse.Namespace, name: str) -> int:
    spec = Path("stacks") / f"{name}.yaml"
    _scaffold.check_free(args.directory, spec)
    reading = _reading(args)
    for diagnostic in (*reading.diagnostics, *missing(reading.inventory)):
        if diagnostic.severity is Severity.WARNING:  # errors are in the list of what is not in the spec
            print(diagnostic.render(), file=sys.stderr)
    if not reading.objects:
        raise Problem("there is nothing to import", "name manifests with workloads, Services or policies")
    found = convert(reading, name, _target(reading), REGISTRY, is_live=bool(args.kubeconfig))
    spec = args.directory / spec
    sides = _sides(args, spec)
    text = report.spec_text(found, _command(args), *sides)
    first = _scaffold.FirstSpec(text, found.stack, (*_notes(found, sides),), is_wanted=True)
    written = _scaffold.write(args.directory, name, first)
    if args.output == "json":
        print(json.dumps({**report.to_json(found, str(spec)), "wrote": [str(f) for f in written.made]}, indent=1))
    else:
        for line in written.lines():
            print(line)
    if any(d.severity is Severity.ERROR for d in reading.diagnostics):
        return FAILED
    return DIFFERENT if found.proof.changes else OK


def _reading(args: argparse.Namespace) -> Reading:
    if args.kubeconfig:
        if args.namespace:
            raise Problem("--namespace is for manifests: the objects of a cluster name theirs", "leave it out")
        reading = read_texts(_sources.whole_cluster(args.kubeconfig, args.context))
    else:
        reading = read(args.from_manifests, sys.stdin, _sources.default_namespace(args.namespace))
    return _sources.with_cni(reading, args.cni)


def _suits(cni: str) -> bool:
    """Whether the cluster that the first stack is made of runs this CNI, without settings, and enforces policies."""
    spec = {
        "apiVersion": "netspec.dev/v1alpha1",
        "kind": "NetworkSpec",
        "metadata": {"name": "any"},
        "namespaces": [{"name": "any", "defaultDeny": ["ingress"]}],
        "stacks": {"dev": {"cluster": {"type": _CLUSTER}, "cni": {"provider": cni}}},
    }
    found = check_spec(loads(json.dumps(spec)), "dev", REGISTRY)
    return not any(d.severity is Severity.ERROR for d in found)


def _target(reading: Reading) -> ChooseTarget:
    """A cluster that this machine can run, with the input's CNI where there is a backend for it."""
    seen = reading.cni
    cni = seen if seen is not None and seen in REGISTRY.providers("cni") and _suits(seen) else _CNI
    note = "To begin with: a cluster on this machine. `standIn: true` makes pods for a workload that has none there."
    if seen not in (None, cni):
        note = f"{note} The input runs {seen}, which a cluster on this machine does not have as it is."

    def choose(taken: tuple[IPv4Network, ...]) -> Target:
        cluster: dict[str, Any] = {"type": _CLUSTER, "workers": 2}
        network = next((n for n in _NETWORKS if not any(n.overlaps(t) for t in taken)), IPv4Network("192.168.0.0/16"))
        cluster |= {"networkCIDR": str(network)} if network != _USUAL else {}
        return Target("dev", {"cluster": cluster, "cni": {"provider": cni}}, note)

    return choose


def _command(args: argparse.Namespace) -> str:
    if args.kubeconfig:
        return "netspec init --kubeconfig FILE"
    return f"netspec init --from-manifests {' '.join(args.from_manifests)}"


def _sides(args: argparse.Namespace, spec: Path) -> tuple[str, str]:
    """Both sides for `netspec diff`; none where it would not take the input."""
    paths = args.from_manifests or []
    return (paths[0], str(spec)) if len(paths) == 1 and paths[0] != "-" else ("", "")


def _notes(found: Imported, sides: tuple[str, str]) -> list[str]:
    lines = [*report.summary(found, *sides)]
    for section in report.remarks(found.draft.remarks):
        lines += section
    skipped = ", ".join(f"{count} {kind}" for kind, count in sorted(found.reading.skipped.items()))
    return [*lines, *([f"Skipped, for they say nothing of the network: {skipped}."] if skipped else [])]
