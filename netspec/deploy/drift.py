"""What somebody else changed in a stack's Kubernetes objects since they were applied, and setting it back.

Compared are the object as the last apply left it, which Pulumi's state holds, and the object now: one list call for all
kinds. So what an API server adds or writes in another way is no difference. What counts:

- a field that the stack declares, or the whole list where it declares one; not the labels of a custom resource;
- in the kinds of `WHOLE` all of the section: there an undeclared field opens a way too (a second port, externalIPs).

It is set back to what the apply left. Applying the manifest again would not do: server-side apply neither removes what
somebody added to a list nor changes an item's key (a Service's port 80 that is 81 now would be there twice). An object
that is gone, or was made anew, is for Pulumi to refresh.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netspec.toolchain import programs

Json = Mapping[str, Any]

#: Kind -> the section of which every field counts. No controller writes there after the object was made.
WHOLE = {"Service": "spec", "NetworkPolicy": "spec", "Ingress": "spec", "Secret": "data"}
#: What `up` waits for after setting one back (seconds).
ROLLED_OUT, ROLLOUT = ("Deployment", "DaemonSet", "StatefulSet"), 300
#: Field managers: ours, for the moment that setting back takes, and how the plugin's begin.
MANAGER, PLUGIN = "netspec-set-back", "pulumi-kubernetes"
#: Objects that are set back at a time.
LANES = 4
#: Seconds for one list call of every kind.
LIMIT = 60
#: Characters of a value that are shown, and differences of an object.
SHOWN, NAMED = 40, 3

#: How Pulumi's state marks a secret: this key with this value.
_SECRET = ("4dabf18193072939515e22adb298388d", "1b47061264138c4ac30d75fd1eb44270")


@dataclass(frozen=True, slots=True)
class Kept:
    """An object as the state holds it: as it was declared, and as the apply left it."""

    urn: str
    declared: Json
    left: Json

    @property
    def key(self) -> tuple[str, str, str, str]:
        return _key(self.left if self.left.get("metadata") else self.declared)

    @property
    def type(self) -> str:
        """Pulumi's type token."""
        return self.urn.split("::")[2].rpartition("$")[2]

    @property
    def name(self) -> str:
        """The plan node's id."""
        return self.urn.rpartition("::")[2]


@dataclass(frozen=True, slots=True)
class Difference:
    """`changes`: in words, from what it is now to what it was; never a Secret's content. `operations`: a JSON patch
    that sets it back. `is_other`: it is gone, or another object has its name."""

    kept: Kept
    changes: tuple[str, ...]
    operations: tuple[Json, ...] = ()
    is_other: bool = False

    def __str__(self) -> str:
        more = [f"and {len(self.changes) - NAMED} more"] if len(self.changes) > NAMED else []
        return f"{self.kept.name}: {', '.join([*self.changes[:NAMED], *more])}"


def kept_in(state: str) -> tuple[str | None, list[Kept]]:
    """The kubeconfig, and the objects and releases, of an exported stack whose secrets are shown; no kubeconfig for one
    never made. One that was not made to its end has none among its outputs; its provider has."""
    resources = (json.loads(state).get("deployment") or {}).get("resources") or []
    holders = [(r.get("outputs") or {}) for kind in (_STACK, _PROVIDER) for r in resources if r["type"] == kind]
    kubeconfig = next((found["kubeconfig"] for found in holders if found.get("kubeconfig")), None)
    objects = [
        Kept(r["urn"], _plain(r["inputs"]), _plain(r["outputs"]))
        for r in resources
        if r["type"].startswith("kubernetes:") and r.get("outputs") and not r.get("delete")
    ]
    return (str(_plain(kubeconfig)) if kubeconfig else None), objects


_STACK, _PROVIDER = "pulumi:pulumi:Stack", "pulumi:providers:kubernetes"


def _plain(value: Any) -> Any:
    """Without the marks of secrets."""
    if isinstance(value, Mapping):
        if value.get(_SECRET[0]) == _SECRET[1]:
            return json.loads(value["plaintext"]) if "plaintext" in value else None
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list) else value


def look(kubeconfig: Path | str, objects: Sequence[Kept]) -> list[Difference] | None:
    """Every object that is not as it was left; None when the API server does not say."""
    found = _now(kubeconfig, objects)
    return None if found is None else [d for kept in objects if (d := difference(kept, found.get(kept.key)))]


def difference(kept: Kept, now: Json | None) -> Difference | None:
    """
    >>> left = {"metadata": {"resourceVersion": "1"}, "spec": {"type": "ClusterIP", "ports": [{"port": 80}]}}
    >>> now = {"metadata": {"resourceVersion": "2"}, "spec": {"type": "NodePort", "ports": [{"port": 80}]}}
    >>> wanted = {"apiVersion": "v1", "spec": {"type": "ClusterIP"}}
    >>> str(difference(Kept("a::service:shop/web", wanted, left), now))
    'service:shop/web: spec.type "NodePort" -> "ClusterIP"'
    """
    if now is None:
        return Difference(kept, ("was deleted",), is_other=True)
    mine, theirs = kept.left.get("metadata") or {}, now.get("metadata") or {}
    if mine.get("uid") != theirs.get("uid"):
        return Difference(kept, ("was deleted and made anew",), is_other=True)
    if mine.get("resourceVersion") == theirs.get("resourceVersion"):
        return None
    section = WHOLE.get(str(kept.declared.get("kind")), "")
    wanted = {key: value for key, value in kept.declared.items() if key not in (section, *_not_ours(kept.declared))}
    changes = [*_declared((), wanted, kept.left, now), *_whole((section,), kept.left.get(section), now.get(section))]
    operations = tuple(change.operation for change in changes)
    is_secret = kept.declared.get("kind") == "Secret"
    words = tuple(change.place if is_secret else str(change) for change in changes)
    return Difference(kept, words, operations) if words else None


def _not_ours(declared: Json) -> tuple[str, ...]:
    """A custom resource's labels and annotations are its operator's: Calico keeps them in an annotation of its own."""
    group = str(declared["apiVersion"]).rpartition("/")[0]
    return ("metadata",) if "." in group and not group.endswith(".k8s.io") else ()


@dataclass(frozen=True, slots=True)
class _Change:
    path: tuple[str | int, ...]
    left: Any
    now: Any

    @property
    def place(self) -> str:
        return "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in self.path).lstrip(".")

    @property
    def operation(self) -> Json:
        """Of a JSON patch (RFC 6902). A value is never null: Kubernetes has none."""
        pointer = "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in self.path)
        if self.left is None:
            return {"op": "remove", "path": pointer}
        return {"op": "add" if self.now is None else "replace", "path": pointer, "value": self.left}

    def __str__(self) -> str:
        if isinstance(self.now, list) and isinstance(self.left, list) and len(self.now) != len(self.left):
            return f"{self.place} {len(self.now)} entries -> {len(self.left)}"
        return f"{self.place} {_short(self.now)} -> {_short(self.left)}"


def _declared(path: tuple[str | int, ...], wanted: Any, left: Any, now: Any) -> Iterator[_Change]:
    """Differences in what `wanted` names. What the API server did not keep of it (null, {}, stringData) is none."""
    if left == now:
        return
    if isinstance(wanted, Mapping) and isinstance(left, Mapping) and isinstance(now, Mapping):
        for key, inner in wanted.items():
            yield from _declared((*path, key), inner, left.get(key), now.get(key))
    elif isinstance(wanted, list) and isinstance(left, list) and isinstance(now, list) and _parallel(wanted, left, now):
        for i, (inner, before, after) in enumerate(zip(wanted, left, now, strict=True)):
            yield from _declared((*path, i), inner, before, after)
    else:
        yield _Change(path, left, now)


def _whole(path: tuple[str | int, ...], left: Any, now: Any) -> Iterator[_Change]:
    if isinstance(left, Mapping) and isinstance(now, Mapping):
        for key in dict.fromkeys((*left, *now)):
            yield from _whole((*path, key), left.get(key), now.get(key))
    elif isinstance(left, list) and isinstance(now, list) and _parallel(left, now):
        for i, (before, after) in enumerate(zip(left, now, strict=True)):
            yield from _whole((*path, i), before, after)
    elif left != now:
        yield _Change(path, left, now)


def _parallel(*lists: list[Any]) -> bool:
    return len({len(each) for each in lists}) == 1


def _short(value: Any) -> str:
    text = "nothing" if value is None else json.dumps(value)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."


def set_back(kubeconfig: Path | str, differences: Iterable[Difference]) -> list[Difference]:
    """Set back what somebody changed; returns what could not be, which is for Pulumi's refresh."""
    with ThreadPoolExecutor(LANES) as pool:
        given = list(differences)
        done = pool.map(lambda d: not d.is_other and _set_back(kubeconfig, d), given)
        return [d for d, is_done in zip(given, done, strict=True) if not is_done]


def _set_back(kubeconfig: Path | str, found: Difference) -> bool:
    """One object: its fields as they were, then their owners (metadata.managedFields): the plugin's apply alone, or a
    later apply could not remove them."""
    kept = found.kept
    meta = kept.left["metadata"]
    name = [_resource(kept.declared), meta["name"]]
    name += ["--namespace", meta["namespace"]] if meta.get("namespace") else []

    def patch(operations: list[Json]) -> Json | None:
        words = ["patch", *name, "--type=json", "--patch-file=/dev/stdin", f"--field-manager={MANAGER}"]
        words += ["--output=json", "--show-managed-fields"]
        done = programs.kubectl(kubeconfig, *words, stdin=json.dumps(operations))
        answer: Json | None = json.loads(done.stdout) if done.returncode == 0 else None
        return answer

    now = patch(list(found.operations))
    if now is None:
        return False
    owners = now["metadata"].get("managedFields") or []
    others = [owner for owner in owners if owner.get("manager") != MANAGER]
    patch([{"op": "replace", "path": "/metadata/managedFields", "value": others}])
    appliers = [str(owner.get("manager")) for owner in others if owner.get("operation") == "Apply"]
    plugin = next((applier for applier in appliers if applier.startswith(PLUGIN)), None)
    if plugin is not None:
        words = ["apply", "--server-side", "--force-conflicts", f"--field-manager={plugin}", "--filename=-"]
        programs.kubectl(kubeconfig, *words, stdin=json.dumps(kept.declared))
    if kept.declared["kind"] in ROLLED_OUT:
        words = ["rollout", "status", *name, f"--timeout={ROLLOUT}s"]
        programs.kubectl(kubeconfig, *words, limit=ROLLOUT + programs.KUBECTL_LIMIT)
    return True


def _now(kubeconfig: Path | str, objects: Sequence[Kept]) -> dict[tuple[str, str, str, str], Json] | None:
    """All objects of the kinds of these, by key; None when the API server does not say."""
    resources = sorted({_resource(kept.declared) for kept in objects})
    done = _get(kubeconfig, resources)
    if done.returncode == 0:
        answers = [done]
    elif _UNSERVED in done.stderr:  # a CRD was deleted, say: the other kinds are there
        answers = [_get(kubeconfig, [resource]) for resource in resources]
        if any(answer.returncode and _UNSERVED not in answer.stderr for answer in answers):
            return None
    else:
        return None
    return {_key(item): item for answer in answers if answer.stdout for item in json.loads(answer.stdout)["items"]}


_UNSERVED = "the server doesn't have a resource type"


def _get(kubeconfig: Path | str, resources: list[str]) -> programs.Done:
    words = ["get", ",".join(resources), "--all-namespaces", "--output=json", f"--request-timeout={LIMIT}s"]
    return programs.kubectl(kubeconfig, *words, limit=2 * LIMIT)


def _resource(manifest: Json) -> str:
    """kubectl's full name for a kind: "Service.v1.", "Deployment.v1.apps"."""
    group, _, version = str(manifest["apiVersion"]).rpartition("/")
    return f"{manifest['kind']}.{version}.{group}"


def _key(manifest: Json) -> tuple[str, str, str, str]:
    meta = manifest.get("metadata") or {}
    return str(manifest["apiVersion"]), str(manifest["kind"]), str(meta.get("namespace") or ""), str(meta["name"])
