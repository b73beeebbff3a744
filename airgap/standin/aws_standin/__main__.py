"""The protocol itself: every handler asks the resource's type."""

import hashlib
import json
import os
from typing import Any

import boto3
import grpc
from botocore.exceptions import ClientError
from google.protobuf import empty_pb2  # type: ignore[import-untyped]
from pulumi.runtime.proto import provider_pb2 as pb

from airgap.standin.aws_standin import eks, identity, network
from airgap.standin.aws_standin.types import TYPES, Aws, Json, Type, is_gone, retag
from airgap.standin.kubernetes_standin.serving import Servicer, serve
from airgap.standin.kubernetes_standin.wire import drop_nulls, dump, leaves, load

VERSION = "7.51.1"
MODULES = (eks, identity, network)
#: Operations at a time.
LANES = 32


def changed(old: Json, new: Json) -> list[str]:
    """The dotted paths that differ."""
    before, after = dict(leaves(old)), dict(leaves(new))
    return sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))


def replacing(kind: Type, paths: list[str]) -> list[str]:
    return [p for p in paths if any(p == field or p.startswith(f"{field}.") for field in kind.replaces)]


def known_regions() -> set[str]:
    session = boto3.Session()
    return {r for p in session.get_available_partitions() for r in session.get_available_regions("ec2", p)}


class Provider(Servicer):
    """The handlers of the ResourceProvider protocol."""

    version = VERSION
    configured: Aws | None = None

    @property
    def aws(self) -> Aws:
        assert self.configured is not None
        return self.configured

    def told(self, handler: str, error: Exception) -> tuple[grpc.StatusCode, str]:
        if not isinstance(error, ClientError):
            return super().told(handler, error)
        said = error.response["Error"]
        return grpc.StatusCode.UNKNOWN, f"{error.operation_name}: {said['Code']}: {said['Message']}"

    def made(self, inputs: Json, properties: Json) -> Json:
        return {**inputs, **_plain(properties)}

    def Configure(self, request: Any, context: Any) -> Any:
        """As the real one: who asks is known before anything is made."""
        given = {key.rpartition(":")[2]: value for key, value in request.variables.items()}
        tags = json.loads(given.get("defaultTags") or "{}").get("tags", {})
        region = given.get("region") or os.environ["AWS_REGION"]
        if region not in known_regions():
            raise ValueError(f"Invalid AWS Region: {region}")
        self.configured = Aws(region, tags)
        self.configured.sts.get_caller_identity()
        return pb.ConfigureResponse(acceptSecrets=False, supportsPreview=True, acceptResources=False)

    def Check(self, request: Any, context: Any) -> Any:
        kind, news, olds = _kind(request), drop_nulls(load(request.news)), load(request.olds)
        if kind.autoname and not news.get(kind.autoname):
            name = request.urn.rpartition("::")[2]
            seed = hashlib.sha256(request.randomSeed or os.urandom(8)).hexdigest()[:7]
            news[kind.autoname] = olds.get(kind.autoname) or f"{name}-{seed}"
        return pb.CheckResponse(inputs=dump(news))

    def Diff(self, request: Any, context: Any) -> Any:
        kind, old, new = _kind(request), drop_nulls(load(request.old_inputs)), drop_nulls(load(request.news))
        for path in request.ignoreChanges:
            _keep(old, new, path.split("."))
        paths = changed(old, new)
        replaces = replacing(kind, paths)
        named = kind.autoname and old.get(kind.autoname) == new.get(kind.autoname)
        return pb.DiffResponse(
            changes=pb.DiffResponse.DIFF_SOME if paths else pb.DiffResponse.DIFF_NONE,
            replaces=replaces,
            diffs=sorted({path.partition(".")[0] for path in paths}),
            deleteBeforeReplace=bool(replaces and named),
        )

    def Create(self, request: Any, context: Any) -> Any:
        kind, new = _kind(request), drop_nulls(load(request.properties))
        if request.preview:
            return pb.CreateResponse(properties=dump(new))
        with self.aws.tagging(kind.taggable, {**self.aws.tags, **(new.get("tags") or {})}):
            ident = kind.create(self.aws, new)
        return pb.CreateResponse(id=ident, properties=self._outputs(kind, ident, new))

    def Update(self, request: Any, context: Any) -> Any:
        kind, old, new = _kind(request), drop_nulls(load(request.old_inputs)), drop_nulls(load(request.news))
        if request.preview:
            return pb.UpdateResponse(properties=dump({**load(request.olds), **new}))
        for path in request.ignoreChanges:
            _keep(old, new, path.split("."))
        kind.update(self.aws, request.id, old, new)
        if kind.taggable:
            retag(self.aws, request.id, old.get("tags") or {}, new.get("tags") or {})
        return pb.UpdateResponse(properties=self._outputs(kind, request.id, new))

    def Read(self, request: Any, context: Any) -> Any:
        """Without properties it is an import, as with the real one."""
        kind, ident = _kind(request), request.id
        try:
            if not request.properties.fields:
                ident = kind.imported(self.aws, ident)
            live = kind.read(self.aws, ident) if ident else None
        except ClientError as error:
            if not is_gone(error):
                raise
            live = None
        if live is None:
            return pb.ReadResponse()
        inputs, outputs = load(request.inputs), _plain(live)
        if not request.properties.fields:  # made by a run that was cut, perhaps not to its end
            inputs |= {key: outputs[key] for key in inputs if key in outputs}
        properties = dump({**load(request.properties), **inputs, **outputs})
        return pb.ReadResponse(id=ident, properties=properties, inputs=dump(inputs))

    def Delete(self, request: Any, context: Any) -> Any:
        try:
            _kind(request).delete(self.aws, request.id, load(request.properties))
        except ClientError as error:
            if not is_gone(error):
                raise
        return empty_pb2.Empty()

    def _outputs(self, kind: Type, ident: str, inputs: Json) -> Any:
        return dump({**inputs, **_plain(kind.read(self.aws, ident) or {})})


def _kind(request: Any) -> Type:
    token = request.urn.split("::")[2].rpartition("$")[2]
    if token not in TYPES:
        raise NotImplementedError(f"{token} is not in this test stand-in for the aws plugin")
    return TYPES[token]


def _plain(value: Json) -> Json:
    """Times as text."""
    found: Json = json.loads(json.dumps(value, default=str))
    return found


def _keep(old: Json, new: Json, path: list[str]) -> None:
    """The old value at a path, where there is one."""
    *folders, last = path
    for folder in folders:
        old, new = old.get(folder) or {}, new.get(folder) or {}
    if last in old:
        new[last] = old[last]


if __name__ == "__main__":
    serve(Provider(), LANES)
