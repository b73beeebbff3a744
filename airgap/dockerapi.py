"""The questions asked of an engine too often to start a client for them, and who it is that answers."""

import http.client
import socket
import struct
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


def server(path: Path) -> int | None:
    """The process of the engine that answers at this socket, None when none does."""
    if _status(path, "/_ping") != http.client.OK:
        return None
    credentials = struct.Struct("3i")  # struct ucred: pid, uid, gid of whoever listens
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.settimeout(_TIMEOUT)
        try:
            asking.connect(str(path))
        except OSError:
            return None
        found = asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, credentials.size)
    return int(credentials.unpack(found)[0]) or None


def has_image(path: Path, reference: str) -> bool:
    """Whether the engine at this socket has an image of this name."""
    return _status(path, f"/images/{quote(reference)}/json") == http.client.OK
