"""Go programs from their modules: a small go.mod of ours that requires the module, then `go build`."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from airgap.component import PACKAGE, Component, Context
from airgap.errors import AirgapError

#: No cgo, no toolchain downloads; the checksum database stays on.
GO_ENV = {"GOTOOLCHAIN": "local", "CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false -mod=mod", "GOWORK": "off"}
#: What the newest of the modules that a default stack needs asks for: the `go` line of
#: github.com/pulumi/pulumi/pkg/v3. A module that asks for more is refused by itself, where it is built.
MINIMUM_GO = (1, 25, 11)


@dataclass(frozen=True, slots=True)
class GoBuild:
    """How to build programs of one module.

    `programs` maps the name of each executable to its package, relative to the module. A replace
    in the module's own go.mod is honoured only in the main module, so `inherit` copies its requires
    and replaces into ours, and its checksums (go.sum), which are vouched for with the module itself;
    with `staging`, every module it replaces by a local path is taken from the registry at that version
    instead. `main` is a directory of ours under airgap/src that holds the main package (then `programs`
    is ignored).
    """

    module: str = ""
    version: str = ""
    programs: tuple[tuple[str, str], ...] = ()
    tags: str = ""
    stamps: tuple[tuple[str, str], ...] = ()
    replaces: tuple[str, ...] = ()
    inherit: bool = False
    staging: str = ""
    main: str = ""


@dataclass(frozen=True, slots=True)
class PartialBuild(GoBuild):
    """One of whose module packages are left out that need cgo and that nobody misses."""

    emptied: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GoBuildWithModules(GoBuild):
    """One that needs modules which are published nowhere: `modules` are directories of ours under airgap/src, copied
    beside our go.mod under their own names; `replaces` name them as "./name"."""

    modules: tuple[str, ...] = ()


def minimum_go() -> str:
    """The oldest Go that builds everything, in words.

    >>> minimum_go()
    '1.25.11'
    """
    return ".".join(map(str, MINIMUM_GO))


def check_go() -> None:
    """Raise `AirgapError` unless a Go toolchain that can build everything is on PATH."""
    hint = f"install Go {minimum_go()} or newer and put its bin directory on PATH"
    if shutil.which("go") is None:
        raise AirgapError("building the components needs the Go toolchain, and no `go` is on PATH", hint)
    text = subprocess.run(["go", "env", "GOVERSION"], capture_output=True, text=True, check=False).stdout.strip()
    found = re.match(r"go(\d+)\.(\d+)(?:\.(\d+))?", text)
    if not found or tuple(int(part or 0) for part in found.groups()) < MINIMUM_GO:
        raise AirgapError(f"the `go` on PATH is too old for the components: {text or 'unknown version'}", hint)


def go_caches() -> tuple[Path, Path]:
    """Go's build cache and module cache."""
    out = subprocess.run(["go", "env", "GOCACHE", "GOMODCACHE"], capture_output=True, text=True, check=True).stdout
    build, modules = out.split("\n")[:2]
    return Path(build), Path(modules)


def go_mod_text(build: GoBuild, own: Mapping[str, object]) -> str:
    """The go.mod of ours. `own` is the module's own go.mod as `go mod edit -json` prints it."""
    lines = ["module netspec.dev/airgap/build", ""]
    lines.append(f"go {own.get('Go', minimum_go())}")
    if build.module:
        lines.append(f"require {build.module} {build.version}")
    overridden = {line.split("=>")[0].split()[0] for line in build.replaces}
    if build.inherit:
        for item in _items(own, "Require"):
            lines.append(f"require {item['Path']} {item['Version']}")
    if build.inherit or build.staging:
        for item in _items(own, "Replace"):
            old, new = item["Old"], item["New"]
            if old["Path"] in overridden:
                continue
            left = " ".join(filter(None, (old["Path"], old.get("Version"))))
            if new.get("Version"):
                lines.append(f"replace {left} => {new['Path']} {new['Version']}")
            elif build.staging:
                lines.append(f"replace {left} => {old['Path']} {build.staging}")
    if build.inherit:
        lines += [f"exclude {item['Path']} {item['Version']}" for item in _items(own, "Exclude")]
    lines += [f"replace {line}" for line in build.replaces]
    return "\n".join(lines) + "\n"


def _items(own: Mapping[str, object], key: str) -> list[dict[str, dict[str, str]]]:
    found = own.get(key)
    return found if isinstance(found, list) else []


def _own_go_mod(build: GoBuild) -> dict[str, object]:
    if not build.module:
        return {}
    env = {**os.environ, **GO_ENV}
    command = ["go", "mod", "download", "-json", f"{build.module}@{build.version}"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    answer = json.loads(done.stdout or "{}")
    if done.returncode or "GoMod" not in answer:
        raise AirgapError(
            f"the module {build.module} {build.version} cannot be downloaded: "
            f"{str(answer.get('Error') or done.stderr).strip()[:300]}",
            "check that the Go module proxy (`go env GOPROXY`) is reachable, then run the build again",
        )
    text = subprocess.run(
        ["go", "mod", "edit", "-json", answer["GoMod"]], env=env, capture_output=True, text=True, check=True
    ).stdout
    parsed: dict[str, object] = json.loads(text)
    return parsed


def workspace(context: Context, build: GoBuild) -> Path:
    """A directory with the go.mod of ours, in which `go` builds what it names."""
    work = context.out / "work"
    work.mkdir()
    for path in build.modules if isinstance(build, GoBuildWithModules) else ():
        shutil.copytree(PACKAGE / path, work / Path(path).name)
    text = go_mod_text(build, _own_go_mod(build))
    if isinstance(build, PartialBuild):
        text += f"replace {build.module} => ./{_without(context, build, work / 'module').name}\n"
    (work / "go.mod").write_text(text)
    if build.inherit:
        shutil.copyfile(context.go_module(f"{build.module}@{build.version}") / "go.sum", work / "go.sum")
    return work


def go_build(context: Context, build: GoBuild, name: str) -> None:
    """Build the programs into `context.out/bin`."""
    work = workspace(context, build)
    bin_dir = context.out / "bin"
    bin_dir.mkdir(exist_ok=True)
    flags = "-s -w " + " ".join(f"-X {variable}={value}" for variable, value in build.stamps)
    command = ["go", "build", "-trimpath", "-ldflags", flags.strip()]
    if build.tags:
        command += ["-tags", build.tags]
    if build.main:
        shutil.copytree(PACKAGE / build.main, work, dirs_exist_ok=True)
        context.run([*command, "-o", bin_dir / name, "."], cwd=work, env=GO_ENV)
    else:
        packages = {program: f"{build.module}/{path}".rstrip("/") for program, path in build.programs}
        built = context.out / "built"
        context.run([*command, "-o", f"{built}/", *packages.values()], cwd=work, env=GO_ENV)
        for program, package in packages.items():
            (built / _default_name(package)).rename(bin_dir / program)
        shutil.rmtree(built)
    shutil.rmtree(work)


def _without(context: Context, build: PartialBuild, copy: Path) -> Path:
    """A copy of the module in which the packages that are left out are empty: Go takes no overlay of its cache."""
    shutil.copytree(context.go_module(f"{build.module}@{build.version}"), copy, copy_function=shutil.copyfile)
    for package in build.emptied:
        directory = copy / package
        directory.chmod(0o755)
        for file in directory.iterdir():
            file.unlink()
        (directory / "empty.go").write_text(f"package {directory.name}\n")
    return copy


def _default_name(package: str) -> str:
    """The name `go build` gives a program: the last element of its path that is not a major version."""
    parts = package.split("/")
    return parts[-2] if re.fullmatch(r"v\d+", parts[-1]) else parts[-1]


def go_component(
    name: str, version: str, build: GoBuild, *, go_disk: float, disk: float = 0.2, sources: tuple[str, ...] = ()
) -> Component:
    """A component whose output is `bin/` with the programs of `build`."""

    def recipe(context: Context) -> None:
        go_build(context, build, name)

    own: tuple[str, ...] = (build.main,) if build.main else ()
    own += build.modules if isinstance(build, GoBuildWithModules) else ()
    return Component(name, version, recipe, sources=own + sources, definition=build, disk=disk, go_disk=go_disk)
