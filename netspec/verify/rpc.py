"""Calls of gRPC over a connection that somebody else makes, as netspec/verify/client.py speaks HTTP over one."""

import selectors
import socket
import ssl
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from netspec.probes import HttpAsk
from netspec.verify.client import Connect, handshake
from netspec.verify.streams import PATIENCE

#: What the library says where nobody answered: not the server's word.
_NOBODY = ("UNAVAILABLE", "DEADLINE_EXCEEDED")
_CHUNK = 65536


def called(connect: Connect, ask: HttpAsk, texts: Sequence[str], other: str = "") -> tuple[list[str], list[str], str]:
    """What comes of each text in a call of its own, and in one call, each sent when the one before was answered; and of
    a call of the method `other`. In place of an answer the call's status. Raises OSError where none came."""
    import grpc

    with _channel(connect, ask) as channel:
        call = partial(_answer, channel, ask.headers)
        apart = [call(ask.path, text) for text in texts]
        of_other = call(other, "") if other else ""
        together: list[str] = []
        to_send: SimpleQueue[bytes | None] = SimpleQueue()
        answers = channel.stream_stream(ask.path)(
            iter(to_send.get, None), timeout=PATIENCE, metadata=_metadata(ask.headers)
        )
        try:
            for text in texts:
                to_send.put(text.encode())
                together.append(next(answers).decode(errors="replace"))
        except grpc.RpcError as error:
            # That single calls are answered is seen: what holds this one up is no lack of a server.
            together.append(error.code().name)
        finally:
            to_send.put(None)
    return apart, together, of_other


def _answer(channel: Any, headers: Iterable[tuple[str, str]], method: str, text: str) -> str:
    import grpc

    try:
        answer = channel.unary_unary(method)(text.encode(), timeout=PATIENCE, metadata=_metadata(headers))
    except grpc.RpcError as error:
        code = error.code().name
        if code in _NOBODY:
            raise OSError(f"{code}: {error.details()}") from error
        return str(code)
    return str(answer.decode(errors="replace"))


def _metadata(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(name.lower(), value) for name, value in headers]


@contextmanager
def _channel(connect: Connect, ask: HttpAsk) -> Iterator[Any]:
    import grpc

    with ExitStack() as stack:
        sock = stack.enter_context(connect())
        if ask.tls:
            sock = stack.enter_context(handshake(sock, ask.host, protocols=("h2",)))
            assert isinstance(sock, ssl.SSLSocket)
            if sock.selected_alpn_protocol() != "h2":
                raise OSError("HTTP/2 is not offered")
        path = stack.enter_context(_bridged(sock))
        options = [("grpc.default_authority", ask.host)]
        yield stack.enter_context(grpc.insecure_channel(f"unix:{path}", options=options))


@contextmanager
def _bridged(stream: socket.socket) -> Iterator[Path]:
    """A socket in the file system that leads to the stream, for one caller: the library makes its own connections."""
    with tempfile.TemporaryDirectory(prefix="netspec-door-") as folder, socket.socket(socket.AF_UNIX) as listening:
        path = Path(folder) / "door"
        listening.bind(str(path))
        listening.listen(1)
        listening.settimeout(PATIENCE)
        thread = threading.Thread(target=_pass_on, args=(listening, stream), daemon=True)
        thread.start()
        try:
            yield path
        finally:
            thread.join(PATIENCE)


def _pass_on(listening: socket.socket, stream: socket.socket) -> None:
    """Both ways in one thread, for a TLS connection is not to be used by two; until either end is through."""
    with suppress(OSError):
        caller, _ = listening.accept()
        with caller, selectors.DefaultSelector() as selector:
            others: Mapping[socket.socket, socket.socket] = {caller: stream, stream: caller}
            for end in others:
                selector.register(end, selectors.EVENT_READ)
            while ready := selector.select(PATIENCE):
                for key, _ in ready:
                    side = key.fileobj
                    assert isinstance(side, socket.socket)
                    while True:
                        data = side.recv(_CHUNK)
                        if not data:
                            return
                        others[side].sendall(data)
                        if not (isinstance(side, ssl.SSLSocket) and side.pending()):
                            break
