"""Asking a provider's own command line, by words that a plan gives: what it prints, and where in that the answer is."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from netspec.plan import Cut, Json, Ref
from netspec.toolchain import programs

#: Seconds for one answer.
LIMIT = 60


class Unanswered(Exception):
    """The command failed: its last line, for a sentence."""


#: A stack's state, as `pulumi stack export` writes it.
State = Mapping[str, Any]


class Recorded:
    """A stack's state, in which a plan's Refs have their values."""

    def __init__(self, state: State) -> None:
        deployment = state.get("deployment") or {}
        self.resources: list[dict[str, Any]] = deployment.get("resources") or []
        self._by_id = {name_of(r["urn"]): r for r in self.resources if r.get("custom") and not r.get("delete")}

    def of(self, node: str) -> Mapping[str, Any] | None:
        """The resource of a plan node."""
        return self._by_id.get(node)

    def words(self, given: Iterable[Any]) -> tuple[str, ...]:
        """Raises KeyError where a value is not known yet."""
        return tuple(word if isinstance(word, str) else str(self._value(word)) for word in given)

    def _value(self, value: Any) -> Any:
        if isinstance(value, Ref):
            found = self._by_id[value.node]
            # Of one that was taken over and not read yet there are its inputs alone.
            known = {**(found.get("inputs") or {}), **(found.get("outputs") or {})}
            return found["id"] if value.output == "id" else at(known, value.output)
        if isinstance(value, Json):
            return json.dumps(self._value(value.value))
        if isinstance(value, Cut):
            return str(self._value(value.value)).removeprefix(value.prefix)
        if isinstance(value, Mapping):
            return {key: self._value(inner) for key, inner in value.items()}
        return [self._value(inner) for inner in value] if isinstance(value, list | tuple) else value


def name_of(urn: str) -> str:
    """The plan node's id."""
    return urn.rpartition("::")[2]


def answer(words: Sequence[str], kubeconfig: str = "") -> Any:
    """What a command prints, as data; None for nothing. `kubeconfig` is the file that kubectl goes by. Raises
    `Unanswered`."""
    program, *rest = words
    command = [program, *([f"--kubeconfig={kubeconfig}"] if program == "kubectl" and kubeconfig else []), *rest]
    done = programs.run(command, limit=LIMIT)
    if done.returncode:
        raise Unanswered(programs.last_line(done.stderr))
    try:
        return json.loads(done.stdout) if done.stdout.strip() else None
    except ValueError:
        return None  # words for a reader


def at(value: Any, path: str) -> Any:
    """What is at a dotted path, in which numbers are places in lists. Raises KeyError.

    >>> at({"addon": {"status": "ACTIVE"}}, "addon.status"), at({"Vpcs": [{"VpcId": "a"}]}, "Vpcs.0.VpcId")
    ('ACTIVE', 'a')
    """
    for key in path.split("."):
        if isinstance(value, list) and key.isdecimal() and int(key) < len(value):
            value = value[int(key)]
        elif isinstance(value, Mapping):
            value = value[key]
        else:
            raise KeyError(path)
    return value


def items(value: Any, path: str, only: Mapping[str, Any] | None = None) -> Iterator[Mapping[str, Any]]:
    """Of the list at a path those items that have what `only` says, path -> value.

    >>> list(items({"items": [{"spec": {"type": "A"}}, {"spec": {}}]}, "items", {"spec.type": "A"}))
    [{'spec': {'type': 'A'}}]
    """
    try:
        found = at(value or {}, path)
    except KeyError:
        return
    for item in found:
        try:
            if all(at(item, key) == wanted for key, wanted in (only or {}).items()):
                yield item
        except KeyError:
            continue
