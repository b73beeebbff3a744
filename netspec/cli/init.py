"""netspec init: a project of the user's own, with a first spec."""

import argparse
from pathlib import Path

from netspec.cli import OK, _sources
from netspec.diagnostics import Problem

EXAMPLES = """\
  netspec init
  netspec init network --name shop
  netspec init network --from-manifests k8s/
  netspec init network --kubeconfig ~/.kube/config"""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", metavar="DIR", nargs="?", default=Path(), type=Path, help="where (default: here)")
    parser.add_argument("--name", help="the project's name (default: the directory's)")
    there = parser.add_argument_group("the spec of what is there, and what it could not say")
    source = there.add_mutually_exclusive_group()
    paths = "Kubernetes YAML or JSON: files, directories, - for standard input"
    source.add_argument("--from-manifests", nargs="+", metavar="PATH", help=paths)
    source.add_argument("--kubeconfig", metavar="FILE", help="read the objects of a live cluster with kubectl")
    there.add_argument("--context", help="the kubeconfig's context (default: its current one)")
    _sources.cni_argument(there)
    _sources.namespace_argument(there)
    there.add_argument("--output", choices=("text", "json"), default="text", help="how to print (default: text)")


def run(args: argparse.Namespace) -> int:
    """Writes what is not there, overwrites nothing, and says both.

    Exit code of an import: 1 where some of the input could not be used, 4 where the spec says something else than it.
    """
    from netspec.cli import _scaffold

    name = _scaffold.project_name(args.directory, args.name)
    _scaffold.check(args.directory)
    if not args.from_manifests and not args.kubeconfig:
        if args.output == "json":
            raise Problem("--output json is for --from-manifests and --kubeconfig", "leave it out")
        for line in _scaffold.write(args.directory, name, _scaffold.example(name)).lines():
            print(line)
        return OK
    from netspec.cli import _import

    return _import.run(args, name)
