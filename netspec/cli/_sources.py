"""Where the analysis commands get their inventory: a spec, manifests, a live cluster, or either at a git revision."""

import argparse
import json
import os
import posixpath
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from netspec.analysis.unread import summary
from netspec.backends.cni.dialects import DIALECTS
from netspec.diagnostics import Diagnostic, Position, Problem, Severity
from netspec.ir.model import Inventory, Place
from netspec.manifests.documents import Broken
from netspec.manifests.kinds import full_name, resources
from netspec.manifests.missing import missing
from netspec.manifests.objects import DEFAULT
from netspec.manifests.read import MAX_BYTES, SUFFIXES, Reading, decode, read, read_texts, texts

if TYPE_CHECKING:
    from netspec.spec.load import LoadedSpec

_API_GROUP = "netspec.dev/"
#: How much of a file is looked at to tell a spec from manifests.
_HEAD = 4096
_NAMESPACE = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\Z")
#: The mode of a symbolic link in a git tree.
_LINK = "120000"
_GIT_TIMEOUT, _KUBECTL_TIMEOUT = 60, 300


@dataclass(frozen=True, slots=True)
class Source:
    """An inventory and what was found while reading it. `locate` gives the line of a place."""

    name: str
    inventory: Inventory
    locate: Callable[[Place], Position | None]
    diagnostics: tuple[Diagnostic, ...] = ()
    skipped: Counter[str] = field(default_factory=Counter)

    @property
    def has_errors(self) -> bool:
        return any(d.severity is Severity.ERROR for d in self.diagnostics)

    def complain(self) -> None:
        """What is wrong with the input, and what of it was not looked at, on standard error."""
        for diagnostic in self.diagnostics:
            if diagnostic.severity is Severity.ERROR or diagnostic.code.startswith("NM"):  # `check` has a spec's
                print(diagnostic.render(), file=sys.stderr)
        if self.skipped:
            listed = ", ".join(f"{count} {kind}" for kind, count in sorted(self.skipped.items()))
            print(f"skipped: {listed}", file=sys.stderr)
        unread = summary(self.inventory)
        if unread is not None:
            print(unread, file=sys.stderr)


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options that say what is analysed; a command may add a positional SPEC of its own."""
    where = parser.add_argument_group("what to analyse (a SPEC, manifests, or a live cluster)")
    where.add_argument("--stack", help="the spec's stack (default: its only one)")
    where.add_argument(
        "--manifests",
        nargs="+",
        metavar="PATH",
        help="Kubernetes YAML or JSON: files, directories, - for standard input",
    )
    namespace_argument(where)
    where.add_argument("--kubeconfig", metavar="FILE", help="read the objects of a live cluster with kubectl")
    where.add_argument("--context", help="the kubeconfig's context (default: its current one)")
    cni_argument(where)


def namespace_argument(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        "--namespace", metavar="NS", help="of manifests that name none, as kubectl apply's (default: default)"
    )


def cni_argument(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        "--cni", choices=sorted(DIALECTS), help="what the cluster runs, to settle what Kubernetes leaves open"
    )


def chosen(args: argparse.Namespace, spec: str | None) -> Source:
    """What the arguments name. Raises Problem unless it is exactly one thing."""
    given = [what for what in (spec, args.manifests, args.kubeconfig) if what]
    if len(given) != 1:
        raise Problem(
            "say what to analyse: a SPEC, --manifests or --kubeconfig"
            if not given
            else "SPEC, --manifests and --kubeconfig exclude each other",
            "for instance stacks/shop.yaml, or --manifests DIR",
        )
    if spec:
        return from_path(spec, args.stack, args.cni, args.namespace)
    if args.manifests:
        found = read(args.manifests, sys.stdin, default_namespace(args.namespace))
        return _of_reading(" ".join(args.manifests), found, args.cni)
    if args.namespace:
        raise Problem("--namespace is for manifests: the objects of a cluster name theirs", "leave it out")
    return _of_reading(args.kubeconfig, read_texts(_cluster(args.kubeconfig, args.context)), args.cni)


def default_namespace(given: str | None) -> str:
    """Raises Problem."""
    if given is not None and not _NAMESPACE.match(given):
        raise Problem(f"{given!r} is not a namespace", "small letters, digits and - in between, up to 63")
    return given or DEFAULT


def from_path(name: str, stack: str | None, cni: str | None, namespace: str | None = None) -> Source:
    """A spec or manifests by path; where nothing has that path, `spec@stack`, or `revision:path` in the git repository
    here."""
    default = default_namespace(namespace)
    path = Path(name)
    whole, at, chosen_stack = name.rpartition("@")
    if at and not path.exists() and (Path(whole).is_file() or ":" in whole):
        if stack is not None:
            raise Problem(f"{name} names its stack itself", "leave --stack out, or @ and the stack")
        return replace(from_path(whole, chosen_stack, cni, namespace), name=name)
    if name == "-":
        return _of_texts(name, list(texts([name], sys.stdin)), stack, cni, default)
    if path.is_dir():
        return _of_reading(name, read([name], sys.stdin, default), cni)
    if path.exists() or ":" not in name:
        try:
            with path.open(errors="replace") as stream:
                head = stream.read(_HEAD)
                if not path.is_file():  # a pipe, as in `netspec diff <(kustomize build old) new`, is read once
                    return _of_texts(name, [(name, head + stream.read(MAX_BYTES))], stack, cni, default)
        except FileNotFoundError:
            raise Problem(f"there is no file {name}", "name a spec, manifests, or revision:path") from None
        except OSError as error:
            raise Problem(f"{name} cannot be read: {error.strerror}", "name a file that you may read") from None
        if _is_spec(head):
            from netspec.spec.load import load

            return _of_spec(name, load(name), stack)
        return _of_reading(name, read([name], sys.stdin, default), cni)
    return _of_texts(name, list(_revision(name)), stack, cni, default)


def _of_texts(
    name: str, given: Sequence[tuple[str, str | Broken]], stack: str | None, cni: str | None, namespace: str
) -> Source:
    file, content = given[0]
    if len(given) == 1 and isinstance(content, str) and _is_spec(content[:_HEAD]):
        from netspec.spec.load import loads

        return _of_spec(name, loads(content, file), stack)
    return _of_reading(name, read_texts(given, namespace), cni)


def _is_spec(head: str) -> bool:
    lines = head.removeprefix("\ufeff").splitlines()
    return any(line.startswith("apiVersion:") and _API_GROUP in line for line in lines)


def _of_reading(name: str, reading: Reading, cni: str | None) -> Source:
    reading = with_cni(reading, cni)
    said = (*reading.diagnostics, *missing(reading.inventory))
    return Source(name, reading.inventory, reading.locate, said, reading.skipped)


def with_cni(reading: Reading, cni: str | None) -> Reading:
    """With what the CNI does differently: the one that the user names, otherwise the one that its objects show."""
    name = cni or reading.cni
    return replace(reading, cni=name, inventory=replace(reading.inventory, dialect=DIALECTS.get(name or "")))


def _of_spec(name: str, loaded: "LoadedSpec", stack: str | None) -> Source:
    from netspec.backends.registry import REGISTRY
    from netspec.compiler import compile_spec

    stacks = sorted(loaded.spec.stacks) if loaded.spec is not None else []
    if stack is None and len(stacks) != 1 and loaded.spec is not None:
        raise Problem(f"{name} has {len(stacks)} stacks", f"choose one with --stack: {', '.join(stacks)}")
    result = compile_spec(loaded, stack or (stacks[0] if stacks else ""), REGISTRY)
    inventory = result.ir.inventory if result.ir is not None else Inventory()
    return Source(name, inventory, lambda place: place.position, result.diagnostics)


# A git revision


def _revision(name: str) -> Iterator[tuple[str, str | Broken]]:
    """The files that would be read on disk, in their order: links are followed, hidden directories left out."""
    revision, _, path = name.partition(":")
    path = os.path.relpath(path) if posixpath.isabs(path) else path
    kind, found = _follow(revision, path)
    if kind == "blob":
        files = [(path, kind, found)]
    elif kind == "tree":
        files = list(_tree(revision, path, found))
    else:
        _git("cat-file", "-e", revision)  # says so where it is the revision that is not there
        files = []
    if not files:
        raise Problem(f"there is nothing at {name}", "name a path, or revision:path with a path from here")
    for file, kind, found in files:
        if kind == "blob":
            yield f"{revision}:{file}", decode(_git("cat-file", "blob", found))
        elif kind == "nothing":
            yield f"{revision}:{file}", Broken("is a link to what the revision does not have", 1)


def _tree(revision: str, path: str, tree: str) -> Iterator[tuple[str, str, str]]:
    """(path, type, object id) of each file below a directory."""
    listed = _git("ls-tree", "-r", "-z", "--full-tree", tree).decode(errors="replace").split("\0")
    entries = [(*head.split(), file) for head, _, file in (line.partition("\t") for line in listed if line)]
    for mode, kind, found, file in sorted(entries, key=lambda entry: _walked(entry[-1])):
        *folders, last = file.split("/")
        if last.endswith(SUFFIXES) and not any(folder.startswith(".") for folder in folders):
            full = posixpath.join(path, file)
            yield (full, *(_follow(revision, full) if mode == _LINK else (kind, found)))


def _walked(file: str) -> list[tuple[bool, str]]:
    """Sorts as a directory is read: its files, then its directories."""
    *folders, last = file.split("/")
    return [*((True, folder) for folder in folders), (False, last)]


def _follow(revision: str, path: str) -> tuple[str, str]:
    """The type and id of what is at a path, links followed; "nothing" where nothing is."""
    asked = f"{revision}:./{path}\n".encode()
    words = _git("cat-file", "--batch-check=%(objecttype) %(objectname)", "--follow-symlinks", given=asked).split()
    return (words[0].decode(), words[1].decode()) if words[0] in (b"blob", b"tree", b"commit") else ("nothing", "")


def _git(*arguments: str, given: bytes = b"") -> bytes:
    try:
        done = subprocess.run(["git", *arguments], input=given, capture_output=True, timeout=_GIT_TIMEOUT)
    except FileNotFoundError:
        raise Problem("git is not installed", "install it, or name files") from None
    except subprocess.TimeoutExpired:
        raise Problem(f"git {arguments[0]} took longer than {_GIT_TIMEOUT} s", "try again") from None
    if done.returncode:
        words = done.stderr.decode(errors="replace").strip().splitlines() or ["it failed"]
        raise Problem(f"git: {words[0]}", "name a path that exists, or revision:path")
    return done.stdout


# A live cluster

#: Of kubectl api-resources, at least.
_COLUMNS = 4


def _cluster(kubeconfig: str, context: str | None) -> Iterator[tuple[str, str | Broken]]:
    # One document a kind and object would say nothing of where it is; the kubeconfig stands for the file.
    for item in json.loads(_objects_of(_command(kubeconfig, context))).get("items", ()):
        yield kubeconfig, json.dumps(item)


def whole_cluster(kubeconfig: str, context: str | None) -> Iterator[tuple[str, str]]:
    """What `_cluster` reads as one list, and what says how the cluster was made: ServiceCIDRs, kubeadm's ConfigMap."""
    command = _command(kubeconfig, context)
    yield kubeconfig, _objects_of(command, "servicecidrs.networking.k8s.io")
    named = ("configmap", "kubeadm-config", "--namespace=kube-system", "--ignore-not-found")
    try:
        text = _kubectl(command, "get", *named, "--output=json")
    except Problem:  # not everybody may read it
        return
    if text.strip():
        yield "kubeadm-config", text


def _command(kubeconfig: str, context: str | None) -> list[str]:
    from netspec.toolchain.find import find

    return [str(find("kubectl").path), f"--kubeconfig={kubeconfig}", *([f"--context={context}"] if context else [])]


def _objects_of(command: list[str], *also: str) -> str:
    """A list of all objects that say who reaches whom, and of these resources, as far as the cluster has them."""
    rows = [row.split() for row in _kubectl(command, "api-resources", "--verbs=list", "--no-headers").splitlines()]
    # NAME, SHORTNAMES where there are some, APIVERSION, NAMESPACED, KIND
    served = [(row[0], row[-3], row[-1]) for row in rows if len(row) >= _COLUMNS]
    wanted = resources(served) + [r for r in also if r in map(full_name, served)]
    return _kubectl(command, "get", ",".join(wanted), "--all-namespaces", "--output=json")


def _kubectl(command: list[str], *arguments: str) -> str:
    from netspec.toolchain import programs

    done = programs.run([*command, *arguments], limit=_KUBECTL_TIMEOUT)
    if done.returncode == programs.TIMED_OUT:
        said = f"kubectl {arguments[0]} took longer than {_KUBECTL_TIMEOUT} s"
        raise Problem(said, "is the cluster reachable?")
    if done.returncode:
        said = f"kubectl {arguments[0]}: {programs.last_line(done.stderr)}"
        raise Problem(said, "check the kubeconfig and what its user may list")
    return done.stdout
