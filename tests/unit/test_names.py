"""Lookups: which records are predicted for what a spec has, and how the cluster's answers compare."""

from dataclasses import replace
from pathlib import Path

import pytest
from spec_support import compiled
from verify_support import STATE, pod

from netspec.backends.registry import REGISTRY
from netspec.compiler import compile_spec
from netspec.ir.model import Ir
from netspec.probes import DnsProbe
from netspec.probing import derive_probes
from netspec.probing.names import KINDS, Lookup, lookups
from netspec.spec.load import load
from netspec.verify.judge import Judge
from netspec.verify.lookups import Unknown, filled, found, parse_lookup
from netspec.verify.model import Status
from netspec.verify.resolve import Resolver
from netspec.verify.state import LiveService, pods_by_workload

SPEC = """
dns: {hosts: {old-db.corp.example: [192.0.2.9]}, rewrites: {shop.corp.example: web.shop.svc.cluster.local}}
workloads:
  - {name: db, namespace: shop, kind: StatefulSet, replicas: 2, serviceName: db, labels: {app: db}, standIn: true,
     ports: [{name: sql, port: 5432}]}
  - {name: web, namespace: shop, labels: {app: web}, ports: [{name: http, port: 8080}], standIn: true}
  - {name: held, namespace: shop, ready: false, labels: {app: held}, ports: [{port: 8080}], standIn: true}
  - {name: named, namespace: shop, hostname: first, subdomain: named, labels: {app: named}, standIn: true}
services:
  - {name: db, namespace: shop, clusterIP: None, selector: {app: db}, ports: [{name: sql, port: 5432}]}
  - {name: named, namespace: shop, clusterIP: None, selector: {app: named}}
  - {name: web, namespace: shop, selector: {app: web}, ports: [{name: http, port: 80, targetPort: http}]}
  - {name: held, namespace: shop, clusterIP: None, selector: {app: held}, ports: [{port: 8080}]}
  - {name: early, namespace: shop, clusterIP: None, publishNotReadyAddresses: true, selector: {app: held}}
  - name: old
    namespace: shop
    clusterIP: None
    ports: [{port: 5432}]
    endpoints: [{addresses: [192.0.2.5], hostname: a}, {addresses: [192.0.2.6]}]
  - {name: alias, namespace: shop, type: ExternalName, externalName: second.shop.svc.cluster.local}
  - {name: second, namespace: shop, type: ExternalName, externalName: web.shop.svc.cluster.local}
  - {name: away, namespace: shop, type: ExternalName, externalName: www.example.com}
"""
ZONE = "shop.svc.cluster.local"


def table(an_ir: Ir) -> dict[tuple[str, str], Lookup]:
    return {(lookup.name, lookup.record): lookup for lookup in lookups(an_ir) if not lookup.subject}


@pytest.mark.parametrize(
    ("name", "record", "kind", "expect"),
    [
        (f"web.{ZONE}", "A", "service", ("service:shop/web",)),
        (f"web.{ZONE}", "AAAA", "service-ipv6", ("nodata",)),
        (f"_http._tcp.web.{ZONE}", "SRV", "port", (f"srv:80:web.{ZONE}",)),
        (f"db.{ZONE}", "A", "headless", ("pods:shop/db",)),
        (f"_sql._tcp.db.{ZONE}", "SRV", "port", (f"srv:5432:db.{ZONE}",)),
        (f"db-0.db.{ZONE}", "A", "stateful-pod", ("pod:shop/db-0",)),
        (f"db-1.db.{ZONE}", "A", "stateful-pod", ("pod:shop/db-1",)),
        (f"db-2.db.{ZONE}", "A", "no-stateful-pod", ("nxdomain",)),
        (f"named.{ZONE}", "A", "headless", ("pods:shop/named",)),
        (f"first.named.{ZONE}", "A", "host-name", ("pods:shop/named",)),
        (f"held.{ZONE}", "A", "none-ready", ("nxdomain",)),
        (f"early.{ZONE}", "A", "headless", ("pods:shop/held",)),
        (f"old.{ZONE}", "A", "given", ("address:192.0.2.5", "address:192.0.2.6")),
        (f"a.old.{ZONE}", "A", "given-host-name", ("address:192.0.2.5",)),
        (f"away.{ZONE}", "CNAME", "external-name", ("cname:www.example.com",)),
        (f"alias.{ZONE}", "A", "external-name-followed", ("service:shop/web",)),
        (f"netspec-nobody.{ZONE}", "A", "no-service", ("nxdomain",)),
        ("netspec-nobody.shop.pod.cluster.local", "A", "no-pod", ("nxdomain",)),
        ("alias.netspec-nobody.svc.cluster.local", "A", "no-namespace", ("nxdomain",)),
    ],
)
def test_a_record_is_predicted(name: str, record: str, kind: str, expect: tuple[str, ...]) -> None:
    lookup = table(compiled(SPEC))[name, record]
    assert (lookup.kind, lookup.expect) == (kind, expect)


def test_a_name_outside_is_not_followed() -> None:
    assert (f"away.{ZONE}", "A") not in table(compiled(SPEC))


def test_names_of_addresses_are_asked_of_a_pod_and_a_service() -> None:
    found_ = {(k.kind, k.subject): k for k in lookups(compiled(SPEC)) if k.subject}
    assert found_["service-reverse", "service:shop/web"].expect == (f"name:web.{ZONE}",)
    assert found_["pod-reverse", "pod:shop/web"].expect == (f"name:{{dashed}}.web.{ZONE}",)
    assert found_["pod-reverse", "pod:shop/db"].expect == (f"name:{{pod}}.db.{ZONE}",)
    assert found_["pod-reverse", "pod:shop/named"].expect == (f"name:first.named.{ZONE}",)
    assert found_["pod-reverse", "pod:shop/held"].expect == (f"name:{{dashed}}.early.{ZONE}",)
    assert found_["pod-below-service", "pod:shop/web"].name == f"{{dashed}}.web.{ZONE}"
    assert found_["pod", "pod:shop/db"].name == "{dashed}.shop.pod.cluster.local"


def test_one_spec_has_every_kind_of_record() -> None:
    seen = {k.kind for k in lookups(compiled(SPEC))}
    assert seen == KINDS.keys()


def test_every_lookup_is_asked_once_and_ids_are_unique() -> None:
    an_ir = compiled(SPEC)
    probes = [p for p in derive_probes(an_ir) if isinstance(p, DnsProbe)]
    wanted = [(k.name, k.record, k.subject) for k in lookups(an_ir)]
    assert len({p.id for p in probes}) == len(probes)
    assert {(p.name, p.record, p.subject) for p in probes} == set(wanted)
    assert len(set(wanted)) == len(wanted)


# Answers

IR = compiled(SPEC)
DB = replace(pod("db", 1), name="db-0", address="10.244.1.9")
LIVE = replace(
    STATE,
    pods=(DB, replace(DB, name="db-1", address="10.244.2.9"), pod("web", 3), replace(pod("held", 4), ready=False)),
    services={"shop/web": LiveService("10.96.7.7", {(80, "TCP"): 0}), "shop/db": LiveService("None", {})},
)


def probe(kind: str, subject: str = "") -> DnsProbe:
    lookup = next(k for k in lookups(IR) if k.kind == kind and subject in k.subject)
    return DnsProbe("d", "shop/web", lookup.name, lookup.record, lookup.expect, lookup.subject)


ABSENT = "** server can't find it: NXDOMAIN|"


@pytest.mark.parametrize(
    ("asked", "output", "status", "observed"),
    [
        (probe("no-service"), ABSENT, Status.PASS, ["nxdomain"]),
        (probe("no-service"), "Name: x|Address: 192.0.2.66|", Status.WRONG, ["192.0.2.66"]),
        (probe("no-service"), "*** Can't find it: No answer|", Status.WRONG, ["nodata"]),
        (probe("no-service"), "** server can't find it: SERVFAIL|", Status.CHECK_FAILED, None),
        (probe("no-service"), ";; connection timed out; no servers could be reached|", Status.CHECK_FAILED, None),
        (probe("service-ipv6"), "*** Can't find it: No answer|", Status.PASS, ["nodata"]),
        (probe("service-ipv6"), ABSENT, Status.WRONG, ["nxdomain"]),
        (probe("service-ipv6"), "Server:\t\t10.96.0.10|Address:\t10.96.0.10:53|||", Status.PASS, ["nodata"]),
        (probe("headless"), ABSENT, Status.WRONG, ["nxdomain"]),
        (probe("stateful-pod"), "Name: db-0|Address: 10.244.1.9|", Status.PASS, ["10.244.1.9"]),
        (probe("stateful-pod"), "Name: db-0|Address: 10.244.2.9|", Status.WRONG, ["10.244.2.9"]),
        (
            probe("service-reverse", "shop/web"),
            f"7.7.96.10.in-addr.arpa\tname = web.{ZONE}|",
            Status.PASS,
            [f"web.{ZONE}"],
        ),
        (
            probe("pod-reverse", "shop/db"),
            f"9.1.244.10.in-addr.arpa\tname = db-0.db.{ZONE}.|",
            Status.PASS,
            [f"db-0.db.{ZONE}"],
        ),
        (
            probe("pod-reverse", "shop/held"),
            f"2.4.244.10.in-addr.arpa\tname = 10-244-4-2.early.{ZONE}|",
            Status.PASS,
            [f"10-244-4-2.early.{ZONE}"],
        ),
        (probe("given-host-name"), "Name: a.old|Address: 192.0.2.5|", Status.PASS, ["192.0.2.5"]),
    ],
)
def test_an_answer_is_compared(asked: DnsProbe, output: str, status: Status, observed: list[str] | None) -> None:
    seen = Judge(IR, LIVE, {}).lookup(asked, "shop/web-3", output, 1)
    assert (seen.status, seen.observed) == (status, observed)


def test_a_pod_or_service_that_is_not_there_proves_nothing() -> None:
    gone = replace(LIVE, pods=(), services={})
    for kind, why in (
        ("stateful-pod", "pod shop/db-0 is not on the cluster"),
        ("headless", "no ready pod of shop/db"),
        ("service", "Service kube-system/kube-dns is not on the cluster"),
        ("service-reverse", "Service kube-system/kube-dns is not on the cluster"),
        ("pod", "no ready pod of shop/db"),
    ):
        asked = probe(kind)
        seen = Judge(IR, gone, {}).lookup(asked, "shop/web-3", ABSENT, 1)
        assert (seen.status, seen.detail) == (Status.CHECK_FAILED, why)


def test_the_name_that_is_asked_for_has_the_live_address() -> None:
    pods = pods_by_workload(LIVE.pods, IR.inventory.workloads)
    assert filled("{dashed}.shop.pod.cluster.local", probe("pod"), LIVE, pods) == "10-244-1-9.shop.pod.cluster.local"
    assert filled("{reverse}", probe("service-reverse", "shop/web"), LIVE, pods) == "7.7.96.10.in-addr.arpa"
    resolver = Resolver(IR, LIVE, None)
    (asker,) = resolver.askers("shop/web")
    (target,) = resolver.targets(probe("pod"), asker)
    assert (target.question.kind, target.question.target) == ("lookup", "10-244-1-9.shop.pod.cluster.local")


def test_reverse_answers_are_not_taken_for_aliases() -> None:
    assert parse_lookup("x\tcanonical name = y.|", "PTR") == []
    with pytest.raises(Unknown):
        found("", "A", ())


def test_the_stacks_of_this_repository_look_up_names_that_are_safe_to_ask() -> None:
    root = Path(__file__).parent.parent.parent
    result = compile_spec(load(root / "stacks" / "boutique.yaml"), "dev", REGISTRY)
    assert len([p for p in result.probes if isinstance(p, DnsProbe)]) > 40
