"""Kubernetes objects: `kubernetes:<group>/<version>:<Kind>`."""

import hashlib
import json
import os
import time
from typing import Any

import grpc
from google.protobuf import empty_pb2  # type: ignore[import-untyped]
from kubernetes.client.exceptions import ApiException
from pulumi.runtime.proto import provider_pb2 as pb

from airgap.standin.kubernetes_standin.cluster import Cluster, annotation, id_of
from airgap.standin.kubernetes_standin.wire import drop_nulls, dump, leaves, load, project

AUTONAMED = "pulumi.com/autonamed"
PATCH = "Patch::"  # in the URN of fields of an object that is somebody else's
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


class Objects:
    """The handlers of the protocol for objects on a cluster; None in a preview while that is still to be made."""

    def __init__(self, cluster: Cluster | None) -> None:
        self.configured = cluster

    @property
    def cluster(self) -> Cluster:
        if self.configured is None:
            raise ValueError("the provider's kubeconfig is not known yet")
        return self.configured

    def Check(self, request: Any, context: Any) -> Any:
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
        return pb.CreateResponse(id=id_of(live), properties=dump(live))

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
        return pb.ReadResponse(id=id_of(live), properties=dump(live), inputs=dump(project(inputs, live)))

    def Delete(self, request: Any, context: Any) -> Any:
        obj = load(request.properties)
        if PATCH in request.urn:  # the fields that are no longer applied go
            meta = {key: obj["metadata"][key] for key in {"name", "namespace"} & obj["metadata"].keys()}
            if self.cluster.get(obj, request.id):
                self.cluster.apply({"apiVersion": obj["apiVersion"], "kind": obj["kind"], "metadata": meta}, patch=True)
            return empty_pb2.Empty()
        # By its name, whoever made it (await.go, Deletion); one that is made meanwhile is another.
        deadline, pause = time.monotonic() + (request.timeout or 300), 0.1
        live = first = self.cluster.get(obj, request.id)
        if first:
            self.cluster.call("DELETE", self.cluster.path(obj, request.id), query="?propagationPolicy=Foreground")
        while live and first and live["metadata"]["uid"] == first["metadata"]["uid"]:
            if time.monotonic() > deadline:
                context.abort(
                    grpc.StatusCode.DEADLINE_EXCEEDED, f"{request.id} still there: {json.dumps(live.get('status'))}"
                )
            time.sleep(pause)
            pause = min(2 * pause, 2.0)
            live = self.cluster.get(obj, request.id)
        return empty_pb2.Empty()
