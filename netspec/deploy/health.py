"""Resources that are there and not whole: their provider says so, and Pulumi would leave them as they are.

A change that changes nothing of such a resource is no help, so it is made again; what an apply leaves ailing is told.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
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


@dataclass(frozen=True, slots=True)
class Unknown:
    """A resource of the plan that is made, whose provider did not say how it is, and why."""

    name: str
    why: str


@dataclass(frozen=True, slots=True)
class Seen:
    """Of the resources that are made those that are not whole, and those that nobody answered for, with the reason."""

    ailing: list[Ailing] = field(default_factory=list)
    unknown: list[Unknown] = field(default_factory=list)

    def unanswered(self) -> list[str]:
        """What is not known, by why: of a provider that does not answer at all one sentence is enough."""
        names: dict[str, list[str]] = {}
        for unknown in self.unknown:
            names.setdefault(unknown.why, []).append(unknown.name)
        return [
            f"whether {', '.join(found)} {'is' if len(found) == 1 else 'are'} whole is not known ({why})"
            for why, found in names.items()
        ]


def settled(plan: Plan, state: State, say: Callable[[str], None]) -> list[Ailing]:
    """What ails once nothing is under way any more: what a cut run began goes on by itself. What nobody answers for is
    said, and left for the apply to find."""
    deadline, told = time.monotonic() + UNDER_WAY, set[str]()
    while True:
        seen = look(plan, state)
        passing = [str(ailing) for ailing in seen.ailing if ailing.passes]
        if not passing or time.monotonic() > deadline:
            for text in seen.unanswered():
                say(text)
            return [ailing for ailing in seen.ailing if not ailing.passes]
        for text in passing:
            if text not in told:
                say(f"{text}: waiting")
        told.update(passing)
        time.sleep(INTERVAL)


def look(plan: Plan, state: State) -> Seen:
    """Asks after all of the plan that can ail and is made."""
    recorded, seen = Recorded(state), Seen()
    asked = [(node, node.health) for node in plan.nodes if isinstance(node, ResourceNode) and node.health]
    made = [(recorded.of(node.id), node, health) for node, health in asked]
    with ThreadPoolExecutor(LANES) as pool:
        for found in pool.map(lambda row: row[0] and _ask(recorded, row[0]["urn"], row[1].id, row[2]), made):
            if isinstance(found, Ailing):
                seen.ailing.append(found)
            elif isinstance(found, Unknown):
                seen.unknown.append(found)
    return seen


def _ask(recorded: Recorded, urn: str, name: str, health: Health) -> Ailing | Unknown | None:
    try:
        said = asking.answer(recorded.words(health.words))
        state = str(asking.at(said, health.state))
    except Unanswered as reason:
        return Unknown(name, str(reason))
    except KeyError as missing:
        return Unknown(name, f"{missing.args[0]} is not known, or not in the answer")
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
    """Raises `Problem` with what is still not whole when the time is up, or not known to be whole."""
    deadline = time.monotonic() + PATIENCE
    while (seen := look(plan, state)).ailing or seen.unknown:
        if time.monotonic() > deadline:
            again = "it is then made again" if seen.ailing else "it asks again"
            said = [*map(str, seen.ailing), *seen.unanswered()]
            raise Problem("; ".join(said), f"run the same command again: {again}")
        time.sleep(INTERVAL)
