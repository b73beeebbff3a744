"""What a spec means: references resolved, defaults filled in, policies written out."""

import importlib
from ipaddress import ip_network
from typing import Any

import pytest
import yaml
from spec_support import compiled

from netspec.analysis.evaluate import evaluate
from netspec.analysis.verdict import PodEnd
from netspec.backends.common.policies import policy_manifest
from netspec.ir.dns import KUBE_DNS
from netspec.ir.model import Ir, NetworkPolicy
from netspec.passes import PASSES
from netspec.passes.openings import Names


def _specs(ir: Ir) -> dict[str, Any]:
    return {p.id: policy_manifest(p)["spec"] for p in ir.policies}


def _policy(ir: Ir, id: str) -> NetworkPolicy:
    (found,) = (p for p in ir.policies if p.id == id)
    return found


def _reaches(ir: Ir, source: str, destination: str, port: int, protocol: Any = "TCP") -> bool:
    return evaluate(ir.inventory, PodEnd(source), PodEnd(destination), port, protocol).expected == "allow"


EXAMPLES = [step.__module__ for step in PASSES if "before:" in (importlib.import_module(step.__module__).__doc__ or "")]


@pytest.mark.parametrize("module", EXAMPLES)
def test_a_passs_example_is_true(module: str) -> None:
    text = importlib.import_module(module).__doc__ or ""
    example = yaml.safe_load(text[text.index("before:") :])
    specs = _specs(compiled(yaml.safe_dump(example["before"])))
    assert {id: specs.get(id) for id in example["after"]} == example["after"]


def test_the_passes_that_write_policies_have_an_example() -> None:
    assert {m.rpartition(".")[2] for m in EXAMPLES} == {"default_deny", "allow_dns", "intents"}


# Resolving


def test_defaults_are_those_of_the_reference() -> None:
    ir = compiled("")
    assert ir.network.pod_cidrs == (ip_network("10.244.0.0/16"),)
    assert ir.network.service_cidrs == (ip_network("10.96.0.0/16"),)
    assert (ir.network.proxy_mode, ir.network.node_mask, ir.network.max_pods) == ("iptables", 24, 110)
    assert (ir.dns.ndots, ir.dns.replicas, ir.dns.cache_seconds) == (None, 2, 30)
    assert (ir.cluster_name, ir.traits.nodes, ir.traits.node_networks[0].text) == ("sample-dev", 3, "172.30.0.0/16")
    assert (ir.traits.overhead, ir.traits.mtu, ir.given) == (50, None, frozenset())


def test_what_the_spec_gives_is_told_from_what_it_leaves_to_the_defaults() -> None:
    text = (
        "{network: {maxPods: 110, proxy: {mode: iptables}}, dns: {ndots: 2, coredns: {replicas: 2}, stubDomains: {}}}"
    )
    assert compiled(text).given == {
        ("network", "maxPods"),
        ("network", "proxy", "mode"),
        ("dns", "ndots"),
        ("dns", "coredns", "replicas"),
    }


def test_the_dns_address_is_the_tenth_of_the_service_range() -> None:
    assert compiled("network: {serviceCIDRs: [10.112.0.0/20]}").dns.address == "10.112.0.10"


def test_policy_types_default_as_in_kubernetes() -> None:
    ir = compiled(
        """
        networkPolicies:
          - {name: neither, namespace: shop, spec: {}}
          - {name: egress, namespace: shop, spec: {egress: [{}]}}
          - {name: empty, namespace: shop, spec: {policyTypes: []}}
          - {name: empty-egress, namespace: shop, spec: {policyTypes: [], egress: [{}]}}
          - {name: given, namespace: shop, spec: {policyTypes: [Egress]}}
        """
    )
    types = {p.name: p.types for p in ir.policies}
    both = ("Ingress", "Egress")
    unset = {"neither": ("Ingress",), "egress": both, "empty": ("Ingress",), "empty-egress": both}
    assert types == unset | {"given": ("Egress",)}


def test_a_target_port_defaults_to_the_port() -> None:
    ir = compiled("services: [{name: a, namespace: shop, selector: {app: api}, ports: [{port: 8080}]}]")
    (service,) = (s for s in ir.services if not s.system)
    assert service.ports[0].target_port == 8080


def test_what_the_cluster_brings_is_there_and_marked() -> None:
    ir = compiled("dns: {coredns: {replicas: 3}}")
    (dns,) = (w for w in ir.workloads if w.system)
    assert (dns.id, dns.replicas, dns.labels, dns.stand_in) == (KUBE_DNS.workload_id, 3, {"k8s-app": "kube-dns"}, False)
    assert [n.name for n in ir.namespaces if n.system] == ["kube-system"]
    assert [s.id for s in ir.services if s.system] == ["kube-system/kube-dns"]


def test_places_are_of_the_file() -> None:
    ir = compiled(
        "namespaces: [{name: shop, defaultDeny: [ingress]}]\npolicies: [{name: a, from: outside, to: shop/web}]"
    )
    policy = _policy(ir, "shop/a-ingress")
    assert policy.origin == "policies: a" and policy.place.path == ("policies", 0)
    assert policy.place.position is not None and policy.place.position.file == "sample.yaml"


# Intents

CLOSED = "namespaces: [{name: shop, defaultDeny: [ingress, egress], allowDNS: true}]\n"


@pytest.mark.parametrize(
    "peers",
    [
        "from: shop/web, to: shop/api",
        "from: {namespace: far}, to: {namespace: shop}",
        "from: outside, to: {service: shop/api}",
        "from: shop/web, to: {cidr: 192.0.2.0/24}",
        "from: anywhere, to: shop/db",
    ],
)
def test_an_intent_writes_nothing_where_nothing_isolates(peers: str) -> None:
    assert compiled(f"policies: [{{name: a, {peers}}}]").policies == ()


def test_an_intent_writes_only_the_side_that_is_isolated() -> None:
    ir = compiled(f"{CLOSED}policies: [{{name: a, from: far/client, to: shop/api}}]")
    assert [p.name for p in ir.policies if p.origin == "policies: a"] == ["a-ingress"]


def test_a_workload_intent_without_ports_opens_what_the_called_declares() -> None:
    ir = compiled(f"{CLOSED}policies: [{{name: a, from: shop/web, to: shop/api}}]")
    assert _reaches(ir, "shop/web", "shop/api", 8080) and _reaches(ir, "shop/web", "shop/api", 9090)
    assert not _reaches(ir, "shop/web", "shop/api", 22)
    assert not _reaches(ir, "shop/api", "shop/web", 8080)


def test_a_service_intent_opens_the_pods_ports_behind_it() -> None:
    ir = compiled(f"{CLOSED}policies: [{{name: a, from: shop/web, to: {{service: shop/api}}, ports: [80]}}]")
    assert _reaches(ir, "shop/web", "shop/api", 8080)
    assert not _reaches(ir, "shop/web", "shop/api", 80) and not _reaches(ir, "shop/web", "shop/api", 9090)


def test_a_named_service_port_resolves_on_each_workload() -> None:
    ir = compiled(
        f"""
        {CLOSED.strip()}
        workloads:
          - {{name: one, namespace: shop, labels: {{app: x, v: one}}, ports: [{{name: http, port: 8001}}]}}
          - {{name: two, namespace: shop, labels: {{app: x, v: two}}, ports: [{{name: http, port: 8002}}]}}
          - {{name: web, namespace: shop, labels: {{app: web}}}}
        services: [{{name: x, namespace: shop, selector: {{app: x}}, ports: [{{port: 80, targetPort: http}}]}}]
        policies: [{{name: a, from: shop/web, to: {{service: shop/x}}}}]
        """
    )
    open_ports = {
        (to, port) for to in ("one", "two") for port in (8001, 8002) if _reaches(ir, "shop/web", f"shop/{to}", port)
    }
    assert open_ports == {("one", 8001), ("two", 8002)}


def test_a_port_name_of_an_intent_is_the_calleds() -> None:
    ir = compiled(f"{CLOSED}policies: [{{name: a, from: shop/web, to: shop/api, ports: [admin]}}]")
    assert _reaches(ir, "shop/web", "shop/api", 9090) and not _reaches(ir, "shop/web", "shop/api", 8080)


@pytest.mark.parametrize("to", ["shop/api", "{namespace: shop}", "{workload: shop/web}"])
def test_all_ports_of_an_intent_are_every_port_of_every_protocol(to: str) -> None:
    ir = compiled(f"{CLOSED}policies: [{{name: a, from: far/client, to: {to}, ports: [all]}}]")
    (added,) = (p for p in ir.policies if p.origin == "policies: a")
    assert [rule.ports for rule in added.ingress] == [()]
    called = "shop/web" if "web" in to else "shop/api"
    assert _reaches(ir, "far/client", called, 22) and not _reaches(ir, "shop/db", called, 22)


def test_all_ports_of_a_service_are_its_own() -> None:
    ir = compiled(f"{CLOSED}policies: [{{name: a, from: shop/web, to: {{service: shop/api}}, ports: [all]}}]")
    assert _reaches(ir, "shop/web", "shop/api", 8080) and not _reaches(ir, "shop/web", "shop/api", 9090)


def test_a_namespace_that_denies_by_default_is_opened_as_a_whole() -> None:
    ir = compiled(f"{CLOSED}policies: [{{name: a, from: {{namespace: far}}, to: {{namespace: shop}}, ports: [8080]}}]")
    assert _policy(ir, "shop/a-ingress").pods.is_empty


def test_a_namespace_with_some_isolated_pods_is_opened_at_those_only() -> None:
    native = "{name: db, namespace: shop, spec: {podSelector: {matchLabels: {app: db}}}}"
    ir = compiled(f"networkPolicies: [{native}]\npolicies: [{{name: a, from: far/client, to: {{namespace: shop}}}}]")
    (written,) = (p for p in ir.policies if p.origin == "policies: a")
    assert written.pods.to_json() == {"matchLabels": {"app": "db"}}
    assert _reaches(ir, "shop/web", "shop/api", 8080) and _reaches(ir, "far/client", "shop/db", 5432)


def test_a_namespace_intent_without_ports_opens_what_each_workload_declares() -> None:
    workloads = """
  - {name: web, namespace: shop, labels: {app: web}, ports: [{port: 8080}]}
  - {name: db, namespace: shop, labels: {app: db}, ports: [{port: 5432}]}
  - {name: batch, namespace: shop, labels: {app: batch}}
  - {name: client, namespace: far, labels: {app: client}}
"""
    ir = compiled(
        "namespaces: [{name: shop, defaultDeny: [ingress]}, {name: far, defaultDeny: [egress], allowDNS: true}]\n"
        f"workloads: {workloads}services: []\npolicies: [{{name: a, from: far/client, to: {{namespace: shop}}}}]"
    )
    asked = [(to, port) for to in ("web", "db", "batch") for port in (22, 5432, 8080)]
    found = {(to, port) for to, port in asked if _reaches(ir, "far/client", f"shop/{to}", port)}
    assert found == {("web", 8080), ("db", 5432)}


def test_a_namespace_whose_workloads_declare_the_same_is_opened_by_one_policy() -> None:
    ir = compiled(
        "namespaces: [{name: shop}, {name: far, defaultDeny: [ingress]}]\n"
        "workloads:\n"
        "  - {name: web, namespace: shop, labels: {app: web}}\n"
        + "".join(
            f"  - {{name: w{i}, namespace: far, labels: {{app: w{i}}}, ports: [{{port: 80}}]}}\n" for i in range(9)
        )
        + "services: []\npolicies: [{name: a, from: shop/web, to: {namespace: far}}]"
    )
    assert len([p for p in ir.policies if p.origin and "a" in p.name and p.namespace == "far"]) == 2  # and the deny
    assert _reaches(ir, "shop/web", "far/w3", 80) and not _reaches(ir, "shop/web", "far/w3", 22)


def test_a_namespace_that_declares_no_port_is_opened_at_any() -> None:
    ir = compiled(
        "namespaces: [{name: far, defaultDeny: [ingress]}]\npolicies: [{name: a, from: shop/web, to: {namespace: far}}]"
    )
    assert _reaches(ir, "shop/web", "far/client", 22)


def test_a_service_that_calls_is_every_pod_behind_it() -> None:
    """A target port says what a pod serves, nothing about what it calls."""
    ir = compiled(
        f"""
        {CLOSED.strip()}
        workloads:
          - {{name: one, namespace: shop, labels: {{tier: front, v: one}}, ports: [{{name: http, port: 8080}}]}}
          - {{name: two, namespace: shop, labels: {{tier: front, v: two}}, ports: [{{name: admin, port: 9090}}]}}
          - {{name: db, namespace: shop, labels: {{app: db}}, ports: [{{port: 5432}}]}}
        services: [{{name: x, namespace: shop, selector: {{tier: front}}, ports: [{{port: 80, targetPort: http}}]}}]
        policies: [{{name: a, from: {{service: shop/x}}, to: shop/db}}]
        """
    )
    assert _reaches(ir, "shop/one", "shop/db", 5432) and _reaches(ir, "shop/two", "shop/db", 5432)
    assert not _reaches(ir, "shop/one", "shop/two", 9090)


def test_outside_is_every_address_but_the_clusters_own() -> None:
    ir = compiled(f"{CLOSED}policies: [{{name: a, from: outside, to: shop/web}}]")
    ((peer,),) = (r.peers for r in _policy(ir, "shop/a-ingress").ingress)
    assert peer.ip_block is not None and str(peer.ip_block.cidr) == "0.0.0.0/0"
    assert [str(c) for c in peer.ip_block.excluded] == ["10.244.0.0/16", "10.96.0.0/16"]


def test_anywhere_is_everyone_and_written_on_the_named_side_only() -> None:
    ir = compiled(f"{CLOSED}policies: [{{name: a, from: anywhere, to: shop/web}}]")
    assert [p.id for p in ir.policies if p.origin == "policies: a"] == ["shop/a-ingress"]
    assert _policy(ir, "shop/a-ingress").ingress[0].peers == ()


def test_a_service_without_pods_opens_nothing() -> None:
    service = "{name: none, namespace: shop, selector: {app: none}, ports: [{port: 80}]}"
    ir = compiled(f"{CLOSED}services: [{service}]\npolicies: [{{name: a, from: {{service: shop/none}}, to: shop/web}}]")
    assert not [p for p in ir.policies if p.origin == "policies: a"]


def test_a_selector_does_not_take_in_a_workload_with_more_labels() -> None:
    """The canary has all labels of `web` and one more: a policy for `web` must not select it."""
    ir = compiled(
        f"""
        {CLOSED.strip()}
        workloads:
          - {{name: web, namespace: shop, labels: {{app: web}}, ports: [{{port: 80}}]}}
          - {{name: canary, namespace: shop, labels: {{app: web, track: canary}}, ports: [{{port: 80}}]}}
          - {{name: api, namespace: shop, labels: {{app: api}}}}
        services: []
        policies: [{{name: a, from: shop/api, to: shop/web}}]
        """
    )
    assert _reaches(ir, "shop/api", "shop/web", 80) and not _reaches(ir, "shop/api", "shop/canary", 80)


def test_names_that_are_taken_get_another_and_stay_the_same() -> None:
    changes = (
        CLOSED
        + """
networkPolicies:
  - {name: default-deny, namespace: shop, spec: {podSelector: {matchLabels: {app: db}}}}
  - {name: a-ingress, namespace: shop, spec: {podSelector: {matchLabels: {app: db}}}}
policies: [{name: a, from: outside, to: shop/web}]
"""
    )
    first, second = compiled(changes), compiled(changes)
    ids = [p.id for p in first.policies]
    assert len(set(ids)) == len(ids) and ids == [p.id for p in second.policies]
    assert {p.origin for p in first.policies} >= {"namespaces: shop defaultDeny", "policies: a"}


def test_an_overlong_name_is_cut_to_what_kubernetes_takes_and_stays_apart() -> None:
    names = Names([])
    taken = [names.take("shop", "a" * 400 + end) for end in ("x", "y")]
    assert len(set(taken)) == 2 and all(len(name) <= 253 for name in taken)


def test_allow_dns_does_not_isolate_a_namespace_that_is_open() -> None:
    ir = compiled("namespaces: [{name: shop, allowDNS: true}]")
    assert ir.policies == ()


def test_allow_dns_opens_pods_that_a_native_policy_closes() -> None:
    native = "{name: db, namespace: shop, spec: {podSelector: {matchLabels: {app: db}}, policyTypes: [Egress]}}"
    ir = compiled(f"namespaces: [{{name: shop, allowDNS: true}}]\nnetworkPolicies: [{native}]")
    assert _reaches(ir, "shop/db", KUBE_DNS.workload_id, 53, "UDP") and _reaches(ir, "shop/web", "shop/api", 8080)
    assert not _reaches(ir, "shop/db", "shop/web", 8080)
