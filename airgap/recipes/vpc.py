"""Amazon's VPC CNI: images of the names that a plan has."""

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
    ]
    write_archive(context.out / "images.tar", images)
    for path in work.iterdir():
        path.unlink()
    work.rmdir()


REFERENCES = frozenset(catalogue.IMAGES[name] for name in ("vpc-cni", "vpc-cni-init"))
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
