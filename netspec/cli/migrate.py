"""netspec migrate: HTTP routes of a spec from what another controller was told."""

import argparse
import json
import sys
from collections import Counter

import yaml

from netspec.cli import FAILED, OK
from netspec.diagnostics import Problem
from netspec.manifests.read import texts
from netspec.migrating.ingress_nginx import Migrated, migrate

EXAMPLES = """\
  netspec migrate --manifests k8s/ --from ingress-nginx > routes.yaml
  kubectl get ingresses -A -o yaml | netspec migrate --manifests - --from ingress-nginx --output json"""

#: What it can read: the name, and what it is called for a reader.
SOURCES = ("ingress-nginx",)


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--manifests",
        metavar="PATH",
        action="append",
        required=True,
        help="a file or folder with Ingresses; - is standard input",
    )
    parser.add_argument("--from", dest="source", choices=SOURCES, required=True, help="whose annotations they have")
    parser.add_argument(
        "--class", dest="class_name", default="nginx", help="the class of the Ingresses (default: nginx)"
    )
    parser.add_argument("--output", choices=("text", "json"), default="text", help="how to print (default: text)")


def run(args: argparse.Namespace) -> int:
    """The routes go to standard output, the account of what became of each thing to standard error. Exit code 1 where
    something is lost."""
    found = migrate(texts(args.manifests, sys.stdin), args.class_name)
    if not found.ingresses and not found.accounts:
        raise Problem(f"there is no Ingress of class {args.class_name}", "see --class, and which files were given")
    if args.output == "json":
        accounts = [account.to_json() for account in found.accounts]
        print(json.dumps({"version": "migrate/v1", "ingress": found.routes, "accounts": accounts}, indent=1))
    else:
        _print(found)
    return FAILED if any(account.fate == "lost" for account in found.accounts) else OK


def _print(found: Migrated) -> None:
    print(yaml.safe_dump({"ingress": found.routes}, sort_keys=False, width=120, default_flow_style=None), end="")
    for account in found.accounts:
        print(account.render(), file=sys.stderr)
    counts = Counter(account.fate for account in found.accounts)
    said = ", ".join(f"{counts[fate]} {fate}" for fate in ("carried", "changed", "dropped", "lost"))
    print(f"{found.ingresses} Ingresses, {len(found.routes)} routes: {said}", file=sys.stderr)
