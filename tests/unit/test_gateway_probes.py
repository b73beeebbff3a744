"""What is asked of a spec's Gateways, each with its negative; and what their objects explain."""

from pathlib import Path

import pytest

from netspec.analysis.callees import spoken
from netspec.backends.registry import REGISTRY
from netspec.compiler import compile_spec
from netspec.ir.model import Ir
from netspec.probes import FactProbe, FlowProbe, HttpAsk, Outcome, Probe
from netspec.spec.load import load
from netspec.verify.drift import Drift
from netspec.verify.evidence import Evidence
from netspec.verify.model import Observation, Status
from netspec.verify.resolve import Resolver
from netspec.verify.state import parse_state
from netspec.verify.undeclared import Undeclared

SPEC = Path(__file__).parent.parent.parent / "stacks" / "gateways.yaml"
DOOR = "envoy-gateway-system/envoy"


@pytest.fixture(scope="module")
def found() -> tuple[Ir, dict[str, Probe]]:
    result = compile_spec(load(SPEC), "gateways", REGISTRY)
    assert result.plan is not None and result.ir is not None, [d.render() for d in result.diagnostics]
    assert not result.diagnostics
    return result.ir, {p.id: p for p in result.probes}


def answers(found: tuple[Ir, dict[str, Probe]], listener: str) -> dict[str, object]:
    start = f"fact:http-answer:{listener}:"
    return {id_.removeprefix(start): p.expect for id_, p in found[1].items() if id_.startswith(start)}


def test_each_match_is_asked_and_what_misses_it(found: tuple[Ir, dict[str, Probe]]) -> None:
    of_shop = {k: v for k, v in answers(found, "edge/public/https").items() if ":shop.example.com/" in k}
    bank = {"X-Of": "bank"}
    assert of_shop == {
        "GET:shop.example.com/": {"status": 200},
        "GET:shop.example.com/hostname": {"status": 200, "from": ["shop/web"]},
        "GET:shop.example.com/:x-version=next": {"status": 200},
        "GET:shop.example.com/hostname:x-version=next": {"status": 200, "from": ["shop/next"]},
        "GET:shop.example.com/beta?user=ann": {"status": 200},
        "GET:shop.example.com/beta/hostname?user=ann": {"status": 200},
        "GET:shop.example.com/betax?user=ann": {"status": 200},
        "GET:shop.example.com/beta/hostname": {"status": 200},
        "POST:shop.example.com/pay": {"status": 200, "headers": bank},
        "POST:shop.example.com/pay/hostname": {"status": 200, "from": ["bank/ledger"], "headers": bank},
        "POST:shop.example.com/payx": {"status": 200},
        "GET:shop.example.com/pay/hostname": {"status": 200},
    }


def test_plain_http_is_redirected_and_a_wildcard_s_host_is_asked(found: tuple[Ir, dict[str, Probe]]) -> None:
    assert answers(found, "edge/public/http") == {
        **{
            f"GET:shop.example.com{path}": {"status": 301, "location": f"https://shop.example.com{path}"}
            for path in ("/", "/hostname")
        },
        "GET:netspec.preview.example.com/": {"status": 200},
        "GET:netspec.preview.example.com/hostname": {"status": 200, "from": ["shop/next"]},
    }


def test_streams_and_certificates(found: tuple[Ir, dict[str, Probe]]) -> None:
    tcp = found[1]["fact:http-answer:bank/streams/tcp:5000"]
    assert isinstance(tcp, FactProbe) and (tcp.peer, tcp.port, tcp.expect) == (
        DOOR,
        5000,
        {"status": 200, "from": ["bank/ledger"]},
    )
    udp = found[1]["flow:gateway:outside->bank/streams/udp:9000/UDP"]
    assert isinstance(udp, FlowProbe)
    assert (udp.destination, udp.port, udp.via, udp.expect) == (DOOR, 9000, "load-balancer", Outcome.CONNECTED)
    # The door's Service has the name of the proxy's pods, which answer nothing of their own.
    assert Resolver(found[0], parse_state([]), None)._udp_data(udp) == "hostname"
    certificate = found[1]["fact:certificate:443:netspec.example.com"]
    assert isinstance(certificate, FactProbe)
    assert certificate.expect == {"from": "Secret shop/example", "problem": ""}
    assert certificate.request == HttpAsk("GET", "netspec.example.com", "/", tls=True)


def test_the_stand_in_s_certificate_is_made_for_the_listener_s_host(found: tuple[Ir, dict[str, Probe]]) -> None:
    plan = compile_spec(load(SPEC), "gateways", REGISTRY).plan
    assert plan is not None
    made = {(m["metadata"]["namespace"], m["metadata"]["name"]) for m in plan.manifests() if m["kind"] == "Secret"}
    assert made == {("shop", "example"), ("shop", "sealed.netspec-tls")}


@pytest.mark.parametrize(
    ("id_", "observed", "what", "routes"),
    [
        (
            "fact:reference-grant:bank/netspec-httproute-shop",
            None,
            "ReferenceGrant bank/netspec-httproute-shop is missing",
            {"route:shop/shop"},
        ),
        (
            "fact:gateway-route:HTTPRoute shop/shop",
            {"Accepted": "True", "ResolvedRefs": "False"},
            "what the controller says of HTTPRoute shop/shop is not as the spec has it: ResolvedRefs is 'False'",
            {"route:shop/shop"},
        ),
        (
            "fact:gateway:bank/streams",
            {"Accepted": "True", "Programmed": "False"},
            "what the controller says of Gateway bank/streams is not as the spec has it: Programmed is 'False'",
            {"route:bank/ledger"},
        ),
    ],
)
def test_objects_of_the_api_explain_what_their_routes_answer(
    found: tuple[Ir, dict[str, Probe]], id_: str, observed: object, what: str, routes: set[str]
) -> None:
    probe = found[1][id_]
    seen = {id_: Observation(probe, Status.WRONG, observed)}
    findings = Evidence(found[0], parse_state([]), Drift(), Undeclared(), seen).findings()
    (finding,) = (f for f in findings if f.what.startswith(what))
    assert {tag for tag in finding.tags if tag.startswith("route:")} == routes


# What takes more than an answer


@pytest.mark.parametrize(
    ("id_", "expect", "path"),
    [
        (
            "grpc-answer:edge/public/https:quotes.example.com/shop.Quotes/Call",
            {"from": ["shop/quotes"], "calls": 2, "in one call": 2, "of no rule": "UNIMPLEMENTED"},
            "/shop.Quotes/Call",
        ),
        (
            "http-timeouts:edge/public/https:search.example.com/shell",
            {"seconds": 3, "in time": 200, "too late": 504, "pods asked": 1, "of": ["shop/web"]},
            "/shell",
        ),
        (
            "http-mirror:edge/public/https:search.example.com/echo",
            {"answers": 5, "copies": 5, "to": ["shop/shadow"]},
            "/echo",
        ),
        (
            "http-answer:edge/public/https:search.example.com/:OPTIONS:https://shop.example.com",
            {"status": "success", "allows": True},
            "/",
        ),
        (
            "http-answer:edge/public/https:search.example.com/:OPTIONS:https://elsewhere.netspec.invalid",
            {"allows": False},
            "/",
        ),
        ("http-answer:edge/public/sealed:sealed.example.com", {"status": 200, "from": ["shop/sealed"]}, "/hostname"),
        (
            "certificate:edge/public/sealed:sealed.example.com",
            {"from": "Secret shop/sealed.netspec-tls", "problem": ""},
            "/",
        ),
    ],
)
def test_what_takes_more_than_an_answer(
    found: tuple[Ir, dict[str, Probe]], id_: str, expect: object, path: str
) -> None:
    probe = found[1][f"fact:{id_}"]
    assert isinstance(probe, FactProbe) and probe.request is not None
    assert (probe.expect, probe.request.path, probe.request.tls) == (expect, path, True)
    assert probe.port == (8443 if "sealed" in id_ else 443)


def test_stand_ins_speak_what_their_routes_carry(found: tuple[Ir, dict[str, Probe]]) -> None:
    assert spoken(found[0]) == {("shop/quotes", 9000): "grpc", ("shop/sealed", 8443): "tls"}
    of_them = [p for p in found[1].values() if isinstance(p, FactProbe) and p.peer in ("shop/quotes", "shop/sealed")]
    assert of_them == []
