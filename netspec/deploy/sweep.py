"""What others left, as a Pulumi resource: nothing on the way up, and removed on the way down.

Inputs: kubeconfig (secret, "" for none) and leftovers (netspec.plan.Leftover, with their values). A cluster or provider
that does not answer, and what does not go in time, is said and left: a destroy goes on, and ends where that stops it.
"""

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import pulumi
from pulumi.dynamic import (
    ConfigureRequest,
    CreateResult,
    DiffResult,
    ReadResult,
    Resource,
    ResourceProvider,
    UpdateResult,
)

from netspec.deploy import asking
from netspec.deploy.asking import Unanswered
from netspec.deploy.cluster import say
from netspec.deploy.plainly import speak_plainly
from netspec.plan import SweepNode

#: Seconds that all of one kind may take to go, and between two looks.
PATIENCE, INTERVAL = 300.0, 2.0


class SweepProvider(ResourceProvider):
    """State holds a reference to this class by name, nothing else of it."""

    serialize_as_secret_always = False

    def configure(self, req: ConfigureRequest) -> None:
        speak_plainly()

    def create(self, props: dict[str, Any]) -> CreateResult:
        return CreateResult("sweep", dict(props))

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        return DiffResult(changes=_olds.get("leftovers") != _news.get("leftovers"), replaces=[])

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        return UpdateResult(dict(_news))

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        return ReadResult(id_, props)

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        with tempfile.NamedTemporaryFile("w", suffix=".kubeconfig") as file:  # mode 0600
            file.write(_props.get("kubeconfig") or "")
            file.flush()
            for leftover in _props["leftovers"]:
                clear(leftover, file.name)


class SweepResource(Resource, module="netspec", name="Sweep"):
    """It has no outputs of its own."""

    def __init__(
        self,
        node: SweepNode,
        leftovers: Sequence[Any],
        kubeconfig: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(SweepProvider(), node.id, {"leftovers": leftovers, "kubeconfig": kubeconfig}, opts)


def given(node: SweepNode) -> list[dict[str, Any]]:
    """The leftovers as inputs."""
    return [{f.name: getattr(leftover, f.name) for f in fields(leftover)} for leftover in node.leftovers]


def clear(leftover: Mapping[str, Any], kubeconfig: str) -> None:
    """Removes all of one kind, again and again until none is left: some go only when others have gone."""
    deadline, told, last = time.monotonic() + PATIENCE, set[str](), ""
    while True:
        try:
            said = asking.answer(leftover["find"], kubeconfig)
        except Unanswered as reason:
            say(f"nobody looks for what is left of this kind, {leftover['what']}: {reason}")
            return
        names = [
            tuple(str(asking.at(item, path)) for path in leftover["names"])
            for item in asking.items(said, leftover["items"], leftover.get("only"))
        ]
        if not names:
            return
        for name in names:
            text = "/".join(name)
            if text not in told:
                say(f"removing {leftover['what']} {text}, which the stack did not make and which would be in its way")
            told.add(text)
            try:
                asking.answer([word.format(*name) for word in leftover["remove"]], kubeconfig)
            except Unanswered as reason:
                last = str(reason)
        if time.monotonic() > deadline:
            say(f"{leftover['what']} {'/'.join(names[0])} does not go: {last or 'it is still there'}")
            return
        time.sleep(INTERVAL)
