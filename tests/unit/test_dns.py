"""Who answers lookups, told from the objects: kubeadm's names, OpenShift's, NodeLocal's, a chart's, and others."""

import pytest

from netspec.analysis.lint import lint
from netspec.ir.dns import KUBE_DNS, OPENSHIFT_DNS, DnsIdentity, dns_servers, service_of_name
from netspec.ir.model import Inventory
from netspec.manifests.read import read_texts


def workload(
    namespace: str, name: str, labels: str, ports: str = "", host: bool = False, kind: str = "Deployment"
) -> str:
    spec = f"{{hostNetwork: {str(host).lower()}, containers: [{{name: c, image: i, ports: [{ports}]}}]}}"
    return (
        f"apiVersion: apps/v1\nkind: {kind}\nmetadata: {{name: {name}, namespace: {namespace}}}\n"
        f"spec: {{template: {{metadata: {{labels: {labels}}}, spec: {spec}}}}}\n"
    )


def service(namespace: str, name: str, selector: str, ports: str) -> str:
    return (
        f"apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: {namespace}}}\n"
        f"spec: {{selector: {selector}, ports: [{ports}]}}\n"
    )


def only_to(namespace: str, port: int) -> str:
    """A policy under which the pods of nm reach a namespace on one port alone."""
    to = f"{{namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: {namespace}}}}}}}"
    return egress(to, port)


def egress(to: str, port: int) -> str:
    return (
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: out, namespace: nm}\n"
        "spec: {podSelector: {}, policyTypes: [Egress], egress: "
        f"[{{to: [{to}], ports: [{{port: {port}, protocol: UDP}}]}}]}}\n"
    )


def read(*objects: str) -> Inventory:
    reading = read_texts([("in.yaml", "---\n".join(objects))])
    assert not reading.diagnostics
    return reading.inventory


ASKER = workload("nm", "op", "{app: op}")
LOOKUPS = "{name: dns, port: 53, protocol: UDP, targetPort: dns}, {name: tcp, port: 53, targetPort: dns-tcp}"
PORTS_5353 = "{name: dns, containerPort: 5353, protocol: UDP}, {name: dns-tcp, containerPort: 5353}"
PORTS_53 = "{name: dns, containerPort: 53, protocol: UDP}, {name: dns-tcp, containerPort: 53}"
OPENSHIFT = (
    workload("openshift-dns", "dns-default", "{dns: default}", PORTS_5353, kind="DaemonSet"),
    service("openshift-dns", "dns-default", "{dns: default}", LOOKUPS),
)
RKE2 = (
    workload("kube-system", "rke2-coredns-rke2-coredns", "{app.kubernetes.io/instance: rke2-coredns}", PORTS_53),
    service("kube-system", "rke2-coredns-rke2-coredns", "{app.kubernetes.io/instance: rke2-coredns}", LOOKUPS),
)
KUBEADM = (
    workload("kube-system", "coredns", "{k8s-app: kube-dns}", PORTS_53),
    service("kube-system", "kube-dns", "{k8s-app: kube-dns}", LOOKUPS),
)
PI_HOLE = (workload("home", "pihole", "{app: pihole}", PORTS_53), service("home", "pihole", "{app: pihole}", LOOKUPS))
NODE_LOCAL = workload("kube-system", "node-local-dns", "{k8s-app: node-local-dns}", PORTS_53, True, "DaemonSet")


@pytest.mark.parametrize(
    ("objects", "wanted"),
    [
        (OPENSHIFT, {"openshift-dns/dns-default": 5353}),
        (OPENSHIFT[:1], {}),  # without the Service, and without the operator's labels, nothing says so
        (RKE2, {"kube-system/rke2-coredns-rke2-coredns": 53}),
        (KUBEADM, {"kube-system/coredns": 53}),
        ((*KUBEADM, *PI_HOLE), {"kube-system/coredns": 53}),
        (PI_HOLE, {"home/pihole": 53}),
        ((*KUBEADM, NODE_LOCAL), {"kube-system/coredns": 53, "kube-system/node-local-dns": 53}),
        ((ASKER,), {}),
    ],
)
def test_dns_is_told_from_the_objects(objects: tuple[str, ...], wanted: dict[str, int]) -> None:
    assert {s.workload.id: s.port for s in dns_servers(read(*objects))} == wanted


@pytest.mark.parametrize("identity", [KUBE_DNS, OPENSHIFT_DNS])
def test_a_known_dns_is_known_by_its_labels_and_by_its_service(identity: DnsIdentity) -> None:
    pods, front = identity.pods(2), identity.front()
    for inventory in (Inventory(workloads=(pods,)), Inventory(workloads=(pods,), services=(front,))):
        assert [(s.workload.id, s.port) for s in dns_servers(inventory)] == [(identity.workload_id, identity.port)]
    assert (front.id, front.ports[0].number_on(pods)) == (identity.service_id, identity.port)


def cut_off(*objects: str) -> list[str]:
    return [f.subject for f in lint(read(ASKER, *objects)) if f.code == "NL009"]


def test_pods_are_cut_off_from_the_dns_that_is_there_at_the_port_that_its_pods_have() -> None:
    assert cut_off(*OPENSHIFT, only_to("openshift-dns", 5353)) == []
    assert cut_off(*OPENSHIFT, only_to("openshift-dns", 53)) == ["nm/op"]
    assert cut_off(*OPENSHIFT, only_to("kube-system", 53)) == ["nm/op"]
    assert cut_off(*RKE2, only_to("kube-system", 53)) == []
    assert cut_off(*KUBEADM, *PI_HOLE, only_to("home", 53)) == ["nm/op"]


def test_where_the_input_shows_no_dns_any_usual_one_will_do() -> None:
    assert cut_off(only_to("kube-system", 53)) == []
    assert cut_off(only_to("openshift-dns", 5353)) == []
    assert cut_off(only_to("nm", 53)) == ["nm/op"]


def test_the_address_of_node_local_dns_is_dns_where_there_is_one() -> None:
    link_local = "{ipBlock: {cidr: 169.254.20.10/32}}"
    assert cut_off(*KUBEADM, NODE_LOCAL, egress(link_local, 53)) == []
    assert cut_off(egress(link_local, 53)) == []
    assert cut_off(*KUBEADM, egress("{ipBlock: {cidr: 192.0.2.0/24}}", 53)) == ["nm/op"]


def test_names_inside_the_cluster() -> None:
    assert service_of_name("db.data.svc.cluster.local") == "data/db"
    assert service_of_name("DB.Data.svc.cluster.local.") == "data/db"
    assert service_of_name("db-0.db.data.svc.cluster.local") == "data/db"
    for outside in ("db.data.svc", "svc.cluster.local", ".data.svc.cluster.local", "db.example.com", ""):
        assert service_of_name(outside) is None
