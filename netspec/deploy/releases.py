"""Helm's own records of the releases in a plan, where they are not what the stack's state says.

helm keeps each revision of a release in a Secret of its namespace. It refuses to install a release that has one, which
is what a run leaves that was cut and recorded nothing; it refuses to change one whose last change did not end; and
Pulumi does not see a release that somebody upgraded or rolled back. In all of these the records are removed: Pulumi
then finds no release, and installs it. The objects stay in place meanwhile: helm takes over what carries the release's
name.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from netspec.deploy.drift import Difference, Kept
from netspec.plan import Node, ResourceNode
from netspec.toolchain import programs

#: Pulumi's type of a release.
TOKEN = "kubernetes:helm.sh/v3:Release"


class Record(NamedTuple):
    """One revision. `status`: helm's word (deployed, failed, superseded, pending-install, ...)."""

    revision: int
    status: str


def planned(nodes: Iterable[Node]) -> list[Kept]:
    """The releases of a plan, as if nothing were recorded of them."""
    return [Kept(f"::{n.id}", n.properties, {}) for n in nodes if isinstance(n, ResourceNode) and n.token == TOKEN]


def look(kubeconfig: Path | str, kept: Iterable[Kept], plan: Iterable[Kept]) -> list[Difference] | None:
    """Every release that is not as the state has it (`kept`), or that the plan is to make and is there; None when the
    API server does not say. One that was uninstalled is for Pulumi to find."""
    recorded = {_place(release.declared): release for release in kept}
    wanted = {_place(release.declared): release for release in plan}
    found = []
    for place, release in {**wanted, **recorded}.items():
        records = _records(kubeconfig, *place)
        if records is None:
            return None
        if said := _difference(release, records):
            found.append(Difference(release, (said,), is_other=True))
    return found


def set_back(kubeconfig: Path | str, found: Difference) -> None:
    """Remove helm's records of a release."""
    namespace, name = _place(found.kept.declared)
    programs.kubectl(kubeconfig, "delete", "secrets", *_selected(namespace, name), "--ignore-not-found")


def _difference(release: Kept, records: list[Record]) -> str:
    """
    >>> _difference(Kept("", {}, {"status": {"revision": 1}}), [Record(1, "superseded"), Record(2, "deployed")])
    'revision 2 is not the one that was applied, 1'
    """
    if not records:
        return "was uninstalled" if release.left else ""
    newest = max(records)
    if not release.left:
        return f"a run that was cut left it {newest.status}"
    if newest.status.startswith("pending-"):
        return f"its last change did not end ({newest.status})"
    applied = int((release.left.get("status") or {}).get("revision") or 0)
    return (
        f"revision {newest.revision} is not the one that was applied, {applied}" if newest.revision != applied else ""
    )


def _records(kubeconfig: Path | str, namespace: str, name: str) -> list[Record] | None:
    done = programs.kubectl(kubeconfig, "get", "secrets", *_selected(namespace, name), "--output=json")
    if done.returncode:
        return None
    labels = [item["metadata"].get("labels") or {} for item in json.loads(done.stdout)["items"]]
    return [Record(int(found.get("version") or 0), str(found.get("status"))) for found in labels]


def _selected(namespace: str, name: str) -> list[str]:
    return [f"--namespace={namespace}", f"--selector=owner=helm,name={name}"]


def _place(inputs: Mapping[str, Any]) -> tuple[str, str]:
    return str(inputs["namespace"]), str(inputs["name"])
