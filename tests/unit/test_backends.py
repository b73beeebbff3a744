"""What the backends lower the IR to, where a golden file alone would not say why."""

from dataclasses import replace
from ipaddress import IPv4Network
from typing import Any

import pytest
import yaml

from netspec.backends.clusters.kind import Kind, cluster_config, kubeadm_patches, tainted
from netspec.backends.clusters.kind.settings import KindSettings
from netspec.backends.cni.calico import Calico
from netspec.backends.cni.calico.settings import CalicoSettings
from netspec.backends.common import Common
from netspec.backends.common.namespaces import namespace_manifest
from netspec.backends.common.policies import policy_manifest
from netspec.backends.common.services import service_manifest
from netspec.backends.common.standins import controller
from netspec.backends.corefile import corefile
from netspec.backends.dns.coredns.objects import coredns
from netspec.backends.objects import CHECKSUM
from netspec.diagnostics import Report
from netspec.ir.model import (
    NAME_LABEL,
    WORKLOAD_LABEL,
    ContainerPort,
    Dns,
    IpBlock,
    Ir,
    Namespace,
    Network,
    NetworkPolicy,
    Peer,
    PolicyPort,
    Rule,
    Service,
    ServicePort,
    Workload,
)
from netspec.ir.selectors import Selector
from netspec.passes.system import system
from netspec.plan import CNI_READY, ManifestNode, Node, ResourceNode
from netspec.target import Feature, Needs, Taint, Traits

NETWORK = Network((IPv4Network("10.244.0.0/16"),), (IPv4Network("10.96.0.0/16"),))
DNS = Dns(address="10.96.0.10")
NEEDS = Needs()
IR = Ir("shop", "dev", NETWORK, DNS, Traits(nodes=3), {"cluster": "kind", "cni": "calico"})


def kind(needs: Needs = NEEDS, **settings: Any) -> ResourceNode:
    (node,) = Kind().lower(IR, KindSettings(**settings), needs)
    assert isinstance(node, ResourceNode)
    return node


def lower(ir: Ir) -> tuple[Node, ...]:
    return Common().lower(ir, None, NEEDS)


def _kubeadm(network: Network = NETWORK, dns: Dns = DNS) -> dict[str, dict[str, Any]]:
    config = cluster_config("c", KindSettings(), network, dns, NEEDS)
    return {patch["kind"]: patch for patch in map(yaml.safe_load, config["kubeadmConfigPatches"])}


class TestKind:
    def test_the_patch_of_a_list_repeats_what_kind_has_in_it(self) -> None:
        """RFC 7386 replaces lists: without `preflight` kubeadm would run the checks that kind skips."""
        assert _kubeadm()["InitConfiguration"]["skipPhases"] == ["preflight", "addon/coredns"]

    def test_patches_leave_the_version_to_kind(self) -> None:
        assert not any("apiVersion" in patch for patch in _kubeadm().values())

    def test_node_mask_pod_limit_and_dns_address_reach_kubeadm(self) -> None:
        patches = _kubeadm(replace(NETWORK, node_mask=26, max_pods=50), replace(DNS, address="10.96.0.99"))
        arguments = patches["ClusterConfiguration"]["controllerManager"]["extraArgs"]
        assert arguments == {"node-cidr-mask-size": "26"}
        assert patches["KubeletConfiguration"] == {
            "kind": "KubeletConfiguration",
            "maxPods": 50,
            "clusterDNS": ["10.96.0.99"],
        }

    @pytest.mark.parametrize("workers", [0, 1, 3])
    def test_one_control_plane_and_the_workers(self, workers: int) -> None:
        roles = [n["role"] for n in cluster_config("c", KindSettings(workers=workers), NETWORK, DNS, NEEDS)["nodes"]]
        assert roles == ["control-plane"] + ["worker"] * workers

    def test_nothing_of_this_machine_is_in_the_config(self) -> None:
        """What only some machines need (feature gates, mounts) the toolchain adds when it creates the cluster."""
        assert cluster_config("c", KindSettings(), NETWORK, DNS, NEEDS).keys() == {
            "kind",
            "apiVersion",
            "name",
            "networking",
            "nodes",
            "kubeadmConfigPatches",
        }

    def test_what_replaces_the_cluster(self) -> None:
        def immutable(**settings: Any) -> object:
            return kind(Calico().needs(IR, CalicoSettings.model_validate(settings), NEEDS)).properties["immutable"]

        assert immutable(encapsulation="vxlan") == immutable() != immutable(encapsulation="vxlanCrossSubnet")
        pool = {"name": "a", "cidr": "10.244.0.0/17"}
        assert immutable(pools=[pool]) != immutable() != immutable(pools=[pool | {"natOutgoing": False}])
        assert immutable() == {"cni": "calico", "blockSize": 26}
        assert immutable(blockSize=24) != immutable()
        assert immutable(mtu=1400) == immutable()

    def test_names_beside_the_cluster(self) -> None:
        made = kind().properties
        assert [made[key] for key in ("name", "network", "outsideName")] == [
            "shop-dev",
            "netspec-shop-dev",
            "shop-dev-outside",
        ]

    def test_a_cni_that_replaces_kube_proxy_gets_a_cluster_without(self) -> None:
        """kind's own entry of the list that the patch replaces (pkg/cluster/internal/kubeadm/config.go)."""
        config = kind(Needs(kube_proxy=False)).properties["config"]
        assert config["networking"]["kubeProxyMode"] == "none"
        (patch,) = [p for p in map(yaml.safe_load, config["kubeadmConfigPatches"]) if "skipPhases" in p]
        assert patch["skipPhases"] == ["preflight", "addon/kube-proxy", "addon/coredns"]

    @pytest.mark.parametrize(
        ("image", "warned", "refused"),
        [
            ("kindest/node:v1.34.4", False, False),
            ("kindest/node:v1.35.0", True, False),
            ("kindest/node:v1.39.9", True, False),
            ("kindest/node:v1.40.0@sha256:1", False, True),
            ("registry.example:5000/own:latest", False, False),
        ],
    )
    def test_ipvs_ends_with_the_kubernetes_version_that_drops_it(self, image: str, warned: bool, refused: bool) -> None:
        ir, settings, report = (
            replace(IR, network=replace(NETWORK, proxy_mode="ipvs")),
            KindSettings(nodeImage=image),
            Report(),
        )
        Kind().check(ir, settings, NEEDS, report)
        assert [d.code for d in report.sorted()] == (["NS930"] if warned else [])
        assert (Feature.PROXY_IPVS in Kind().lacks(ir, settings)) is refused

    def test_ipvs_wants_a_kernel_that_has_it(self) -> None:
        needs = Kind().needs(replace(IR, network=replace(NETWORK, proxy_mode="ipvs")), KindSettings(), NEEDS)
        assert kind(needs).properties["kernel"] == {"CONFIG_IP_VS": "kube-proxy in ipvs mode"}
        assert "kernel" not in kind(Kind().needs(IR, KindSettings(), NEEDS)).properties

    def test_a_cluster_whose_own_cni_is_used_installs_it(self) -> None:
        assert kind().properties["config"]["networking"]["disableDefaultCNI"] is True
        assert kind(Needs(own_cni=True)).properties["config"]["networking"]["disableDefaultCNI"] is False

    @pytest.mark.parametrize(("workers", "own"), [(1, 1), (0, 0)])
    def test_taints_are_on_every_node_beside_the_control_plane_s_own(self, workers: int, own: int) -> None:
        """kubeadm gives a control plane its taint only where none is listed."""
        patches = {p["kind"]: p for p in kubeadm_patches(NETWORK, DNS, tainted((Taint("cni/not-ready"),), workers))}
        given = {"key": "cni/not-ready", "value": "", "effect": "NoSchedule"}
        assert patches["JoinConfiguration"]["nodeRegistration"]["taints"] == [given]
        control_plane = patches["InitConfiguration"]
        assert len(control_plane["nodeRegistration"]["taints"]) == 1 + own
        assert control_plane["nodeRegistration"]["taints"][-1] == given and "skipPhases" in control_plane


class TestCoreDns:
    def test_stub_domains_are_blocks_of_their_own_without_loop(self) -> None:
        text = corefile(replace(DNS, stub_domains=(("corp.example", ("10.0.0.1", "10.0.0.2")),)))
        first, stub = text.split("corp.example:53 {")
        assert "forward . 10.0.0.1 10.0.0.2\n" in stub and "loop" not in stub
        assert "    loop\n" in first and "forward . /etc/resolv.conf" in first

    def test_the_cluster_s_own_answers_are_never_kept(self) -> None:
        text = corefile(replace(DNS, cache_seconds=7, cluster_domain="k.example"))
        assert "cache 7 {\n        disable success k.example\n        disable denial k.example\n" in text

    def test_no_cache(self) -> None:
        assert "cache" not in corefile(replace(DNS, cache_seconds=0, stub_domains=(("a.example", ("10.0.0.1",)),)))

    def test_braces_pair(self) -> None:
        text = corefile(replace(DNS, stub_domains=(("a.example", ("10.0.0.1",)), ("b.example", ("10.0.0.2",)))))
        assert text.count("{") == text.count("}") == 7

    def test_a_change_of_the_corefile_rolls_the_pods(self) -> None:
        def digest(ir: Ir) -> str:
            server = next(n for n in coredns(ir) if n.manifest["kind"] == "Deployment")
            return str(server.manifest["spec"]["template"]["metadata"]["annotations"][CHECKSUM])

        assert digest(IR) == digest(replace(IR, dns=replace(DNS, replicas=5)))
        assert digest(IR) != digest(replace(IR, dns=replace(DNS, cache_seconds=5)))

    def test_it_waits_for_the_policies_that_select_it(self) -> None:
        def policy(name: str, labels: dict[str, str]) -> NetworkPolicy:
            return NetworkPolicy("kube-system", name, Selector.of(labels), ("Ingress",))

        ir = replace(system(IR, None), policies=(policy("dns", {"k8s-app": "kube-dns"}), policy("other", {"a": "b"})))  # type: ignore[arg-type]
        server = next(n for n in coredns(ir) if n.id == "deployment:kube-system/coredns")
        assert [d for d in server.depends_on if "networkpolicy" in d] == ["networkpolicy:kube-system/dns"]

    def test_what_is_made_is_what_is_predicted(self) -> None:
        """The analysis counts on the Service and pods of passes/system.py."""
        ir = system(IR, None)  # type: ignore[arg-type]
        predicted = service_manifest(next(s for s in ir.services if s.name == "kube-dns"))["spec"]
        workload = next(w for w in ir.workloads if w.name == "coredns")
        made = {n.manifest["kind"]: n.manifest for n in coredns(ir)}
        assert made["Service"]["spec"]["ports"] == predicted["ports"]
        assert made["Service"]["spec"]["selector"] == predicted["selector"]
        pod = made["Deployment"]["spec"]["template"]
        assert pod["metadata"]["labels"] == workload.labels
        ports = {(p["name"], p["containerPort"], p["protocol"]) for p in pod["spec"]["containers"][0]["ports"]}
        assert ports == {(p.name, p.port, p.protocol) for p in workload.ports}


def _stand_in(*ports: ContainerPort, **fields: Any) -> dict[str, Any]:
    workload = Workload("shop", "web", {"app": "web"}, ports, stand_in=True, **fields)
    return dict(controller(workload, fields.get("ndots")))


def _containers(*ports: ContainerPort) -> list[dict[str, Any]]:
    return list(_stand_in(*ports)["spec"]["template"]["spec"]["containers"])


class TestStandIns:
    def test_tcp_serves_on_its_port_and_no_udp(self) -> None:
        (server,) = _containers(ContainerPort(8080, "TCP", "http"))
        assert server["args"] == ["netexec", "--http-port=8080", "--udp-port=-1"]
        assert server["ports"] == [{"name": "http", "containerPort": 8080, "protocol": "TCP"}]
        assert server["readinessProbe"]["tcpSocket"] == {"port": 8080}

    def test_udp_is_ready_when_its_server_is_and_opens_no_declared_port(self) -> None:
        tcp, udp = _containers(ContainerPort(61001, "TCP"), ContainerPort(61000, "UDP"))
        assert tcp["args"][1] == "--http-port=61001"
        spare = udp["readinessProbe"]["httpGet"]["port"]
        assert udp["args"] == ["netexec", f"--http-port={spare}", "--udp-port=61000"]
        assert spare not in (61000, 61001)

    def test_no_two_servers_of_a_pod_share_a_port(self) -> None:
        ports = [ContainerPort(n, p) for n in (53, 61000, 61002) for p in ("TCP", "UDP")]  # type: ignore[arg-type]
        listening = [a.partition("=")[2] for c in _containers(*ports) for a in c["args"][1:] if "http-port" in a]
        assert len(set(listening)) == len(ports)

    def test_container_names_tell_protocols_of_one_port_apart(self) -> None:
        names = [c["name"] for c in _containers(ContainerPort(53, "TCP"), ContainerPort(53, "UDP"))]
        assert names == ["tcp-53", "udp-53"]

    def test_without_ports_it_only_waits(self) -> None:
        (idle,) = _containers()
        assert idle["args"] == ["pause"] and "readinessProbe" not in idle

    def test_low_ports_need_no_root(self) -> None:
        def sysctls(port: int) -> object:
            return _stand_in(ContainerPort(port))["spec"]["template"]["spec"]["securityContext"].get("sysctls")

        assert sysctls(80) == [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}]
        assert sysctls(8080) is None

    def test_it_fits_the_restricted_pod_security_level(self) -> None:
        """Kubernetes docs, Pod Security Standards: Restricted."""
        pod = _stand_in(ContainerPort(80))["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"] is True and pod["securityContext"]["runAsUser"] != 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
            }
        assert pod["automountServiceAccountToken"] is False
        assert not {"hostNetwork", "hostPID", "hostIPC", "volumes"} & pod.keys()

    def test_two_workloads_with_the_same_labels_do_not_adopt_each_other_s_pods(self) -> None:
        made = _stand_in(ContainerPort(80))
        assert made["spec"]["selector"] == {"matchLabels": {WORKLOAD_LABEL: "web"}}
        assert made["spec"]["template"]["metadata"]["labels"] == {"app": "web", WORKLOAD_LABEL: "web"}

    def test_ndots_only_where_the_spec_says_so(self) -> None:
        workload = Workload("shop", "web", {"app": "web"}, stand_in=True)
        assert "dnsConfig" not in controller(workload, None)["spec"]["template"]["spec"]
        assert controller(workload, 2)["spec"]["template"]["spec"]["dnsConfig"] == {
            "options": [{"name": "ndots", "value": "2"}]
        }

    def test_only_declared_stand_ins_are_deployed(self) -> None:
        real = Workload("shop", "real", {"app": "real"})
        brought = Workload("kube-system", "dns", {"app": "dns"}, stand_in=True, system=True)
        mine = Workload("shop", "mine", {"app": "mine"}, stand_in=True, replicas=0)
        ir = replace(IR, namespaces=(Namespace("shop", {}),), workloads=(real, brought, mine))
        made = [n for n in lower(ir) if n.id.startswith("deployment:") and "coredns" not in n.id]
        assert [n.id for n in made] == ["deployment:shop/mine"]
        assert isinstance(made[0], ManifestNode) and made[0].manifest["spec"]["replicas"] == 0

    def test_it_waits_for_the_policies_that_select_it_and_no_other(self) -> None:
        def policy(namespace: str, name: str, labels: dict[str, str]) -> NetworkPolicy:
            return NetworkPolicy(namespace, name, Selector.of(labels), ("Ingress",))

        ir = replace(
            IR,
            namespaces=(Namespace("shop", {}), Namespace("other", {})),
            workloads=(Workload("shop", "web", {"app": "web"}, stand_in=True),),
            policies=(policy("shop", "all", {}), policy("shop", "db", {"app": "db"}), policy("other", "all", {})),
        )
        web = next(n for n in lower(ir) if n.id == "deployment:shop/web")
        assert set(web.depends_on) == {"namespace:shop", CNI_READY, "networkpolicy:shop/all"}


class TestServices:
    PORT = (ServicePort(80, "http", "TCP", "web", 30080),)

    def _spec(self, **fields: Any) -> dict[str, Any]:
        service = Service("shop", "web", selector=Selector.of({"app": "web"}), ports=self.PORT)
        return dict(service_manifest(replace(service, **fields))["spec"])

    def test_cluster_ip(self) -> None:
        plain = (ServicePort(80, 8080),)
        assert self._spec(ports=plain) == {
            "type": "ClusterIP",
            "selector": {"app": "web"},
            "ports": [{"port": 80, "targetPort": 8080, "protocol": "TCP"}],
        }

    def test_headless(self) -> None:
        assert self._spec(headless=True)["clusterIP"] == "None"
        assert "ports" not in self._spec(headless=True, ports=())

    @pytest.mark.parametrize("kind", ["NodePort", "LoadBalancer"])
    def test_reachable_from_outside(self, kind: str) -> None:
        spec = self._spec(type=kind, external_traffic_policy="Local")
        assert (spec["type"], spec["externalTrafficPolicy"]) == (kind, "Local")
        assert spec["ports"] == [
            {"name": "web", "port": 80, "targetPort": "http", "protocol": "TCP", "nodePort": 30080}
        ]

    def test_external_name_has_neither_selector_nor_address(self) -> None:
        spec = self._spec(type="ExternalName", external_name="example.com", ports=())
        assert spec == {"type": "ExternalName", "externalName": "example.com"}

    def test_without_a_selector_the_endpoints_are_somebody_else_s(self) -> None:
        assert "selector" not in self._spec(selector=None)

    def test_not_ready_addresses(self) -> None:
        assert self._spec(publish_not_ready=True)["publishNotReadyAddresses"] is True
        assert "publishNotReadyAddresses" not in self._spec()


class TestPolicies:
    def _spec(self, **fields: Any) -> dict[str, Any]:
        return dict(policy_manifest(NetworkPolicy("shop", "p", Selector(), **fields))["spec"])

    def test_no_rule_denies_and_an_empty_rule_allows_all(self) -> None:
        assert self._spec(types=("Ingress", "Egress"), egress=(Rule(),)) == {
            "podSelector": {},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [],
            "egress": [{}],
        }

    def test_a_direction_that_is_not_a_type_is_not_written(self) -> None:
        assert "egress" not in self._spec(types=("Ingress",))

    def test_an_empty_selector_is_not_an_absent_one(self) -> None:
        rule = Rule(peers=(Peer(namespaces=Selector()), Peer(pods=Selector())))
        spec = self._spec(types=("Ingress",), ingress=(rule,))
        assert spec["ingress"] == [{"from": [{"namespaceSelector": {}}, {"podSelector": {}}]}]

    def test_peers_and_ports_field_for_field(self) -> None:
        block = IpBlock(IPv4Network("10.0.0.0/8"), (IPv4Network("10.1.0.0/16"),))
        ports = (PolicyPort("UDP"), PolicyPort("TCP", "http"), PolicyPort("SCTP", 9000, 9010))
        spec = self._spec(types=("Egress",), egress=(Rule((Peer(ip_block=block),), ports),))
        assert spec["egress"] == [
            {
                "to": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}],
                "ports": [
                    {"protocol": "UDP"},
                    {"protocol": "TCP", "port": "http"},
                    {"protocol": "SCTP", "port": 9000, "endPort": 9010},
                ],
            }
        ]


class TestNamespaces:
    def test_it_has_the_declared_labels_and_no_other(self) -> None:
        made = namespace_manifest(Namespace("shop", {NAME_LABEL: "shop", "team": "a"}))
        assert made["metadata"] == {"name": "shop", "labels": {"team": "a"}}

    def test_what_kubernetes_makes_is_not_made_again(self) -> None:
        spaces = (Namespace("default", {}), Namespace("kube-system", {}, system=True), Namespace("shop", {}))
        ir = replace(IR, namespaces=spaces, services=(Service("default", "web"),))
        nodes = {n.id: n for n in lower(ir)}
        assert [i for i in nodes if i.startswith("namespace:")] == ["namespace:shop"]
        assert nodes["service:default/web"].depends_on == ("cluster",)
