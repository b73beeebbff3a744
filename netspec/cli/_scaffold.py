"""The files of a new project: what `netspec init` writes."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from netspec.diagnostics import Problem

#: The editor's copy of the JSON Schema, beside the specs: it works offline, and for whoever has only the repository.
SCHEMA = "netspec.schema.json"
#: What a YAML language server reads in a file's first line.
MODELINE = f"# yaml-language-server: $schema={SCHEMA}\n"

_IGNORED = (".netspec/", "out/", "__pycache__/")
_PROJECT = """\
name: {name}
description: A cluster's network, declared in one file
runtime: python
stackConfigDir: stacks
"""
_PROGRAM = '''"""The Pulumi program: the spec that the stack's configuration names, compiled and applied."""
from netspec.program import main
main()
'''
_EXAMPLE = """\
# What the cluster's network must be. Check it: netspec check stacks/{name}.yaml
apiVersion: netspec.dev/v1alpha1
kind: NetworkSpec
metadata: {{name: {name}}}

network:
  podCIDRs: [10.244.0.0/16]
  serviceCIDRs: [10.96.0.0/16]

namespaces:
  # Nothing goes in or out of its pods until a policy opens it; names can be looked up.
  - {{name: shop, defaultDeny: [ingress, egress], allowDNS: true}}

workloads:
  # `standIn` deploys pods that answer on these ports. Leave it out where your own pods have the labels.
  - {{name: web, namespace: shop, labels: {{app: web}}, ports: [{{name: http, port: 8080}}], standIn: true}}
  - {{name: api, namespace: shop, labels: {{app: api}}, ports: [{{name: http, port: 8080}}], standIn: true}}

services:
  - {{name: api, namespace: shop, selector: {{app: api}}, ports: [{{port: 80, targetPort: http}}]}}

policies:
  # Each opens one way, on both sides.
  - {{name: customers, from: outside, to: {{workload: shop/web}}, ports: [8080/TCP]}}
  - {{name: web-to-api, from: {{workload: shop/web}}, to: {{service: shop/api}}}}

expectations:
  # What must hold, whatever the policies say.
  - {{from: shop/api, to: shop/web:8080, expect: deny}}
  - {{from: outside, to: shop/api:8080, expect: deny}}

stacks:
  # One entry an environment. The name is that of stacks/Pulumi.<name>.yaml and of --stack.
  dev:
    cluster: {{type: kind, workers: 2}}
    cni: {{provider: calico}}
"""


@dataclass(frozen=True, slots=True)
class FirstSpec:
    """A project's spec, the stack it is tried with, and what its reader must know of it (one line each). `is_wanted`:
    it is written into a project that has specs, too."""

    text: str
    stack: str
    notes: tuple[str, ...] = ()
    is_wanted: bool = False


@dataclass(frozen=True, slots=True)
class Written:
    """What `write` did. `left`: files that were there, with what they may lack. `spec` None: none was written, for the
    project has specs; `is_new`: it had none."""

    directory: Path
    made: tuple[Path, ...]
    left: tuple[tuple[Path, str], ...]
    spec: Path | None
    first: FirstSpec
    is_new: bool = True

    def lines(self) -> Iterator[str]:
        yield from (f"wrote   {self.directory / file}" for file in self.made)
        for file, lacks in self.left:
            yield f"kept    {self.directory / file}" + (f" ({lacks})" if lacks else "")
        if self.spec is None:
            return
        yield from self.first.notes
        yield "next:"
        if self.directory != Path():
            yield f"  cd {self.directory}"
        yield f"  netspec check {self.spec}"
        yield f"  netspec matrix {self.spec} --stack {self.first.stack}"
        if self.is_new:
            yield f"  netspec up --stack {self.first.stack}"


def example(name: str) -> FirstSpec:
    """A small spec with a comment on each of its parts."""
    return FirstSpec(_EXAMPLE.format(name=name), "dev")


def project_name(directory: Path, given: str | None) -> str:
    """The name of project and spec: a DNS label of at most 30 characters. Raises `Problem` for a given one that is not.

    >>> project_name(Path("/srv/My shop_network"), None)
    'my-shop-network'
    """
    if given is not None:
        if not re.fullmatch(r"[a-z]([a-z0-9-]{0,28}[a-z0-9])?", given):
            hint = "use at most 30 lower-case letters, digits and hyphens; begin with a letter"
            raise Problem(f"{given!r} is not a project's name", hint)
        return given
    plain = re.sub(r"[^a-z0-9]+", "-", directory.resolve().name.lower())
    return re.sub(r"^[^a-z]+", "", plain)[:30].strip("-") or "network"


def check(directory: Path) -> None:
    """Raises `Problem` where a project cannot be made, before anything is written."""
    from netspec.toolchain.project import why_not_ours

    if directory.exists() and not directory.is_dir():
        raise Problem(f"{directory} is not a directory", "name another one")
    reason = why_not_ours(directory)
    elsewhere = "give netspec a folder of its own: netspec init network"
    if reason:
        raise Problem(f"{directory / 'Pulumi.yaml'} is of another Pulumi project: {reason}", elsewhere)
    if reason is not None and (directory / "__main__.py").exists():
        raise Problem(f"{directory / '__main__.py'} is another program, and Pulumi would run it", elsewhere)


def check_free(directory: Path, spec: Path) -> None:
    """Raises `Problem` where the spec is there."""
    if (directory / spec).exists():
        raise Problem(f"{directory / spec} is there already", "choose another name with --name")


def write(directory: Path, name: str, first: FirstSpec) -> Written:
    """Writes each file that is not there. Raises `Problem` where that is not possible."""
    from netspec.backends.registry import REGISTRY
    from netspec.spec.schema import render

    stacks = directory / "stacks"
    is_new = not any(stacks.glob("Pulumi.*.yaml"))
    spec = Path("stacks") / f"{name}.yaml"
    is_written = is_new or first.is_wanted
    if is_written:
        check_free(directory, spec)
    files = {
        Path("Pulumi.yaml"): _PROJECT.format(name=name),
        Path("__main__.py"): _PROGRAM,
        Path(".gitignore"): "".join(f"{line}\n" for line in _IGNORED),
        Path("stacks") / SCHEMA: render(REGISTRY),
    }
    if is_written:
        files[spec] = MODELINE + first.text
    if is_new:
        files[Path("stacks") / f"Pulumi.{first.stack}.yaml"] = f"config:\n  netspec:spec: {spec}\n"
    made, left = [], []
    try:
        stacks.mkdir(parents=True, exist_ok=True)
        for file, text in files.items():
            try:
                with (directory / file).open("x", encoding="utf-8") as out:
                    out.write(text)
                made.append(file)
            except FileExistsError:
                left.append((file, _lacks(directory / file)))
    except OSError as error:
        raise Problem(f"the project cannot be written: {error}", "name another directory") from error
    return Written(directory, tuple(made), tuple(left), spec if is_written else None, first, is_new)


def _lacks(file: Path) -> str:
    """What the user may want to add to a file that was there."""
    if file.name != ".gitignore":
        return ""
    present = {line.strip().strip("/") for line in file.read_text(encoding="utf-8", errors="replace").splitlines()}
    missing = [line for line in _IGNORED if line.strip("/") not in present]
    return f"it does not ignore {' '.join(missing)}" if missing else ""
