"""The stacks besides the default one: brought up, verified and taken down, as many as fit CI's time, by rotation.

`.venv/bin/python .ci/others.py STARTED TURN`, STARTED being when CI did, in seconds since the epoch. A stack runs if
its components are built, or can be built in time; the first of the rotation is another one with each TURN, a number.
Prints what ran, and what did not and why; exit code 1 where one failed. Stacks that no machine of ours can run (of a
cloud) are not meant.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
DEFAULT = "dev"
#: Minutes since CI's start: after SOON no further stack is begun, and none that would not have ended before END.
SOON, END = 33.0, 76.0
#: Minutes that a stack takes with everything built, and what building adds at most.
RUN, BUILD = 8.0, 25.0


@dataclass(frozen=True, slots=True)
class Stack:
    name: str
    spec: Path
    built: bool


def local(folder: Path) -> Iterator[tuple[str, Path]]:
    """The stacks with a configuration here whose cluster this machine can make: name, spec."""
    for file in sorted(folder.glob("Pulumi.*.yaml")):
        name = file.name.removeprefix("Pulumi.").removesuffix(".yaml")
        spec = ROOT / yaml.safe_load(file.read_text())["config"]["netspec:spec"]
        if name != DEFAULT and yaml.safe_load(spec.read_text())["stacks"][name]["cluster"]["type"] == "kind":
            yield name, spec


def is_built(name: str, spec: Path) -> bool:
    """Whether nothing has to be compiled for the stack's images; also where Docker pulls them."""
    from airgap import build, engine
    from netspec.backends.registry import REGISTRY
    from netspec.compiler import compile_spec
    from netspec.spec.load import load
    from netspec.toolchain.engine import choose

    plan = compile_spec(load(spec), name, REGISTRY).plan
    return plan is not None and (choose() == "docker" or not build.missing(engine.extras(plan.images)))


def rotated(names: Sequence[Stack], turn: int) -> list[Stack]:
    """
    >>> [s.name for s in rotated([Stack(n, Path(), True) for n in "abc"], 4)]
    ['b', 'c', 'a']
    """
    start = turn % len(names) if names else 0
    return [*names[start:], *names[:start]]


def run_all(
    stacks: Sequence[Stack], minutes: Callable[[], float], run: Callable[[Stack], str]
) -> tuple[list[str], bool]:
    """A line for each stack, and whether none failed. `minutes` since CI's start; `run` says "" or what failed."""
    lines, passed, ran = [], True, 0
    for stack in stacks:
        now = minutes()
        wants = RUN + (0 if stack.built else BUILD)
        if (ran and now > SOON) or now + wants > END:
            why = "no time" if stack.built else "no time: its components are not built"
            lines.append(f"stack {stack.name}: NOT RUN ({why}, minute {now:.0f})")
            continue
        ran += 1
        failed = run(stack)
        passed &= not failed
        lines.append(f"stack {stack.name}: {failed or 'green'} in {minutes() - now:.1f} min")
    return lines, passed


def bring_up_and_down(stack: Stack) -> str:
    """`up` verifies; "" or what failed. The stack is taken down in any case."""
    failed = ""
    for command in (["make", "up"], ["make", "down"], [".ci/nothing-left"]):
        argv = [*command, f"STACK={stack.name}"] if command[0] == "make" else command
        if not _ran(argv, RUN if stack.built else RUN + BUILD):
            failed = failed or f"FAILED ({' '.join(argv)})"
    return failed


def _ran(argv: list[str], minutes: float) -> bool:
    process = subprocess.Popen(argv, cwd=ROOT, start_new_session=True)
    try:
        return process.wait(timeout=minutes * 60) == 0
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=120)
        return False


def main(started: float, turn: int) -> int:
    sys.path.insert(0, str(ROOT))
    found = [Stack(name, spec, is_built(name, spec)) for name, spec in local(ROOT / "stacks")]
    lines, passed = run_all(rotated(found, turn), lambda: (time.time() - started) / 60, bring_up_and_down)
    text = "\n".join(lines) or "no other stacks"
    (ROOT / "out" / "others.txt").write_text(text + "\n")
    print(text)
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), int(sys.argv[2])))
