"""The images a cluster runs, made from the programs: no engine and no registry takes part.

`images` puts all of them in one archive, `outside-host` the agnhost image alone (the container
beside the nodes that stands for everything outside the cluster).
"""

import json
import subprocess
from pathlib import Path

from airgap.archive import Image, Layer, write_archive
from airgap.component import PACKAGE, Component, Context
from airgap.errors import AirgapError
from airgap.recipes import programs
from netspec import catalogue

REGISTRY = "registry.k8s.io"
KUBERNETES_IMAGES = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
#: Tags of `kubeadm config images list`, which the recipe checks.
ETCD_TAG = "3.6.5-0"
PAUSE_TAG = "3.10.1"
PAUSE = f"{REGISTRY}/pause:{PAUSE_TAG}"
#: The user ids that the projects' own images run as.
CALICO_USER = 999
OPERATOR_USER = 10001


def _kubernetes(context: Context, work: Path) -> list[Image]:
    binaries = context.needs["kubernetes"] / "bin"
    net = context.needs["base"] / "net.tar"
    images = []
    for name in (*KUBERNETES_IMAGES, "kube-proxy"):
        path = work / f"{name}.tar"
        with Layer(path) as layer:
            layer.file(binaries / name, f"usr/local/bin/{name}")
        layers = [net, path] if name == "kube-proxy" else [path]
        images.append(Image(f"{REGISTRY}/{name}:{programs.KUBERNETES_VERSION}", layers))
    path = work / "etcd.tar"
    with Layer(path) as layer:
        layer.file(context.needs["etcd"] / "bin" / "etcd", "usr/local/bin/etcd")
    images.append(Image(f"{REGISTRY}/etcd:{ETCD_TAG}", [path]))
    path = work / "pause.tar"
    with Layer(path) as layer:
        layer.file(context.needs["pause"] / "bin" / "pause", "pause")
    images.append(Image(PAUSE, [path], {"Entrypoint": ["/pause"], "User": "65535:65535"}))
    path = work / "coredns.tar"
    with Layer(path) as layer:
        layer.file(context.needs["coredns"] / "bin" / "coredns", "coredns")
    images.append(Image(catalogue.IMAGES["coredns"], [path], {"Entrypoint": ["/coredns"], "WorkingDir": "/"}))
    return images


def operators_images(listed: list[str]) -> dict[str, str]:
    """Name (node, cni, ...) -> the reference that an operator asks for, of what it lists (`--print-images`).

    >>> operators_images(["docker.io/calico/cni:v1", "docker.io/calico/cni:v1-fips"])
    {'cni': 'docker.io/calico/cni:v1'}
    """
    plain = [reference for reference in listed if not reference.endswith("-fips")]
    return {reference.rpartition("/")[2].partition(":")[0]: reference for reference in plain}


def _calico(context: Context, work: Path) -> list[Image]:
    binaries = context.needs["calico"] / "bin"
    program = context.needs["tigera-operator"] / "bin" / "operator"
    source = PACKAGE / "src" / "calico"
    node, cni, typha, controllers, operator = (
        work / f"calico-{name}.tar" for name in ("node", "cni", "typha", "kube-controllers", "operator")
    )
    with Layer(node) as layer:
        layer.file(binaries / "calico-node", "usr/bin/calico-node")
        layer.file(source / "start-calico", "usr/local/bin/start-calico")
        layer.file(source / "no-file.cfg", "etc/calico/felix.cfg", 0o644)
    with Layer(cni) as layer:
        for name in ("calico", "install"):
            layer.file(binaries / name, f"opt/cni/bin/{name}")
        # The plugin and its address manager are one program that looks at its own name.
        layer.file(binaries / "calico", "opt/cni/bin/calico-ipam")
        for name in ("host-local", "loopback", "portmap", "bandwidth", "tuning"):
            layer.file(context.needs["cni-plugins"] / "bin" / name, f"opt/cni/bin/{name}")
    with Layer(typha) as layer:
        layer.file(binaries / "calico-typha", "usr/bin/calico-typha")
        layer.file(source / "no-file.cfg", "etc/calico/typha.cfg", 0o644)
    with Layer(controllers) as layer:
        for name in ("kube-controllers", "check-status"):
            layer.file(binaries / name, f"usr/bin/{name}")
        layer.directory("status", owner=CALICO_USER)
        layer.text("status/status.json", "", owner=CALICO_USER)
        layer.directory("profiles", owner=CALICO_USER)
    with Layer(operator) as layer:
        layer.file(program, "usr/bin/operator")
        layer.directory("tmp", 0o1777)
    path = "PATH=/opt/cni/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    # Compiled in, and of another release than the one that users get.
    listed = subprocess.run([program, "--print-images=listcalico"], capture_output=True, text=True, check=True)
    names = operators_images(listed.stdout.split())
    return [
        Image(names["node"], [context.needs["base"] / "net.tar", node], {"Cmd": ["/usr/local/bin/start-calico"]}),
        Image(
            names["cni"],
            [cni],
            {"Cmd": ["/opt/cni/bin/install"], "WorkingDir": "/opt/cni/bin", "Env": [path]},
        ),
        Image(names["typha"], [typha], {"Cmd": ["/usr/bin/calico-typha"], "User": str(CALICO_USER)}),
        Image(
            names["kube-controllers"],
            [controllers],
            {"Entrypoint": ["/usr/bin/kube-controllers"], "User": str(CALICO_USER)},
        ),
        Image(
            catalogue.IMAGES["tigera-operator"],
            [operator],
            {"Entrypoint": ["/usr/bin/operator"], "User": f"{OPERATOR_USER}:{OPERATOR_USER}"},
        ),
    ]


def _agnhost(context: Context, work: Path) -> Image:
    """agnhost with a shell: the official image is an Alpine, so people (and testinfra) expect /bin/sh in it."""
    base = context.needs["base"]
    path = work / "agnhost.tar"
    with Layer(path) as layer:
        layer.file(context.needs["agnhost"] / "bin" / "agnhost", "agnhost")
        layer.link("agnhost-2", "agnhost")
        layer.file(base / "busybox", "bin/busybox")
        for applet in (base / "applets").read_text().split():
            if applet != "busybox":
                layer.link(f"bin/{applet}", "busybox")
        layer.directory("tmp", 0o1777)
        layer.directory("uploads")
        layer.directory("root", 0o700)
        layer.text("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n")
        layer.text("etc/group", "root:x:0:\nnobody:x:65534:\n")
        layer.link("usr/bin", "../bin")
    return Image(catalogue.IMAGES["agnhost"], [path], {"Entrypoint": ["/agnhost"], "Cmd": ["pause"]})


def check_kubeadm(listed: list[str], built: list[str]) -> None:
    """Raise `AirgapError` if kubeadm asks for an image that is not built. Its CoreDNS is not: netspec brings its own,
    in another version, and the cluster skips kubeadm's."""
    if missing := sorted(image for image in set(listed) - set(built) if "/coredns:" not in image):
        raise AirgapError(
            f"kubeadm {programs.KUBERNETES_VERSION} asks for images that are not built: {', '.join(missing)}",
            "correct the tags in airgap/recipes/images.py or the versions in netspec/catalogue.py",
        )


def _recipe(context: Context) -> None:
    work = context.out / "layers"
    work.mkdir()
    images = [*_kubernetes(context, work), *_calico(context, work), _agnhost(context, work)]
    kubeadm = context.needs["kubernetes"] / "bin" / "kubeadm"
    listed = subprocess.run(
        [kubeadm, "config", "images", "list", "--kubernetes-version", programs.KUBERNETES_VERSION],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    references = [image.reference for image in images]
    check_kubeadm(listed, references)
    write_archive(context.out / "images.tar", images)
    (context.out / "images.json").write_text(json.dumps(sorted(references), indent=1))
    for path in work.iterdir():
        path.unlink()
    work.rmdir()


def _outside_host(context: Context) -> None:
    work = context.out / "layers"
    work.mkdir()
    image = _agnhost(context, work)
    write_archive(context.out / "image.tar", [image])
    (work / "agnhost.tar").unlink()
    work.rmdir()


COMPONENTS: tuple[Component, ...] = (
    Component(
        "images",
        catalogue.KUBERNETES.airgap,
        _recipe,
        needs=(
            *("kubernetes", "etcd", "cni-plugins", "calico", "tigera-operator"),
            *("agnhost", "coredns", "pause", "base"),
        ),
        sources=("recipes/images.py", "archive.py", "src/calico"),
        definition=[(name, catalogue.IMAGES[name]) for name in ("agnhost", "coredns", "node", "tigera-operator")],
        disk=2.2,
    ),
    Component(
        "outside-host",
        catalogue.AGNHOST.airgap,
        _outside_host,
        needs=("agnhost", "base"),
        sources=("recipes/images.py", "archive.py"),
        definition=catalogue.IMAGES["agnhost"],
        disk=0.2,
    ),
)
