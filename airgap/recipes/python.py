"""A Python for programs of netspec's own that run in pods: what plays EC2 instances, and some of the stand-ins."""

import re
import subprocess
import sys
import sysconfig
from pathlib import Path

from airgap.archive import Image, Layer, write_archive
from airgap.component import Component, Context
from netspec import catalogue

#: Parts of Python's library that no program of ours imports.
_UNUSED = frozenset(
    {
        *("test", "idlelib", "tkinter", "turtledemo", "lib2to3", "ensurepip"),
        *("site-packages", "dist-packages", "__pycache__"),
    }
)


def _recipe(context: Context) -> None:
    """The Python that runs this, with the libraries that it loads, where they are on this machine."""
    program, library = Path(sys.executable).resolve(), Path(sysconfig.get_path("stdlib"))
    files = [program, *_files(library)]
    path = context.out / "python.tar"
    with Layer(path) as layer:
        for file in files:
            layer.file(file.resolve(), str(file), 0o755 if file == program else 0o644)
        for name in _libraries([program, *(f for f in files if ".so" in f.suffixes)]):
            layer.file(Path(name).resolve(), name)
        layer.link("usr/local/bin/python3", str(program))
        layer.directory("tmp", 0o1777)
    image = Image(catalogue.IMAGES["python"], [path], {"Cmd": ["python3"]})
    write_archive(context.out / "images.tar", [image])
    path.unlink()


def _files(folder: Path) -> list[Path]:
    """Of a library: the modules, and no cache of them."""
    found = []
    for path in sorted(folder.iterdir()):
        if path.name in _UNUSED or path.suffix in (".a", ".pyc") or path.name.startswith("config-"):
            continue
        found += _files(path) if path.is_dir() else [path]
    return found


def _libraries(programs: list[Path]) -> list[str]:
    """The shared libraries that they load, the loader among them, by the names that they load them by."""
    listed = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=False).stdout
    return sorted(set(re.findall(r"(?:=> |^\t)(/\S+) \(0x", listed, re.MULTILINE)))


EXTRAS = {"python-images": frozenset({catalogue.IMAGES["python"]})}
COMPONENT = Component(
    "python-images",
    catalogue.PYTHON.airgap,
    _recipe,
    sources=("recipes/python.py", "archive.py"),
    definition=catalogue.IMAGES["python"],
    disk=0.3,
)
