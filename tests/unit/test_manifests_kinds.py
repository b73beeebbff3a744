"""Nothing is skipped in silence: wrong kinds are errors, what decides is refused, what makes pods is counted apart."""

import re

import pytest

from netspec.diagnostics import Severity
from netspec.manifests.kinds import REFUSED, decides, policy_resources, resources, sort_of
from netspec.manifests.read import Reading, read_texts


def rows(table: str) -> list[tuple[str, ...]]:
    """Of a table in text: columns are two blanks apart."""
    return [tuple(re.split("  +", line.strip())) for line in table.strip().splitlines()]


TEMPLATE = "template: {metadata: {labels: {app: api}}, spec: {containers: [{name: c, image: i}]}}"


def of(version: str, kind: str, spec: str = "") -> Reading:
    text = f"apiVersion: {version}\nkind: {kind}\nmetadata: {{name: thing, namespace: shop}}\nspec: {{{spec}}}\n"
    return read_texts([("x.yaml", text)])


def only_error(reading: Reading) -> str:
    (found,) = reading.diagnostics
    assert found.severity is Severity.ERROR
    return found.render()


@pytest.mark.parametrize(
    ("version", "kind", "hint"),
    rows(
        """
        apps/v1                            Pod                   v1
        v1                                 Deployment            apps/v1
        v1                                 NetworkPolicy         networking.k8s.io/v1
        v1                                 Ingress               networking.k8s.io/v1
        apps/v1                            CronJob               batch/v1
        batch/v1                           Pod                   v1
        policy/v1                          NetworkPolicy         networking.k8s.io/v1
        networking.k8s.io/v1               Service               v1
        core/v1                            Pod                   v1
        rbac.authorization.k8s.io/v1       Namespace             v1
        core/v1                            Namespace             v1
        networking.k8s.io/v1               ClusterNetworkPolicy  policy.networking.k8s.io/v1alpha2
        networking.k8s.io/v1               HTTPRoute             gateway.networking.k8s.io/v1
        networking.x.k8s.io/v1             NetworkPolicy         networking.k8s.io/v1
        v2                                 Pod                   v1
        v1beta1                            Namespace             v1
        apps/v2                            Deployment            apps/v1
        apps/v1alpha1                      StatefulSet           apps/v1
        networking.k8s.io/v1beta1          NetworkPolicy         networking.k8s.io/v1
        networking.k8s.io/v1alpha1         Ingress               networking.k8s.io/v1
        batch/v2                           Job                   batch/v1
        extensions/v1                      NetworkPolicy         networking.k8s.io/v1
        extensions/v1beta2                 Deployment            apps/v1
        batch/v1beta1                      Job                   batch/v1
        extensions/v1beta1                 StatefulSet           apps/v1
        networking.k8s.io/v1               networkpolicy         networking.k8s.io/v1 NetworkPolicy
        networking.k8s.io/v1               Networkpolicy         networking.k8s.io/v1 NetworkPolicy
        networking.k8s.io/v1               NetworkPolicies       networking.k8s.io/v1 NetworkPolicy
        Networking.k8s.io/v1               NetworkPolicy         networking.k8s.io/v1
        v1                                 pod                   v1 Pod
        v1                                 PODS                  v1 Pod
        v1                                 service               v1 Service
        V1                                 Pod                   v1
        apps/v1                            Daemonset             apps/v1 DaemonSet
        Apps/v1                            Deployment            apps/v1
        gateway.networking.k8s.io/v1       HttpRoute             gateway.networking.k8s.io/v1 HTTPRoute
        policy.networking.k8s.io/v1alpha1  adminnetworkpolicy    policy.networking.k8s.io/v1alpha1 AdminNetworkPolicy
        """
    ),
)
def test_a_known_kind_that_the_api_server_does_not_have_there_is_an_error(version: str, kind: str, hint: str) -> None:
    reading = of(version, kind, TEMPLATE)
    message = only_error(reading)
    assert message.startswith("x.yaml:1:1:")
    assert f"{kind} shop/thing: apiVersion {version} has no {kind} [NM002]" in message
    assert f"write {hint}" in message
    assert (reading.objects, reading.skipped.total()) == (0, 0)


@pytest.mark.parametrize(
    ("version", "kind", "hint"),
    rows(
        """
        apps/v1               Deploymnt     Deployment
        networking.k8s.io/v1  NetworkPolcy  NetworkPolicy
        v1                    Namespce      Namespace
        v1                    Secrets       Secret
        networking.k8s.io/v1  Whatever  -
        """
    ),
)
def test_a_kind_that_kubernetes_own_groups_do_not_have_is_an_error(version: str, kind: str, hint: str) -> None:
    message = only_error(of(version, kind))
    assert f"apiVersion {version} has no {kind} [NM002]" in message
    assert (f"did you mean {hint}?" in message) is (hint != "-")


@pytest.mark.parametrize(
    ("version", "kind", "own"),
    rows(
        """
        extensions/v1beta1         Deployment     apps/v1
        extensions/v1beta1         NetworkPolicy  networking.k8s.io/v1
        apps/v1beta2               StatefulSet    apps/v1
        networking.k8s.io/v1beta1  Ingress        networking.k8s.io/v1
        extensions/v1beta1         Ingress        networking.k8s.io/v1
        extensions/v1beta1         DaemonSet      apps/v1
        """
    ),
)
def test_a_version_of_old_is_read_and_a_warning_says_so(version: str, kind: str, own: str) -> None:
    reading = of(version, kind, TEMPLATE if "Policy" not in kind and kind != "Ingress" else "")
    (found,) = reading.diagnostics
    assert found.severity is Severity.WARNING
    assert f"{version} is no longer served by Kubernetes: write {own} [NM007]" in found.render()
    assert reading.objects == 1


DECIDE = rows(
    """
        crd.antrea.io/v1beta1                      ClusterNetworkPolicy
        cilium.io/v2                               CiliumEgressGatewayPolicy
        cilium.io/v2                               CiliumLocalRedirectPolicy
        crd.antrea.io/v1beta1                      Egress
        networking.k8s.aws/v1alpha1                ApplicationNetworkPolicy
        vpcresources.k8s.aws/v1beta1               SecurityGroupPolicy
        k8s.cni.cncf.io/v1beta1                    MultiNetworkPolicy
        k8s.cni.cncf.io/v1                         NetworkAttachmentDefinition
        k8s.ovn.org/v1                             EgressFirewall
        k8s.ovn.org/v1                             EgressIP
        k8s.ovn.org/v1                             EgressService
        k8s.ovn.org/v1                             UserDefinedNetwork
        k8s.ovn.org/v1                             ClusterUserDefinedNetwork
        k8s.ovn.org/v1                             AdminPolicyBasedExternalRoute
        network.openshift.io/v1                    EgressNetworkPolicy
        network.openshift.io/v1                    NetNamespace
        ingressnodefirewall.openshift.io/v1alpha1  IngressNodeFirewall
        security.istio.io/v1                       AuthorizationPolicy
        security.istio.io/v1                       PeerAuthentication
        security.istio.io/v1beta1                  RequestAuthentication
        policy.linkerd.io/v1beta3                  Server
        policy.linkerd.io/v1alpha1                 AuthorizationPolicy
        policy.linkerd.io/v1beta1                  ServerAuthorization
        policy.linkerd.io/v1alpha1                 EgressNetwork
        policy.linkerd.io/v1alpha1                 NetworkAuthentication
        kuma.io/v1alpha1                           MeshTrafficPermission
        kuma.io/v1alpha1                           TrafficPermission
        consul.hashicorp.com/v1alpha1              ServiceIntentions
        access.smi-spec.io/v1alpha3                TrafficTarget
        k8s.otterize.com/v2                        ClientIntents
        crd.nsx.vmware.com/v1alpha1                SecurityPolicy
        networking.gke.io/v1alpha1                 FQDNNetworkPolicy
        networking.gke.io/v1                       Network
        kubeovn.io/v1                              SecurityGroup
        kubeovn.io/v1                              Vpc
        kubeovn.io/v1                              Subnet
        security.kubearmor.com/v1                  KubeArmorPolicy
        egressgateway.spidernet.io/v1beta1         EgressPolicy
        gateway.envoyproxy.io/v1alpha1             SecurityPolicy
        multinetwork.networking.x-k8s.io/v1alpha1  PodNetwork
        policy.networking.k8s.io/v1beta9           AdminNetworkPolicy
        policy.networking.k8s.io/v1alpha3          Something
        policy.example.com/v1                      NetworkPolicy
        acme.example/v1                            TenantNetworkPolicy
        mesh.acme.example/v1                       CallPolicy
        acme.example/v1                            PodFirewall
        acme.example/v2                            EgressGateway
        acme.example/v1                            WorkloadAuthorizationPolicy
        networking.acme.example/v1                 ReachPolicy
        acme.example/v1                            UserDefinedNetwork
        acme.example/v1                            NetworkAttachment
    """
)


@pytest.mark.parametrize(("version", "kind"), DECIDE)
def test_what_decides_who_reaches_whom_is_refused(version: str, kind: str) -> None:
    message = only_error(of(version, kind))
    assert message.startswith("x.yaml:")
    assert f"{kind} shop/thing: " in message
    assert "[NM004]" in message
    assert decides(version, kind)


def test_what_is_known_by_name_is_known_by_principle() -> None:
    for group, kind in REFUSED:
        assert decides(f"{group}/v1", kind), (group, kind)


MAKERS = rows(
    """
        argoproj.io/v1alpha1            Rollout             pods
        apps.openshift.io/v1            DeploymentConfig    pods
        route.openshift.io/v1           Route               routes
        networking.istio.io/v1          VirtualService      routes
        networking.istio.io/v1          Gateway             routes
        networking.istio.io/v1          ServiceEntry        services
        traefik.io/v1alpha1             IngressRoute        routes
        traefik.io/v1alpha1             IngressRouteTCP     routes
        projectcontour.io/v1            HTTPProxy           routes
        k8s.nginx.org/v1                VirtualServer       routes
        getambassador.io/v2             Mapping             routes
        elbv2.k8s.aws/v1beta1           TargetGroupBinding  routes
        multicluster.x-k8s.io/v1alpha1  ServiceImport       services
        apps.kruise.io/v1alpha1         CloneSet            pods
        serving.knative.dev/v1          Service             pods
        kubevirt.io/v1                  VirtualMachine      pods
        kubeflow.org/v1                 PyTorchJob          pods
        tekton.dev/v1                   TaskRun             pods
        batch.volcano.sh/v1             Job                 pods
        helm.toolkit.fluxcd.io/v2       HelmRelease         pods
        argoproj.io/v1alpha1            Application         pods
        postgresql.cnpg.io/v1           Cluster             pods
        kyverno.io/v1                   ClusterPolicy       policies
    """
)


@pytest.mark.parametrize(("version", "kind", "makes"), MAKERS)
def test_what_makes_pods_services_or_routes_is_counted_apart(version: str, kind: str, makes: str) -> None:
    reading = of(version, kind)
    assert (reading.diagnostics, reading.skipped.total()) == ((), 0)
    (found,) = reading.inventory.unread
    assert (found.kind, found.namespace, found.name) == (kind, "shop", "thing")
    assert makes in found.makes


def test_what_holds_a_pod_makes_pods_whatever_it_is_called() -> None:
    (found,) = of("acme.example/v1", "Thingamajig", f"inner: [{{{TEMPLATE}}}]").inventory.unread
    assert found.makes == ("pods",)
    reading = of("acme.example/v1", "Thingamajig", "containers: [1, {name: a}], image: x")
    assert (reading.inventory.unread, dict(reading.skipped)) == ((), {"Thingamajig": 1})


@pytest.mark.parametrize(
    ("version", "kind"),
    rows(
        """
        v1                               ConfigMap
        v1                               Secret
        v1                               PersistentVolumeClaim
        v1                               Event
        v1                               PodTemplate
        policy/v1                        PodDisruptionBudget
        policy/v1beta1                   PodSecurityPolicy
        apps/v1                          ControllerRevision
        rbac.authorization.k8s.io/v1     Role
        networking.k8s.io/v1             IngressClass
        audit.k8s.io/v1                  Policy
        admissionregistration.k8s.io/v1  ValidatingAdmissionPolicy
        networking.k8s.io/v1             ServiceCIDR
        apiextensions.k8s.io/v1          CustomResourceDefinition
        autoscaling/v2                   HorizontalPodAutoscaler
        config.openshift.io/v1           Ingress
        cluster.x-k8s.io/v1beta1         MachineDeployment
        crd.projectcalico.org/v1         StagedGlobalNetworkPolicy
        networking.k8s.aws/v1alpha1      PolicyEndpoint
        gateway.networking.k8s.io/v1     GatewayClass
        gateway.networking.k8s.io/v1     BackendTLSPolicy
        cert-manager.io/v1               Certificate
        kafka.strimzi.io/v1beta2         KafkaTopic
        cilium.io/v2                     CiliumNode
        """
    ),
)
def test_what_has_nothing_to_do_with_reachability_is_counted(version: str, kind: str) -> None:
    reading = of(version, kind)
    assert (reading.diagnostics, reading.inventory.unread, dict(reading.skipped)) == ((), (), {kind: 1})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("apiVersion: v1\nmetadata: {name: a}\nspec: {}\n", "kind is required [NM002]"),
        ("kind: Pod\nmetadata: {name: a}\nspec: {}\n", "apiVersion is required [NM002]"),
        ("apiVersion: v1\nKind: Pod\nmetadata: {name: a}\n", "did you mean kind, not Kind?"),
        ("apiversion: v1\nkind: Pod\nmetadata: {name: a}\n", "did you mean apiVersion, not apiversion?"),
        ("apiVersion: v1\nkind: 5\nmetadata: {name: a}\n", "kind is required [NM002]"),
        ("metadata: {name: a}\nspec: {}\n", "kind is required [NM002]"),
        ("apiVersion: v1\nkind: List\nItems: []\n", "did you mean items, not Items?"),
        ("apiVersion: v1\nkind: PodList\n", "items is required, and a list [NM002]"),
        ("apiVersion: v1\nkind: PodList\nitems: {}\n", "items is required, and a list [NM002]"),
        ("apiVersion: v1\nkind: List\nitems: [null]\n", "document is not a Kubernetes object [NM002]"),
        ("apiVersion: v1\nkind: List\nitems: [{metadata: {name: a}, spec: {}}]\n", "kind is required [NM002]"),
        ("- kind: Pod\n", "document is not a Kubernetes object [NM002]"),
    ],
)
def test_what_is_nearly_an_object_is_an_error(text: str, said: str) -> None:
    assert said in only_error(read_texts([("x.yaml", text)]))


def test_what_is_no_object_at_all_is_counted() -> None:
    reading = read_texts(
        [("x.yaml", "replicas: 2\n---\nservices: {web: {image: i}}\n---\nkind: Deployment\nreplicas: 1\n")]
    )
    assert (reading.diagnostics, dict(reading.skipped)) == ((), {"(no kind)": 3})


def test_a_cluster_is_asked_for_what_is_read_what_decides_and_what_leads_in() -> None:
    served = rows(
        """
        pods             v1                        Pod
        secrets          v1                        Secret
        deployments      apps/v1                   Deployment
        ingresses        networking.k8s.io/v1      Ingress
        routes           route.openshift.io/v1     Route
        rollouts         argoproj.io/v1alpha1      Rollout
        egressips        k8s.ovn.org/v1            EgressIP
        networkpolicies  crd.projectcalico.org/v1  NetworkPolicy
        reaches          acme.example/v1           TheirNetworkPolicy
        networkpolicies  projectcalico.org/v3      NetworkPolicy
        """
    )
    assert resources(served) == [
        *(
            "pods",
            "deployments.apps",
            "ingresses.networking.k8s.io",
            "routes.route.openshift.io",
            "egressips.k8s.ovn.org",
        ),
        *("networkpolicies.crd.projectcalico.org", "reaches.acme.example"),
    ]
    assert policy_resources(["pods", "egressips.k8s.ovn.org"]) == ["egressips.k8s.ovn.org"]


def test_the_sort_of_a_kind_does_not_depend_on_what_was_asked_before() -> None:
    for _ in range(2):
        with pytest.raises(Exception, match="apps/v1 has no Pod"):
            sort_of("apps/v1", "Pod")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: shop}\nspec: {template: "
            "{metadata: {annotations: {k8s.v1.cni.cncf.io/networks: fast}}, spec: {containers: []}}}\n",
            "Deployment shop/web asks for networks beside the cluster's, which are not analysed [NM004]",
        ),
        (
            "".join(
                f"apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, annotations: "
                '{v1.multus-cni.io/default-network: "other"}}\nspec: {}\n---\n'
                for name in ("web", "api")
            ),
            "Pod web and 1 more ask for networks beside the cluster's",
        ),
        (
            "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: "
            "{k8s.ovn.org/primary-user-defined-network: ''}}\n",
            "Namespace shop asks for networks beside the cluster's",
        ),
    ],
)
def test_pods_with_networks_of_their_own_are_told_of_once(text: str, said: str) -> None:
    reading = read_texts([("x.yaml", text)])
    assert said in only_error(reading)
    assert reading.objects >= 1


def test_pods_that_ask_for_no_other_network_are_like_any() -> None:
    pod = (
        "apiVersion: v1\nkind: Pod\nmetadata: {name: web, annotations: {k8s.v1.cni.cncf.io/networks: '[]'}}\nspec: {}\n"
    )
    assert read_texts([("x.yaml", pod)]).diagnostics == ()
