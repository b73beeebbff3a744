"""A cluster that somebody else made, as a Pulumi resource: found, never made, and left alone when the stack goes.

Inputs: file (a kubeconfig) and context, "" for kubectl's own; stack, and claims: the objects that the plan makes on it.
Outputs besides: kubeconfig (secret), of that one context. The resource's id is the cluster's: the uid of its namespace
kube-system.
"""

import json
import tempfile
from collections.abc import Mapping, Sequence
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

from netspec.deploy.plainly import speak_plainly
from netspec.diagnostics import Problem
from netspec.plan import ManifestNode, Plan, ResourceNode
from netspec.toolchain import programs

#: The type of the plan's nodes that this makes.
TOKEN = "netspec:existing:Cluster"
#: On every object that a stack makes on such a cluster: whose it is.
STACK = "netspec.dev/stack"
#: Objects that are named in an error.
_TOLD = 5


class ExistingProvider(ResourceProvider):
    """State holds a reference to this class by name, nothing else of it."""

    serialize_as_secret_always = False

    def configure(self, req: ConfigureRequest) -> None:
        speak_plainly()

    def create(self, props: dict[str, Any]) -> CreateResult:
        text = programs.kubeconfig(props["file"], props["context"])
        identity = identity_of(text)
        refuse_foreign(text, props["claims"], props["stack"])
        return CreateResult(identity, _outputs(props, text))

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        """Raises `Problem` where the context leads to another cluster by now: what is on the first would stay there."""
        text = programs.kubeconfig(_news["file"], _news["context"])
        if identity_of(text) != _id:
            raise Problem(
                f"the stack {_news['stack']} is on another cluster than its context leads to now",
                "let it lead to the first one, or destroy the stack there first: netspec down",
            )
        wanted = _outputs(_news, text)
        return DiffResult(changes=any(_olds.get(key) != value for key, value in wanted.items()), replaces=[])

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        text = programs.kubeconfig(_news["file"], _news["context"])
        refuse_foreign(text, _news["claims"], _news["stack"])
        return UpdateResult(_outputs(_news, text))

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        return ReadResult(id_, props)


class ExistingCluster(Resource, module="netspec", name="ExistingCluster"):
    """Output: `kubeconfig` (secret)."""

    kubeconfig: pulumi.Output[str]

    def __init__(self, node: ResourceNode, plan: Plan, opts: pulumi.ResourceOptions | None = None) -> None:
        props = {**node.properties, "stack": owner_of(plan), "claims": claims(plan), "kubeconfig": None}
        secret = pulumi.ResourceOptions(additional_secret_outputs=list(node.secrets))
        super().__init__(ExistingProvider(), node.id, props, pulumi.ResourceOptions.merge(secret, opts))


def owner_of(plan: Plan) -> str:
    """What the annotation `STACK` says on the plan's objects."""
    return f"{plan.name}-{plan.stack}"


def claims(plan: Plan) -> list[dict[str, Any]]:
    """The objects that the plan makes; not those of which it only changes fields."""
    return [
        {
            "apiVersion": node.manifest["apiVersion"],
            "kind": node.manifest["kind"],
            "metadata": {k: v for k, v in node.manifest["metadata"].items() if k in ("name", "namespace")},
        }
        for node in plan.nodes
        if isinstance(node, ManifestNode) and not node.patch
    ]


def identity_of(kubeconfig: str) -> str:
    """Raises `Problem` when the cluster does not say."""
    done = _kubectl(kubeconfig, "get", "namespace", "kube-system", "--output=jsonpath={.metadata.uid}")
    if done.returncode:
        said = programs.last_line(done.stderr)
        raise Problem(
            f"the cluster does not answer: {said}", "check the stack's cluster.context and cluster.kubeconfig"
        )
    return done.stdout.strip()


def refuse_foreign(kubeconfig: str, claimed: Sequence[Mapping[str, Any]], stack: str) -> None:
    """Raises `Problem` when something that this stack did not make has the name of what it is to make."""
    wanted = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(claimed)})
    done = _kubectl(kubeconfig, "get", "--filename=-", "--ignore-not-found", "--output=json", stdin=wanted)
    if done.returncode:
        said = programs.last_line(done.stderr)
        raise Problem(f"the cluster does not say what is on it: {said}", "check what the kubeconfig's user may read")
    answer = json.loads(done.stdout) if done.stdout.strip() else {"items": []}
    found = [item["metadata"] | {"kind": item["kind"]} for item in answer.get("items", [answer])]
    foreign = [meta for meta in found if (meta.get("annotations") or {}).get(STACK) != stack]
    names = [f"{m['kind']} {'/'.join(filter(None, (m.get('namespace'), m['name'])))}" for m in foreign]
    if names:
        more = f" and {len(names) - _TOLD} more" if len(names) > _TOLD else ""
        raise Problem(
            f"on the cluster already, and not of this stack: {', '.join(names[:_TOLD])}{more}",
            "rename what the spec declares, remove what is there, or name a namespace that is to stay in "
            "cluster.namespaces",
        )


def _kubectl(kubeconfig: str, *words: str, stdin: str = "") -> programs.Done:
    with tempfile.NamedTemporaryFile("w", suffix=".kubeconfig") as file:  # mode 0600
        file.write(kubeconfig)
        file.flush()
        return programs.kubectl(file.name, *words, stdin=stdin)


def _outputs(props: Mapping[str, Any], kubeconfig: str) -> dict[str, Any]:
    return {key: props[key] for key in ("file", "context", "stack", "claims")} | {"kubeconfig": kubeconfig}
