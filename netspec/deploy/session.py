"""Driving the project's Pulumi stack through the Automation API.

Its work directory is .netspec/pulumi, with a copy of the stack's configuration: what Pulumi writes into that file (the
salt of the passphrase) never changes a committed one. The program is netspec.deploy.program.apply, the same that
netspec.program runs for `pulumi up` by hand; project, stack and state are the same too.
"""

import contextlib
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pulumi.automation import EngineEvent, LocalWorkspace, OutputMap, Stack, UpdateSummary
from pulumi.automation._stack import StackInitMode
from pulumi.automation.errors import CommandError, ConcurrentUpdateError, StackNotFoundError

from netspec.deploy import cut, drift, health, kind, leftovers, releases
from netspec.deploy.command import Command
from netspec.deploy.events import Event, Message, translate
from netspec.deploy.explain import explain
from netspec.deploy.program import apply
from netspec.diagnostics import Problem
from netspec.plan import Plan, ResourceNode
from netspec.toolchain import engine, project

#: Operations at a time. Most of each is waiting, for the API server or for something to be ready.
PARALLEL = 32
#: What Pulumi itself writes into a stack's configuration file.
_SALT = "encryptionsalt"
_PULUMI_KEYS = (_SALT, "secretsprovider", "encryptedkey")
#: The type token of netspec.deploy.cluster.KindCluster.
CLUSTER_TYPE = "pulumi-python:dynamic/netspec:KindCluster"

OnEvent = Callable[[Event], None]
Say = Callable[[str], None]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Applied:
    """What a stack has in its state. `objects` are the Kubernetes objects as they were declared, `cluster` the inputs
    of the kind cluster they are on, {} for none (netspec.deploy.cluster). `network`: what the last whole apply was of
    (netspec.plan.Plan), {} before one."""

    resources: tuple[str, ...]
    objects: tuple[Mapping[str, Any], ...] = ()
    cluster: Mapping[str, Any] = field(default_factory=dict)
    network: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """`changes`: how many resources had which operation. `differences`: objects that somebody else had changed since
    the last apply, which are set back; None when nobody looked, or the cluster did not answer."""

    changes: Mapping[str, int]
    differences: tuple[drift.Difference, ...] | None = None


class _Stack(Stack):
    """Runs Pulumi once for an operation, and not three times more for outputs and history that nobody reads."""

    def outputs(self) -> OutputMap:
        return {}

    def info(self, show_secrets: bool = True) -> UpdateSummary:
        return UpdateSummary("", datetime.now(UTC), "", {}, {}, "")


class Session:
    """One stack; `spec` is recorded as its spec file, relative to the project. Call `toolchain.activate` first."""

    def __init__(self, stack: str, spec: str | None, say: Say) -> None:
        self._name, self._say = stack, say
        self._work_dir = prepare(stack, spec)
        self._errors: list[str] = []
        self._counted: Mapping[str, int] = {}
        self._adopted = False

    def up(self, plan: Plan, on_event: OnEvent, on_output: Say, refresh: bool = True) -> Outcome:
        """Apply. `refresh`: look for what somebody else changed, and set it back."""
        with self._working(create=True, plan=plan) as stack:
            return self._changing(stack, plan, stack.up, True, on_event, on_output, refresh)

    def preview(self, plan: Plan, on_event: OnEvent, on_output: Say, refresh: bool = True) -> Outcome:
        """What `up` would do: nothing is set back, and the state stays what it is."""
        with self._working(create=True, plan=plan) as stack:
            return self._changing(stack, plan, stack.preview, False, on_event, on_output, refresh)

    def _changing(
        self,
        stack: Stack,
        plan: Plan,
        operation: Callable[..., object],
        set_back: bool,
        on_event: OnEvent,
        on_output: Say,
        refresh: bool,
    ) -> Outcome:
        differences, others = self._look(stack, plan, set_back) if refresh else (None, False)
        elsewhere = any(isinstance(node, ResourceNode) and node.provider for node in plan.nodes)
        failed = self._failed(stack, plan, refresh) if elsewhere else []
        if set_back:
            cut.keep(self._name, plan)
        self._again(
            lambda: operation(
                refresh=others or self._adopted or (refresh and elsewhere),
                replace=failed or None,
                parallel=PARALLEL,
                on_event=self._relay(on_event),
                on_output=on_output,
                suppress_outputs=True,
            )
        )
        if elsewhere and set_back and set(self._counted) - {"same"}:
            health.wait(plan, self._state(stack))
        return Outcome(self._counted, differences)

    def _failed(self, stack: Stack, plan: Plan, ask: bool) -> list[str]:
        """What is to be made again: by the state, and by what the provider says. Raises `Problem` for a provider that
        is set up otherwise than may be."""
        state = self._state(stack)
        cut.refuse_moved(plan, state)
        failed = dict.fromkeys(health.failed_in(state), "was not made as it should be")
        for ailing in health.settled(plan, state, self._say) if ask else ():
            failed.setdefault(ailing.urn, f"is {ailing.state} ({ailing.why})" if ailing.why else f"is {ailing.state}")
        for urn, how in failed.items():
            self._say(f"{urn.rpartition('::')[2]} {how}: it is made again")
        return health.with_objects(plan, list(failed), state)

    def down(self, on_event: OnEvent, on_output: Say) -> Mapping[str, int]:
        """Destroy, and remove what a cut run made and could not record; nothing to do for a stack never made."""
        try:
            with self._working(create=False, plan=None) as stack:
                if self._adopted:
                    self._again(lambda: stack.refresh(on_output=on_output))
                self._again(lambda: stack.destroy(on_event=self._relay(on_event), on_output=on_output))
                kind.remove_all_of(f"{project.owner()}/{self._name}", self._say)
            changes = self._counted
        except StackNotFoundError:
            changes = {}
        forget_spec(self._name)
        cut.forget(self._name)
        engine.forget(self._name)
        return changes

    def applied(self) -> Applied | None:
        """What the state holds, None for a stack that was never made."""
        try:
            state = self._state(self._stack(create=False, plan=None)).get("deployment")
        except StackNotFoundError:
            return None
        except CommandError as error:
            raise self._explained(error) from error
        resources = (state or {}).get("resources") or []
        found = [
            r for r in resources if r.get("custom") and "id" in r and not r["type"].startswith("pulumi:providers:")
        ]
        outputs = next((r.get("outputs") or {} for r in resources if r["type"] == "pulumi:pulumi:Stack"), {})
        return Applied(
            tuple(r["urn"] for r in found),
            tuple(r["inputs"] for r in found if r["type"].startswith("kubernetes:") and r["type"] != releases.TOKEN),
            next((r["inputs"] for r in found if r["type"] == CLUSTER_TYPE and not r.get("delete")), {}),
            outputs.get("network") or {},
        )

    def _look(self, stack: Stack, plan: Plan, set_back: bool) -> tuple[tuple[drift.Difference, ...] | None, bool]:
        """What somebody else changed, and whether Pulumi has to refresh its state for some of it.

        The first thing that is asked of the cluster: when it does not answer, why is for the apply to find.
        """
        kubeconfig, kept = drift.kept_in(self._pulumi(stack, "stack", "export", "--show-secrets"))
        planned = releases.planned(plan.nodes)
        if kubeconfig is None or not (kept or planned):
            return (), False
        objects = [k for k in kept if k.type != releases.TOKEN]
        with tempfile.NamedTemporaryFile("w", dir=project.scratch_dir(self._name), suffix=".kubeconfig") as file:
            file.write(kubeconfig)  # mode 0600
            file.flush()
            found = drift.look(file.name, objects) if objects else []
            others = releases.look(file.name, [k for k in kept if k.type == releases.TOKEN], planned)
            if found is None or others is None:
                self._say("the cluster does not answer: nobody looks for what was changed in it")
                return None, False
            rest = drift.set_back(file.name, found) if set_back and found else [d for d in found if d.is_other]
            for difference in others if set_back else ():
                releases.set_back(file.name, difference)
        return (*found, *others), bool(rest or any(d.kept.left for d in others))

    @contextlib.contextmanager
    def _working(self, create: bool, plan: Plan | None) -> Iterator[Stack]:
        with leftovers.exclusive(self._name, self._say) as was_killed:
            self._errors.clear()
            try:
                stack = self._stack(create, plan)
                if was_killed:
                    self._forget_pending(stack)
                yield stack
            except StackNotFoundError:
                raise
            except CommandError as error:
                raise self._explained(error) from error

    def _stack(self, create: bool, plan: Plan | None) -> Stack:
        workspace = LocalWorkspace(
            work_dir=str(self._work_dir),
            program=(lambda: apply(plan)) if plan else None,
            env_vars=self._environment(plan),
            pulumi_command=Command(self._say),
        )
        return _Stack(self._name, workspace, StackInitMode.CREATE_OR_SELECT if create else StackInitMode.SELECT)

    def _environment(self, plan: Plan | None) -> dict[str, str]:
        env = {leftovers.MARK: leftovers.mark(self._name), "TMPDIR": str(project.scratch_dir(self._name))}
        if plan and plan.found_again:
            # With state of one's own the engine writes all of it at each step (pulumi#10960): most of what it does.
            env["PULUMI_SKIP_CHECKPOINTS"] = "true"
        return env

    def _again(self, operation: Callable[[], T]) -> T:
        """Once more when a lock is in the way whose process is gone."""
        try:
            return operation()
        except ConcurrentUpdateError as error:
            if not leftovers.is_stale(str(error)):
                raise
            self._say("removing the lock that a killed run left on the stack")
            self._stack(create=False, plan=None).cancel()
            self._errors.clear()
            return operation()

    def _forget_pending(self, stack: Stack) -> None:
        """Take over what a cut run made and did not record, as far as it can be found, and drop the rest of what it
        left pending: each resource's own create and delete converge from there."""
        state = self._state(stack)
        pending = (state.get("deployment") or {}).pop("pending_operations", None)
        if not pending:
            return
        self._adopted = cut.adopt(self._name, state, pending, self._say)
        with tempfile.NamedTemporaryFile("w", dir=project.scratch_dir(self._name), suffix=".json") as file:
            json.dump(state, file)
            file.flush()
            self._again(lambda: self._pulumi(stack, "stack", "import", "--file", file.name))

    def _state(self, stack: Stack) -> dict[str, Any]:
        """The stack's state with its secrets as they are stored; the Automation API's own has them in plain text."""
        state: dict[str, Any] = json.loads(self._pulumi(stack, "stack", "export"))
        return state

    def _pulumi(self, stack: Stack, *words: str) -> str:
        command = stack.workspace.pulumi_command
        return command.run([*words, "--stack", stack.name], stack.workspace.work_dir, stack.workspace.env_vars).stdout

    def _relay(self, on_event: OnEvent) -> Callable[[EngineEvent], None]:
        self._counted = {}

        def relay(event: EngineEvent) -> None:
            if event.summary_event:
                self._counted = _counts(event.summary_event.resource_changes)
            for translated in translate(event):
                if isinstance(translated, Message) and translated.severity == "error":
                    self._errors.append(translated.text)
                on_event(translated)

        return relay

    def _explained(self, error: CommandError) -> Problem:
        return explain(self._name, str(error), self._errors)


def prepare(stack: str, spec: str | None) -> Path:
    """Write the work directory's project and stack files; what Pulumi needs of what it added to the latter is kept."""
    directory = project.work_dir()
    directory.mkdir(exist_ok=True)
    _write(directory / "Pulumi.yaml", {"name": project_name(), "runtime": "python"})
    file = project.work_file(stack)
    before, committed = project.read_yaml(file), project.read_yaml(project.stack_file(stack))
    kept = {key: value for key, value in before.items() if key in _PULUMI_KEYS}
    if project.has_own_passphrase():
        # Pulumi finds the salt that belongs to it in the state. One in a file may be of another checkout's passphrase,
        # or of one that is gone.
        kept.pop(_SALT, None)
        committed.pop(_SALT, None)
    settings = {"config": before.get("config") or {}} | kept | committed
    if spec is not None:
        settings["config"] = (settings.get("config") or {}) | {project.SPEC_KEY: spec}
    _write(file, settings)
    return directory


def forget_spec(stack: str) -> None:
    """A stack that is destroyed may be made from another spec."""
    settings = project.read_yaml(project.work_file(stack))
    (settings.get("config") or {}).pop(project.SPEC_KEY, None)
    _write(project.work_file(stack), settings)


def project_name() -> str:
    return str(project.read_yaml(project.root() / "Pulumi.yaml").get("name"))


def _write(file: Path, content: Mapping[str, Any]) -> None:
    if project.read_yaml(file) != content:
        temporary = file.with_suffix(".new")
        temporary.write_text(yaml.safe_dump(dict(content)), encoding="utf-8")
        temporary.rename(file)


def _counts(changes: Mapping[Any, int] | None) -> dict[str, int]:
    return {getattr(operation, "value", str(operation)): count for operation, count in (changes or {}).items()}
