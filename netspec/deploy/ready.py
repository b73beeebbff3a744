"""A barrier as a Pulumi resource: done when conditions hold of objects that something else on the cluster makes.

Inputs: kubeconfig (secret), conditions, timeout (seconds), after (a digest of what it waits for). A change of the last
three waits again. It has no outputs of its own and leaves nothing on the cluster.
"""

import hashlib
import json
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
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

from netspec.deploy.cluster import say
from netspec.deploy.plainly import speak_plainly
from netspec.diagnostics import Problem
from netspec.plan import Condition, ManifestNode, ReadyNode, ResourceNode
from netspec.stopping import is_told_to_stop
from netspec.toolchain import programs

#: Seconds between two looks, and for one look.
INTERVAL = 1.0
KUBECTL_TIMEOUT = 15

#: Lines of a log that are looked at.
LOG_LINES = 50

#: Seconds between two looks for pods that will hardly get ready by themselves, and how many of them are told.
TROUBLE_INTERVAL = 15.0
TROUBLES = 8
#: Why a container waits when it is not merely on its way (pkg/kubelet/container/sync_result.go, images/types.go). An
#: image that could not be had once may be the next time: the kubelet backs off then.
HOPELESS = frozenset(
    {
        "CrashLoopBackOff",
        "ImagePullBackOff",
        "ErrImageNeverPull",
        "InvalidImageName",
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
    }
)

COMPARED = ("conditions", "timeout", "after")


class ReadyProvider(ResourceProvider):
    """State holds a reference to this class by name, nothing else of it."""

    serialize_as_secret_always = False

    def configure(self, req: ConfigureRequest) -> None:
        speak_plainly()

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        return DiffResult(changes=any(_olds.get(key) != _news.get(key) for key in COMPARED), replaces=[])

    def create(self, props: dict[str, Any]) -> CreateResult:
        wait(props)
        return CreateResult("ready", {key: props[key] for key in COMPARED})

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        wait(_news)
        return UpdateResult({key: _news[key] for key in COMPARED})

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        return ReadResult(id_, props)


class Ready(Resource, module="netspec", name="Ready"):
    """Waits when it is made, and again when what it waits for changes."""

    def __init__(
        self,
        node: ReadyNode,
        kubeconfig: pulumi.Input[str],
        after: Iterable[ManifestNode | ResourceNode],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        props = {
            "kubeconfig": kubeconfig,  # secret, since the output is
            "conditions": [asdict(condition) for condition in node.conditions],
            "timeout": node.timeout,
            "after": digest(after),
        }
        super().__init__(ReadyProvider(), node.id, props, opts)


def digest(nodes: Iterable[ManifestNode | ResourceNode]) -> str:
    given = [node.manifest if isinstance(node, ManifestNode) else node.properties for node in nodes]
    text = json.dumps([dict(content) for content in given], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def wait(props: Mapping[str, Any]) -> None:
    """Raises `Problem` naming what is not ready, and the pods that are not, when the time is up. Pods that end again
    and again, or cannot start, are said while there is time still: on which node, and why."""
    conditions = [Condition(**condition) for condition in props["conditions"]]
    deadline = time.monotonic() + props["timeout"]
    last, look, told = None, time.monotonic() + TROUBLE_INTERVAL, set[str]()
    with tempfile.NamedTemporaryFile("w", suffix=".kubeconfig") as file:  # mode 0600
        file.write(props["kubeconfig"])
        file.flush()
        while missing := [text for c in conditions if (text := lacking(c, _objects(file.name, c)))]:
            if missing != last:
                say(f"waiting for {'; '.join(missing)}")
                last = missing
            if is_told_to_stop():
                raise Problem(f"stopped while it waited for {'; '.join(missing)}", "run it again to keep waiting")
            if time.monotonic() > look:
                tell_troubles(file.name, told)
                look = time.monotonic() + TROUBLE_INTERVAL
            if time.monotonic() > deadline:
                pods = unready_pods(_get(file.name, "pods"), lambda pod: last_words(file.name, pod))
                raise Problem(
                    f"not ready after {props['timeout']} s: {'; '.join(missing)}"
                    + (f". Pods that are not ready: {'; '.join(pods)}" if pods else ""),
                    "run it again to keep waiting; `netspec exec -- kubectl describe` says more about a pod",
                )
            time.sleep(INTERVAL)


def tell_troubles(kubeconfig: str, told: set[str]) -> None:
    """Say which pods are in trouble, each once: `told` are the ids of those that were."""
    troubled = [pod for pod in _get(kubeconfig, "pods") or () if set(_waiting(pod)) & HOPELESS]
    new = [pod for pod in troubled if pod["metadata"]["uid"] not in told][: TROUBLES - len(told)]
    for text in unready_pods(new, lambda pod: last_words(kubeconfig, pod)):
        say(text)
    told.update(pod["metadata"]["uid"] for pod in new)


def _get(
    kubeconfig: str, resource: str, namespace: str | None = None, selector: str = ""
) -> list[dict[str, Any]] | None:
    """The objects of a resource ("nodes", or "deployments/web"); None when the API server does not say."""
    where = ["--namespace", namespace] if namespace else ["--all-namespaces"] if "/" not in resource else []
    where += [f"--selector={selector}"] if selector else []
    words = ["get", resource, *where, "--output=json", f"--request-timeout={KUBECTL_TIMEOUT}s"]
    done = programs.kubectl(kubeconfig, *words, limit=2 * KUBECTL_TIMEOUT)
    if done.returncode == programs.MISSING:
        raise programs.need("kubectl")
    if done.returncode:
        # Not there yet, or its kind is not: as good as an empty list.
        return [] if "NotFound" in done.stderr or "the server doesn't have a resource type" in done.stderr else None
    answer = json.loads(done.stdout)
    return list(answer["items"]) if "items" in answer else [answer]


def _objects(kubeconfig: str, condition: Condition) -> list[dict[str, Any]] | None:
    """What a condition is about."""
    return _get(kubeconfig, condition.resource, condition.namespace, condition.selector)


def lacking(condition: Condition, found: list[dict[str, Any]] | None) -> str | None:
    """What a condition still lacks, in words, or None when it holds."""
    where = f" {condition.selector}" if condition.selector else ""
    where += f" in {condition.namespace}" if condition.namespace else ""
    if found is None:
        return f"{condition.resource}{where} (the API server does not answer)"
    not_so = [text for item in found if (text := _not_so(condition.condition, item))]
    if not_so:
        return f"{condition.resource}{where} ({', '.join(not_so)})"
    if len(found) < condition.at_least:
        return f"{condition.resource}{where} ({len(found)} of {condition.at_least:.0f} there)"
    return None


def _not_so(condition: str, item: Mapping[str, Any]) -> str | None:
    if item.get("kind") == "DaemonSet":
        return _behind(item)
    listed = (item.get("status") or {}).get("conditions") or ()
    found = next((c for c in listed if c["type"] == condition), None)
    if found is not None and found["status"] == "True":
        return None
    why = (
        f": {found.get('reason') or found.get('message')}"
        if found and (found.get("reason") or found.get("message"))
        else ""
    )
    return f"{item['metadata']['name']} is not {condition}{why}"


def _behind(daemons: Mapping[str, Any]) -> str | None:
    """A DaemonSet has no conditions: it is as it must be when every node's pod is of its newest template, and ready."""
    status, name = daemons.get("status") or {}, daemons["metadata"]["name"]
    wanted = status.get("desiredNumberScheduled") or 0
    if status.get("observedGeneration") != daemons["metadata"].get("generation"):
        return f"{name} has changed, and its pods have not yet"
    updated, ready = status.get("updatedNumberScheduled") or 0, status.get("numberAvailable") or 0
    if wanted and updated == ready == wanted:
        return None
    return f"{name}: {min(updated, ready):.0f} of {wanted:.0f} pods are up to date and ready"


def last_words(kubeconfig: str, pod: Mapping[str, Any]) -> str:
    """The last line of a pod's log that tells of an error, else its last line; "" where there is none. Of a container
    that has ended, its termination message, which may be the end of its log (terminationMessagePolicy)."""
    meta, status = pod["metadata"], pod.get("status") or {}
    ended = [
        state["message"]
        for container in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
        for key in ("state", "lastState")
        if (state := (container.get(key) or {}).get("terminated")) and state.get("exitCode") and state.get("message")
    ]
    text = ended[-1] if ended else ""
    if not text:
        words = ["logs", meta["name"], "--namespace", meta["namespace"], f"--tail={LOG_LINES}"]
        done = programs.kubectl(kubeconfig, *words, limit=KUBECTL_TIMEOUT)
        text = done.stdout if done.returncode == 0 else ""
    return programs.telling_line(text)


def unready_pods(
    found: list[dict[str, Any]] | None, says: Callable[[Mapping[str, Any]], str] = lambda _: "", limit: int = 8
) -> list[str]:
    """Pods that are neither done nor ready, at most `limit` of them: on which node, why, and what `says` has of one."""
    out: list[str] = []
    for pod in found or ():
        status = pod.get("status") or {}
        ready = any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions") or ())
        if ready or status.get("phase") == "Succeeded":
            continue
        reasons = _waiting(pod)
        meta = pod["metadata"]
        node = (pod.get("spec") or {}).get("nodeName")
        words = says(pod) if len(out) < limit else ""
        out.append(
            f"{meta['namespace']}/{meta['name']} {reasons[0] if reasons else status.get('phase', 'Unknown')}"
            + (f" on {node}" if node else "")
            + (f" ({words})" if words else "")
        )
    return out[:limit] + ([f"and {len(out) - limit} more"] if len(out) > limit else [])


def _waiting(pod: Mapping[str, Any]) -> list[str]:
    """Why containers of a pod wait."""
    status = pod.get("status") or {}
    statuses = (status.get("initContainerStatuses") or []) + (status.get("containerStatuses") or [])
    return [w["reason"] for s in statuses if (w := (s.get("state") or {}).get("waiting")) and w.get("reason")]
