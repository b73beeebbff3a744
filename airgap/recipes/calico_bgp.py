"""Calico's images with an agent that exchanges routes: the one of `images` with confd's templates and a BGP daemon.

Calico's BIRD is a fork of 1.6; Debian's bird 1.6 takes the same configuration but for IP in IP,
which no route has then. A plan that asks for it names the registry of Calico's images, so nodes do not take those that
they have already.
"""

import shutil
from dataclasses import replace
from pathlib import Path

from airgap import host
from airgap.archive import Image, Layer, write_archive
from airgap.component import PACKAGE, Component, Context
from airgap.errors import AirgapError
from airgap.recipes import base
from airgap.recipes.images import _calico
from airgap.recipes.programs import CALICO
from netspec import catalogue

_BIRD = "bird"
#: The one for IPv6 checks the configuration that confd writes for it; it does not run.
_PROGRAMS = ("bird", "bird6")
#: Of confd, in Calico's module and in its image.
_CONFD = "etc/calico/confd"
#: The registry that the operator takes its images from is docker.io at the release that is built here.
_FROM, _TO = "docker.io/", f"{catalogue.CALICO_REGISTRY}/"


def without_tunnels(template: str) -> str:
    """A template of bird's configuration, without the lines about tunnels that only Calico's BIRD knows.

    >>> print(without_tunnels('if ( net ~ x ) then {\\n  krt_tunnel = "tunl0";\\n  accept;\\n}'))
    if ( net ~ x ) then {
      accept;
    }
    """
    kept = [
        line
        for line in template.splitlines()
        if "krt_tunnel" not in line and line.strip() != "else" and "if defined(bgp_next_hop)" not in line
    ]
    return "\n".join(kept)


def _recipe(context: Context) -> None:
    work = context.out / "layers"
    work.mkdir()
    bird = work / "bird.tar"
    _write_bird(context, bird, work / "rootfs")
    images = [_renamed(image, bird) for image in _calico(context, work) if image.reference.startswith(_FROM)]
    write_archive(context.out / "images.tar", images)
    shutil.rmtree(work)


def _renamed(image: Image, bird: Path) -> Image:
    reference = _TO + image.reference.removeprefix(_FROM)
    if not reference.startswith(f"{_TO}calico/node:"):
        return replace(image, reference=reference)
    config = {**image.config, "Cmd": ["/usr/local/bin/start-calico-bgp"]}
    return Image(reference, [*image.layers, bird], config)


def _write_bird(context: Context, target: Path, rootfs: Path) -> None:
    """The daemon, which needs the C library alone, its templates and what starts it."""
    host.require_root("Making Calico's agent with a BGP daemon")
    host.debian_mirror(base.SUITE)  # apt has that suite
    rootfs.mkdir()
    context.run(["apt-get", "download", "-q", f"{_BIRD}/{base.SUITE}"], cwd=rootfs)
    for deb in rootfs.glob("*.deb"):
        context.run(["dpkg", "-x", deb, rootfs])
    confd = context.go_module(f"{CALICO.module}@{CALICO.version}") / "confd" / _CONFD
    source = PACKAGE / "src" / "calico-bgp"
    with Layer(target) as layer:
        for name in _PROGRAMS:
            layer.file(rootfs / "usr" / "sbin" / name, f"usr/sbin/{name}")
        layer.file(source / "start-calico-bgp", "usr/local/bin/start-calico-bgp")
        layer.file(source / "sv", "usr/local/bin/sv")
        layer.directory(f"{_CONFD}/config")
        for path in sorted((confd / "conf.d").glob("*.toml")):
            layer.file(path, f"{_CONFD}/conf.d/{path.name}", 0o644)
        templates = {path.name: path.read_text() for path in sorted((confd / "templates").glob("*.template"))}
        if not any("krt_tunnel" in text for text in templates.values()):
            raise AirgapError("Calico's templates are not as they were", "read them, and airgap/recipes/calico_bgp.py")
        for name, text in templates.items():
            layer.text(f"{_CONFD}/templates/{name}", without_tunnels(text))


COMPONENT = Component(
    "calico-bgp-images",
    catalogue.CALICO.airgap,
    _recipe,
    needs=("calico", "tigera-operator", "cni-plugins", "base"),
    sources=("recipes/calico_bgp.py", "recipes/images.py", "archive.py", "src/calico", "src/calico-bgp"),
    definition=catalogue.CALICO_REGISTRY,
    disk=0.4,
)
#: What only a plan names whose agents exchange routes; its operator names them of its own release.
EXTRAS = {
    COMPONENT.name: frozenset(
        f"{catalogue.CALICO_REGISTRY}/calico/{name}:v{catalogue.CALICO.official}"
        for name in ("typha", "kube-controllers")
    )
}
