"""The kind node image: base system, Kubernetes programs, units, and every image a cluster needs preloaded."""

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from airgap import host
from airgap.archive import Image, Layer, write_archive
from airgap.component import PACKAGE, Component, Context
from airgap.errors import AirgapError
from airgap.recipes import images, programs
from netspec import catalogue

#: containerd's state inside the node; kind gives it a volume, which docker fills from the image.
_STORE = "var/lib/containerd"
#: CRI's namespace.
_NAMESPACE = "k8s.io"
#: Only the content store and its metadata take part: nothing is unpacked, so no snapshotter.
_CONTAINERD_CONFIG = """version = 2
root = "{root}"
state = "{state}"
disabled_plugins = [
  "io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
]
[grpc]
address = "{state}/sock"
[ttrpc]
address = "{state}/ttrpc"
"""
_START_SECONDS = 20


@contextlib.contextmanager
def _containerd(context: Context, store: Path, state: Path) -> Iterator[Path]:
    """A containerd of our own on `store`; yields its socket."""
    state.mkdir()
    (state / "config.toml").write_text(_CONTAINERD_CONFIG.format(root=store, state=state))
    command = [str(host.which("containerd")), "--config", str(state / "config.toml")]
    with subprocess.Popen(command, stdout=context.log, stderr=subprocess.STDOUT) as process:
        try:
            socket = state / "sock"
            deadline = time.monotonic() + _START_SECONDS
            while _ctr(socket, "version") != 0:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise AirgapError(
                        "the containerd that preloads the node's images did not start",
                        f"see the end of {context.log.name}",
                    )
                time.sleep(0.1)
            yield socket
        finally:
            process.terminate()


def _ctr(socket: Path, *arguments: str) -> int:
    command = [str(host.which("ctr")), "--address", str(socket), *arguments]
    return subprocess.run(command, capture_output=True, check=False).returncode


def _preload(context: Context, store: Path) -> None:
    archive = context.needs["images"] / "images.tar"
    # Unix socket paths are short (108 bytes), so the state is not below the cache.
    state = Path("/run") / f"netspec-preload-{os.getpid()}"
    try:
        with _containerd(context, store, state) as socket:
            context.run(
                [
                    *(str(host.which("ctr")), "--address", socket, "--namespace", _NAMESPACE),
                    *("images", "import", "--no-unpack", "--all-platforms", archive),
                ]
            )
    finally:
        context.run(["rm", "-rf", state])


def _recipe(context: Context) -> None:
    host.require_root("Making the node image")
    host.install(host.BUILD_PACKAGES, "The build")
    store = context.out / "store"
    _preload(context, store)
    top = context.out / "node.tar"
    source = PACKAGE / "src" / "node"
    with Layer(top) as layer:
        for name in ("kubeadm", "kubelet", "kubectl"):
            layer.file(context.needs["kubernetes"] / "bin" / name, f"usr/bin/{name}")
        for path in sorted((context.needs["cni-plugins"] / "bin").iterdir()):
            layer.file(path, f"opt/cni/bin/{path.name}")
        layer.file(source / "entrypoint", "usr/local/bin/entrypoint")
        config = (source / "config.toml").read_text().replace("@PAUSE@", images.PAUSE)
        layer.text("etc/containerd/config.toml", config)
        for unit in ("containerd.service", "kubelet.service", "kubelet.slice"):
            layer.file(source / unit, f"etc/systemd/system/{unit}", 0o644)
        for unit in ("containerd.service", "kubelet.service"):
            layer.link(f"etc/systemd/system/multi-user.target.wants/{unit}", f"/etc/systemd/system/{unit}")
        layer.link("etc/systemd/system/systemd-binfmt.service", "/dev/null")
        layer.text("etc/default/kubelet", "KUBELET_EXTRA_ARGS=--runtime-cgroups=/system.slice/containerd.service\n")
        layer.text("kind/version", programs.KUBERNETES_VERSION)
        # kind applies it unless disableDefaultCNI is set; netspec always sets that.
        layer.text("kind/manifests/default-cni.yaml", "")
        layer.tree(store, _STORE)
    context.run(["rm", "-rf", store])
    image = Image(
        catalogue.IMAGES["node"],
        [context.needs["base"] / "rootfs.tar", top],
        {
            "Entrypoint": ["/usr/local/bin/entrypoint", "/sbin/init"],
            "Env": [
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                "container=docker",
            ],
            "StopSignal": "SIGRTMIN+3",
        },
    )
    write_archive(context.out / "image.tar", [image])
    top.unlink()


COMPONENT = Component(
    "node-image",
    catalogue.KUBERNETES.airgap,
    _recipe,
    needs=("base", "kubernetes", "cni-plugins", "images"),
    sources=("recipes/node.py", "archive.py", "src/node"),
    definition=catalogue.IMAGES["node"],
    disk=4.5,
)
