"""Resources that are there and not whole: their provider says so, and Pulumi would leave them as they are.

A change that changes nothing of such a resource is no help, so it is made again; what an apply leaves ailing is told.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from netspec.deploy import asking
from netspec.deploy.asking import Recorded, State, Unanswered
from netspec.diagnostics import Problem
from netspec.plan import Health, ManifestNode, Plan, ResourceNode

#: Questions at a time; seconds that something may take to be whole once an apply is done, that what is under way may
#: take to end, and between two looks.
LANES, PATIENCE, UNDER_WAY, INTERVAL = 8, 60.0, 1800.0, 5.0


@dataclass(frozen=True, slots=True)
class Ailing:
    """A resource of the plan, its state in its provider's word, and why. `passes`: it is only to be waited for."""

    urn: str
    name: str
    state: str
    why: str
    passes: bool = False

    def __str__(self) -> str:
        return f"{self.name} is {self.state}" + (f" ({self.why})" if self.why else "")


def settled(plan: Plan, state: State, say: Callable[[str], None]) -> list[Ailing]:
    """What ails once nothing is under way any more: what a cut run began goes on by itself."""
    deadline, told = time.monotonic() + UNDER_WAY, set[str]()
    while True:
        found = look(plan, state)
        passing = [str(ailing) for ailing in found if ailing.passes]
        if not passing or time.monotonic() > deadline:
            return [ailing for ailing in found if not ailing.passes]
        for text in passing:
            if text not in told:
                say(f"{text}: waiting")
        told.update(passing)
        time.sleep(INTERVAL)


def look(plan: Plan, state: State) -> list[Ailing]:
    """Those of the plan that are made and not whole. One whose provider does not answer is for the apply to find."""
    recorded = Recorded(state)
    asked = [(node, node.health) for node in plan.nodes if isinstance(node, ResourceNode) and node.health]
    made = [(recorded.of(node.id), node, health) for node, health in asked]
    with ThreadPoolExecutor(LANES) as pool:
        found = pool.map(lambda row: row[0] and _ask(recorded, row[0]["urn"], row[1].id, row[2]), made)
        return [ailing for ailing in found if ailing]


def _ask(recorded: Recorded, urn: str, name: str, health: Health) -> Ailing | None:
    with suppress(Unanswered, KeyError):
        said = asking.answer(recorded.words(health.words))
        state = str(asking.at(said, health.state))
        if state in (*health.failed, *health.passing):
            return Ailing(urn, name, state, "; ".join(_issues(said, health.issues)), state in health.passing)
    return None


def _issues(said: Any, path: str) -> Iterator[str]:
    with suppress(KeyError):
        for issue in asking.at(said, path) or ():
            yield f"{issue.get('code')}: {issue.get('message')}"


def failed_in(state: State) -> list[str]:
    """The resources of a provider that were made and then failed, by the state alone. Pulumi would only try to change
    them, which changes nothing; objects on a cluster are applied anew in any case."""
    resources = Recorded(state).resources
    others = ("kubernetes:", "pulumi-python:", "pulumi:")
    return [r["urn"] for r in resources if r.get("initErrors") and not r["type"].startswith(others)]


def with_objects(plan: Plan, urns: list[str], state: State) -> list[str]:
    """These, and the objects on the cluster of kinds that they bring: those go with them."""
    names = {asking.name_of(urn) for urn in urns}
    recorded = Recorded(state)
    objects = (n for n in plan.nodes if isinstance(n, ManifestNode) and names & set(n.depends_on))
    return [*urns, *(found["urn"] for node in objects if (found := recorded.of(node.id)))]


def wait(plan: Plan, state: State) -> None:
    """Raises `Problem` with what is still not whole when the time is up."""
    deadline = time.monotonic() + PATIENCE
    while ailing := look(plan, state):
        if time.monotonic() > deadline:
            raise Problem("; ".join(map(str, ailing)), "run the same command again: it is then made again")
        time.sleep(INTERVAL)
