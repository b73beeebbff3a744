"""Helm releases: `kubernetes:helm.sh/v3:Release`, as the real plugin treats them, by driving `helm`.

A chart is a directory, an archive, one of a repository (repositoryOpts.repo) or of a registry (oci://). $NETSPEC_CHARTS
names a directory of charts for machines that reach neither: <chart>-<version>/ is taken in place of that chart of that
version, wherever the release would have it from, and <chart>.values.yaml beside it is laid over the release's values.
"""

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from google.protobuf import empty_pb2  # type: ignore[import-untyped]
from pulumi.runtime.proto import provider_pb2 as pb

from airgap.standin.kubernetes_standin.cluster import Cluster
from airgap.standin.kubernetes_standin.wire import Incomplete, Json, drop_nulls, dump, has_unknown, load

TOKEN = "kubernetes:helm.sh/v3:Release"
CHARTS = "NETSPEC_CHARTS"
#: The launcher's directory, from the launcher.
BESIDE = "NETSPEC_PLUGIN_DIR"
TIMEOUT = 300
#: What Check adds to what was asked for.
COMPUTED = ("checksum", "resourceNames")
#: helm's word for a release that is not there, and for a name that is taken.
NOT_FOUND, TAKEN = "release: not found", "cannot re-use a name"
#: Options of helm by the name of the input that gives them.
FLAGS = {
    "atomic": "--atomic",
    "cleanupOnFail": "--cleanup-on-fail",
    "createNamespace": "--create-namespace",
    "dependencyUpdate": "--dependency-update",
    "devel": "--devel",
    "disableOpenapiValidation": "--disable-openapi-validation",
    "disableWebhooks": "--no-hooks",
    "forceUpdate": "--force",
    "renderSubchartNotes": "--render-subchart-notes",
    "replace": "--replace",
    "resetValues": "--reset-values",
    "reuseValues": "--reuse-values",
    "skipCrds": "--skip-crds",
    "takeOwnership": "--take-ownership",
    "verify": "--verify",
}
#: Inputs that have no option of their own here; any other one that is given is an error.
KNOWN = {"chart", "name", "namespace", "repositoryOpts", "skipAwait", "timeout", "values", "version", "waitForJobs"}
KNOWN |= {"description", "maxHistory", "allowNullValues", "compat", *COMPUTED}
ONLY = {"install": {"createNamespace", "replace"}, "upgrade": {"cleanupOnFail", "resetValues", "reuseValues"}}


class HelmError(Exception):
    """What helm said."""


def program() -> str:
    """helm: beside the plugin's launcher, else on PATH."""
    found = shutil.which("helm", path=os.environ.get(BESIDE)) or shutil.which("helm")
    if found is None:
        raise HelmError("this stand-in for the kubernetes plugin drives helm, which is not on PATH")
    return found


def located(inputs: Json) -> tuple[list[str], Path | None]:
    """helm's words for the chart, and the values to lay over the release's."""
    chart, version, repo = inputs["chart"], inputs.get("version"), inputs.get("repositoryOpts") or {}
    if folder := os.environ.get(CHARTS):
        name = str(chart).rstrip("/").rpartition("/")[2]
        built = Path(folder) / f"{name}-{str(version).removeprefix('v')}"
        if built.is_dir():
            over = Path(folder) / f"{name}.values.yaml"
            return [str(built)], over if over.is_file() else None
    words = [str(chart)] + (["--version", str(version)] if version else [])
    options = {"repo": "--repo", "caFile": "--ca-file", "certFile": "--cert-file", "keyFile": "--key-file"}
    options |= {"username": "--username", "password": "--password"}
    return words + [word for key, flag in options.items() if repo.get(key) for word in (flag, str(repo[key]))], None


def options_of(inputs: Json, action: str) -> list[str]:
    """helm's options for an action, of the inputs that are not about the chart."""
    elsewhere = set().union(*(names for other, names in ONLY.items() if other != action))
    words = [flag for key, flag in FLAGS.items() if inputs.get(key) and key not in elsewhere]
    if not inputs.get("skipAwait"):
        words += ["--wait", *(["--wait-for-jobs"] if inputs.get("waitForJobs") else [])]
    if inputs.get("timeout"):
        words += ["--timeout", f"{inputs['timeout']}s"]
    if inputs.get("description"):
        words += ["--description", str(inputs["description"])]
    if action == "upgrade":
        words += ["--history-max", str(inputs.get("maxHistory") or 0)]
    return words


def names_of(manifest: str) -> dict[str, list[str]]:
    """The objects of a rendered chart: "<Kind>/<apiVersion>" -> names.

    >>> names_of("kind: ConfigMap\\napiVersion: v1\\nmetadata: {name: a, namespace: b}\\n")
    {'ConfigMap/v1': ['b/a']}
    """
    out: dict[str, list[str]] = {}
    for item in yaml.load_all(manifest, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        if isinstance(item, dict) and item.get("kind"):
            meta = item.get("metadata") or {}
            name = f"{meta['namespace']}/{meta['name']}" if meta.get("namespace") else str(meta.get("name"))
            out.setdefault(f"{item['kind']}/{item.get('apiVersion')}", []).append(name)
    return {kind: sorted(names) for kind, names in sorted(out.items())}


class Releases:
    """The handlers of the protocol for releases on a cluster; None in a preview while that is still to be made."""

    def __init__(self, cluster: Cluster | None) -> None:
        self.cluster = cluster

    def Check(self, request: Any, context: Any) -> Any:
        """As the real one: the chart is rendered, so that one that is unavailable, or refuses its values, is an error
        of the preview."""
        news, olds = drop_nulls(load(request.news)), load(request.olds)
        news = {key: value for key, value in news.items() if key not in COMPUTED}
        if unknown := sorted(news.keys() - KNOWN - FLAGS.keys()):
            raise ValueError(f"{', '.join(unknown)} of a release: not in this test stand-in for the kubernetes plugin")
        if not news.get("name"):
            suffix = hashlib.sha256(request.randomSeed or os.urandom(8)).hexdigest()[:8]
            news["name"] = olds.get("name") or f"{request.urn.rpartition('::')[2]}-{suffix}"
        news["namespace"] = news.get("namespace") or (self.cluster.namespace if self.cluster else "default")
        if not news.get("skipAwait"):
            news.setdefault("timeout", TIMEOUT)
        failures = []
        if not has_unknown(news):
            try:
                manifest = self._template(news)
                news |= {"checksum": hashlib.sha256(manifest.encode()).hexdigest(), "resourceNames": names_of(manifest)}
            except HelmError as error:
                reason = f"{error}; check the chart name and repository configuration."
                failures = [pb.CheckFailure(property="chart", reason=reason)]
        return pb.CheckResponse(inputs=dump(news), failures=failures)

    def Diff(self, request: Any, context: Any) -> Any:
        old, new = load(request.old_inputs), load(request.news)
        changed = sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
        return pb.DiffResponse(
            changes=pb.DiffResponse.DIFF_SOME if changed else pb.DiffResponse.DIFF_NONE,
            replaces=[key for key in changed if key in ("name", "namespace")],
            diffs=changed,
            hasDetailedDiff=False,
        )

    def Create(self, request: Any, context: Any) -> Any:
        inputs = load(request.properties)
        if request.preview:
            return pb.CreateResponse(properties=dump(inputs))
        live = self._change("install", inputs)
        return pb.CreateResponse(id=_ident(inputs), properties=dump(live))

    def Update(self, request: Any, context: Any) -> Any:
        inputs = load(request.news)
        if request.preview or self.cluster is None:
            return pb.UpdateResponse(properties=dump({**load(request.olds), **inputs}))
        return pb.UpdateResponse(properties=dump(self._change("upgrade", inputs)))

    def Read(self, request: Any, context: Any) -> Any:
        """The inputs stay what they were: the real one does not compare them with the release's values either."""
        inputs = load(request.inputs)
        namespace, _, name = request.id.rpartition("/")
        found = self._status(name, namespace)
        if found is None:
            return pb.ReadResponse()
        inputs = inputs or {"name": name, "namespace": namespace, "chart": found["chart"], "version": found["version"]}
        return pb.ReadResponse(id=request.id, properties=dump({**inputs, "status": found}), inputs=dump(inputs))

    def Delete(self, request: Any, context: Any) -> Any:
        inputs = load(request.properties)
        wait = inputs.get("atomic") or not inputs.get("skipAwait")
        words = ["--wait", "--timeout", f"{inputs.get('timeout') or TIMEOUT}s"] if wait else []
        self._helm("uninstall", inputs["name"], "--namespace", inputs["namespace"], *words)
        return empty_pb2.Empty()

    def _template(self, inputs: Json) -> str:
        words = ["--dry-run=client", *([] if inputs.get("skipCrds") else ["--include-crds"])]
        return self._of_chart("template", inputs, words, online=False)

    def _change(self, action: str, inputs: Json) -> Json:
        """Install or upgrade; the inputs with the status that it has then."""
        try:
            self._of_chart(action, inputs, options_of(inputs, action))
        except HelmError as error:
            found = self._status(inputs["name"], inputs["namespace"])
            if found is None or TAKEN in str(error):
                raise
            reason = f'Helm release "{_ident(inputs)}" was created, but failed to initialize completely: {error}'
            raise Incomplete(_ident(inputs), {**inputs, "status": found}, reason) from error
        return {**inputs, "status": self._status(inputs["name"], inputs["namespace"])}

    def _of_chart(self, action: str, inputs: Json, options: Sequence[str], online: bool = True) -> str:
        chart, over = located(inputs)
        with tempfile.NamedTemporaryFile("w", suffix=".json") as values:  # mode 0600
            json.dump(inputs.get("values") or {}, values)
            values.flush()
            files = ["--values", values.name, *(["--values", str(over)] if over else [])]
            where = ["--namespace", inputs["namespace"]]
            return self._helm(action, inputs["name"], *chart, *where, *files, *options, online=online)

    def _status(self, name: str, namespace: str) -> Json | None:
        """The release as the real plugin has it in `status`; None where there is none, or with deleteUnreachable no
        API server."""
        try:
            found = json.loads(self._helm("list", "--all", "--namespace", namespace, "--output=json", "--max=0"))
            (mine,) = [release for release in found if release["name"] == name] or [None]
        except HelmError as error:
            if self.cluster and self.cluster.delete_unreachable and "cluster unreachable" in str(error):
                return None
            raise
        if mine is None:
            return None
        chart, _, version = str(mine["chart"]).rpartition("-")
        status = {key: mine[key] for key in ("name", "namespace", "status")}
        return {**status, "revision": int(mine["revision"]), "chart": chart, "version": version} | (
            {"appVersion": mine["app_version"]} if mine.get("app_version") else {}
        )

    def _helm(self, *words: str, online: bool = True) -> str:
        """Run helm on the cluster, with nothing of the user's own settings for it."""
        with self._access(online) as access, tempfile.TemporaryDirectory() as home:
            env = {**os.environ, **{f"HELM_{kind}_HOME": f"{home}/{kind}" for kind in ("CACHE", "CONFIG", "DATA")}}
            done = subprocess.run([program(), *words, *access], capture_output=True, text=True, env=env, check=False)
        if done.returncode:
            lines = [line for line in done.stderr.strip().splitlines() if not line.startswith(("WARNING", "W"))]
            said = " ".join(" ".join(lines).removeprefix("Error: ").split())
            raise HelmError(said.split("FAILED: ", 1)[-1] if "FAILED: " in said[:32] else said or "helm said nothing")
        return done.stdout

    @contextlib.contextmanager
    def _access(self, online: bool) -> Iterator[list[str]]:
        if self.cluster is None or not online:
            yield []
            return
        with tempfile.NamedTemporaryFile("w", suffix=".kubeconfig") as file:  # mode 0600
            file.write(self.cluster.kubeconfig)
            file.flush()
            context = ["--kube-context", self.cluster.context] if self.cluster.context else []
            yield ["--kubeconfig", file.name, *context]


def _ident(inputs: Json) -> str:
    return f"{inputs['namespace']}/{inputs['name']}"
