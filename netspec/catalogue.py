"""Every version that netspec installs or runs, in one table.

Two columns: what users get (`official`: downloads and registry images), and what `airgap/` builds
from package registries where no image registry or download site is reachable (`airgap`).
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Release:
    """One component: the version users get and the version `airgap/` builds.

    `minimum` is the oldest version accepted when a program is found on PATH (tools only).
    """

    official: str
    airgap: str
    minimum: str | None = None


#: Programs netspec runs, by the name they have on PATH.
TOOLS: dict[str, Release] = {
    "kind": Release(official="0.32.0", airgap="0.32.0", minimum="0.30.0"),
    "kubectl": Release(official="1.34.4", airgap="1.34.4", minimum="1.33.0"),
    "pulumi": Release(official="3.259.0", airgap="3.259.0", minimum="3.215.0"),
}

#: The Kubernetes version of a kind node (its image tag).
KUBERNETES = Release(official="1.34.3", airgap="1.34.4")

#: What runs on the cluster. `airgap` may build an older source under the tag that users pull: docs/where-run.md.
CALICO = Release(official="3.29.2", airgap="3.28.5")
TIGERA_OPERATOR = Release(official="1.36.5", airgap="1.36.5")
COREDNS = Release(official="1.12.1", airgap="1.14.7")
AGNHOST = Release(official="2.56", airgap="2.56")

#: Image references are the same in both columns: `airgap/` tags what it builds with the name users pull.
IMAGES: dict[str, str] = {
    "node": f"kindest/node:v{KUBERNETES.official}",
    "tigera-operator": f"quay.io/tigera/operator:v{TIGERA_OPERATOR.official}",
    "calico-node": f"docker.io/calico/node:v{CALICO.official}",
    "calico-cni": f"docker.io/calico/cni:v{CALICO.official}",
    "calico-typha": f"docker.io/calico/typha:v{CALICO.official}",
    "calico-kube-controllers": f"docker.io/calico/kube-controllers:v{CALICO.official}",
    "coredns": f"registry.k8s.io/coredns/coredns:v{COREDNS.official}",
    "agnhost": f"registry.k8s.io/e2e-test-images/agnhost:{AGNHOST.official}",
}
