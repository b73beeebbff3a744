"""The command line. Thin: each command is a module here, imported only when it is the one that runs."""

import argparse
import importlib
import io
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING, BinaryIO, TextIO, cast

from netspec import __version__
from netspec.diagnostics import Problem
from netspec.stopping import Stopped, stop_in_good_order

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

#: Exit codes, the same for every command.
OK, FAILED, USAGE, INCONCLUSIVE, DIFFERENT = 0, 1, 2, 3, 4

#: Command -> its line in `netspec --help`; the module netspec.cli.<command> has EXAMPLES, arguments(parser), run(args).
COMMANDS: dict[str, str] = {
    "init": "make a project: a folder with a first spec, ready for check and up",
    "check": "check a spec: every error at once, no cluster needed",
    "compile": "write what a spec compiles to: kind.yaml, manifests in apply order, plan.json",
    "schema": "print the JSON Schema of the spec file",
    "up": "apply a stack with Pulumi and verify it",
    "preview": "show what `up` would change",
    "status": "show what a stack has applied",
    "down": "destroy a stack; leaves nothing behind",
    "verify": "probe the running cluster: expected against observed",
    "doctor": "say which programs netspec found, from where, and what is missing",
    "exec": "run a command (pulumi, kubectl, ...) with netspec's programs and cluster network",
    "matrix": "who reaches whom: all connections",
    "explain": "why a connection is allowed or denied",
    "diff": "which connections a change opens or closes",
    "migrate": "write the HTTP routes of a spec from Ingresses of ingress-nginx: what carries over, changes, is lost",
    "lint": "what is suspicious about policies: shadowed, redundant, matching nothing",
    "targets": "which cluster goes with which CNI, and what the two can do",
    "capacity": "how many pods, nodes and addresses a stack has room for, and which limit binds",
    "dns": "every query that a lookup makes, in order, to whom, and what it costs",
    "request": "which listener, route, Service and pods a request through the front door comes to, and why",
    "completion": "print what makes bash, zsh or fish complete commands, options and stacks",
    "exposure": "what the outside and unknown pods can reach",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code; a `Problem` is printed as a sentence and a hint."""
    if argv is None and "_ARGCOMPLETE" in os.environ:  # a shell asks what may come next
        from netspec.cli._complete import answer

        answer(_parser(os.environ.get("COMP_LINE", "").split()[1:]))
    if argv is None:
        _own_the_process()
    arguments = list(sys.argv[1:] if argv is None else argv)
    parser = _parser(arguments)
    args = parser.parse_args(arguments)
    try:
        code = int(args.run(args))
        if lost := _lost_output():
            raise Problem(f"the output could not be written: {lost.strerror}", "free some space, or write elsewhere")
        return code
    except Problem as problem:
        print(f"error: {problem}", file=sys.stderr)
        return USAGE
    except KeyboardInterrupt as stop:
        print("interrupted; run the same command again to continue", file=sys.stderr)
        return 128 + (stop.number if isinstance(stop, Stopped) else signal.SIGINT)
    except Exception:  # a mistake of ours: never the exit code of an answer
        traceback.print_exc()
        print("error: a bug in netspec itself; please report it with the lines above", file=sys.stderr)
        return USAGE


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
    """Of a command line: every command has its name, and the chosen one its arguments."""
    parser = argparse.ArgumentParser(
        prog="netspec",
        description="A declarative cluster-network compiler to infrastructure as code.",
        epilog="exit codes: 0 done, 1 errors found or verification red, 2 usage or environment, 3 inconclusive, "
        "4 differences found",
    )
    parser.add_argument("--version", action="version", version=f"netspec {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    chosen = next((a for a in words if not a.startswith("-")), None)
    for name, summary in COMMANDS.items():
        if name != chosen:
            commands.add_parser(name, help=summary)
            continue
        module = importlib.import_module(f"netspec.cli.{name}")
        command = commands.add_parser(
            name,
            help=summary,
            description=summary[0].upper() + summary[1:] + ".",
            epilog="examples:\n" + module.EXAMPLES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.arguments(command)
        command.set_defaults(run=module.run)
    return parser


def _own_the_process() -> None:
    """What holds for the command line and not for a caller of `main`."""
    stop_in_good_order()
    sys.stdout, sys.stderr = _until_closed(sys.stdout), _until_closed(sys.stderr)


def _until_closed(stream: TextIO | None) -> TextIO:
    """`stream` None: closed from the start."""
    if stream is not None and not isinstance(stream, io.TextIOWrapper):
        return stream
    where, of_its_own = (os.devnull, True) if stream is None else (stream.fileno(), False)
    return io.TextIOWrapper(
        # Text is kept until there is some kilobytes of it as it is. A buffer below would write again what a signal's
        # exception has interrupted after it was written.
        cast("BinaryIO", _UntilClosed(where, "w", closefd=of_its_own)),
        encoding=stream.encoding if stream else "utf-8",
        errors="backslashreplace",  # a terminal that has no such character
        line_buffering=stream is not None and (stream.line_buffering or stream.write_through),
    )


def _lost_output() -> OSError | None:
    """Why some of standard output could not be written."""
    sys.stdout.flush()
    below = getattr(sys.stdout, "buffer", None)
    return below.lost if isinstance(below, _UntilClosed) else None


class _UntilClosed(io.FileIO):
    """An output whose reader may go (`netspec diff | head`): the rest is written to nowhere, and the exit code is the
    command's own. What cannot be written for another reason is `lost`, and said at the end."""

    lost: OSError | None = None

    def write(self, data: "ReadableBuffer") -> int:
        """All of it, be it in several pieces."""
        size, left = memoryview(data).nbytes, memoryview(data).cast("B")
        try:
            while left:
                left = left[super().write(left) or 0 :]
        except OSError as error:
            if not isinstance(error, BrokenPipeError):
                self.lost = error
        return size
