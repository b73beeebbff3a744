"""Flannel, and Calico's agent beside it, under the names that a plan gives them."""

from dataclasses import replace
from pathlib import Path

from airgap.archive import Image, Layer, write_archive
from airgap.component import Component, Context
from airgap.golang import GoBuild, PartialBuild, go_component
from airgap.recipes.images import _calico
from netspec import catalogue

_MODULE = "github.com/flannel-io/flannel"
#: One cloud's route backend names a version that the module proxy refuses; this is the one of flannel 0.28.4.
_CLOUD = "github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/vpc"

FLANNEL = PartialBuild(
    module=_MODULE,
    version=f"v{catalogue.FLANNEL.airgap}",
    programs=(("flanneld", ""), ("install-conf", "cmd/install_conf")),
    stamps=((f"{_MODULE}/pkg/version.Version", f"v{catalogue.FLANNEL.airgap}"),),
    inherit=True,
    replaces=(f"{_CLOUD} => {_CLOUD} v1.3.75",),
    # A backend for kernels without VXLAN.
    emptied=("pkg/backend/udp",),
)
FLANNEL_CNI = GoBuild(
    module="github.com/containernetworking/plugins",
    version=f"v{catalogue.FLANNEL_CNI.airgap}",
    programs=(("flannel", "plugins/meta/flannel"),),
)


def _images(context: Context) -> None:
    work = context.out / "layers"
    work.mkdir()
    write_archive(context.out / "images.tar", [*_flannel(context, work), *_calico_beside(context, work)])
    for path in work.iterdir():
        path.unlink()
    work.rmdir()


def _flannel(context: Context, work: Path) -> list[Image]:
    daemon, plugin = work / "flannel.tar", work / "flannel-cni.tar"
    with Layer(daemon) as layer:
        for name in ("flanneld", "install-conf"):
            layer.file(context.needs["flannel"] / "bin" / name, f"opt/bin/{name}")
    base = context.needs["base"]
    with Layer(plugin) as layer:
        layer.file(context.needs["flannel-cni"] / "bin" / "flannel", "flannel")
        layer.file(base / "busybox", "bin/busybox")
        for applet in ("cp", "sh"):
            layer.link(f"bin/{applet}", "busybox")
    return [
        Image(catalogue.IMAGES["flannel"], [base / "net.tar", daemon], {"Entrypoint": ["/opt/bin/flanneld"]}),
        Image(catalogue.IMAGES["flannel-cni-plugin"], [plugin]),
    ]


def _calico_beside(context: Context, work: Path) -> list[Image]:
    """The same as the operator's, which are of another release's name."""
    made = {image.reference.rpartition("/")[2].partition(":")[0]: image for image in _calico(context, work)}
    return [replace(made[name], reference=catalogue.IMAGES[f"calico-{name}"]) for name in ("node", "cni")]


REFERENCES = frozenset(
    catalogue.IMAGES[name] for name in ("flannel", "flannel-cni-plugin", "calico-node", "calico-cni")
)
COMPONENTS: tuple[Component, ...] = (
    go_component("flannel", catalogue.FLANNEL.airgap, FLANNEL, go_disk=1.0),
    go_component("flannel-cni", catalogue.FLANNEL_CNI.airgap, FLANNEL_CNI, go_disk=0.1),
    Component(
        "flannel-images",
        catalogue.FLANNEL.airgap,
        _images,
        needs=("flannel", "flannel-cni", "calico", "tigera-operator", "cni-plugins", "base"),
        sources=("recipes/flannel.py", "recipes/images.py", "archive.py", "src/calico"),
        definition=sorted(REFERENCES),
        disk=0.4,
    ),
)
