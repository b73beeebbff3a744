"""What lets the outside in: images of load balancers and proxies; only a plan that names one needs its component."""

from pathlib import Path

from airgap.archive import Image, Layer, write_archive
from airgap.component import Component, Context
from netspec import catalogue

_METALLB = ("controller", "speaker")


def _metallb(context: Context) -> None:
    work = context.out / "layers"
    work.mkdir()
    images = [_metallb_image(context, work, name) for name in _METALLB]
    write_archive(context.out / "images.tar", images)
    for path in work.iterdir():
        path.unlink()
    work.rmdir()


def _metallb_image(context: Context, work: Path, name: str) -> Image:
    path = work / f"{name}.tar"
    with Layer(path) as layer:
        layer.file(context.needs["metallb"] / "bin" / name, name)
    return Image(catalogue.IMAGES[f"metallb-{name}"], [path], {"Entrypoint": [f"/{name}"]})


def _traefik(context: Context) -> None:
    """One static program; its web UI is not in the module."""
    path = context.out / "traefik.tar"
    with Layer(path) as layer:
        layer.file(context.needs["traefik"] / "bin" / "traefik", "traefik")
        layer.directory("tmp", 0o1777)
    image = Image(catalogue.IMAGES["traefik"], [path], {"Entrypoint": ["/traefik"]})
    write_archive(context.out / "images.tar", [image])
    path.unlink()


#: Component -> the references in its images.tar.
EXTRAS = {
    "metallb-images": frozenset(catalogue.IMAGES[f"metallb-{name}"] for name in _METALLB),
    "traefik-images": frozenset({catalogue.IMAGES["traefik"]}),
}

COMPONENTS: tuple[Component, ...] = (
    Component(
        "metallb-images",
        catalogue.METALLB.airgap,
        _metallb,
        needs=("metallb",),
        sources=("recipes/edge.py", "archive.py"),
        definition=sorted(EXTRAS["metallb-images"]),
        disk=0.3,
    ),
    Component(
        "traefik-images",
        catalogue.TRAEFIK.airgap,
        _traefik,
        needs=("traefik",),
        sources=("recipes/edge.py", "archive.py"),
        definition=sorted(EXTRAS["traefik-images"]),
        disk=0.5,
    ),
)
