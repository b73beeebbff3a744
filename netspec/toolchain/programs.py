"""Runs the programs beside netspec (docker, kind, kubectl), each with an end in time."""

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from netspec.diagnostics import Problem
from netspec.toolchain import project

#: Exit codes that a shell gives too: it could not be run, there is none, it did not end in time.
CANNOT_RUN, MISSING, TIMED_OUT = 126, 127, 124
#: Seconds for one kubectl, and for one answer of kind or Pulumi.
KUBECTL_LIMIT = 30
KIND_LIMIT = 60
PULUMI_LIMIT = 60

#: What tells of an error in a line of a log, and characters of it that are shown.
_TELLING = re.compile(r"level=(?:error|fatal)|\b(?:error|fatal|panic|failed|already in use)\b", re.IGNORECASE)
_SHOWN = 300

Done = subprocess.CompletedProcess[str]


def run(command: Sequence[str], stdin: str = "", limit: float = KUBECTL_LIMIT) -> Done:
    """Run a program; one that is missing or does not end in `limit` seconds is a failed one, not an exception."""
    try:
        return subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            encoding="utf-8",
            errors="replace",  # what a program on the cluster printed
            timeout=limit,
            check=False,
        )
    except FileNotFoundError:
        return Done(command, MISSING, "", f"{command[0]} is not on PATH")
    except OSError as error:
        return Done(command, CANNOT_RUN, "", f"{command[0]} cannot be run: {error.strerror}")
    except subprocess.TimeoutExpired:
        return Done(command, TIMED_OUT, "", f"{' '.join(command[:3])} did not end in {limit:g} s")


def kubectl(kubeconfig: Path | str, *words: str, stdin: str = "", limit: float = KUBECTL_LIMIT) -> Done:
    """kubectl on the cluster of that file."""
    return run(["kubectl", f"--kubeconfig={kubeconfig}", *words], stdin, limit)


def kind_kubeconfig(cluster: str) -> str:
    """The administrator's kubeconfig of a kind cluster, as kind gives it for this host. Raises `Problem`."""
    done = run(["kind", "get", "kubeconfig", "--name", cluster], limit=KIND_LIMIT)
    if done.returncode == MISSING:
        raise need("kind")
    if done.returncode:
        said = f"there is no running kind cluster {cluster}: {last_line(done.stderr)}"
        raise Problem(said, "see which there are: kind get clusters")
    return done.stdout


def stack_kubeconfig(stack: str) -> str:
    """The kubeconfig that a stack gives out, for a cluster that it made elsewhere. Raises `Problem`."""
    words = ["stack", "output", "kubeconfig", "--show-secrets", "--stack", stack]
    done = run(["pulumi", "--cwd", str(project.root()), *words], limit=PULUMI_LIMIT)
    if done.returncode == MISSING:
        raise need("pulumi")
    if done.returncode:
        raise Problem(
            f"the stack {stack} gives out no kubeconfig: {last_line(done.stderr)}",
            f"bring it up: netspec up --stack {stack}",
        )
    return done.stdout


def kubeconfig(file: str, context: str) -> str:
    """The kubeconfig of one context alone, with all that it needs; "" for kubectl's own file, and its current context.
    A file is looked for from the project's folder on: Pulumi runs what asks in another. Raises `Problem`."""
    path = Path(file).expanduser()
    given = [f"--kubeconfig={path if path.is_absolute() else project.root() / path}"] if file else []
    given += [f"--context={context}"] if context else []
    done = run(["kubectl", "config", "view", "--raw", "--minify", "--flatten", *given], limit=KUBECTL_LIMIT)
    if done.returncode == MISSING:
        raise need("kubectl")
    if done.returncode or "server" not in done.stdout:
        what = f"context {context}" if context else "current context"
        said = f": {last_line(done.stderr)}" if done.stderr.strip() else ""
        raise Problem(
            f"the kubeconfig{f' {file}' if file else ''} has no {what}{said}",
            "see which there are: kubectl config get-contexts",
        )
    return done.stdout


def last_line(text: str) -> str:
    """What a program ended with, for a sentence."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no output"


def telling_line(log: str) -> str:
    """The last line that tells of an error, else the last one; "" where there is none.

    >>> telling_line("listen tcp :80: bind: address already in use\\ngoodbye\\n")
    'listen tcp :80: bind: address already in use'
    >>> telling_line("hello\\n"), telling_line("")
    ('hello', '')
    """
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    telling = [line for line in lines if _TELLING.search(line)]
    return (telling or lines or [""])[-1][-_SHOWN:]


def need(program: str) -> Problem:
    """What to say where a program of ours is not on PATH: netspec puts it there for what it starts."""
    return Problem(f"there is no {program} command on PATH", "start through netspec: netspec exec -- CMD")
