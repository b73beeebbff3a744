"""The protocol itself: every handler is the one of the resource's kind."""

import json
from typing import Any

import grpc
from kubernetes.client.exceptions import ApiException
from pulumi.runtime.proto import provider_pb2 as pb

from airgap.standin.kubernetes_standin.cluster import LANES, Cluster
from airgap.standin.kubernetes_standin.objects import Objects
from airgap.standin.kubernetes_standin.releases import TOKEN, Releases
from airgap.standin.kubernetes_standin.serving import Servicer, serve

ABSENT = "is not in this test stand-in for the kubernetes plugin"
VERSION = "4.34.2"


class Provider(Servicer):
    """The handlers of the ResourceProvider protocol."""

    configured: Cluster | None = None

    version = VERSION

    def told(self, handler: str, error: Exception) -> tuple[grpc.StatusCode, str]:
        if isinstance(error, NotImplementedError):
            return grpc.StatusCode.UNIMPLEMENTED, f"{handler} {ABSENT}"
        if not isinstance(error, ApiException):
            return super().told(handler, error)
        try:
            text = json.loads(error.reason)["message"]
        except ValueError:
            text = error.reason
        return grpc.StatusCode.UNKNOWN, f"kubernetes API {error.status}: {text}"

    def Configure(self, request: Any, context: Any) -> Any:
        # `variables` are plain strings; in `args` a secret kubeconfig would come wrapped in an object.
        # With an unknown kubeconfig (a cluster made by this same run) the engine never calls this.
        self.configured = Cluster({k.rpartition(":")[2]: v for k, v in request.variables.items()})
        # acceptSecrets=False: the engine hands over plain values and marks the answers secret itself.
        return pb.ConfigureResponse(acceptSecrets=False, supportsPreview=True, acceptResources=False)

    def Check(self, request: Any, context: Any) -> Any:
        return self._of(request, context).Check(request, context)

    def Diff(self, request: Any, context: Any) -> Any:
        return self._of(request, context).Diff(request, context)

    def Create(self, request: Any, context: Any) -> Any:
        return self._of(request, context).Create(request, context)

    def Update(self, request: Any, context: Any) -> Any:
        return self._of(request, context).Update(request, context)

    def Read(self, request: Any, context: Any) -> Any:
        return self._of(request, context).Read(request, context)

    def Delete(self, request: Any, context: Any) -> Any:
        return self._of(request, context).Delete(request, context)

    def _of(self, request: Any, context: Any) -> Objects | Releases:
        token = request.urn.split("::")[2].rpartition("$")[2]
        if token == TOKEN:
            return Releases(self.configured)
        if token.startswith("kubernetes:helm.sh/") or token.endswith("List"):
            context.abort(grpc.StatusCode.UNIMPLEMENTED, f"{token} {ABSENT}")
        return Objects(self.configured)


if __name__ == "__main__":
    serve(Provider(), LANES)
