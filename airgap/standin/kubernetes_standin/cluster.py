"""An API server, and the objects on it."""

import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import urllib3
import yaml
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException

from airgap.standin.kubernetes_standin.wire import Incomplete, Json, has_unknown

FORCE, SKIP = "pulumi.com/patchForce", "pulumi.com/skipAwait"
MANAGER = "pulumi-kubernetes-standin"
MUTABLE = {"ConfigMap": "enableConfigMapMutable", "Secret": "enableSecretMutable"}
LANES = 64


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
    # Pods of before count as available too, until they are gone (kubectl rollout status waits for the same).
    if live["kind"] == "Deployment" and have.get("replicas", 0) != total:
        return False
    return all(
        have.get(a, have.get(b, 0)) == total
        for a, b in (("updatedReplicas", "updatedNumberScheduled"), ("availableReplicas", "numberAvailable"))
    )


def id_of(live: Json) -> str:
    """The Pulumi id: name, or namespace/name."""
    meta = live["metadata"]
    return f"{meta['namespace']}/{meta['name']}" if meta.get("namespace") else meta["name"]


class Cluster:
    """An API server, spoken to with plain JSON."""

    def __init__(self, settings: dict[str, str]) -> None:
        text = settings.get("kubeconfig") or os.environ.get("KUBECONFIG") or "~/.kube/config"
        if "\n" not in text and not text.lstrip().startswith("{"):
            text = Path(text).expanduser().read_text(encoding="utf-8")
        self.kubeconfig, self.context = text, settings.get("context")
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
                raise Incomplete(
                    id_of(live), live, f"{id_of(live)} is not ready in time: {json.dumps(live.get('status'))}"
                )
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
        except KeyError:  # the kind (its CRD) is gone
            return None
        except urllib3.exceptions.HTTPError:
            if self.delete_unreachable:
                return None
            raise
        except ApiException as error:
            if error.status == 404:
                return None
            raise
