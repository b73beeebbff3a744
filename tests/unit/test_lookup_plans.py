"""What a lookup costs: the queries in order, who answers, and how it is counted in a pod."""

import json
import subprocess
from pathlib import Path

import pytest
from spec_support import compiled
from verify_support import STATE, pod

from netspec.cli import FAILED, OK, USAGE, main
from netspec.ir.model import Ir
from netspec.ir.resolver import candidates, resolv_conf
from netspec.probes import FactProbe
from netspec.probing import derive_probes
from netspec.probing.lookup import Lookups
from netspec.verify.judge import Judge
from netspec.verify.model import Status
from netspec.verify.resolve import Asker, Resolver
from netspec.verify.script import Question, Reply, replies, script

BOUTIQUE = str(Path(__file__).parent.parent.parent / "stacks" / "boutique.yaml")
WEB = "name: web, namespace: shop, labels: {app: web}, ports: [{name: http, port: 8080}], standIn: true"
DB = "{name: db, namespace: data, clusterIP: None, selector: {app: db}, ports: [{port: 5432}]}"
API = "{name: api, namespace: shop, selector: {app: web}, ports: [{port: 80, targetPort: http}]}"


def spec(fields: str = "", dns: str = "{}", namespace: str = "") -> Ir:
    text = f"""
dns: {dns}
namespaces: [{{name: shop, {namespace}}}, {{name: data}}]
workloads:
  - {{{WEB}, {fields}}}
  - {{name: db, namespace: data, labels: {{app: db}}, ports: [{{port: 5432}}], standIn: true}}
services: [{DB}, {API}]
"""
    return compiled(text)


def names(an_ir: Ir, name: str) -> list[str]:
    plan = Lookups(an_ir).plan(an_ir.workloads_by_id["shop/web"], name)
    return [q.name for q in plan.queries]


ZONE = "svc.cluster.local"
SEARCHES = (f"shop.{ZONE}", ZONE, "cluster.local")


@pytest.mark.parametrize(
    ("ndots", "name", "expected"),
    [
        (5, "api", [f"api.shop.{ZONE}"]),
        (5, "db.data", [f"db.data.shop.{ZONE}", f"db.data.{ZONE}"]),
        (5, "db.data.svc", [f"db.data.svc.shop.{ZONE}", f"db.data.svc.{ZONE}", "db.data.svc.cluster.local"]),
        (
            5,
            f"db.data.{ZONE}",
            [
                f"db.data.{ZONE}.shop.{ZONE}",
                f"db.data.{ZONE}.{ZONE}",
                f"db.data.{ZONE}.cluster.local",
                f"db.data.{ZONE}",
            ],
        ),
        (5, f"db.data.{ZONE}.", [f"db.data.{ZONE}"]),
        (2, f"db.data.{ZONE}", [f"db.data.{ZONE}"]),
        # Two dots are enough for ndots 2: the name is asked of the world first.
        (2, "db.data.svc", ["db.data.svc", f"db.data.svc.shop.{ZONE}", f"db.data.svc.{ZONE}", f"db.data.{ZONE}"]),
        (2, "www.example.com", ["www.example.com"]),
        (
            5,
            "www.example.com",
            [
                f"www.example.com.shop.{ZONE}",
                f"www.example.com.{ZONE}",
                "www.example.com.cluster.local",
                "www.example.com",
            ],
        ),
    ],
)
def test_names_are_asked_for_in_order_until_one_answers(ndots: int, name: str, expected: list[str]) -> None:
    assert names(spec(dns=f"{{ndots: {ndots}}}"), name) == expected


def test_who_answers_is_said_and_what_leaves_the_cluster_is_counted() -> None:
    an_ir = spec(dns="{ndots: 2, stubDomains: {corp.example: [10.0.0.53]}}")
    lookups, web = Lookups(an_ir), an_ir.workloads_by_id["shop/web"]
    inside = lookups.plan(web, "db.data.svc")
    assert [q.by for q in inside.queries] == ["upstream", "cluster", "cluster", "cluster"]
    assert (inside.sent, inside.wasted, inside.leaving, inside.is_answered) == (8, 6, 2, True)
    (stub,) = lookups.plan(web, "git.corp.example").queries
    assert (stub.by, stub.server, stub.found) == ("stub domain", "10.0.0.53", None)
    nobody = lookups.plan(web, f"nothing.shop.{ZONE}.")
    assert (nobody.is_answered, nobody.wasted) == (False, 2)


def test_a_pod_s_address_is_a_name() -> None:
    assert names(spec(), "10-1-2-3.shop.pod.cluster.local.") == ["10-1-2-3.shop.pod.cluster.local"]
    an_ir = spec()
    web = an_ir.workloads_by_id["shop/web"]
    assert Lookups(an_ir).plan(web, "10-1-2-3.shop.pod.cluster.local.").is_answered
    assert not Lookups(an_ir).plan(web, "10-1-2-3.nowhere.pod.cluster.local.").is_answered


# resolv.conf


@pytest.mark.parametrize(
    ("fields", "dns", "namespace", "ndots", "searches"),
    [
        ("", "{}", "", 5, ()),
        ("", "{ndots: 2}", "", 2, ()),
        ("", "{dnsConfig: {searches: [corp.example]}}", "", 5, ("corp.example",)),
        (
            "",
            "{ndots: 2, dnsConfig: {searches: [corp.example]}}",
            "dnsConfig: {searches: [lab.example], options: [{name: ndots, value: '3'}]}",
            3,
            ("lab.example",),
        ),
        (
            "dnsConfig: {options: [{name: ndots, value: '1'}]}",
            "{ndots: 2}",
            "dnsConfig: {searches: [lab.example], options: [{name: ndots, value: '3'}]}",
            1,
            ("lab.example",),
        ),
    ],
)
def test_the_nearest_setting_counts(
    fields: str, dns: str, namespace: str, ndots: int, searches: tuple[str, ...]
) -> None:
    an_ir = spec(fields, dns, namespace)
    conf = resolv_conf(an_ir.dns, an_ir.workloads_by_id["shop/web"])
    assert conf.ndots == ndots
    assert conf.searches == (f"shop.{ZONE}", ZONE, "cluster.local", *searches)


def test_a_pod_of_its_own_servers_does_not_ask_the_cluster_s() -> None:
    an_ir = spec("dnsPolicy: None, dnsConfig: {nameservers: [192.0.2.53], searches: [corp.example]}")
    conf = resolv_conf(an_ir.dns, an_ir.workloads_by_id["shop/web"])
    assert (conf.nameservers, conf.searches, conf.ndots) == (("192.0.2.53",), ("corp.example",), 1)
    (query,) = Lookups(an_ir).plan(an_ir.workloads_by_id["shop/web"], "www.example.com").queries
    assert (query.to, query.by) == ("192.0.2.53", "other server")
    assert not [p for p in derive_probes(an_ir) if getattr(p, "source", "") == "shop/web" and p.id.startswith("dns:")]


def test_a_search_domain_of_the_spec_comes_after_the_cluster_s() -> None:
    an_ir = spec(dns="{dnsConfig: {searches: [corp.example]}}")
    assert names(an_ir, "git")[:1] == [f"git.shop.{ZONE}"]
    conf = resolv_conf(an_ir.dns, an_ir.workloads_by_id["shop/web"])
    assert list(candidates(conf, "git"))[-2:] == ["git.corp.example", "git"]


RESOLV = "search shop.svc.cluster.local svc.cluster.local cluster.local lan corp.example|nameserver 10.96.0.10|"


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (f"{RESOLV}options ndots:2 timeout:1 rotate|", Status.PASS),
        (f"{RESOLV}options ndots:2 timeout:1 rotate edns0|", Status.PASS),
        (f"{RESOLV}options ndots:2 timeout:5 rotate|", Status.WRONG),
        (f"{RESOLV}options ndots:2 timeout:1|", Status.WRONG),
        (f"{RESOLV.replace(' corp.example', '')}options ndots:2 timeout:1 rotate|", Status.WRONG),
    ],
)
def test_what_a_pod_has_is_compared(text: str, status: Status) -> None:
    options = "[{name: timeout, value: '1'}, {name: rotate}]"
    an_ir = spec(dns=f"{{ndots: 2, dnsConfig: {{searches: [corp.example], options: {options}}}}}")
    (probe,) = (p for p in derive_probes(an_ir) if p.id == "fact:resolv-conf:shop/web")
    assert isinstance(probe, FactProbe)
    web = pod("web", 1)
    judge = Judge(an_ir, STATE, {})
    seen = judge.pod_fact(probe, Asker(web.id, web, "main"), [Reply(0, "file", 0, 0, 0, text)], (), 1)
    assert seen.status is status


# Counted in the pod


def fact(an_ir: Ir) -> FactProbe:
    (probe,) = (p for p in derive_probes(an_ir) if isinstance(p, FactProbe) and p.fact == "names-asked")
    return probe


FQDN = "kube-dns.kube-system.svc.cluster.local"


def test_the_number_of_names_is_predicted_for_each_way_to_write_one() -> None:
    assert fact(spec()).expect == {"kube-dns.kube-system": 2, "kube-dns.kube-system.svc": 3, FQDN: 4}
    # With ndots 2 the second leaves the cluster first: it is not asked for.
    assert fact(spec(dns="{ndots: 2}")).expect == {"kube-dns.kube-system": 2, FQDN: 1}


def test_the_names_are_asked_for_alone_and_the_last_dot_is_the_measure() -> None:
    an_ir = spec()
    probe = fact(an_ir)
    web = pod("web", 1)
    (target,) = Resolver(an_ir, STATE, None).targets(probe, Asker(web.id, web, "main"))
    assert target.question.target == f"{FQDN}./kube-dns.kube-system/kube-dns.kube-system.svc/{FQDN}"
    text = script((), [Question(1, "file", "/etc/hostname")], last=[target.question])
    assert text.rstrip().endswith(f"q 0 {target.question.target}") and "wait\nq 0" in text


@pytest.mark.parametrize(
    ("output", "status", "observed"),
    [
        ("4 8 12 16", Status.PASS, {"kube-dns.kube-system": 2, "kube-dns.kube-system.svc": 3, FQDN: 4}),
        ("2 4 6 8", Status.PASS, {"kube-dns.kube-system": 2, "kube-dns.kube-system.svc": 3, FQDN: 4}),
        ("4 8 4 4", Status.WRONG, {"kube-dns.kube-system": 2, "kube-dns.kube-system.svc": 1, FQDN: 1}),
        ("4 8 13 16", Status.CHECK_FAILED, None),
        ("0 0 0 0", Status.CHECK_FAILED, None),
        ("4 8", Status.CHECK_FAILED, None),
    ],
)
def test_datagrams_are_counted_as_names(output: str, status: Status, observed: dict[str, int] | None) -> None:
    an_ir = spec()
    web = pod("web", 1)
    rows = [Reply(0, "queries", 0, 0, 0, output)]
    seen = Judge(an_ir, STATE, {}).pod_fact(fact(an_ir), Asker(web.id, web, "main"), rows, (), 1)
    assert (seen.status, seen.observed) == (status, observed)


def test_the_script_counts_what_is_sent(tmp_path: Path) -> None:
    """With a tool that sends a datagram for each label of the name, to a port of ours on loopback."""
    tool = tmp_path / "agnhost"
    tool.write_text(
        "#!/bin/sh\npython3 -c 'import socket, sys; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); "
        '[s.sendto(b"x", ("127.0.0.1", 9)) for _ in sys.argv[1].split(".")]\' "${2%:53}"\n'
    )
    tool.chmod(0o755)
    text = script((), (), agnhost=str(tool), last=[Question(3, "queries", "a/b.c/d.e.f")])
    unshared = ["unshare", "--net", "sh", "-c", "ip link set lo up; exec sh -s"]
    done = subprocess.run(unshared, input=text, capture_output=True, text=True, timeout=60)
    if "unshare" in done.stderr:
        pytest.skip("no network namespace of our own")
    ((reply,),) = replies(done.stdout).values()
    assert (reply.number, reply.output.split()) == (3, ["1", "2", "3"])


# The command


def test_the_command_shows_each_query_and_the_cost(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["dns", BOUTIQUE, "redis-cart.boutique.svc", "--from", "boutique/cart", "--stack", "dev"]
    assert main(words) == OK
    out = capsys.readouterr().out
    assert out.splitlines()[0].split()[0] == "#"
    assert "8 queries: A and AAAA of 4 names (ndots 2), 2 of them answered by servers outside the cluster" in out
    assert main([*words, "--output", "json"]) == OK
    said = json.loads(capsys.readouterr().out)
    assert (said["version"], said["sent"], said["wasted"], said["answered"]) == ("dns/v1", 8, 6, True)
    assert [q["found"] for q in said["queries"]] == [False, False, False, True]


def test_a_name_that_nobody_has_and_a_workload_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(["dns", BOUTIQUE, "nothing.boutique.svc.cluster.local.", "--from", "boutique/cart", "--stack", "dev"])
        == FAILED
    )
    assert "nobody has an answer" in capsys.readouterr().out
    assert main(["dns", BOUTIQUE, "x", "--from", "boutique/crat", "--stack", "dev"]) == USAGE
    assert "did you mean boutique/cart?" in capsys.readouterr().err


def test_a_pod_that_may_not_ask_is_told_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "spec.yaml"
    text = Path(BOUTIQUE).read_text(encoding="utf-8").replace("allowDNS: true", "allowDNS: false")
    path.write_text(text, encoding="utf-8")
    assert main(["dns", str(path), "cartservice", "--from", "boutique/frontend", "--stack", "dev"]) == FAILED
    assert "policies keep boutique/frontend from the cluster's DNS" in capsys.readouterr().err
