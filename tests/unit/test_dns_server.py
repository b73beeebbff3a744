"""The cluster's DNS server: its configuration from the spec, what that predicts, and the cluster's own domain."""

import json
from typing import Any

import pytest
from spec_support import compiled

from netspec.analysis.services import Endpoints
from netspec.backends.clusters.kind import kubeadm_patches
from netspec.backends.corefile import corefile, dns_facts
from netspec.backends.dns.coredns import CoreDns
from netspec.backends.dns.coredns.objects import coredns
from netspec.ir.model import Ir
from netspec.plan import ReadyNode
from netspec.probing.lookup import Lookups
from netspec.probing.names import lookups
from netspec.target import Needs


def server(dns: str, more: str = "") -> Ir:
    return compiled(f"dns: {dns}\n{more}")


def block(text: str, start: str) -> list[str]:
    """The lines of a plugin's block in the first server block."""
    lines = [line.strip() for line in text.splitlines()]
    at = next(i for i, line in enumerate(lines) if line.startswith(start))
    if not lines[at].endswith("{"):
        return [lines[at]]
    return lines[at : lines.index("}", at) + 1]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ("{}", ["cache 30 {", "disable success cluster.local", "disable denial cluster.local", "}"]),
        (
            "{cacheSeconds: 60, negativeCacheSeconds: 5, prefetch: {hits: 10, seconds: 120}, serveStaleSeconds: 3600}",
            [
                "cache 60 {",
                "disable success cluster.local",
                "disable denial cluster.local",
                "denial 9984 5",
                "prefetch 10 120s",
                "serve_stale 3600s",
                "}",
            ],
        ),
        (
            "{negativeCacheSeconds: 0}",
            ["cache 30 {", "disable success cluster.local", "disable denial cluster.local", "disable denial", "}"],
        ),
    ],
)
def test_the_cache_is_as_the_spec_says(settings: str, expected: list[str]) -> None:
    assert block(corefile(server(f"{{coredns: {settings}}}").dns), "cache") == expected


def test_a_stub_domain_has_the_same_cache_for_its_own_names() -> None:
    text = corefile(server("{stubDomains: {corp.example: [10.0.0.53]}, coredns: {negativeCacheSeconds: 5}}").dns)
    own = text.partition("corp.example:53 {")[2]
    assert "    cache 30 {\n        denial 9984 5\n    }\n    forward . 10.0.0.53\n" in own


def test_hosts_rewrites_upstreams_and_pods() -> None:
    dns = "{hosts: {a.corp.example: [10.0.0.1, 10.0.0.2]}, rewrites: {b.corp.example: api.shop.svc.cluster.local},"
    dns += " upstreams: [192.0.2.1, 192.0.2.2], coredns: {pods: verified, autopath: true}}"
    text = corefile(server(dns).dns)
    assert block(text, "hosts") == ["hosts {", "10.0.0.1 a.corp.example", "10.0.0.2 a.corp.example", "fallthrough", "}"]
    assert block(text, "rewrite") == ["rewrite name exact b.corp.example api.shop.svc.cluster.local"]
    assert block(text, "forward")[0] == "forward . 192.0.2.1 192.0.2.2 {"
    assert block(text, "autopath") == ["autopath @kubernetes"]
    assert "pods verified" in block(text, "kubernetes")


def test_what_is_not_given_is_not_there() -> None:
    text = corefile(server("{}").dns)
    assert not [word for word in ("hosts", "rewrite", "autopath", "denial 9984", "prefetch") if word in text]
    assert block(text, "forward")[0] == "forward . /etc/resolv.conf {"


TWO_WORKERS = "stacks: {dev: {cluster: {type: kind, workers: 2}, cni: {provider: calico}}}\n"


def manifests(an_ir: Ir) -> dict[str, Any]:
    return {n.id: n.manifest for n in coredns(an_ir)}


def objects(an_ir: Ir) -> dict[str, Any]:
    return {m["kind"]: m for m in manifests(an_ir).values()}


def test_a_disruption_budget_and_a_node_for_each_only_where_they_are_given() -> None:
    plain = objects(server("{}"))
    assert "PodDisruptionBudget" not in plain
    given = server("{coredns: {replicas: 2, maxUnavailable: 1, spread: required}}", TWO_WORKERS)
    made = objects(given)
    assert made["PodDisruptionBudget"]["spec"]["maxUnavailable"] == 1
    (spread,) = made["Deployment"]["spec"]["template"]["spec"]["topologySpreadConstraints"]
    assert spread["whenUnsatisfiable"] == "DoNotSchedule"
    (usual,) = plain["Deployment"]["spec"]["template"]["spec"]["topologySpreadConstraints"]
    assert usual["whenUnsatisfiable"] == "ScheduleAnyway"


# What it predicts


def test_names_of_hosts_and_rewrites_are_asked_for() -> None:
    rewrites = "{b.corp.example: api.shop.svc.cluster.local, c.example: d.example}"
    dns = f"{{hosts: {{a.corp.example: [10.0.0.1]}}, rewrites: {rewrites}}}"
    found = {k.name: k for k in lookups(server(dns))}
    assert found["a.corp.example"].expect == ("address:10.0.0.1",)
    assert found["b.corp.example"].expect == ("service:shop/api",)
    assert "c.example" not in found  # it leaves the cluster


def test_no_pod_s_address_is_asked_for_where_none_is_a_name() -> None:
    assert "pod" in {k.kind for k in lookups(server("{}"))}
    kinds = {k.kind for k in lookups(server("{coredns: {pods: disabled}}"))}
    assert "pod" not in kinds and "no-pod" in kinds


def plan(dns: str, name: str) -> tuple[list[str], int]:
    an_ir = server(dns)
    found = Lookups(an_ir).plan(an_ir.workloads_by_id["far/client"], name)
    return [q.name for q in found.queries], found.wasted


def test_autopath_walks_the_search_list_for_the_pod() -> None:
    name = "api.shop.svc"
    assert len(plan("{}", name)[0]) == 3
    walked = plan("{coredns: {pods: verified, autopath: true}}", name)
    assert walked == (["api.shop.svc.cluster.local"], 0)
    # Begun as it stands, nothing of the list is asked for first.
    assert plan("{ndots: 1, coredns: {pods: verified, autopath: true}}", name)[0][0] == name


def test_lookups_know_hosts_rewrites_and_upstreams() -> None:
    rewrites = "{b.corp.example: api.shop.svc.cluster.local}"
    an_ir = server(f"{{hosts: {{a.corp.example: [10.0.0.1]}}, rewrites: {rewrites}, upstreams: [192.0.2.1]}}")
    found, client = Lookups(an_ir), an_ir.workloads_by_id["far/client"]
    assert found.plan(client, "a.corp.example.").queries[0].answer == "10.0.0.1"
    assert (
        found.plan(client, "b.corp.example.").queries[0].answer
        == "as api.shop.svc.cluster.local: the cluster IP of shop/api"
    )
    assert found.plan(client, "www.example.com.").queries[0].server == "192.0.2.1"


# The cluster's domain


def test_a_domain_of_the_cluster_s_own() -> None:
    more = "services:\n  - {name: api, namespace: shop, selector: {app: api}, ports: [{port: 80, targetPort: http}]}\n"
    more += "  - {name: alias, namespace: shop, type: ExternalName, externalName: api.shop.svc.k8s.example}\n"
    an_ir = server("{clusterDomain: k8s.example}", more)
    names = {k.name for k in lookups(an_ir)}
    assert "api.shop.svc.k8s.example" in names and not any("cluster.local" in name for name in names)
    followed = Endpoints(an_ir.inventory).followed(an_ir.services_by_id["shop/alias"])
    assert followed is not None and followed.id == "shop/api"
    patches = {p["kind"]: p for p in kubeadm_patches(an_ir.network, an_ir.dns)}
    assert patches["ClusterConfiguration"]["networking"] == {"dnsDomain": "k8s.example"}
    assert patches["KubeletConfiguration"]["clusterDomain"] == "k8s.example"
    usual = {p["kind"]: p for p in kubeadm_patches(an_ir.network, server("{}").dns)}
    assert "networking" not in usual["ClusterConfiguration"] and "clusterDomain" not in usual["KubeletConfiguration"]


# Autoscaling


def scaled(autoscale: str, workers: int = 4) -> Ir:
    stacks = f"stacks: {{dev: {{cluster: {{type: kind, workers: {workers}}}, cni: {{provider: calico}}}}}}\n"
    return server(f"{{coredns: {{autoscale: {autoscale}}}}}", stacks)


@pytest.mark.parametrize(
    ("autoscale", "replicas"),
    [
        ("{linear: {nodesPerReplica: 2}}", 3),
        ("{linear: {nodesPerReplica: 2, max: 2}}", 2),
        ("{linear: {nodesPerReplica: 2, max: 1}}", 2),
        ("{linear: {nodesPerReplica: 16}}", 2),
        ("{linear: {nodesPerReplica: 16, preventSinglePointFailure: false}}", 1),
        ("{linear: {nodesPerReplica: 16, min: 4}}", 4),
        ("{ladder: {nodesToReplicas: [[1, 1], [5, 3], [6, 4]]}}", 3),
        ("{ladder: {nodesToReplicas: [[8, 2], [9, 3]]}}", 2),
        ("{linear: {coresPerReplica: 256, nodesPerReplica: 16}}", None),
        ("{ladder: {coresToReplicas: [[1, 1]], nodesToReplicas: [[1, 2]]}}", None),
    ],
)
def test_the_number_of_servers_is_worked_out_where_nodes_tell(autoscale: str, replicas: int | None) -> None:
    """Of five nodes. How many cores they have is not the spec's to say."""
    an_ir = scaled(autoscale)
    assert an_ir.dns.servers(an_ir.traits.nodes) == replicas
    expected = [f.expect for f in dns_facts(an_ir.dns, an_ir.traits.nodes) if f.name == "dns-replicas"]
    assert expected == ([] if replicas is None else [replicas])
    pods = an_ir.workloads_by_id["kube-system/coredns"].replicas
    assert pods == (2 if replicas is None else replicas)


def test_the_deployment_has_no_replicas_where_the_autoscaler_says_how_many() -> None:
    made = manifests(scaled("{linear: {nodesPerReplica: 2, min: 2, max: 8}}"))
    assert "replicas" not in made["deployment:kube-system/coredns"]["spec"]
    config = made["configmap:kube-system/kube-dns-autoscaler"]["data"]
    assert json.loads(config["linear"]) == {
        "nodesPerReplica": 2,
        "min": 2,
        "max": 8,
        "preventSinglePointFailure": True,
    }
    ladder = manifests(scaled("{ladder: {nodesToReplicas: [[1, 1], [5, 3]]}}"))
    data = ladder["configmap:kube-system/kube-dns-autoscaler"]["data"]
    assert json.loads(data["ladder"]) == {"nodesToReplicas": [[1, 1], [5, 3]]}
    assert not any("autoscaler" in id_ for id_ in manifests(server("{}")))


def test_applying_waits_for_as_many_servers_as_nodes_say() -> None:
    (wait,) = ready_nodes(scaled("{linear: {nodesPerReplica: 2}}"))
    (condition,) = wait.conditions
    assert (condition.resource, condition.condition, condition.at_least) == ("pods", "Ready", 3)
    assert not ready_nodes(scaled("{linear: {coresPerReplica: 256}}")), "how many cores there are is not known"
    assert not ready_nodes(server("{}"))


def ready_nodes(an_ir: Ir) -> list[ReadyNode]:
    return [n for n in CoreDns().lower(an_ir, None, Needs()) if isinstance(n, ReadyNode)]
