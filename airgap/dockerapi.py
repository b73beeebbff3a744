"""The two questions asked of an engine too often to start a client for them."""

import http.client
import socket
from pathlib import Path
from urllib.parse import quote

#: Seconds an engine may take to answer.
_TIMEOUT = 5.0


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=_TIMEOUT)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def _status(path: Path, request: str) -> int:
    connection = _Connection(path)
    try:
        connection.request("GET", request)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


def answers(path: Path) -> bool:
    """Whether an engine answers at this socket."""
    return _status(path, "/_ping") == http.client.OK


def has_image(path: Path, reference: str) -> bool:
    """Whether the engine at this socket has an image of this name."""
    return _status(path, f"/images/{quote(reference)}/json") == http.client.OK
