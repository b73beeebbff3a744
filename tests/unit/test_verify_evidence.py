"""What of the cluster's own objects is evidence: why pods are not ready, servers that are not scaled, its DNS."""

from dataclasses import replace

from test_verify_causes import CLUSTER, GOOD, PODS, PROBES, SPEC, evidence

from netspec.ir.autoscale import Linear
from netspec.probes import DnsProbe, FactProbe
from netspec.target import ObjectRead, ReadyRead
from netspec.verify.about import About
from netspec.verify.judge import Judge
from netspec.verify.model import Observation, Status
from netspec.verify.state import Endpoint


def test_a_pod_that_is_not_ready_says_why() -> None:
    """What its log says of its end goes before why nothing takes it."""
    state = replace(GOOD, pods=(*PODS[:-1], replace(PODS[-1], ready=False, unscheduled="no free ports")))
    (finding,) = evidence(state).findings()
    assert finding.what == "pod shop/f-5 on node w2 is not ready, it is of shop/f: no free ports"
    said = {"shop/f-5": "listen tcp :8080: bind: address already in use"}
    (finding,) = replace(evidence(state), words=said).findings()
    assert finding.what.endswith("it is of shop/f: listen tcp :8080: bind: address already in use")


def test_an_autoscaler_that_does_not_scale_is_evidence() -> None:
    probe = FactProbe("fact:dns-replicas:x", "dns-replicas", "kube-system/coredns", 2, read=ReadyRead())
    wrong = {probe.id: Observation(probe, Status.WRONG, 1)}
    (finding,) = replace(evidence(GOOD), facts=wrong).findings()
    assert finding.what == "Deployment kube-system/coredns has 1 ready pods, and must have 2"
    assert finding.command == "netspec up --stack dev"
    scaled = replace(SPEC, dns=replace(SPEC.dns, autoscale=Linear(nodes_per_replica=2)))
    (finding,) = replace(evidence(GOOD), ir=scaled, facts=wrong).findings()
    assert finding.what.endswith("and must have 2: kube-system/kube-dns-autoscaler has not scaled it")
    assert finding.command.endswith("kubectl rollout restart deployment/kube-dns-autoscaler --namespace kube-system")


def test_what_is_wrong_with_the_cluster_s_dns_explains_lookups() -> None:
    read = ObjectRead("daemonsets.apps", ())
    probe = FactProbe("fact:node-local-dns:dns", "node-local-dns", "dns", {"ready": 3}, read=read)
    wrong = {probe.id: Observation(probe, Status.WRONG, {"ready": 2})}
    (finding,) = replace(evidence(GOOD), facts=wrong).findings()
    assert finding.what == "node-local-dns is not as the spec has it: ready is 2, the spec says 3"
    lookup = next(p for p in PROBES if isinstance(p, DnsProbe))
    assert finding.tags & About(SPEC, CLUSTER).evidence_tags(Observation(lookup, Status.WRONG, []))


def test_a_stranger_among_the_dns_servers_is_seen_though_every_lookup_is_answered() -> None:
    """A cache on the node may never ask it."""
    probe = next(p for p in PROBES if p.id == "fact:service-endpoints:kube-system/kube-dns")
    assert isinstance(probe, FactProbe)
    servers = [p for p in GOOD.pods if p.namespace == "kube-system" and p.name.startswith("coredns")]
    stranger = replace(servers[0], name="stranger", controlled=False)
    ends = [Endpoint(name, p.id, 53, kind) for p in servers for name, kind in (("dns", "UDP"), ("dns-tcp", "TCP"))]
    good = replace(GOOD, endpoints={"kube-system/kube-dns": tuple(ends)})
    assert Judge(SPEC, good, {}).state_fact(probe).status is Status.PASS
    more = (Endpoint("dns", "kube-system/stranger", 53, "UDP"), Endpoint("dns-tcp", "kube-system/stranger", 53, "TCP"))
    joined = replace(GOOD, pods=(*GOOD.pods, stranger), endpoints={"kube-system/kube-dns": (*ends, *more)})
    seen = Judge(SPEC, joined, {}).state_fact(probe)
    assert seen.status is Status.WRONG
    (finding,) = replace(evidence(joined), facts={}).findings()
    assert finding.what.startswith("pod kube-system/stranger answers among the cluster's DNS")
    assert finding.tags & About(SPEC, joined).evidence_tags(seen)
