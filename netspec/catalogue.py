"""Every version that netspec installs or runs, in one table.

Two columns: what users get (`official`: downloads and registry images), and what `airgap/` builds
from package registries where no image registry or download site is reachable (`airgap`).
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Release:
    """One component: the version users get, the version `airgap/` builds, and where upstream names the users' version
    as a release (`source`); docs/where-run.md says which of them upstream supports.

    `minimum` is the oldest version accepted when a program is found on PATH (tools only).
    """

    official: str
    airgap: str
    source: str
    minimum: str | None = None


#: Programs netspec runs, by the name they have on PATH.
TOOLS: dict[str, Release] = {
    "kind": Release("0.32.0", "0.32.0", "https://github.com/kubernetes-sigs/kind/releases/tag/v0.32.0", "0.30.0"),
    # kubectl may be one minor version away from the API server: kubernetes.io/releases/version-skew-policy.
    "kubectl": Release("1.36.1", "1.34.4", "https://kubernetes.io/releases/1.36/", "1.35.0"),
    "pulumi": Release("3.259.0", "3.259.0", "https://github.com/pulumi/pulumi/releases/tag/v3.259.0", "3.215.0"),
}

#: The Kubernetes version of a kind node (its image tag): the one that kind's release makes its default.
KUBERNETES = Release(
    "1.36.1",
    "1.34.4",
    "https://github.com/kubernetes-sigs/kind/blob/v0.32.0/pkg/apis/config/defaults/image.go",
)

#: What runs on the cluster. `airgap` may build an older source under the tag that users pull: docs/where-run.md.
#: The operator decides the release of Calico: it is compiled in.
CALICO = Release("3.32.1", "3.28.5", "https://github.com/projectcalico/calico/releases/tag/v3.32.1")
TIGERA_OPERATOR = Release("1.42.4", "1.36.5", "https://github.com/tigera/operator/releases/tag/v1.42.4")
#: Where users' operator takes Calico's images from, unless it is told another.
CALICO_REGISTRY = "quay.io"
#: Installed by its Helm chart, which names its images.
CILIUM = Release("1.19.6", "1.19.6", "https://github.com/cilium/cilium/releases/tag/v1.19.6")
#: In Pulumi's kubernetes plugin; beside what stands in for that plugin it is a program.
HELM = Release("3.20.2", "3.20.2", "https://github.com/helm/helm/releases/tag/v3.20.2")
#: The one that Kubernetes 1.37 installs.
COREDNS = Release(
    "1.14.6", "1.14.7", "https://github.com/kubernetes/kubernetes/blob/v1.37.2/cmd/kubeadm/app/constants/constants.go"
)
METALLB = Release("0.16.2", "0.16.1", "https://github.com/metallb/metallb/releases/tag/v0.16.2")
FLANNEL = Release("0.28.10", "0.28.10", "https://github.com/flannel-io/flannel/releases/tag/v0.28.10")
#: `airgap` builds its ancestor, of containernetworking/plugins, which reads the same configuration.
FLANNEL_CNI = Release(
    "1.9.1-flannel3", "0.9.1", "https://github.com/flannel-io/cni-plugin/releases/tag/v1.9.1-flannel3"
)
KUBE_NETWORK_POLICIES = Release(
    "1.1.1", "1.1.1", "https://github.com/kubernetes-sigs/kube-network-policies/releases/tag/v1.1.1"
)
ANTREA = Release("2.7.0", "2.7.0", "https://github.com/antrea-io/antrea/releases/tag/v2.7.0")
#: `airgap` has a stand-in: its source is not on the Go module proxy.
AUTOSCALER = Release(
    "1.10.3", "1.10.3", "https://github.com/kubernetes-sigs/cluster-proportional-autoscaler/releases/tag/v1.10.3"
)
#: `airgap` has a stand-in: its source is not on the Go module proxy.
NODE_CACHE = Release("1.26.7", "1.26.7", "https://github.com/kubernetes/dns/releases/tag/1.26.7")
#: On kind, for nodes that pretend to be EC2 instances; on EKS it is an add-on of the stack's version.
VPC_CNI = Release("1.23.2", "1.23.2", "https://github.com/aws/amazon-vpc-cni-k8s/releases/tag/v1.23.2")
#: Runs what plays an instance there. `airgap` takes the one that runs it.
PYTHON = Release("3.13.9", "3.11", "https://github.com/python/cpython/releases/tag/v3.13.9")
#: The last one: the project is archived.
WEAVE = Release("2.8.1", "2.8.1", "https://github.com/weaveworks/weave/releases/tag/v2.8.1")
TRAEFIK = Release("3.7.13", "3.7.12", "https://github.com/traefik/traefik/releases/tag/v3.7.13")
HAPROXY_INGRESS = Release("0.16.1", "0.16.1", "https://github.com/jcmoraisjr/haproxy-ingress/releases/tag/v0.16.1")
#: Installed by their Helm charts. `airgap` has none: a chart is not to be had from a package registry.
F5_NGINX = Release("5.6.2", "-", "https://github.com/nginx/kubernetes-ingress/releases/tag/v5.6.2")
F5_NGINX_CHART = Release(
    "2.7.2", "-", "https://github.com/nginx/kubernetes-ingress/blob/v5.6.2/charts/nginx-ingress/Chart.yaml"
)
#: The last one: the project is archived.
INGRESS_NGINX = Release("1.15.1", "-", "https://github.com/kubernetes/ingress-nginx/releases/tag/controller-v1.15.1")
INGRESS_NGINX_CHART = Release(
    "4.15.1", "-", "https://github.com/kubernetes/ingress-nginx/releases/tag/helm-chart-4.15.1"
)
#: Installed by its Helm chart, of the same version. `airgap` has none: it is of no use outside AWS.
AWS_LBC = Release("3.5.0", "-", "https://github.com/kubernetes-sigs/aws-load-balancer-controller/releases/tag/v3.5.0")
#: Installed by its Helm chart. `airgap` builds the newest that is on the Go module proxy, and takes its module's chart.
ENVOY_GATEWAY = Release("1.9.2", "1.9.1", "https://github.com/envoyproxy/gateway/releases/tag/v1.9.2")
#: The one that this release of Envoy Gateway runs by itself.
ENVOY = Release("1.39.1", "1.39.1", "https://github.com/envoyproxy/envoy/releases/tag/v1.39.1")
#: Installed by its Helm chart, of the same version. `airgap` has none: its module is not on the Go module proxy.
NGINX_FABRIC = Release("2.6.7", "-", "https://github.com/nginx/nginx-gateway-fabric/releases/tag/v2.6.7")
#: Its definitions, where a controller does not bring them.
GATEWAY_API = Release("1.6.1", "1.6.1", "https://github.com/kubernetes-sigs/gateway-api/releases/tag/v1.6.1")
AGNHOST = Release("2.56", "2.56", "https://github.com/kubernetes/kubernetes/blob/v1.34.4/test/utils/image/manifest.go")

#: Pulumi's resource plugins that plans name by version; of the others the SDK's own is taken. `airgap` has stand-ins.
PLUGINS: dict[str, Release] = {
    "aws": Release("7.51.1", "7.51.1", "https://github.com/pulumi/pulumi-aws/releases/tag/v7.51.1"),
    "azure": Release("6.40.1", "6.40.1", "https://github.com/pulumi/pulumi-azure/releases/tag/v6.40.1"),
    "gcp": Release("10.2.0", "10.2.0", "https://github.com/pulumi/pulumi-gcp/releases/tag/v10.2.0"),
}

#: The images that plans name: the same in both columns, for `airgap/` tags what it builds with the name users pull.
#: Calico's other images are named by its operator.
IMAGES: dict[str, str] = {
    "node": f"kindest/node:v{KUBERNETES.official}",
    "tigera-operator": f"quay.io/tigera/operator:v{TIGERA_OPERATOR.official}",
    "calico-node": f"{CALICO_REGISTRY}/calico/node:v{CALICO.official}",
    "calico-cni": f"{CALICO_REGISTRY}/calico/cni:v{CALICO.official}",
    "flannel": f"ghcr.io/flannel-io/flannel:v{FLANNEL.official}",
    "flannel-cni-plugin": f"ghcr.io/flannel-io/flannel-cni-plugin:v{FLANNEL_CNI.official}",
    "kube-network-policies": f"registry.k8s.io/networking/kube-network-policies:v{KUBE_NETWORK_POLICIES.official}",
    "antrea-agent": f"docker.io/antrea/antrea-agent-ubuntu:v{ANTREA.official}",
    "antrea-controller": f"docker.io/antrea/antrea-controller-ubuntu:v{ANTREA.official}",
    "vpc-cni": f"public.ecr.aws/eks/amazon-k8s-cni:v{VPC_CNI.official}-eksbuild.1",
    "vpc-cni-init": f"public.ecr.aws/eks/amazon-k8s-cni-init:v{VPC_CNI.official}-eksbuild.1",
    "python": f"docker.io/library/python:{PYTHON.official}-alpine",
    "weave-kube": f"docker.io/weaveworks/weave-kube:{WEAVE.official}",
    "weave-npc": f"docker.io/weaveworks/weave-npc:{WEAVE.official}",
    "coredns": f"registry.k8s.io/coredns/coredns:v{COREDNS.official}",
    "autoscaler": f"registry.k8s.io/cpa/cluster-proportional-autoscaler:v{AUTOSCALER.official}",
    "node-cache": f"registry.k8s.io/dns/k8s-dns-node-cache:{NODE_CACHE.official}",
    "metallb-controller": f"quay.io/metallb/controller:v{METALLB.official}",
    "metallb-speaker": f"quay.io/metallb/speaker:v{METALLB.official}",
    # As the chart of that release names them, without their digests.
    "cilium": f"quay.io/cilium/cilium:v{CILIUM.official}",
    "cilium-operator": f"quay.io/cilium/operator-generic:v{CILIUM.official}",
    "cilium-envoy": "quay.io/cilium/cilium-envoy:v1.36.9-1782267392-edeb3f2af56c37c407efa1f63f0b32f595399bbc",
    "cilium-certgen": "quay.io/cilium/certgen:v0.4.6",
    "hubble-relay": f"quay.io/cilium/hubble-relay:v{CILIUM.official}",
    "traefik": f"docker.io/library/traefik:v{TRAEFIK.official}",
    "haproxy-ingress": f"quay.io/jcmoraisjr/haproxy-ingress:v{HAPROXY_INGRESS.official}",
    "f5-nginx": f"docker.io/nginx/nginx-ingress:{F5_NGINX.official}",
    "ingress-nginx": f"registry.k8s.io/ingress-nginx/controller:v{INGRESS_NGINX.official}",
    "aws-load-balancer-controller": f"public.ecr.aws/eks/aws-load-balancer-controller:v{AWS_LBC.official}",
    "envoy-gateway": f"docker.io/envoyproxy/gateway:v{ENVOY_GATEWAY.official}",
    "envoy": f"docker.io/envoyproxy/envoy:distroless-v{ENVOY.official}",
    "nginx-gateway-fabric": f"ghcr.io/nginx/nginx-gateway-fabric:{NGINX_FABRIC.official}",
    "nginx-gateway-fabric-nginx": f"ghcr.io/nginx/nginx-gateway-fabric/nginx:{NGINX_FABRIC.official}",
    "agnhost": f"registry.k8s.io/e2e-test-images/agnhost:{AGNHOST.official}",
}
