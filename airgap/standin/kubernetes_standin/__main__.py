"""The protocol itself: every handler is the one of the resource's kind."""

import concurrent.futures
import json
from typing import Any

import grpc
from google.protobuf import empty_pb2  # type: ignore[import-untyped]
from kubernetes.client.exceptions import ApiException
from pulumi.runtime.proto import plugin_pb2, provider_pb2_grpc, status_pb2
from pulumi.runtime.proto import provider_pb2 as pb

from airgap.standin.kubernetes_standin.cluster import LANES, Cluster
from airgap.standin.kubernetes_standin.objects import Objects
from airgap.standin.kubernetes_standin.releases import TOKEN, Releases
from airgap.standin.kubernetes_standin.wire import Incomplete, dump, load

ABSENT = "is not in this test stand-in for the kubernetes plugin"
VERSION = "4.34.2"


class Provider(provider_pb2_grpc.ResourceProviderServicer):
    """The handlers of the ResourceProvider protocol."""

    configured: Cluster | None = None

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
            except Incomplete as error:
                news = request.properties if name == "Create" else request.news
                status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=error.reason)
                properties = dump(error.properties)
                failed = pb.ErrorResourceInitFailed(
                    id=error.ident, properties=properties, inputs=news, reasons=[error.reason]
                )
                status.details.add().Pack(failed)
                context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
                context.abort(grpc.StatusCode.UNKNOWN, error.reason)
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
