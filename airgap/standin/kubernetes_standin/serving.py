"""What stand-ins for Pulumi's resource plugins share: the handlers that are alike, errors, and how they serve."""

import concurrent.futures
from typing import Any

import grpc
from google.protobuf import empty_pb2  # type: ignore[import-untyped]
from pulumi.runtime.proto import plugin_pb2, provider_pb2_grpc, status_pb2
from pulumi.runtime.proto import provider_pb2 as pb

from airgap.standin.kubernetes_standin.wire import Incomplete, Json, dump, load


class Servicer(provider_pb2_grpc.ResourceProviderServicer):
    """The handlers of the ResourceProvider protocol. `version`: of the plugin that it stands in for."""

    version = ""

    def told(self, handler: str, error: Exception) -> tuple[grpc.StatusCode, str]:
        """What an exception of a handler is to the engine."""
        return grpc.StatusCode.UNKNOWN, f"{type(error).__name__}: {error}"

    def made(self, inputs: Json, properties: Json) -> Json:
        """What is recorded of something that was made and then failed."""
        return properties

    def __getattribute__(self, name: str) -> Any:
        """Every handler: an exception becomes one clear gRPC status instead of a traceback."""
        found = super().__getattribute__(name)
        if not name[0].isupper() or not callable(found):
            return found

        def guarded(request: Any, context: Any) -> Any:
            try:
                return found(request, context)
            except Incomplete as error:
                news = request.properties if name == "Create" else request.news
                status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=error.reason)
                properties = dump(self.made(load(news), error.properties))
                failed = pb.ErrorResourceInitFailed(
                    id=error.ident, properties=properties, inputs=news, reasons=[error.reason]
                )
                status.details.add().Pack(failed)
                context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
                context.abort(grpc.StatusCode.UNKNOWN, error.reason)
            except Exception as error:
                if context.code() is None:
                    context.abort(*self.told(name, error))
                raise

        return guarded

    def GetPluginInfo(self, request: Any, context: Any) -> Any:
        return plugin_pb2.PluginInfo(version=self.version)

    def Cancel(self, request: Any, context: Any) -> Any:
        return empty_pb2.Empty()

    def CheckConfig(self, request: Any, context: Any) -> Any:
        return pb.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: Any, context: Any) -> Any:
        same = load(request.old_inputs) == load(request.news)
        return pb.DiffResponse(changes=pb.DiffResponse.DIFF_NONE if same else pb.DiffResponse.DIFF_SOME)


def serve(provider: Servicer, lanes: int) -> None:
    """On a free loopback port, whose number is the first line on stdout. `lanes`: operations at a time."""
    server = grpc.server(
        concurrent.futures.ThreadPoolExecutor(lanes),
        options=[("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)],
    )
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(provider, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    server.wait_for_termination()
