"""Container images without an engine: layers as plain tar files, and docker's archive format around them."""

import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self


class Layer:
    """A layer being written: everything is owned by root unless told, and has no time, so that it is reproducible."""

    def __init__(self, path: Path) -> None:
        self._tar = tarfile.open(path, "w", format=tarfile.PAX_FORMAT)  # noqa: SIM115

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tar.close()

    def file(self, source: Path, target: str, mode: int = 0o755) -> None:
        """A file with the content of another."""
        info = tarfile.TarInfo(target.lstrip("/"))
        info.size, info.mode = source.stat().st_size, mode
        with source.open("rb") as content:
            self._tar.addfile(info, content)

    def text(self, target: str, content: str, mode: int = 0o644, owner: int = 0) -> None:
        """A file with this content."""
        data = content.encode()
        info = tarfile.TarInfo(target.lstrip("/"))
        info.size, info.mode, info.uid, info.gid = len(data), mode, owner, owner
        self._tar.addfile(info, io.BytesIO(data))

    def directory(self, target: str, mode: int = 0o755, owner: int = 0) -> None:
        """A directory."""
        info = tarfile.TarInfo(target.lstrip("/"))
        info.type, info.mode, info.uid, info.gid = tarfile.DIRTYPE, mode, owner, owner
        self._tar.addfile(info)

    def link(self, target: str, to: str) -> None:
        """A symbolic link."""
        info = tarfile.TarInfo(target.lstrip("/"))
        info.type, info.linkname = tarfile.SYMTYPE, to
        self._tar.addfile(info)

    def tree(self, source: Path, target: str) -> None:
        """A directory and everything below it, with its modes."""
        self.directory(target, source.stat().st_mode & 0o7777)
        for path in sorted(source.iterdir()):
            name = f"{target}/{path.name}"
            if path.is_symlink():
                self.link(name, str(path.readlink()))
            elif path.is_dir():
                self.tree(path, name)
            else:
                self.file(path, name, path.stat().st_mode & 0o7777)


@dataclass(frozen=True, slots=True)
class Image:
    """An image: its reference, its layers from the lowest up, and the fields of its OCI config."""

    reference: str
    layers: Sequence[Path]
    config: dict[str, object] = field(default_factory=dict)


def write_archive(path: Path, images: Iterable[Image]) -> None:
    """Write images as one archive that `docker load` and `ctr images import` read; a shared layer is in it once."""
    digests: dict[Path, str] = {}
    manifest = []
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for image in images:
            for layer in image.layers:
                if layer not in digests:
                    with layer.open("rb") as content:
                        digests[layer] = hashlib.file_digest(content, "sha256").hexdigest()
                    info = tarfile.TarInfo(f"{digests[layer]}.tar")
                    info.size, info.mode = layer.stat().st_size, 0o644
                    with layer.open("rb") as content:
                        tar.addfile(info, content)
            config = json.dumps(_config(image, [digests[layer] for layer in image.layers]), sort_keys=True).encode()
            name = f"{hashlib.sha256(config).hexdigest()}.json"
            _add(tar, name, config)
            layers = [f"{digests[layer]}.tar" for layer in image.layers]
            manifest.append({"Config": name, "RepoTags": [image.reference], "Layers": layers})
        _add(tar, "manifest.json", json.dumps(manifest).encode())


def _config(image: Image, digests: list[str]) -> dict[str, object]:
    environment = ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]
    return {
        "architecture": "amd64",
        "os": "linux",
        "created": "1970-01-01T00:00:00Z",
        "config": {"Env": environment, **image.config},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}" for digest in digests]},
        "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "netspec airgap"} for _ in digests],
    }


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(data), 0o644
    tar.addfile(info, io.BytesIO(data))
