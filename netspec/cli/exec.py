"""netspec exec: run a command with netspec's programs, settings and cluster network."""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from netspec.cli._options import install_argument
from netspec.diagnostics import Problem
from netspec.target import Traits

EXAMPLES = """\
  netspec exec -- pulumi preview --stack dev
  netspec exec --stack shop -- kubectl get pods --all-namespaces
  netspec exec -- bash"""


#: Of a cluster that nothing is known of: it is in containers of this machine.
_MADE_HERE = Traits()


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--stack", help="the stack whose cluster kubectl talks to (default: the one that runs)")
    install_argument(parser)
    parser.add_argument("words", metavar="CMD", nargs="+", help="the command and its arguments, after --")


def run(args: argparse.Namespace) -> int:
    """Exit code: the command's."""
    from netspec import toolchain

    traits = _traits(args.stack)
    toolchain.activate(install=not args.no_install, with_engine=not (traits.there or traits.remote))
    with _kubeconfig(args.stack, traits) as env:
        try:
            process = subprocess.Popen(args.words, env={**os.environ, **env})
        except OSError as error:
            raise Problem(f"{args.words[0]} cannot be run: {error.strerror}", "check the command's name") from error
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the command's
        try:
            code = process.wait()
        finally:
            signal.signal(signal.SIGINT, before)
    return code if code >= 0 else 128 - code


@contextlib.contextmanager
def _kubeconfig(stack: str | None, traits: Traits = _MADE_HERE) -> Iterator[dict[str, str]]:
    """The environment in which kubectl talks to this checkout's cluster; the file is removed afterwards."""
    from netspec.toolchain import programs

    if stack is None and "KUBECONFIG" in os.environ:
        yield {}
        return
    try:
        there = traits.there
        text = programs.kubeconfig(there.kubeconfig, there.context) if there else _text(stack, traits)
    except Problem as problem:
        if stack is not None:
            raise
        # The command may be what fixes it.
        print(f"kubectl has no cluster to talk to: {problem.message}", file=sys.stderr)
        text = None
    if text is None:
        yield {}
        return
    handle, name = tempfile.mkstemp(prefix="netspec-", suffix=".kubeconfig")  # mode 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        yield {"KUBECONFIG": name}
    finally:
        Path(name).unlink(missing_ok=True)


def _traits(stack: str | None) -> Traits:
    """Of the stack's cluster; a container's where nothing says which stack."""
    from netspec.backends.registry import REGISTRY
    from netspec.toolchain import project
    from netspec.verify.stack import load_stack

    if stack is None or project.spec_of(stack) is None:
        return Traits()
    return load_stack(stack, None, REGISTRY)[0].traits


def _text(stack: str | None, traits: Traits) -> str | None:
    """The kubeconfig of the stack's cluster, or of one of this checkout's, None where it has none."""
    from netspec.deploy import containers
    from netspec.toolchain import programs, project

    if stack is not None and traits.remote:
        return programs.stack_kubeconfig(stack)
    mine = f"{project.owner()}/"
    found = [
        n for n in containers.networks() if n.owner == f"{mine}{stack}" or (not stack and n.owner.startswith(mine))
    ]
    if not found:
        if stack is not None:
            raise Problem(f"the stack {stack} has no running cluster", f"bring it up: netspec up --stack {stack}")
        return None
    if len(found) > 1:
        print(f"kubectl talks to the cluster {found[0].cluster}; --stack chooses another", file=sys.stderr)
    return programs.kind_kubeconfig(found[0].cluster)
