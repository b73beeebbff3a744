"""TEST STAND-IN for the `kubernetes` Pulumi resource plugin. NOT the real provider.

Only for machines that cannot download Pulumi plugins. It serves the gRPC ResourceProvider protocol
for any `kubernetes:<group>/<version>:<Kind>` token and talks to a real API server with server-side
apply. It waits only for what `ready` knows (the real one also for Services, Ingresses, Pods, Jobs,
PVCs ...); Helm, yaml, kustomize and *List resources fail, loudly.
"""

import concurrent.futures
import hashlib
import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import urllib3
import yaml
from google.protobuf import empty_pb2, json_format, struct_pb2  # type: ignore[import-untyped]
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from pulumi.runtime.proto import plugin_pb2, provider_pb2_grpc, status_pb2
from pulumi.runtime.proto import provider_pb2 as pb

Json = dict[str, Any]

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"  # the engine's "computed" sentinel
AUTONAMED, FORCE, SKIP = "pulumi.com/autonamed", "pulumi.com/patchForce", "pulumi.com/skipAwait"
MANAGER = "pulumi-kubernetes-standin"
# A change below one of these replaces the object (the real plugin's list is longer: Pod, PVC, PV, ...).
IDENTITY = ("apiVersion", "kind", "metadata.name", "metadata.namespace")
REPLACES = {
    "ConfigMap": "data binaryData",
    "Secret": "type data stringData",
    "Service": "spec.clusterIP",
    "Deployment": "spec.selector",
    "DaemonSet": "spec.selector",
    "StatefulSet": "spec.selector spec.serviceName spec.volumeClaimTemplates spec.podManagementPolicy",
    "Job": "spec.completions spec.parallelism spec.selector spec.template",
    "RoleBinding": "roleRef",
    "ClusterRoleBinding": "roleRef",
    "StorageClass": "parameters provisioner",
}
MUTABLE = {"ConfigMap": "enableConfigMapMutable", "Secret": "enableSecretMutable"}
ABSENT = "is not in this test stand-in for the kubernetes plugin"
VERSION = "4.34.2"
PATCH = "Patch::"  # in the URN of fields of an object that is somebody else's
LANES = 64


def ints(value: Any) -> Any:
    """google.protobuf.Struct only has doubles: 80.0 -> 80."""
    if isinstance(value, dict):
        return {k: ints(v) for k, v in value.items()}
    if isinstance(value, list):
        return [ints(v) for v in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def load(struct: Any) -> Json:
    """A protobuf Struct as plain data."""
    found: Json = ints(json_format.MessageToDict(struct))
    return found


def dump(value: Json) -> Any:
    """Plain data as a protobuf Struct."""
    return json_format.ParseDict(value, struct_pb2.Struct())


def drop_nulls(value: Any) -> Any:
    """Without the fields that are null: Pulumi sends unset inputs as such."""
    if isinstance(value, dict):
        return {k: drop_nulls(v) for k, v in value.items() if v is not None}
    return [drop_nulls(v) for v in value] if isinstance(value, list) else value


def has_unknown(value: Json) -> bool:
    """Whether something that only the apply will know is in it."""
    return UNKNOWN in json.dumps(value)


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted path, value) of every leaf; a list is a leaf."""
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from leaves(item, f"{path}.{key}" if path else key)
    else:
        yield path, value


def project(wanted: Any, live: Any) -> Any:
    """`live` cut down to the fields that `wanted` names: what a refresh records as inputs."""
    if isinstance(wanted, dict) and isinstance(live, dict):
        return {
            k: project(v, live[k]) if k in live else v
            for k, v in wanted.items()
            if k in live or k == "stringData" or not v
        }
    if isinstance(wanted, list) and isinstance(live, list) and len(wanted) == len(live):
        return [project(one, other) for one, other in zip(wanted, live, strict=True)]
    return live


def annotation(obj: Json, key: str) -> str | None:
    """An annotation of an object, also of one whose metadata is not known yet."""
    meta = obj.get("metadata")
    found = meta.get("annotations") if isinstance(meta, dict) else None
    return found.get(key) if isinstance(found, dict) else None


def ready(live: Json) -> bool:
    """Whether an object has become what a dependent may rely on."""
    want, have = live.get("spec") or {}, live.get("status") or {}
    if live["kind"] == "CustomResourceDefinition":
        return any(c["type"] == "Established" and c["status"] == "True" for c in have.get("conditions") or ())
    if live["kind"] not in ("Deployment", "StatefulSet", "DaemonSet"):
        return True
    if have.get("observedGeneration") != live["metadata"]["generation"]:
        return False
    total = have.get("desiredNumberScheduled", 0) if live["kind"] == "DaemonSet" else want.get("replicas", 1)
    return all(
        have.get(a, have.get(b, 0)) == total
        for a, b in (("updatedReplicas", "updatedNumberScheduled"), ("availableReplicas", "numberAvailable"))
    )


class NotReady(Exception):
    """Made, but not ready in time: the engine must still record it, or the next run makes it again."""


class Cluster:
    """An API server, spoken to with plain JSON."""

    def __init__(self, settings: dict[str, str]) -> None:
        text = settings.get("kubeconfig") or os.environ.get("KUBECONFIG") or "~/.kube/config"
        if "\n" not in text and not text.lstrip().startswith("{"):
            text = Path(text).expanduser().read_text(encoding="utf-8")
        given = client.Configuration()
        given.connection_pool_maxsize = LANES  # a request beyond the pool pays for a TLS handshake of its own
        config.load_kube_config_from_dict(  # type: ignore[no-untyped-call]
            yaml.safe_load(text), context=settings.get("context"), persist_config=False, client_configuration=given
        )
        self.api: Any = client.ApiClient(given)
        self.namespace = settings.get("namespace") or "default"
        self.force = "true" in (settings.get("enablePatchForce"), os.environ.get("PULUMI_K8S_ENABLE_PATCH_FORCE"))
        self.upsert = settings.get("upsertExistingObjects") == "true"
        self.delete_unreachable = settings.get("deleteUnreachable") == "true"
        self.mutable = {kind for kind, key in MUTABLE.items() if settings.get(key) == "true"}
        self.kinds: dict[tuple[str, str], tuple[str, bool]] = {}
        self.lock = threading.Lock()

    def call(
        self, method: str, path: str, body: Json | None = None, content: str = "application/json", query: str = ""
    ) -> Json:
        """One request. Raises `ApiException` with the server's own message as its reason."""
        headers = {"Content-Type": content, "Accept": "application/json"}
        for setting in self.api.configuration.auth_settings().values():  # a token, or a name and password
            if setting["in"] == "header" and setting["value"]:
                headers[setting["key"]] = setting["value"]
        response = self.api.rest_client.pool_manager.request(
            method,
            self.api.configuration.host + path + query,
            headers=headers,
            timeout=60,
            body=None if body is None else json.dumps(body),
        )
        if response.status >= 400:
            raise ApiException(status=response.status, reason=response.data.decode("utf-8", "replace"))
        answer: Json = json.loads(response.data)
        return answer

    def kind(self, version: str, kind: str) -> tuple[str, bool]:
        """(plural, namespaced) by discovery; a miss is asked again, for CRDs made by this same run."""
        with self.lock:
            if (version, kind) not in self.kinds:
                root = "/apis/" if "/" in version else "/api/"
                for item in self.call("GET", root + version)["resources"]:
                    if "/" not in item["name"]:
                        self.kinds[version, item["kind"]] = item["name"], item["namespaced"]
            return self.kinds[version, kind]

    def path(self, obj: Json, ident: str | None = None) -> str:
        """Where an object is on the server; `ident` is its Pulumi id."""
        plural, namespaced = self.kind(obj["apiVersion"], obj["kind"])
        meta = obj.get("metadata", {})
        name = ident.rpartition("/")[2] if ident else meta["name"]
        space = (ident.rpartition("/")[0] if ident else meta.get("namespace")) or self.namespace
        root = ("/apis/" if "/" in obj["apiVersion"] else "/api/") + obj["apiVersion"]
        return f"{root}/namespaces/{space}/{plural}/{name}" if namespaced else f"{root}/{plural}/{name}"

    def apply(self, obj: Json, preview: bool = False, timeout: float = 0, patch: bool = False) -> Json:
        """Server-side apply; a preview is a dry run where that can be. `patch`: of an object that must be there."""
        if preview and has_unknown(obj):
            return obj
        if patch and not preview and self.get(obj) is None:
            raise ValueError(f"{self.path(obj)}, which is to be patched, is not there")
        force = preview or self.force or annotation(obj, FORCE) == "true"
        query = f"?fieldManager={MANAGER}{'-patch' if patch else ''}&force={'true' if force else 'false'}" + (
            "&dryRun=All" if preview else ""
        )
        try:
            live = self.call("PATCH", self.path(obj), obj, "application/apply-patch+yaml", query)
        except (KeyError, ApiException) as error:  # its namespace or CRD comes from this same run
            if preview and getattr(error, "status", 404) == 404:
                return obj
            raise
        deadline = time.monotonic() + (timeout or 300)
        while not preview and annotation(obj, SKIP) != "true" and not ready(live):
            if time.monotonic() > deadline:
                raise NotReady(live)
            time.sleep(0.2)
            live = self.get(obj) or live
        live["metadata"].pop("managedFields", None)
        return live

    def get(self, obj: Json, ident: str | None = None) -> Json | None:
        """The live object, or None; with deleteUnreachable also when its API server cannot be reached."""
        try:
            live = self.call("GET", self.path(obj, ident))
            live["metadata"].pop("managedFields", None)
            return live
        except (KeyError, urllib3.exceptions.HTTPError, ApiException) as error:
            kind_is_gone = isinstance(error, KeyError)
            cut_off = isinstance(error, urllib3.exceptions.HTTPError) and self.delete_unreachable
            if kind_is_gone or cut_off or getattr(error, "status", 0) == 404:
                return None
            raise


class Provider(provider_pb2_grpc.ResourceProviderServicer):
    """The handlers of the ResourceProvider protocol."""

    configured: Cluster | None = None

    @property
    def cluster(self) -> Cluster:
        """The API server; there is none in a preview while the cluster itself is still to be made."""
        if self.configured is None:
            raise ValueError("the provider's kubeconfig is not known yet")
        return self.configured

    def __getattribute__(self, name: str) -> Any:
        """Every handler: an exception becomes one clear gRPC status instead of a traceback."""
        found = super().__getattribute__(name)
        if not name[0].isupper() or not callable(found):
            return found

        def guarded(request: Any, context: Any) -> Any:
            try:
                return found(request, context)
            except NotImplementedError:
                context.abort(grpc.StatusCode.UNIMPLEMENTED, f"{name} {ABSENT}")
            except ApiException as error:
                try:
                    text = json.loads(error.reason)["message"]
                except ValueError:
                    text = error.reason
                context.abort(grpc.StatusCode.UNKNOWN, f"kubernetes API {error.status}: {text}")
            except NotReady as error:
                live = error.args[0]
                text = f"{Provider.ident(live)} is not ready in time: {json.dumps(live.get('status'))}"
                news = request.properties if name == "Create" else request.news
                status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=text)
                ident, properties = Provider.ident(live), dump(live)
                failed = pb.ErrorResourceInitFailed(id=ident, properties=properties, inputs=news, reasons=[text])
                status.details.add().Pack(failed)
                context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
                context.abort(grpc.StatusCode.UNKNOWN, text)
            except Exception as error:
                if context.code() is None:
                    context.abort(grpc.StatusCode.UNKNOWN, f"{type(error).__name__}: {error}")
                raise

        return guarded

    def GetPluginInfo(self, request: Any, context: Any) -> Any:
        return plugin_pb2.PluginInfo(version=VERSION)

    def Cancel(self, request: Any, context: Any) -> Any:
        return empty_pb2.Empty()

    def CheckConfig(self, request: Any, context: Any) -> Any:
        return pb.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: Any, context: Any) -> Any:
        same = load(request.old_inputs) == load(request.news)
        return pb.DiffResponse(changes=pb.DiffResponse.DIFF_NONE if same else pb.DiffResponse.DIFF_SOME)

    def Configure(self, request: Any, context: Any) -> Any:
        # `variables` are plain strings; in `args` a secret kubeconfig would come wrapped in an object.
        # With an unknown kubeconfig (a cluster made by this same run) the engine never calls this.
        self.configured = Cluster({k.rpartition(":")[2]: v for k, v in request.variables.items()})
        # acceptSecrets=False: the engine hands over plain values and marks the answers secret itself.
        return pb.ConfigureResponse(acceptSecrets=False, supportsPreview=True, acceptResources=False)

    def Check(self, request: Any, context: Any) -> Any:
        token = request.urn.split("::")[2].rpartition("$")[2]
        if token.startswith("kubernetes:helm.sh/") or token.endswith("List"):
            context.abort(grpc.StatusCode.UNIMPLEMENTED, f"{token} {ABSENT}")
        news, olds = drop_nulls(load(request.news)), load(request.olds)
        meta = news.setdefault("metadata", {})
        if isinstance(meta, dict):
            if meta.get("generateName"):
                raise ValueError("metadata.generateName does not work with server-side apply")
            if not meta.get("name"):
                old = olds.get("metadata", {}) if isinstance(olds.get("metadata"), dict) else {}
                label = request.urn.rpartition("::")[2]
                suffix = hashlib.sha256(request.randomSeed or os.urandom(8)).hexdigest()[:8]
                meta["name"] = old["name"] if annotation(olds, AUTONAMED) else f"{label}-{suffix}"
                meta.setdefault("annotations", {})
                if isinstance(meta["annotations"], dict):
                    meta["annotations"][AUTONAMED] = "true"
            if not meta.get("namespace") and self.configured:
                try:
                    if self.cluster.kind(news["apiVersion"], news["kind"])[1]:
                        meta["namespace"] = self.cluster.namespace
                except (KeyError, ApiException):
                    pass  # a CRD that this same run is about to create
        return pb.CheckResponse(inputs=dump(news))

    def Diff(self, request: Any, context: Any) -> Any:
        old, new = drop_nulls(load(request.old_inputs)), load(request.news)
        old_leaves, new_leaves = dict(leaves(old)), dict(leaves(new))
        changed = sorted(p for p in old_leaves.keys() | new_leaves.keys() if old_leaves.get(p) != new_leaves.get(p))
        kind = str(new.get("kind"))
        fixed = list(IDENTITY)
        if not (self.configured and kind in self.configured.mutable):
            fixed += REPLACES.get(kind, "").split()
        replaces = [p for p in changed if any(p == f or p.startswith(f + ".") for f in fixed)]
        same = all(old_leaves.get(p) == new_leaves.get(p) for p in IDENTITY)
        return pb.DiffResponse(
            changes=pb.DiffResponse.DIFF_SOME if changed else pb.DiffResponse.DIFF_NONE,
            replaces=replaces,
            deleteBeforeReplace=bool(replaces) and same and not annotation(new, AUTONAMED),
            diffs=sorted({p.split(".")[0] for p in changed}),
            hasDetailedDiff=False,
        )

    def Create(self, request: Any, context: Any) -> Any:
        obj = load(request.properties)
        if request.preview:
            return pb.CreateResponse(properties=dump(self.cluster.apply(obj, True) if self.configured else obj))
        patch = PATCH in request.urn
        if not self.cluster.upsert and not patch and self.cluster.get(obj):
            context.abort(grpc.StatusCode.ALREADY_EXISTS, f"{self.cluster.path(obj)} already exists")
        live = self.cluster.apply(obj, timeout=request.timeout, patch=patch)
        return pb.CreateResponse(id=self.ident(live), properties=dump(live))

    def Update(self, request: Any, context: Any) -> Any:
        obj = load(request.news)
        if not self.configured:
            return pb.UpdateResponse(properties=dump({**load(request.olds), **obj}))
        applied = self.cluster.apply(obj, request.preview, request.timeout, PATCH in request.urn)
        return pb.UpdateResponse(properties=dump(applied))

    def Read(self, request: Any, context: Any) -> Any:
        obj, inputs = load(request.properties), load(request.inputs)
        if not obj.get("kind"):  # import, or Resource.get
            _, version, kind = request.urn.split("::")[2].rpartition("$")[2].split(":", 2)
            obj = {"apiVersion": version.removeprefix("core/"), "kind": kind}
        live = self.cluster.get(obj, request.id)
        if live is None:
            return pb.ReadResponse()
        if not inputs:
            inputs = {k: v for k, v in live.items() if k != "status"}
            inputs["metadata"] = {
                k: v for k, v in live["metadata"].items() if k in ("name", "namespace", "labels", "annotations")
            }
        return pb.ReadResponse(id=self.ident(live), properties=dump(live), inputs=dump(project(inputs, live)))

    def Delete(self, request: Any, context: Any) -> Any:
        obj = load(request.properties)
        if PATCH in request.urn:  # the fields that are no longer applied go
            meta = {key: obj["metadata"][key] for key in {"name", "namespace"} & obj["metadata"].keys()}
            if self.cluster.get(obj, request.id):
                self.cluster.apply({"apiVersion": obj["apiVersion"], "kind": obj["kind"], "metadata": meta}, patch=True)
            return empty_pb2.Empty()
        deadline = time.monotonic() + (request.timeout or 300)
        uid = obj.get("metadata", {}).get("uid")
        asked, pause = False, 0.1
        while live := self.cluster.get(obj, request.id):
            if uid and live["metadata"]["uid"] != uid:
                break
            if not asked:
                self.cluster.call("DELETE", self.cluster.path(obj, request.id), query="?propagationPolicy=Foreground")
                asked = True
            elif time.monotonic() > deadline:
                context.abort(
                    grpc.StatusCode.DEADLINE_EXCEEDED, f"{request.id} still there: {json.dumps(live.get('status'))}"
                )
            time.sleep(pause)
            pause = min(2 * pause, 2.0)
        return empty_pb2.Empty()

    @staticmethod
    def ident(live: Json) -> str:
        """The Pulumi id: name, or namespace/name."""
        meta = live["metadata"]
        return f"{meta['namespace']}/{meta['name']}" if meta.get("namespace") else meta["name"]


def main() -> None:
    """Serve on a free loopback port, whose number is the first line on stdout."""
    server = grpc.server(
        concurrent.futures.ThreadPoolExecutor(LANES),
        options=[("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)],
    )
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Provider(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main()
