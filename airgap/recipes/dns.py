"""What a plan may have besides the cluster's DNS servers: stand-ins for the programs of NodeLocal DNSCache and of the
servers' autoscaler."""

from airgap.archive import Image, Layer, write_archive
from airgap.component import PACKAGE, Component, Context
from airgap.golang import GoBuild, go_component
from netspec import catalogue

AUTOSCALER = GoBuild(main="src/autoscaler")
_SCRIPT = PACKAGE / "src" / "node-cache" / "node-cache"


def _node_cache(context: Context) -> None:
    """CoreDNS behind a script that does to the node what the program does."""
    path = context.out / "node-cache.tar"
    with Layer(path) as layer:
        layer.file(context.needs["coredns"] / "bin" / "coredns", "coredns")
        layer.file(_SCRIPT, "node-cache")
    layers = [context.needs["base"] / "net.tar", path]
    image = Image(catalogue.IMAGES["node-cache"], layers, {"Entrypoint": ["/node-cache"]})
    write_archive(context.out / "images.tar", [image])
    path.unlink()


def _autoscaler(context: Context) -> None:
    path = context.out / "autoscaler.tar"
    with Layer(path) as layer:
        layer.file(context.needs["autoscaler"] / "bin" / "autoscaler", "cluster-proportional-autoscaler")
    config: dict[str, object] = {"Entrypoint": ["/cluster-proportional-autoscaler"], "User": "65534:65534"}
    write_archive(context.out / "images.tar", [Image(catalogue.IMAGES["autoscaler"], [path], config)])
    path.unlink()


#: Component -> the references in its images.tar.
EXTRAS = {
    "node-cache-images": frozenset({catalogue.IMAGES["node-cache"]}),
    "autoscaler-images": frozenset({catalogue.IMAGES["autoscaler"]}),
}

COMPONENTS: tuple[Component, ...] = (
    Component(
        "node-cache-images",
        catalogue.NODE_CACHE.airgap,
        _node_cache,
        needs=("coredns", "base"),
        sources=("recipes/dns.py", "archive.py", "src/node-cache"),
        definition=sorted(EXTRAS["node-cache-images"]),
        disk=0.2,
    ),
    go_component("autoscaler", catalogue.AUTOSCALER.airgap, AUTOSCALER, go_disk=0.1),
    Component(
        "autoscaler-images",
        catalogue.AUTOSCALER.airgap,
        _autoscaler,
        needs=("autoscaler",),
        sources=("recipes/dns.py", "archive.py"),
        definition=sorted(EXTRAS["autoscaler-images"]),
        disk=0.1,
    ),
)
