"""Causes at the front door: what the cluster's own objects say of it explains what its clients see."""

from dataclasses import replace
from typing import Any

import pytest

from netspec.backends.edge.haproxy import HaproxySettings
from netspec.backends.registry import REGISTRY
from netspec.compiler import compile_spec
from netspec.ir.model import Ir
from netspec.probes import DOOR_FACTS, LOGIN, FactProbe, HttpAsk, Probe
from netspec.probing.facts import fact_probe
from netspec.probing.http import http_answers
from netspec.spec.load import load
from netspec.target import ObjectRead
from netspec.verify.about import About
from netspec.verify.causes import Causes
from netspec.verify.drift import Drift, compare
from netspec.verify.evidence import Evidence
from netspec.verify.model import Observation, Status
from netspec.verify.objects import Objects
from netspec.verify.readers import Readings
from netspec.verify.state import parse_state
from netspec.verify.undeclared import Undeclared
from tests.unit.spec_support import ROOT
from tests.unit.test_http_probes import _ir

STATE = parse_state([])


@pytest.fixture(scope="module")
def stack() -> tuple[Ir, dict[str, Probe]]:
    result = compile_spec(load(ROOT / "stacks" / "edge.yaml"), "edge", REGISTRY)
    assert result.ir is not None, [d.render() for d in result.diagnostics]
    return result.ir, {p.id: p for p in result.probes}


def _told(stack: tuple[Ir, dict[str, Probe]], seen: dict[str, Any], drift: Drift | None = None) -> list[str]:
    """The causes of these observations: id -> what was seen, None for a check that could not tell."""
    ir, probes = stack
    observations = [
        Observation(probes[id_], Status.CHECK_FAILED if value is None else Status.WRONG, value, "no answer")
        for id_, value in seen.items()
    ]
    facts = {o.probe.id: o for o in observations if isinstance(o.probe, FactProbe) and o.probe.read is not None}
    evidence = Evidence(ir, STATE, drift or Drift(), Undeclared(), facts)
    return [cause.what for cause in Causes(About(ir, STATE), evidence.findings()).of(observations)]


ANSWER = "fact:http-answer:GET:https://shop.example.com/hostname"
DOOR = {ANSWER: None, "fact:http-answer:GET:nobody.netspec.invalid/": None}


def test_a_proxy_without_pods(stack: tuple[Ir, dict[str, Probe]]) -> None:
    assert _told(stack, {**DOOR, "fact:ingress-controller:traefik/traefik": 0}) == [
        "Deployment traefik/traefik has 0 ready pods, and must have 1"
    ]


def test_speakers_that_are_gone(stack: tuple[Ir, dict[str, Probe]]) -> None:
    assert _told(stack, {**DOOR, "fact:load-balancer-speakers:nodes": {"ready": 0}}) == [
        "load-balancer-speakers of nodes is not as the spec has it: ready is 0, the spec says 3"
    ]


def test_a_route_that_is_gone_and_one_that_says_something_else(stack: tuple[Ir, dict[str, Probe]]) -> None:
    _, probes = stack
    fact = "fact:ingress-route:shop/shop"
    probe = probes[fact]
    assert isinstance(probe, FactProbe) and isinstance(probe.read, ObjectRead)
    missing = Readings(objects={probe.read: []}).observe(probe, STATE)
    assert (missing.status, missing.observed) == (Status.WRONG, None)
    found = Evidence(stack[0], STATE, Drift(), Undeclared(), {fact: missing}).findings()
    assert [f.what for f in found] == ["IngressRoute shop/shop is missing"]
    routes = [dict(route) for route in probe.expect["routes"]]
    routes[0]["services"] = [{**routes[0]["services"][0], "port": 9}, *routes[0]["services"][1:]]
    assert _told(stack, {ANSWER: {"status": 404}, fact: {**probe.expect, "routes": routes}}) == [
        "IngressRoute shop/shop is not the spec's: routes[0].services[0].port is 9, the spec says 'http'"
    ]


def test_an_option_of_a_route_that_is_gone_or_says_something_else(stack: tuple[Ir, dict[str, Probe]]) -> None:
    """It explains what the route answers."""
    probes, fact = stack[1], "fact:ingress-option:Middleware shop/staff.auth"
    probe = probes[fact]
    assert isinstance(probe, FactProbe) and isinstance(probe.read, ObjectRead)
    missing = Readings(objects={probe.read: []}).observe(probe, STATE)
    found = Evidence(stack[0], STATE, Drift(), Undeclared(), {fact: missing}).findings()
    assert [f.what for f in found] == ["Middleware shop/staff.auth is missing"]
    auth = {**probe.expect["spec"]["forwardAuth"], "address": "http://web.shop.svc.cluster.local:80/verify"}
    answer = "fact:http-answer:GET:staff.example.com/hostname:refused"
    assert _told(stack, {answer: {"status": 200}, fact: {"spec": {"forwardAuth": auth}}}) == [
        "Middleware shop/staff.auth is not the spec's: spec.forwardAuth.address is "
        "'http://web.shop.svc.cluster.local:80/verify', "
        "the spec says 'http://gatekeeper.shop.svc.cluster.local:80/verify'"
    ]


def test_a_policy_over_the_proxy(stack: tuple[Ir, dict[str, Probe]]) -> None:
    ir, _ = stack
    policy = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "closed", "namespace": "traefik"},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress"]},
    }
    drift = compare(replace(ir, policies=()), Objects((policy,)))
    assert drift.policies == ("policy traefik/closed is not in the spec",)
    assert _told(stack, DOOR, drift) == ["policy traefik/closed is not in the spec"]


def test_certificates_that_are_refused_for_one_reason_are_one_cause(stack: tuple[Ir, dict[str, Probe]]) -> None:
    expired = {"from": "Secret shop/front", "problem": "certificate has expired"}
    other = {"from": "elsewhere", "problem": ""}
    hosts = [f"fact:certificate:{name}.example.com" for name in ("admin", "shop", "secure")]
    assert _told(stack, dict(zip(hosts, (expired, expired, other), strict=True))) == [
        "the certificate for admin.example.com, shop.example.com is refused: certificate has expired (no answer)",
        "the certificate for secure.example.com is refused: it is not that of the controller (no answer)",
    ]


def test_what_the_stack_is_asked_at_its_door(stack: tuple[Ir, dict[str, Probe]]) -> None:
    _, probes = stack
    kinds = {p.fact for p in probes.values() if isinstance(p, FactProbe) and p.request}
    assert kinds == set(DOOR_FACTS) - {LOGIN}, "its controller has no logins"
    asked = [p.request for p in probes.values() if isinstance(p, FactProbe) and p.request]
    assert {ask.tls for ask in asked} == {True, False} and all(isinstance(ask, HttpAsk) for ask in asked)


def test_a_class_that_another_controller_has() -> None:
    route = {"hosts": ["a.test"], "paths": [{"backends": [{"service": "web", "port": 80}]}]}
    ir = _ir(route, controller="haproxy")
    facts = [fact_probe(f) for f in REGISTRY.providers("ingress")["haproxy"].facts(ir, HaproxySettings())]
    stack = ir, {p.id: p for p in (*facts, *http_answers(ir))}
    door = "fact:http-answer:GET:a.test/"
    assert _told(stack, {door: {"status": 404}, "fact:ingress-class:haproxy": {"controller": "example.com/x"}}) == [
        "IngressClass haproxy is not the controller's: controller is 'example.com/x', "
        "the spec says 'haproxy-ingress.github.io/controller'"
    ]


def test_no_node_port_is_expected_where_none_is_to_be_chosen(stack: tuple[Ir, dict[str, Probe]]) -> None:
    _, probes = stack
    asked = {p.subject: p for p in probes.values() if isinstance(p, FactProbe) and p.fact == "service-spec"}
    assert asked["open/partners"].expect["ports"] == [["http", 80, "TCP", 0, "http"]]
    assert asked["open/status"].expect["ports"] == [["http", 80, "TCP", "any", "http"]]
