"""Amazon's VPC CNI, and a Python for what makes nodes look like EC2 instances: images of the names that a plan has."""

import re
import subprocess
import sys
import sysconfig
from pathlib import Path

from airgap.archive import Image, Layer, write_archive
from airgap.component import Component, Context
from airgap.golang import GoBuild, go_component
from netspec import catalogue

_MODULE = "github.com/aws/amazon-vpc-cni-k8s"
#: Programs of the agent's image by their names there (its scripts/dockerfiles/Dockerfile.release).
_AGENT = ("aws-k8s-agent", "aws-vpc-cni", "aws-cni", "egress-cni", "grpc-health-probe")
_INIT = "aws-vpc-cni-init"
#: What the init container installs besides (Dockerfile.init); egress-cni, off here, would ask for host-local.
_PLUGINS = ("loopback", "portmap", "bandwidth", "host-local", "tuning")

VPC_CNI = GoBuild(
    module=_MODULE,
    version=f"v{catalogue.VPC_CNI.airgap}",
    programs=(
        ("aws-k8s-agent", "cmd/aws-k8s-agent"),
        ("aws-vpc-cni", "cmd/aws-vpc-cni"),
        ("aws-vpc-cni-init", "cmd/aws-vpc-cni-init"),
        ("aws-cni", "cmd/routed-eni-cni-plugin"),
        ("egress-cni", "cmd/egress-cni-plugin"),
        ("grpc-health-probe", "cmd/grpc-health-probe"),
    ),
    # No stamps: agent and plugin compare versions, and the release's Makefile sets neither (it stamps names that no
    # package has), so both are empty there too.
    inherit=True,
)

#: Parts of Python's library that no program of ours imports.
_UNUSED = frozenset(
    {
        *("test", "idlelib", "tkinter", "turtledemo", "lib2to3", "ensurepip"),
        *("site-packages", "dist-packages", "__pycache__"),
    }
)


def _images(context: Context) -> None:
    work = context.out / "layers"
    work.mkdir()
    agent, init = work / "agent.tar", work / "init.tar"
    binaries = context.needs["vpc-cni"] / "bin"
    with Layer(agent) as layer:
        for name in _AGENT:
            layer.file(binaries / name, f"app/{name}")
        source = context.go_module(f"{_MODULE}@v{catalogue.VPC_CNI.airgap}") / "misc"
        for name in ("10-aws.conflist", "eni-max-pods.txt"):
            layer.file(source / name, f"app/{name}", 0o644)
    with Layer(init) as layer:
        layer.file(binaries / _INIT, f"init/{_INIT}")
        for name in _PLUGINS:
            layer.file(context.needs["cni-plugins"] / "bin" / name, f"init/{name}")
    net = context.needs["base"] / "net.tar"
    images = [
        Image(catalogue.IMAGES["vpc-cni"], [net, agent], {"Entrypoint": ["/app/aws-vpc-cni"], "WorkingDir": "/app"}),
        Image(catalogue.IMAGES["vpc-cni-init"], [init], {"Cmd": [f"/init/{_INIT}"], "WorkingDir": "/init"}),
        _python(work),
    ]
    write_archive(context.out / "images.tar", images)
    for path in work.iterdir():
        path.unlink()
    work.rmdir()


def _python(work: Path) -> Image:
    """The Python that runs this, with the libraries that it loads, where they are on this machine."""
    program, library = Path(sys.executable).resolve(), Path(sysconfig.get_path("stdlib"))
    files = [program, *_files(library)]
    path = work / "python.tar"
    with Layer(path) as layer:
        for file in files:
            layer.file(file.resolve(), str(file), 0o755 if file == program else 0o644)
        for name in _libraries([program, *(f for f in files if ".so" in f.suffixes)]):
            layer.file(Path(name).resolve(), name)
        layer.link("usr/local/bin/python3", str(program))
        layer.directory("tmp", 0o1777)
    return Image(catalogue.IMAGES["python"], [path], {"Cmd": ["python3"]})


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


REFERENCES = frozenset(catalogue.IMAGES[name] for name in ("vpc-cni", "vpc-cni-init", "python"))
COMPONENTS: tuple[Component, ...] = (
    go_component("vpc-cni", catalogue.VPC_CNI.airgap, VPC_CNI, go_disk=2.0),
    Component(
        "vpc-cni-images",
        catalogue.VPC_CNI.airgap,
        _images,
        needs=("vpc-cni", "cni-plugins", "base"),
        sources=("recipes/vpc.py", "archive.py"),
        definition=sorted(REFERENCES),
        disk=0.5,
    ),
)
