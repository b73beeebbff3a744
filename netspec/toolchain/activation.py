"""Putting the programs, the engine and Pulumi's settings in reach of this process and everything it starts."""

import os
import sys
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from netspec.diagnostics import Problem
from netspec.toolchain import engine, project
from netspec.toolchain.engine import Engine, kind_overrides
from netspec.toolchain.find import TOOL_NAMES, Found, Say, find, say, with_plugin

__all__ = ["Tools", "activate", "kind_overrides"]


@dataclass(frozen=True, slots=True)
class Tools:
    """What was found: the programs asked for, the Docker client and the engine it talks to. `notes`: what was passed
    over, and why; for a log."""

    programs: Mapping[str, Found]
    docker: Path | None
    engine: Engine
    notes: tuple[str, ...] = ()

    @property
    def kind(self) -> Path:
        return self.programs["kind"].path

    @property
    def kubectl(self) -> Path:
        return self.programs["kubectl"].path

    @property
    def pulumi(self) -> Path:
        return self.programs["pulumi"].path

    @property
    def sources(self) -> Mapping[str, str]:
        return {name: found.source for name, found in self.programs.items()}


_active: Tools | None = None


def activate(
    components: Sequence[str] = TOOL_NAMES,
    report: Say = say,
    start: bool = True,
    install: bool = True,
    images: Collection[str] = (),
    with_engine: bool = True,
) -> Tools:
    """Find the programs, downloading or building what is missing, and set this process's environment to use them.

    With the private engine this moves the calling thread into its network namespace, out of which nothing else is
    reachable: call it from the main thread, before any other thread starts. `start` False leaves a private engine
    that does not run as it is, `with_engine` False takes the one that is there, or none; `install` False forbids
    installing system packages for it. `images`: what nodes will pull, which a private engine must have built. A second
    call does nothing more than to look for further programs. Raises `Problem`.
    """
    global _active
    if _active and set(components) <= set(_active.programs):
        return _active
    project.root()  # without one, nothing is downloaded first
    chosen = _active.engine if _active else engine.choose() if with_engine else engine.present()
    start = start and with_engine
    if chosen == "private" and start:
        engine.allow_packages(install, report, images)
    notes = list(_active.notes) if _active else []
    programs = {name: find(name, report, notes.append) for name in components}
    if chosen == "private" and "pulumi" in programs:
        # Its network namespace cannot download a plugin any more.
        programs["pulumi"] = with_plugin(programs["pulumi"], report)
    if chosen == "private" and start:
        engine.start_private(report, images)
    docker = engine.docker_client(chosen)
    linked = {name: found.path for name, found in programs.items()}
    set_environment(linked | ({"docker": docker} if docker else {}), chosen)
    if chosen == "private" and engine.private_runs():
        engine.enter_private()
    _active = Tools({**(_active.programs if _active else {}), **programs}, docker, chosen, tuple(notes))
    return _active


def set_environment(programs: Mapping[str, Path], chosen: Engine) -> None:
    """What every program that is started from here on finds: PATH, the engine, Pulumi's settings. Raises `Problem`."""
    # The interpreter's directory, since Pulumi starts `python3` from PATH, whatever its virtualenv option says; then
    # Pulumi's, for the language host and the plugins beside it.
    first = [_linked(programs), Path(sys.executable).parent]
    first += [programs["pulumi"].parent] if "pulumi" in programs else []
    path = [*map(str, first), *os.environ.get("PATH", os.defpath).split(os.pathsep)]
    os.environ["PATH"] = os.pathsep.join(dict.fromkeys(path))
    os.environ["NETSPEC_PYTHON"] = sys.executable
    os.environ[project.VARIABLE] = str(project.root())  # whatever directory what is started works in
    os.environ[engine.VARIABLE] = chosen
    os.environ["PULUMI_SKIP_UPDATE_CHECK"] = "1"
    # A stack file without a salt is then no reason to make a new one.
    os.environ["PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER"] = "true"
    if chosen == "private":
        os.environ["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] = "1"
        os.environ.update(engine.plugin_settings())
    if state := project.state_dir():
        state.mkdir(mode=0o700, exist_ok=True)
        os.environ["PULUMI_BACKEND_URL"] = state.as_uri()  # a # in the path would end it
    if "PULUMI_CONFIG_PASSPHRASE" not in os.environ:
        given = os.environ.setdefault("PULUMI_CONFIG_PASSPHRASE_FILE", str(project.passphrase_file()))
        if not Path(given).is_file():
            raise Problem(
                f"PULUMI_CONFIG_PASSPHRASE_FILE names {given}, which is not a file",
                "correct it, or unset it to let netspec keep a passphrase of its own in .netspec/",
            )


def _linked(programs: Mapping[str, Path]) -> Path:
    """The directory that is first on PATH: what was found, under the name it is run by, and nothing that lies beside
    it. Each link is there or the one before is, at any moment: another command may be starting the same program."""
    folder = project.bin_dir()
    folder.mkdir(exist_ok=True)
    for name, path in programs.items():
        link = folder / name
        if not link.is_symlink() or link.readlink() != path:
            with tempfile.TemporaryDirectory(dir=folder) as scratch:
                (Path(scratch) / name).symlink_to(path)
                (Path(scratch) / name).rename(link)
    return folder
