"""What a plan may have besides the cluster's DNS servers: a stand-in for NodeLocal DNSCache's program."""

from airgap.archive import Image, Layer, write_archive
from airgap.component import PACKAGE, Component, Context
from netspec import catalogue

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


#: Component -> the references in its images.tar.
EXTRAS = {"node-cache-images": frozenset({catalogue.IMAGES["node-cache"]})}

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
)
