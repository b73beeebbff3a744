"""The Go programs, as data: modules, versions, packages, replaces and version stamps.

Versions that netspec itself cares about come from `netspec.catalogue`; the others belong to these.
"""

import shutil

from airgap.component import PACKAGE, Component, Context
from airgap.golang import GoBuild, GoBuildWithModules, go_build, go_component
from netspec import catalogue

KUBERNETES_VERSION = f"v{catalogue.KUBERNETES.airgap}"
ETCD_VERSION = "v3.6.4"
CNI_PLUGINS_VERSION = "v1.9.1"
#: Kubernetes 1.x.y publishes its staging modules as v0.x.y.
_STAGING = f"v0.{catalogue.KUBERNETES.airgap.partition('.')[2]}"
#: The commit that carries tag v3.28.5, as the module proxy names it.
_CALICO_MODULE_VERSION = "v1.11.0-cni-plugin.0.20250813170300-a0db560f0520"
_CALICO_API = "github.com/projectcalico/api"
_CALICO = "github.com/projectcalico/calico"
_COMPONENT_BASE = "k8s.io/component-base/version"
_KUBERNETES_MODULE = "k8s.io/kubernetes"
#: The newest version of the Python SDK's module that still holds the language host; it serves the new CLI.
_LANGUAGE_HOST_VERSION = "v3.79.0"


def _kubernetes_stamps() -> tuple[tuple[str, str], ...]:
    major, minor, _ = catalogue.KUBERNETES.airgap.split(".")
    values = {
        "gitVersion": KUBERNETES_VERSION,
        "gitMajor": major,
        "gitMinor": minor,
        "gitTreeState": "clean",
        "gitCommit": "unknown",
        "buildDate": "1970-01-01T00:00:00Z",
    }
    return tuple(
        (f"{package}.{name}", value)
        for package in (_COMPONENT_BASE, "k8s.io/client-go/pkg/version")
        for name, value in values.items()
    )


def _kubernetes(*programs: tuple[str, str]) -> GoBuild:
    return GoBuild(
        module=_KUBERNETES_MODULE,
        version=KUBERNETES_VERSION,
        programs=programs,
        stamps=_kubernetes_stamps(),
        staging=_STAGING,
    )


KUBERNETES = _kubernetes(
    *(
        (program, f"cmd/{program}")
        for program in (
            "kubeadm",
            "kubectl",
            "kubelet",
            "kube-apiserver",
            "kube-controller-manager",
            "kube-scheduler",
            "kube-proxy",
        )
    )
)
AGNHOST = _kubernetes(("agnhost", "test/images/agnhost"))

KIND = GoBuild(module="sigs.k8s.io/kind", version=f"v{catalogue.TOOLS['kind'].airgap}", programs=(("kind", ""),))

CNI_PLUGINS = GoBuild(
    module="github.com/containernetworking/plugins",
    version=CNI_PLUGINS_VERSION,
    programs=tuple(
        (path.rpartition("/")[2], f"plugins/{path}")
        for path in (
            "ipam/host-local",
            "main/bridge",
            "main/loopback",
            "main/ptp",
            "meta/bandwidth",
            "meta/portmap",
            "meta/tuning",
        )
    ),
)

ETCD = GoBuild(module="go.etcd.io/etcd/server/v3", version=ETCD_VERSION, programs=(("etcd", ""),))

CALICO = GoBuild(
    module=_CALICO,
    version=_CALICO_MODULE_VERSION,
    programs=(
        ("calico-node", "node/cmd/calico-node"),
        ("calico", "cni-plugin/cmd/calico"),
        ("install", "cni-plugin/cmd/install"),
        ("kube-controllers", "kube-controllers/cmd/kube-controllers"),
        ("check-status", "kube-controllers/cmd/check-status"),
        ("calico-typha", "typha/cmd/calico-typha"),
    ),
    stamps=tuple(
        (variable, f"v{catalogue.CALICO.airgap}")
        for variable in (
            f"{_CALICO}/node/buildinfo.GitVersion",
            f"{_CALICO}/felix/buildinfo.GitVersion",
            f"{_CALICO}/typha/pkg/buildinfo.GitVersion",
            f"{_CALICO}/node/pkg/lifecycle/startup.VERSION",
            "main.VERSION",
        )
    ),
    inherit=True,
    replaces=(f"{_CALICO_API} => {_CALICO_API} v0.0.0-20240708202104-e3f70b269c2c",),
)

_OPERATOR = "github.com/tigera/operator"
TIGERA_OPERATOR = GoBuild(
    module=_OPERATOR,
    version=f"v{catalogue.TIGERA_OPERATOR.airgap}",
    programs=(("operator", ""),),
    stamps=((f"{_OPERATOR}/version.VERSION", f"v{catalogue.TIGERA_OPERATOR.airgap}"),),
    inherit=True,
)

_HELM = "helm.sh/helm/v3"
#: The Kubernetes that `helm template` takes for granted: that of the client-go it is built with.
_HELM_KUBERNETES = ("1", "35")
HELM = GoBuild(
    module=_HELM,
    version=f"v{catalogue.HELM.airgap}",
    programs=(("helm", "cmd/helm"),),
    stamps=(
        (f"{_HELM}/internal/version.version", f"v{catalogue.HELM.airgap}"),
        (f"{_HELM}/pkg/chartutil.k8sVersionMajor", _HELM_KUBERNETES[0]),
        (f"{_HELM}/pkg/chartutil.k8sVersionMinor", _HELM_KUBERNETES[1]),
    ),
)

COREDNS = GoBuild(module="github.com/coredns/coredns", version=f"v{catalogue.COREDNS.airgap}", main="src/coredns")
PAUSE = GoBuild(main="src/pause")

METALLB = GoBuild(
    module="go.universe.tf/metallb",
    version=f"v{catalogue.METALLB.airgap}",
    programs=(("controller", "controller"), ("speaker", "speaker")),
)

TRAEFIK = GoBuildWithModules(
    module="github.com/traefik/traefik/v3",
    version=f"v{catalogue.TRAEFIK.airgap}",
    programs=(("traefik", "cmd/traefik"),),
    stamps=(("github.com/traefik/traefik/v3/pkg/version.Version", catalogue.TRAEFIK.airgap),),
    inherit=True,
    modules=("src/traefik-ext",),
    # A module of its own repository that is published nowhere; a fork of which the module proxy has an older commit
    # alone; and SDKs of DNS providers (ACME), whose newest the checksum database does not have.
    replaces=(
        "github.com/traefik/traefik/dynamic/ext => ./traefik-ext",
        "github.com/abbot/go-http-auth => github.com/containous/go-http-auth v0.4.1-0.20200324110947-a37a7636d23e",
        *(
            f"{module} => {module} {version}"
            for module, version in (
                ("github.com/go-acme/alidns-20150109/v5", "v5.4.1"),
                ("github.com/go-acme/esa-20240910/v3", "v3.2.2"),
                ("github.com/akamai/AkamaiOPEN-edgegrid-golang/v13", "v13.2.0"),
                ("github.com/nrdcg/oci-go-sdk/common/v1065", "v1065.116.0"),
                ("github.com/nrdcg/oci-go-sdk/dns/v1065", "v1065.116.0"),
            )
        ),
    ),
)

PULUMI_CLI = GoBuild(
    module="github.com/pulumi/pulumi/pkg/v3",
    version=f"v{catalogue.TOOLS['pulumi'].airgap}",
    programs=(("pulumi", "cmd/pulumi"),),
    tags="osusergo,grpcnotrace",
    stamps=(("github.com/pulumi/pulumi/sdk/v3/go/common/version.Version", f"v{catalogue.TOOLS['pulumi'].airgap}"),),
    # A replace of that module's own, which the wrapper has to repeat.
    replaces=("github.com/atotto/clipboard => github.com/tgummerer/clipboard v0.0.0-20241001131231-d02d263e614e",),
)
PULUMI_LANGUAGE_HOST = GoBuild(
    module="github.com/pulumi/pulumi/sdk/v3",
    version=_LANGUAGE_HOST_VERSION,
    programs=(("pulumi-language-python", "python/cmd/pulumi-language-python"),),
)
#: Launchers, and the test stand-in for the kubernetes plugin.
_LAUNCHERS = ("pulumi-resource-pulumi-python", "pulumi-resource-kubernetes")
_STANDIN = "kubernetes_standin"
#: The packages that it is in.
_PACKAGES = ("__init__.py", "standin/__init__.py")


def _pulumi_engine(context: Context) -> None:
    go_build(context, PULUMI_CLI, "pulumi")
    go_build(context, PULUMI_LANGUAGE_HOST, "pulumi-language-python")
    # The language host runs this script of its own module, from the directory it is in itself.
    module = f"{PULUMI_LANGUAGE_HOST.module}@{PULUMI_LANGUAGE_HOST.version}"
    source = context.go_module(module) / "python" / "cmd" / "pulumi-language-python-exec"
    target = context.out / "bin" / source.name
    shutil.copyfile(source, target)
    target.chmod(0o755)


def _pulumi(context: Context) -> None:
    bin_dir = context.out / "bin"
    bin_dir.mkdir()
    for need in ("pulumi-engine", "helm"):
        for path in (context.needs[need] / "bin").iterdir():
            (bin_dir / path.name).hardlink_to(path)
    for name in _LAUNCHERS:
        shutil.copyfile(PACKAGE / "standin" / name, bin_dir / name)
        (bin_dir / name).chmod(0o755)
    python = bin_dir / "python" / "airgap"
    target = python / "standin" / _STANDIN
    shutil.copytree(PACKAGE / "standin" / _STANDIN, target, ignore=shutil.ignore_patterns("__pycache__"))
    for name in _PACKAGES:
        shutil.copyfile(PACKAGE / name, python / name)


def _kubectl(context: Context) -> None:
    (context.out / "bin").mkdir()
    (context.out / "bin" / "kubectl").hardlink_to(context.needs["kubernetes"] / "bin" / "kubectl")


COMPONENTS: tuple[Component, ...] = (
    go_component("kubernetes", catalogue.KUBERNETES.airgap, KUBERNETES, go_disk=3.5, disk=0.7),
    Component("kubectl", catalogue.TOOLS["kubectl"].airgap, _kubectl, needs=("kubernetes",), disk=0.0),
    go_component("kind", catalogue.TOOLS["kind"].airgap, KIND, go_disk=0.2),
    go_component("cni-plugins", CNI_PLUGINS_VERSION.removeprefix("v"), CNI_PLUGINS, go_disk=0.2),
    go_component("etcd", ETCD_VERSION.removeprefix("v"), ETCD, go_disk=0.4),
    Component(
        "pulumi-engine",
        catalogue.TOOLS["pulumi"].airgap,
        _pulumi_engine,
        definition=(PULUMI_CLI, PULUMI_LANGUAGE_HOST),
        disk=0.4,
        go_disk=3.0,
    ),
    go_component("helm", catalogue.HELM.airgap, HELM, go_disk=1.0),
    Component(
        "pulumi",
        catalogue.TOOLS["pulumi"].airgap,
        _pulumi,
        needs=("pulumi-engine", "helm"),
        sources=tuple(f"standin/{name}" for name in (*_LAUNCHERS, _STANDIN)) + _PACKAGES,
        disk=0.0,
    ),
    go_component("calico", catalogue.CALICO.airgap, CALICO, go_disk=2.8, disk=0.5),
    go_component("tigera-operator", catalogue.TIGERA_OPERATOR.airgap, TIGERA_OPERATOR, go_disk=1.6),
    go_component("agnhost", catalogue.AGNHOST.airgap, AGNHOST, go_disk=0.5),
    go_component("coredns", catalogue.COREDNS.airgap, COREDNS, go_disk=0.8),
    go_component("pause", "1", PAUSE, go_disk=0.1),
    go_component("traefik", catalogue.TRAEFIK.airgap, TRAEFIK, go_disk=2.5),
    go_component("metallb", catalogue.METALLB.airgap, METALLB, go_disk=0.8),
)
